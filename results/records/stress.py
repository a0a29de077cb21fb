"""What `echobench stress` leaves: stress.csv, raw and long, and stress.json, written last, by rename."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import write_whole
from echobench.results.records.files import SCHEMA, RecordKind
from echobench.results.records.run import Provenance, Stage

STRESS, STRESS_SCORES = "stress.json", "stress.csv"
STRESS_COLUMNS = (
    "generator", "deformation", "severity", "patient", "structure", "measure", "value", "start", "ignored",
)  # fmt: skip
"""Of stress.csv, long and raw: a row per image, structure and measure; start: of the same generator's undeformed image
at the same place; ignored: of that image beside this map, at severity 0 of the image beside another patient's map."""


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


_KIND = RecordKind(StressRecord, "give its command again with --force", parts={"stages": Stage}, keeps_order=True)


def write_stress(folder: Path, record: StressRecord, scores: pd.DataFrame) -> None:
    """Write the scores, columns `STRESS_COLUMNS`, then the record with their hash."""
    write_whole(folder / STRESS_SCORES, scores[list(STRESS_COLUMNS)].to_csv(index=False, float_format="%.4g"))
    _KIND.write(folder / STRESS, record, folder / STRESS_SCORES)


def read_stress(folder: Path) -> tuple[StressRecord, pd.DataFrame]:
    """Raises EchobenchError where there is none, or it is damaged."""
    if not (folder / STRESS).is_file():
        raise EchobenchError(f"{folder} has no {STRESS}: the stress there is not finished; give its command again")
    record, scores = _KIND.read_with_scores(folder / STRESS, folder / STRESS_SCORES)
    if tuple(scores.columns) != STRESS_COLUMNS:
        raise EchobenchError(
            f"{folder / STRESS_SCORES} was written by another version of echobench; give its command again with --force"
        )
    return record, scores
