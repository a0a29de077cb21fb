"""Records made here, with scores that are known."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from echobench.data.deform import VERSION
from echobench.results.evidence.comparison import Comparison, Group
from echobench.results.records.run import FailedRun, RunRecord, Stage, write_failed, write_record
from echobench.results.records.stress import STRESS_COLUMNS, StressRecord, write_stress

REGIONS = ("LVendo", "LVepi", "LVmyo", "LA")
MACHINE = {
    "processor": "A processor", "cores": 2, "device": "cpu", "torch_threads": 2,
    "instruction_sets": ["AVX-512", "AVX2"],
}  # fmt: skip
UNITS = {"dice": "1", "hd95_mm": "mm", "assd_mm": "mm"}


def scores_of(
    patients: Mapping[str, float], *, seeds: Sequence[float] = (0.0,), frames: Sequence[str] = ("4C ED", "4C ES")
) -> pd.DataFrame:
    """Raw scores: every region and frame of a patient has the Dice given, plus what each U-Net seed adds.

    HD95 is 100 mm × (1 - Dice), ASSD a third of it.
    """
    rows = []
    for seed, offset in enumerate(seeds):
        for patient, dice in patients.items():
            for frame in frames:
                view, phase = frame.split()
                values = {"dice": dice + offset, "hd95_mm": 100 * (1 - dice), "assd_mm": 100 * (1 - dice) / 3}
                rows += [
                    {"patient": patient, "view": view, "phase": phase, "region": region, "metric": metric,
                     "unit": UNITS[metric], "value": value, "n_ref": 10, "n_pred": 10, "unet_seed": seed}
                    for region in REGIONS
                    for metric, value in values.items()
                ]  # fmt: skip
    return pd.DataFrame(rows)


def settings_of(generator: str, **changes: Any) -> dict[str, Any]:
    """Settings of a run; a change of a setting of the generator's is called generator_settings."""
    standard = {
        "generator": generator, "view": "4C", "data": "camus", "preset": "standard", "strength": 1.0, "repeats": 2,
        "seed": 0, "unet_seeds": [0], "phantom_patients": None, "images": None,
        "generator_settings": {"training": {"steps": 5000}, "sampling": {"steps": 20}},
        "unet_settings": {"steps": 8000, "batch_size": 8, "channels": [2, 4]},
    }  # fmt: skip
    settings = standard | changes
    deformed = settings["strength"] and not generator.startswith(("real", "folder:"))
    return {"deformation": VERSION if deformed else None} | settings


def record_of(generator: str, scores: pd.DataFrame, settings: Mapping[str, Any], **changes: Any) -> RunRecord:
    """A record; changes: fields of `RunRecord`."""
    standard: dict[str, Any] = {
        "generator": generator, "dataset": "CAMUS", "view": settings["view"], "preset": settings["preset"],
        "settings": dict(settings), "fingerprints": {"training": "a" * 64, "testing": "b" * 64, "split": "c" * 64},
        "split_origin": "official", "test_patients": sorted(set(scores["patient"])), "training_images": 800,
        "parameters": 5_000_000, "evaluations": 20,
        "stages": [
            Stage("fit-4C", 1800.0, 2000), Stage("draw-training-4C", 90.0, 2100, items=900),
            Stage("draw-validation-4C", 10.0, 1900, items=100), Stage("unet-0", 300.0, 3000),
        ],
        "deviations": ["unet.batch_size: 8, paper 1"], "versions": {},
        "machine": MACHINE,
        "commit": None, "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T01:00:00+00:00",
    }  # fmt: skip
    return RunRecord(**standard | changes)


@pytest.fixture
def make_scores() -> Callable[..., pd.DataFrame]:
    return scores_of


@pytest.fixture
def add_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run: `add_run(generator, dice by patient or scores, name=, settings=, fields of the record)`."""

    def add(
        generator: str,
        scores: Mapping[str, float] | pd.DataFrame,
        *,
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        folder = tmp_path / (name or generator.replace(":", "-"))
        folder.mkdir()
        table = scores if isinstance(scores, pd.DataFrame) else scores_of(scores)
        seeds = {"unet_seeds": sorted({int(seed) for seed in table["unet_seed"]})}
        record = record_of(generator, table, settings_of(generator, **seeds | dict(settings or {})), **changes)
        write_record(folder, record, table, pd.DataFrame({"step": [1]}))
        return folder

    return add


@pytest.fixture
def add_failure(tmp_path: Path) -> Callable[..., Path]:
    """Write a run that stopped: `add_failure(generator, error, name=, settings=)`."""

    def add(generator: str, error: str, *, name: str | None = None, settings: Mapping[str, Any] | None = None) -> Path:
        folder = tmp_path / (name or generator)
        folder.mkdir(exist_ok=True)
        resolved = settings_of(generator, **(settings or {}))
        failed = FailedRun(generator, resolved["view"], "standard", resolved, "fit-4C", 2, error, "2026-01-01T00:00:00")
        write_failed(folder, failed)
        return folder

    return add


@pytest.fixture
def planted(add_run: Callable[..., Path]) -> Callable[..., Group]:
    """A group of generators with these mean Dice, `planted(real=0.9, sdm=0.8)`: twelve patients a little apart, three
    U-Net seeds 0.1 points apart.

    changes: by name, what `add_run` is given beside. Underscores at a name's end make a generator's second run.
    """

    def make(changes: Mapping[str, Mapping[str, Any]] = MappingProxyType({}), **means: float) -> Group:
        folders = []
        for name, mean in means.items():
            dice = {f"p{i:02d}": mean + 0.001 * (i % 4) for i in range(12)}
            scores = scores_of(dice, seeds=(-0.001, 0.0, 0.001))
            folders.append(add_run(name.rstrip("_"), scores, name=name, **changes.get(name, {})))
        return Comparison.of(folders).groups[0]

    return make


@pytest.fixture
def group(add_run: Callable[..., Path]) -> Group:
    """real 90, sdm 88 and paint 70 on average over twelve patients, three U-Net seeds 0.1 apart."""
    rng = np.random.default_rng(0)
    folders = []
    for generator, mean in (("paint", 0.70), ("sdm", 0.88), ("real", 0.90)):
        patients = {f"p{i:02d}": mean + 0.02 * rng.uniform(-1, 1) for i in range(12)}
        scores = scores_of(patients, seeds=(-0.001, 0.0, 0.001))
        nothing = {"parameters": 0, "evaluations": 0} if generator != "sdm" else {}
        stages = {"stages": [Stage("unet-0", 300.0, 3000)]} if generator == "real" else {}
        folders.append(add_run(generator, scores, **nothing, **stages))
    return Comparison.of(folders).groups[0]


_STRESS_SETTINGS = {
    "severities": [0.5, 1.0], "deformations": ["swirl"], "data": "camus", "preset": "quick", "seed": 0, "patients": 8,
}  # fmt: skip


@pytest.fixture
def add_stress(tmp_path: Path) -> Callable[..., Path]:
    """Write a stress of sdm beside the runs: `add_stress(changed fingerprints)`; it follows swirl up to 0.5."""

    def add(changed: Mapping[str, str]) -> Path:
        folder = tmp_path / "a-stress"
        folder.mkdir()
        one = {"weights_sha256": "5" * 64, "parameters": 5, "evaluations": 20, "settings": {}}
        record = StressRecord(
            dataset="CAMUS", view="4C", preset="quick", settings=_STRESS_SETTINGS,
            generators={name: {"name": name, **one} for name in ("warp", "sdm")}, judge={"dice": 0.8},
            patients=list("abcdefgh"), fingerprints={"training": "a" * 64, "split": "c" * 64} | dict(changed),
            split_origin="official", skipped=[], not_warped={}, stages=[], versions={}, machine=MACHINE, commit=None,
            started="2026-01-01T00:00:00+00:00", finished="2026-01-01T01:00:00+00:00",
        )  # fmt: skip
        write_stress(folder, record, _stress_scores(record.patients))
        return folder

    return add


def _stress_scores(patients: Sequence[str]) -> pd.DataFrame:
    """Raw scores: sdm is as good as warp but on swirl at severity 1, where it ignores the deformation."""
    cells = {("none", 0.0): 0.9, ("swirl", 0.5): 0.9, ("swirl", 1.0): 0.5}
    return pd.DataFrame(
        [
            (name, deformation, severity, patient, structure, measure,
             (0.9 if name == "warp" else dice) + 0.01 * (i % 3) - (measure == "contrast") * 0.1, np.nan, 0.5)
            for name in ("warp", "sdm")
            for (deformation, severity), dice in cells.items()
            for i, patient in enumerate(patients)
            for measure, structures in (("dice", ("LVendo", "LVepi", "LA")), ("contrast", ("LVendo", "LA")))
            for structure in structures
        ],
        columns=list(STRESS_COLUMNS),
    )  # fmt: skip
