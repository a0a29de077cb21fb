"""The record of a run: one folder, raw scores in a CSV, everything else about the run in one JSON.

scores.csv             one row per image × region × metric × U-Net seed: no means, undefined values kept
curves.csv             training curves of every U-Net seed
generator-curves.csv   training curves of every view's generator, where one is trained
run.json               `RunRecord`; written last, by rename, so that a folder with it is a finished run
failed.json            `FailedRun`, where a run stopped with an error; gone when it has gone on and finished
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole

SCHEMA = 1
FIRST_DEFORMATION = "0.1"
"""Version of the random deformation in records that name none: it was not yet the published one."""
RECORD, SCORES, CURVES, GENERATOR_CURVES = "run.json", "scores.csv", "curves.csv", "generator-curves.csv"
FAILED = "failed.json"
SCORED_ON: Mapping[str, str] = MappingProxyType({"testing": "test patients", "validation": "validation patients"})
"""The subsets that a run can be scored on, the default first, and what their patients are called."""


@dataclass(frozen=True)
class Stage:
    """Cost of one stage.

    attempts above 1: it was interrupted, and seconds count the last attempt only. taken: an earlier run did it, perhaps
    on another machine.
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


@dataclass(frozen=True)
class RunRecord:
    """What was run, on what, with what, and what it cost.

    settings: every resolved setting, nested by part. fingerprints: SHA-256 of the training frames, the scored frames
    (under the name of their subset) and the split. test_patients, validation_patients: of the split, whichever of them
    are scored, see `scored_on`. training_patients: whose frames were trained on and whose maps were drawn. Both are
    None in records from before they were kept. deviations: where the run differs from "Echo from noise" (arXiv
    2305.05424v2). notes: what a reader of the scores must know. scores_sha256: of scores.csv, so that a damaged one is
    noticed.
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
    stages: list[Stage]
    deviations: list[str]
    versions: dict[str, str]
    machine: dict[str, Any]
    commit: str | None
    started: str
    finished: str
    scores_sha256: str = ""
    training_patients: int | None = None
    validation_patients: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def deformation(self) -> str | None:
        """See `deformation_of`."""
        return deformation_of(self.settings)

    @property
    def scored_on(self) -> str:
        """One of `SCORED_ON`; test patients in records from before there was a choice."""
        return str(self.settings.get("scored_on", "testing"))

    @property
    def whom(self) -> str:
        """What the patients are called on whom the run is scored."""
        return SCORED_ON[self.scored_on]

    @property
    def scored_patients(self) -> list[str]:
        """Who they are."""
        return self.test_patients if self.scored_on == "testing" else self.validation_patients or []


def deformation_of(settings: Mapping[str, Any]) -> str | None:
    """Version of the random deformation that a run's label maps were drawn with; None where nothing is deformed."""
    return settings.get("deformation", FIRST_DEFORMATION if settings["strength"] else None)


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
    write_whole(folder / SCORES, scores.to_csv(index=False))
    write_whole(folder / CURVES, curves.to_csv(index=False))
    if generator_curves is not None and len(generator_curves):
        write_whole(folder / GENERATOR_CURVES, generator_curves.to_csv(index=False))
    document = asdict(record) | {"scores_sha256": file_sha256(folder / SCORES)}
    write_whole(folder / RECORD, json.dumps(document, indent=1, sort_keys=True) + "\n")
    (folder / FAILED).unlink(missing_ok=True)


def write_failed(folder: Path, failed: FailedRun) -> None:
    """Write failed.json, in place of an earlier one."""
    write_whole(folder / FAILED, json.dumps(asdict(failed), indent=1, sort_keys=True) + "\n")


def read_failed(folder: Path) -> FailedRun | None:
    """Why the run in a folder stopped; None where no run has failed. Raises EchobenchError for a damaged file."""
    path = folder / FAILED
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text())
        return FailedRun(**{f.name: document[f.name] for f in fields(FailedRun)})
    except (ValueError, KeyError, TypeError) as error:
        raise EchobenchError(f"{path} is damaged; delete it, or give the run's command again") from error


def read_record(folder: Path) -> tuple[RunRecord, pd.DataFrame]:
    """The record of a finished run and its raw scores.

    Raises EchobenchError for a folder without one, and for one that is half-written, damaged, or of a newer
    schema.
    """
    document = _read_document(folder / RECORD)
    scores = folder / SCORES
    if not scores.is_file():
        raise EchobenchError(f"{folder} has {RECORD} but no {SCORES}; run it again with --force")
    if file_sha256(scores) != document["scores_sha256"]:
        raise EchobenchError(f"{scores} is not what {RECORD} describes: it was cut or edited; --force redoes it")
    known = {f.name for f in fields(RunRecord)}
    stages = [Stage(**stage) for stage in document["stages"]]
    record = RunRecord(**{k: v for k, v in document.items() if k in known} | {"stages": stages})
    return record, pd.read_csv(scores, dtype={"patient": str, "view": str, "phase": str, "region": str})


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a run.json, sound or not."""
    return (folder / RECORD).is_file()


def _read_document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise EchobenchError(f"{path.parent} has no {RECORD}: the run there is not finished; give its command again")
    try:
        document = json.loads(path.read_text())
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise EchobenchError(f"{path} is half-written or damaged; run it again with --force") from error
    if not isinstance(schema, int) or schema > SCHEMA:
        raise EchobenchError(f"{path} has schema {schema}, newer than {SCHEMA}, which this echobench reads: upgrade")
    missing = {f.name for f in fields(RunRecord)} - _KEPT_LATER - set(document)
    if missing:
        raise EchobenchError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}; run it again with --force")
    return document


_KEPT_LATER = {"training_patients", "validation_patients", "notes"}
"""What records of before have not."""
