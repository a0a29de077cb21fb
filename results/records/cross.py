"""What a run's U-Nets score on data of another kind: files beside its record.

cross-TARGET.csv    raw: one row per image × region × metric × U-Net seed, as scores.csv
cross-TARGET.json   `CrossRecord`; written last, by rename
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.data.base.files import write_whole
from echobench.data.base.metric import MetricFacts
from echobench.data.labels import REGIONS
from echobench.results.records.files import RecordKind
from echobench.results.records.run import FIRST_METRICS
from echobench.results.records.soundness import table_faults

PREFIX = "cross-"
ECHONET = "echonet"
"""The target that is EchoNet-Dynamic itself."""


@dataclass(frozen=True)
class CrossRecord:
    """What was scored.

    target: its name; dataset, view: whose frames, and of which view. regions: those that its experts drew. resize: how
    frames came to the U-Net's size and its labels back. fingerprint: SHA-256 of the frames. skipped: a sentence for
    each video that could not be read. run_sha256: of the scores in the run's own record, so that scores of other U-Nets
    are noticed. scores_sha256: of the CSV. machine: what the seconds are of; None in records from before it was kept.
    metrics: what was scored, as far as the frames allow it; what the run itself was scored by may have been less.
    """

    target: str
    dataset: str
    view: str
    regions: list[str]
    frames: int
    patients: int
    unet_seeds: list[int]
    resize: str
    fingerprint: str
    skipped: list[str]
    seconds: float
    commit: str | None
    versions: dict[str, str]
    finished: str
    run_sha256: str
    scores_sha256: str = ""
    machine: dict[str, Any] | None = None
    metrics: list[MetricFacts] = field(default_factory=lambda: list(FIRST_METRICS))


def _faults(record: CrossRecord, scores: pd.DataFrame | None) -> Iterable[str]:
    if scores is not None:
        metrics = {"dice", *scores.get("metric", ())}
        return table_faults(
            scores, regions=record.regions, seeds=record.unet_seeds, frames=record.frames, metrics=metrics
        )
    unknown = not record.regions or set(record.regions) - REGIONS.keys()
    return ["its regions are none, or not known"] if unknown or record.seconds < 0 else []


_KIND = RecordKind(CrossRecord, "delete both and run `echobench cross` again", faults=_faults)


def write_cross(run: Path, record: CrossRecord, scores: pd.DataFrame) -> None:
    """Write a target's files into a run's folder, in place of earlier ones."""
    csv, path = run / f"{PREFIX}{record.target}.csv", run / f"{PREFIX}{record.target}.json"
    path.unlink(missing_ok=True)
    write_whole(csv, scores.to_csv(index=False))
    _KIND.write(path, record, csv)


def read_cross(run: Path, target: str) -> tuple[CrossRecord, pd.DataFrame] | None:
    """A target's record and scores; None where it was not scored. Raises EchobenchError for damaged files."""
    path, csv = run / f"{PREFIX}{target}.json", run / f"{PREFIX}{target}.csv"
    return _KIND.read_with_scores(path, csv) if path.is_file() else None
