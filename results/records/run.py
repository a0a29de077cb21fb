"""The record of a run: one folder, raw scores in a CSV, everything else about the run in one JSON.

scores.csv             one row per image × region × metric × U-Net seed: no means, undefined values kept
curves.csv             training curves of every U-Net seed
generator-curves.csv   training curves of every view's generator, where one is trained
run.json               `RunRecord`; written last, by rename, so that a folder with it is a finished run
failed.json            `FailedRun`, where a run stopped with an error; gone when it has gone on and finished
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Required, TypedDict

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path, write_whole
from echobench.data.base.metric import DIAGONAL, MetricFacts
from echobench.data.frames import PHASES, VIEWS
from echobench.data.labels import REGIONS
from echobench.results.records.files import SCHEMA, RecordKind
from echobench.results.records.soundness import run_table_faults
from echobench.results.records.unsaid import Said, SaidOfAll, fill_in

RECORD, SCORES, CURVES, GENERATOR_CURVES = "run.json", "scores.csv", "curves.csv", "generator-curves.csv"
OWN_TABLES = (SCORES, CURVES, GENERATOR_CURVES)
"""The tables that a run writes itself."""
FAILED = "failed.json"
STAGES, PICTURES, SYNTHETIC = "stages", "pictures", "synthetic"
"""Folders of a run: what its stages keep, pictures to look at, drawn frames."""
SCORED_ON: Mapping[str, str] = MappingProxyType({"testing": "test patients", "validation": "validation patients"})
"""The subsets that a run can be scored on, the default first, and what their patients are called."""


FIRST_METRICS = (
    MetricFacts("dice", "Dice", "1", ".1f", "higher", 0.0),
    MetricFacts("hd95_mm", "95th-percentile Hausdorff distance", "mm", ".1f", "lower", DIAGONAL),
    MetricFacts("assd_mm", "Average symmetric surface distance", "mm", ".2f", "lower", DIAGONAL),
)
"""What was scored in records that do not say it."""


@dataclass(frozen=True)
class Stage:
    """Cost of one stage.

    attempts above 1: it was interrupted, and seconds count the last attempt only. taken: an earlier run did it,
    perhaps on another machine. jobs: of the same command, which shared the machine with it, this one among them.
    processor: what it was computed on, with the GPU, in words; None in records from before it was kept.
    """

    name: str
    seconds: float
    peak_memory_mb: float
    peak_gpu_memory_mb: float | None = None
    attempts: int = 1
    items: int | None = None  # images drawn, frames read, optimiser steps; where a rate makes sense
    energy_joules: float | None = None  # of the whole machine meanwhile, as far as it tells
    taken: bool = False
    threads: int | None = None  # that torch computed on; None in records from before it was kept
    jobs: int = 1
    processor: str | None = None


@dataclass(frozen=True)
class Provenance:
    """What made a record, and what it cost. versions: of packages. commit: of the source. Times are in UTC."""

    stages: list[Stage]
    versions: dict[str, str]
    machine: dict[str, Any]
    commit: str | None
    started: str
    finished: str


@dataclass(frozen=True)
class RunRecord(Provenance):
    """What was run, on what, with what, and what it cost.

    settings: every resolved setting, nested by part; what older records leave unsaid is filled in. fingerprints:
    SHA-256 of the training frames, the scored frames (under the name of their subset) and the split. test_patients,
    validation_patients: of the split, whichever of them are scored, see `scored_on`. training_patients: whose frames
    were trained on and whose maps were drawn. Both are None in records from before they were kept. deviations: where
    the run differs from "Echo from noise" (arXiv 2305.05424v2). notes: what a reader of the scores must know.
    regions, metrics: what was scored, in the order of tables. scores_sha256, files_sha256: of scores.csv and of the
    record's other files, so that a damaged one is noticed. weights_sha256: of the networks that the run keeps in
    stages/, with which a record need not be passed on. These are empty in older records. needs_source_images: whether
    the generator is given the real frames behind its maps; None where it is not known, see `uses_source_images`.
    """

    generator: str
    dataset: str
    view: str
    preset: str
    settings: dict[str, Any]
    fingerprints: dict[str, str]
    split_origin: str
    test_patients: list[str]
    training_images: int
    parameters: int
    evaluations: int
    deviations: list[str]
    scores_sha256: str = ""
    training_patients: int | None = None
    validation_patients: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=lambda: list(REGIONS))
    metrics: list[MetricFacts] = field(default_factory=lambda: list(FIRST_METRICS))
    files_sha256: dict[str, str] = field(default_factory=dict)
    weights_sha256: dict[str, str] = field(default_factory=dict)
    needs_source_images: bool | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", fill_in(self.settings))

    @property
    def is_drawn_elsewhere(self) -> bool:
        """Whether the images came in a folder, drawn at a cost and for label maps that are not known."""
        return self.generator.startswith("folder:")

    @property
    def deformation(self) -> str | None:
        """Version of the random deformation of the label maps; None where nothing is deformed."""
        version: str | None = self.settings["deformation"]
        return version

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the run covers."""
        return VIEWS if self.view == "all" else (self.view,)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases whose frames its U-Nets were trained and scored on."""
        return PHASES if self.settings["phase"] == "all" else (self.settings["phase"],)

    @property
    def scored_on(self) -> str:
        """One of `SCORED_ON`."""
        return str(self.settings["scored_on"])

    @property
    def uses_source_images(self) -> bool | None:
        """Whether the drawn images are made of real frames; None where nobody knows, as of images drawn elsewhere."""
        if self.needs_source_images is None and not self.is_drawn_elsewhere:
            return {"real": True, "warp": True, "sdm": False, "cyclegan": False, "paint": False}.get(self.generator)
        return self.needs_source_images

    @property
    def whom(self) -> str:
        """What the patients are called on whom the run is scored."""
        return SCORED_ON[self.scored_on]

    @property
    def scored_patients(self) -> list[str]:
        """Who they are."""
        return self.test_patients if self.scored_on == "testing" else self.validation_patients or []


@dataclass(frozen=True)
class FailedRun:
    """Why a run stopped before its end.

    settings: as in `RunRecord`. stage: the one that failed, None between two; attempts: how often it was begun.
    error: one sentence. time: when, in UTC.
    """

    generator: str
    view: str
    preset: str
    settings: dict[str, Any]
    stage: str | None
    attempts: int
    error: str
    time: str
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", fill_in(self.settings))


class Machine(TypedDict, total=False):
    """What is looked at of a machine, where it is known."""

    processor: Required[str]
    cores: Required[int]
    device: Required[str]
    processes: int
    torch_threads: int
    torch_threads_used: list[int]
    instruction_sets: list[str]


_KIND = RecordKind(
    RunRecord,
    "run it again with --force",
    within={"settings": SaidOfAll, "machine": Machine},
    faults=run_table_faults,
)
_FAILED = RecordKind(FailedRun, "delete it, or give the run's command again", within={"settings": Said})


def write_record(
    folder: Path,
    record: RunRecord,
    scores: pd.DataFrame,
    curves: pd.DataFrame,
    generator_curves: pd.DataFrame | None = None,
) -> None:
    """Write scores and curves, then run.json. An earlier record in the folder is replaced, failed.json removed.

    generator_curves: column view, then what each generator watches; nothing is written where it is empty.
    """
    (folder / RECORD).unlink(missing_ok=True)
    tables = {CURVES: curves}
    if generator_curves is not None and len(generator_curves):
        tables[GENERATOR_CURVES] = generator_curves
    for name, table in {SCORES: scores, **tables}.items():
        write_whole(folder / name, table.to_csv(index=False))
    _KIND.write(folder / RECORD, record, folder / SCORES, [folder / name for name in tables])
    (folder / FAILED).unlink(missing_ok=True)


def write_failed(folder: Path, failed: FailedRun) -> None:
    """Write failed.json, in place of an earlier one."""
    _FAILED.write(folder / FAILED, failed)


def read_failed(folder: Path) -> FailedRun | None:
    """Why the run in a folder stopped; None where no run has failed. Raises EchobenchError for a damaged file."""
    return _FAILED.read(folder / FAILED) if (folder / FAILED).is_file() else None


def read_record(folder: str | Path) -> tuple[RunRecord, pd.DataFrame]:
    """The record of a finished run and its raw scores. folder: as a person types it, ~ is the home folder.

    Raises EchobenchError for a folder without one, and for one that is half-written, damaged, or of a newer
    schema, or has a file that is not the one it was written for.
    """
    folder = typed_path(folder)
    if not is_finished(folder):
        raise EchobenchError(f"{folder} has no {RECORD}: the run there is not finished; give its command again")
    return _KIND.read_with_scores(folder / RECORD, folder / SCORES)


def read_description(folder: Path) -> RunRecord:
    """run.json alone, whatever has become of the files beside it. Raises EchobenchError as `read_record` does."""
    return _KIND.read(folder / RECORD)


def recorded_files(record: RunRecord) -> dict[str, str]:
    """The files beside run.json whose SHA-256 it holds, by name."""
    return {SCORES: record.scores_sha256} | record.files_sha256


def unet_path(folder: Path, seed: int) -> Path:
    """Where a run keeps the U-Net of a seed, if it does."""
    return folder / STAGES / f"unet-{seed}.pt"


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a run.json, sound or not."""
    return (folder / RECORD).is_file()


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. label: its name in tables, the generator's and, if others share that, what sets it apart."""

    folder: Path
    record: RunRecord
    scores: pd.DataFrame
    label: str

    @property
    def is_reference(self) -> bool:
        """Whether the run's images are the real frames themselves."""
        return self.record.generator == "real"
