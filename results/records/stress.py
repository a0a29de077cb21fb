"""What `echobench stress` leaves: stress.csv, raw and long, and stress.json, written last, by rename."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole
from echobench.results.evidence.adherence import COLUMNS
from echobench.results.records.run import Stage

SCHEMA = 1
STRESS, STRESS_SCORES = "stress.json", "stress.csv"


@dataclass(frozen=True)
class StressRecord:
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
    stages: list[Stage]
    versions: dict[str, str]
    machine: dict[str, Any]
    commit: str | None
    started: str
    finished: str
    scores_sha256: str = ""
    schema: int = SCHEMA

    @property
    def title(self) -> str:
        """What tables and figures are about."""
        return f"{self.dataset}, {self.view}, maps of {len(self.patients)} validation patients"


def write_stress(folder: Path, record: StressRecord, scores: pd.DataFrame) -> None:
    """Write the scores, columns `COLUMNS`, then the record with their hash."""
    path = folder / STRESS_SCORES
    write_whole(path, scores[list(COLUMNS)].to_csv(index=False, float_format="%.4g"))
    document = asdict(record) | {"scores_sha256": file_sha256(path)}
    write_whole(folder / STRESS, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_stress(folder: Path) -> tuple[StressRecord, pd.DataFrame]:
    """Raises EchobenchError where there is none, or it is damaged."""
    path = folder / STRESS
    if not path.is_file():
        raise EchobenchError(f"{folder} has no {STRESS}: the stress there is not finished; give its command again")
    try:
        document = json.loads(path.read_text())
        record = StressRecord(**{field.name: document[field.name] for field in fields(StressRecord)})
    except (ValueError, KeyError, TypeError) as error:
        raise EchobenchError(f"{path} is half-written or damaged; give its command again") from error
    if file_sha256(folder / STRESS_SCORES) != record.scores_sha256:
        raise EchobenchError(f"{folder / STRESS_SCORES} is not the file that {STRESS} was written for")
    scores = pd.read_csv(folder / STRESS_SCORES)
    if tuple(scores.columns) != COLUMNS:
        raise EchobenchError(
            f"{folder / STRESS_SCORES} was written by another version of echobench; give its command again with --force"
        )
    return record, scores
