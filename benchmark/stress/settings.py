"""Every setting of `echobench stress`, resolved before anything is read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.run.place import place_of
from echobench.benchmark.run.settings import OF_GENERATOR, RunSettings, resolve, resolve_each
from echobench.benchmark.stress.judge import JudgeSettings, ladder_fingerprint
from echobench.data.base.errors import EchobenchError
from echobench.data.deform import VERSION
from echobench.data.frames import VIEWS
from echobench.data.ladder.ladder import SEVERITIES, STRESSES, find_stress
from echobench.generators.registry import expanded, generator_class
from echobench.results.evidence.adherence import IDEAL

GENERATORS = ("sdm", "cyclegan", "paint")
"""Who is put to the test, beside `warp`, where nothing else is said."""
PHASE = "ED"
"""Of the maps: ventricles are full, so that there is something to deform."""


@dataclass(frozen=True)
class Preset:
    """patients: whose maps are deformed. repeats: see `JudgeSettings`."""

    patients: int
    repeats: int


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {"quick": Preset(12, 2), "standard": Preset(24, 2), "paper": Preset(50, 4)}
)


@dataclass(frozen=True)
class StressSettings:
    """What is asked of every generator. ideal: the settings of a run of `warp` on the same data, which has them all.

    patients: how many validation patients' maps are deformed. severities: above 0, ascending; 0 is always there.
    """

    ideal: RunSettings
    deformations: tuple[str, ...]
    severities: tuple[float, ...]
    patients: int
    judge: JudgeSettings

    def identity(self) -> dict[str, Any]:
        """What a cell is a function of, beside its generator and deformation, of which more may be added later."""
        ideal = self.ideal
        run = {name: getattr(ideal, name) for name in ("view", "data", "preset", "seed", "phantom_patients")}
        asked = {"severities": self.severities, "patients": self.patients, "phase": PHASE, "deformation": VERSION}
        plain: dict[str, Any] = json.loads(json.dumps(run | asked | {"judge": self.judge.as_dict()}))
        return plain

    def published(self) -> dict[str, Any]:
        """As a record states them: the data by name, not by where it lies on this machine."""
        return self.identity() | {
            "data": self.ideal.data and Path(self.ideal.data).name,
            "deformations": list(self.deformations),
        }

    def slug(self) -> str:
        """Name of the folder: a function of the identity."""
        digest = hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:8]
        dataset = "phantom" if self.ideal.data is None else "camus"
        return f"{dataset}-stress-{self.ideal.view}-{self.ideal.preset}-{digest}"


def resolve_stress(
    *,
    view: str = "4C",
    data: str | None = None,
    preset: str | None = None,
    deformations: Sequence[str] | None = None,
    severities: Sequence[float] | None = None,
    patients: int | None = None,
    seed: int = 0,
    assignments: Sequence[str] = (),
) -> StressSettings:
    """Fill in what a preset says; raises EchobenchError for a name or a number that is not one of the choices.

    deformations: None is all of the ladder that the view shows. severities: None is those of the ladder. assignments:
    to the settings of the judge's `unet`; those to a generator are for `cells`.
    """
    of_judge = [one for one in assignments if not one.startswith(OF_GENERATOR)]
    ideal = resolve(generator=IDEAL, view=view, data=data, preset=preset, seed=seed, assignments=of_judge)
    if view not in VIEWS:
        raise EchobenchError(f"stress looks at one view at a time, got {view!r}; known: {', '.join(VIEWS)}")
    for name in deformations or ():
        find_stress(name)
    shown = [name for name, stress in STRESSES.items() if view in stress.views]
    for severity in severities or ():
        if not 0 <= severity <= 1:
            raise EchobenchError(f"the severity of a stress lies between 0 (none) and 1, got {severity:g}")
    steps = sorted({float(severity) for severity in severities or SEVERITIES} - {0.0})
    if not steps:
        raise EchobenchError("severity 0 deforms nothing; give one above it, up to 1")
    chosen = PRESETS[ideal.preset]
    if patients is not None and patients < 1:
        raise EchobenchError(f"patients is {patients}; the maps of at least one are needed")
    return StressSettings(
        ideal=ideal,
        deformations=tuple(dict.fromkeys(deformations or shown)),
        severities=tuple(steps),
        patients=patients or chosen.patients,
        judge=JudgeSettings(ideal.unet_settings, chosen.repeats, ladder_fingerprint()),
    )


def cells(
    runs: Path, settings: StressSettings, generators: Sequence[str], assignments: Sequence[str] = ()
) -> list[Cell]:
    """The cells that train these generators on the same data, in the folders under `runs` that `run` gives them.

    generators: see `expanded`; all are those that draw deformed maps. assignments: see `resolve_each`. Raises
    EchobenchError for an unknown name, and for a generator that draws no deformed maps.
    """
    chosen = [name for name in expanded(generators, lambda backend: backend.deforms) if name != IDEAL]
    for name in chosen:
        if not generator_class(name).deforms:
            raise EchobenchError(f"{name} draws no deformed maps: there is nothing to put it to the test with")
    ideal = settings.ideal
    same: dict[str, Any] = {"view": ideal.view, "data": ideal.data, "preset": ideal.preset, "seed": ideal.seed}
    trained = resolve_each([{"generator": name, **same} for name in chosen], assignments)
    return [Cell(one, place_of(one, runs), one.label, generator_only=True) for one in trained]
