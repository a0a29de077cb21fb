"""What `echobench stress` leaves: stress.csv, raw and long, and stress.json, written last, by rename."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import write_whole
from echobench.results.records.files import SCHEMA, RecordKind
from echobench.results.records.run import Machine, Provenance
from echobench.results.records.soundness import stage_faults, strangers

STRESS = "stress.json"
STRESS_SCORES = "stress.csv"
STRESS_COLUMNS = (
    "generator", "deformation", "severity", "patient", "structure", "measure", "value", "start", "ignored",
)  # fmt: skip
"""Of stress.csv, long and raw: a row per image, structure and measure; start: of the same generator's undeformed image
at the same place; ignored: of that image beside this map, at severity 0 of the image beside another patient's map."""


class _Said(TypedDict):
    """What is looked at in the settings of a stress."""

    data: str | None
    preset: str
    seed: int
    severities: list[float]
    deformations: list[str]
    patients: int


class _Judge(TypedDict):
    dice: float


class _Generator(TypedDict):
    name: str
    weights_sha256: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class StressRecord(Provenance):
    """What was asked, of whom, and what it cost.

    settings: resolved. generators: by label, weights, size and settings. judge: its mean Dice on deformed real frames
    of those training patients that chose its weights. patients: whose maps were deformed; validation patients.
    skipped: maps that a deformation does not apply to, each with the reason. not_warped: deformations that `warp` has
    no image for, and why. fingerprints: SHA-256 of training frames, undeformed frames, split, and the judge's file.
    """

    dataset: str
    view: str
    preset: str
    settings: dict[str, Any]
    generators: dict[str, dict[str, Any]]
    judge: dict[str, Any]
    patients: list[str]
    fingerprints: dict[str, str]
    split_origin: str
    skipped: list[dict[str, Any]]
    not_warped: dict[str, str]
    scores_sha256: str = ""
    schema: int = SCHEMA

    @property
    def title(self) -> str:
        """What tables and figures are about."""
        return f"{self.dataset}, {self.view}, maps of {len(self.patients)} validation patients"


def stress_faults(record: StressRecord, scores: pd.DataFrame | None) -> Iterable[str]:
    """What is wrong with a record of a stress; scores: with these too."""
    if scores is None:
        return stage_faults(record.stages)
    if tuple(scores.columns) != STRESS_COLUMNS:
        return [f"it was written by another version of echobench: its columns are {', '.join(scores.columns)}"]
    numbers = scores[["severity", "value", "start", "ignored"]]
    if not all(map(pd.api.types.is_numeric_dtype, numbers.dtypes)):
        return ["it has entries that are no numbers"]
    faults = strangers(STRESS_SCORES, scores, "generator", record.generators)
    faults += strangers(STRESS_SCORES, scores, "patient", record.patients)
    outside = scores[((numbers < 0) | (numbers > 1)).any(axis=1)]
    if len(outside):
        first = " ".join(map(str, outside.iloc[0][["generator", "deformation", "severity", "patient"]]))
        faults.append(f"{STRESS_SCORES}: {len(outside)} rows have a value outside of 0 to 1, the first {first}")
    if len(twice := scores[scores.duplicated(list(STRESS_COLUMNS[:6]))]):
        faults.append(f"{STRESS_SCORES}: {len(twice)} rows are there twice")
    return faults


_KIND = RecordKind(
    StressRecord,
    "give its command again with --force",
    within={"settings": _Said, "judge": _Judge, "generators": dict[str, _Generator], "machine": Machine},
    faults=stress_faults,
    keeps_order=True,
)


def write_stress(folder: Path, record: StressRecord, scores: pd.DataFrame) -> None:
    """Write the scores, columns `STRESS_COLUMNS`, then the record with their hash."""
    write_whole(folder / STRESS_SCORES, scores[list(STRESS_COLUMNS)].to_csv(index=False, float_format="%.4g"))
    _KIND.write(folder / STRESS, record, folder / STRESS_SCORES)


def read_stress(folder: Path) -> tuple[StressRecord, pd.DataFrame]:
    """Raises EchobenchError where there is none, or it is damaged."""
    if not (folder / STRESS).is_file():
        raise EchobenchError(f"{folder} has no {STRESS}: the stress there is not finished; give its command again")
    return _KIND.read_with_scores(folder / STRESS, folder / STRESS_SCORES)
