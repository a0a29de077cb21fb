"""Every setting of a run, resolved before anything is read or trained."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from echobench.benchmark.choices import DEVICES, PHASE_CHOICES, VIEW_CHOICES
from echobench.benchmark.run.overrides import overridden
from echobench.data.base.errors import EchobenchError, require_known
from echobench.data.base.files import typed_path
from echobench.data.datasets.registry import layout_of, reader_called
from echobench.data.deform import REPEATS, VERSION
from echobench.data.frames import PHASES, VIEWS
from echobench.generators.base import Generator
from echobench.generators.folder import FolderSettings, folder_of
from echobench.generators.in_file import file_of
from echobench.generators.registry import generator_class
from echobench.results.records.run import SCORED_ON
from echobench.results.records.unsaid import UNSAID
from echobench.results.shown.departures import OFFICIAL, Departure, departures
from echobench.segmentation.networks import OWN_SETTINGS
from echobench.segmentation.settings import PRESETS as UNET_PRESETS
from echobench.segmentation.settings import UNetSettings

DATA_VARIABLE = "ECHOBENCH_CAMUS"
_NETWORK = "unet.network"
OF_GENERATOR = "generator."
"""How an assignment to a generator's settings begins."""


@dataclass(frozen=True)
class Preset:
    """repeats: deformed maps per training frame. phantom_patients: size of the phantom, where no data is given."""

    repeats: int
    phantom_patients: int


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "quick": Preset(repeats=1, phantom_patients=120),
        "standard": Preset(repeats=2, phantom_patients=500),
        "paper": Preset(repeats=REPEATS, phantom_patients=500),
    }
)


@dataclass(frozen=True)
class RunSettings:
    """A run, fully resolved. data: the folder of a dataset, or None for the phantom. images: how many training images
    there are in all; None is `repeats` of every frame. fraction: of the training patients, whom generator and maps come
    from. scored_on: one of `SCORED_ON`. generator_settings: the frozen dataclass of the backend. deformation: version
    of the random deformation, None where nothing is deformed. code: SHA-256 of the file that the generator's class is
    in, so that a changed one is another run; None for one that is installed. mix: images that are drawn for each real
    frame, beside which the U-Net trains on the real frames and is selected on them; None is drawn images alone.
    patients: how many of the training patients there are in all, and patient_draw which of them, see `Split.drawn`;
    None is all of them, and the validation patients select. The device is not part of a run's identity.

    A field with a default is one that runs have not always had, and the default is what they had. A run that has just
    that is the run of before: its identity leaves it out, so that names and folders stay."""

    generator: str
    view: str
    data: str | None
    preset: str
    strength: float
    repeats: int
    seed: int
    unet_seeds: tuple[int, ...]
    phantom_patients: int | None
    generator_settings: Any
    unet_settings: UNetSettings
    images: int | None = None
    phase: str = "all"
    fraction: float = 1.0
    deformation: str | None = None
    scored_on: str = "testing"
    code: str | None = None
    mix: float | None = None
    patients: int | None = None
    patient_draw: int = 0

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the run covers; every view has a generator of its own, as in the paper."""
        return VIEWS if self.view == "all" else (self.view,)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases whose frames the U-Net trains on and is scored on; see the settings of a generator for its own."""
        return PHASES if self.phase == "all" else (self.phase,)

    @property
    def subsets(self) -> tuple[str, ...]:
        """Whose frames the run needs: those of test patients only where they are scored."""
        selection = "validation" if self.patients is None else "selection"
        return tuple(dict.fromkeys(("training", selection, self.scored_on)))

    @property
    def layout(self) -> str:
        """The name of the dataset's layout; that of CAMUS for data that are not at hand."""
        with suppress(EchobenchError):
            return layout_of(Path(self.data or ""))
        return "camus"

    @property
    def label(self) -> str:
        """The generator's name as tables show it, see `label_of`."""
        return label_of(self.generator)

    @property
    def backend(self) -> type[Generator]:
        return generator_class(self.generator, self.code)

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values, as JSON reads them back."""
        plain: dict[str, Any] = json.loads(
            json.dumps(dataclasses.asdict(self) | {"unet_settings": self.unet_settings.as_dict()})
        )
        return plain

    def published(self) -> dict[str, Any]:
        """As a record states them, which is for others: folders by name, not by where they lie on this machine.

        A setting that is what runs always had is left out, as it is in their records, unless tables read it by name.
        """
        told = self.as_dict() | {"data": self.data and Path(self.data).name, "generator": self.label}
        return {name: value for name, value in told.items() if name in UNSAID or self._is_other(name, value)}

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same one: every setting but how many U-Nets, of which more may be added later."""
        told = self.as_dict().items()
        return {name: value for name, value in told if name != "unet_seeds" and self._is_other(name, value)}

    def _is_other(self, name: str, value: Any) -> bool:
        """Whether it is a setting that runs have always had, or not what those had that lack it."""
        return bool(value != getattr(type(self), name, dataclasses.MISSING))

    def slug(self) -> str:
        """Name of the run's folder: a function of its identity."""
        digest = hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:8]
        dataset = "phantom" if self.data is None else self.layout
        frames = self.view if self.phase == "all" else f"{self.view}-{self.phase}"
        return f"{dataset}-{self.label.replace(':', '-')}-{frames}-{self.preset}-{digest}"

    def departures(self, split: str | None = None) -> list[Departure]:
        """Where this run differs from "Echo from noise" (arXiv 2305.05424v2).

        split: its origin, where the data have been read; None looks which lists of patients the data have.
        """
        dataset = "phantom"
        if self.data is not None:
            folder, reader = Path(self.data), reader_called(self.layout)
            dataset = reader.name_of(folder)
            with suppress(EchobenchError):  # of data that cannot be read, the run will say so
                split = split or reader.split_of(folder, self.seed).origin
        return departures(self.published(), dataset=dataset, deforms=self.backend.deforms, split=split or OFFICIAL)

    def deviations(self, split: str | None = None) -> list[str]:
        """The departures as a record has them, one sentence each."""
        return [departure.sentence for departure in self.departures(split)]


def label_of(generator: str) -> str:
    """The name of a generator as tables and records show it: a folder or a file by its last part."""
    if drawn := folder_of(generator):
        return f"folder:{drawn.name}"
    written = file_of(generator)
    return written.label if written else generator


def resolve(
    *,
    generator: str,
    view: str,
    data: str | None = None,
    preset: str | None = None,
    strength: float = 1.0,
    seed: int = 0,
    unet_seeds: int = 1,
    images: int | None = None,
    phase: str = "all",
    fraction: float = 1.0,
    scored_on: str = "testing",
    mix: float | None = None,
    patients: int | None = None,
    patient_draw: int = 0,
    network: str | None = None,
    assignments: Sequence[str] = (),
) -> RunSettings:
    """Fill in what a preset says; raises EchobenchError for a name or a number that is not one of the choices.

    data: None looks at `ECHOBENCH_CAMUS`, then takes the phantom. preset: None is quick on the phantom and standard on
    data. unet_seeds: how many U-Nets are trained, with seeds seed, seed + 1, … images: training images in all; None is
    as many of every frame as the preset says. phase: whose frames the U-Net trains on and is
    scored on. fraction: of the training patients that generator and maps come from; the validation and the test
    patients stay, and so does the number of images that a generator draws. scored_on: whose frames are scored, see
    `SCORED_ON`. mix: see `RunSettings`; 0 is the run of `real`, which has none, for any generator. patients: in
    place of a fraction. patient_draw: from 0; the U-Net seeds of each draw begin one higher. network: one of
    `NETWORKS` with the settings of its own, None is the paper's. assignments: changes to the preset's settings and to
    these, see `overridden`.
    """
    drawn, written = folder_of(generator), file_of(generator)
    code = written.code() if written else None
    backend = generator_class(generator, code)
    if generator == "folder":
        raise EchobenchError("generator folder needs a path behind a colon: --generator folder:DIR")
    data = data or os.environ.get(DATA_VARIABLE) or None
    data = str(typed_path(data)) if data else None
    preset = preset or ("standard" if data else "quick")
    for name, value, choices in (
        ("view", view, VIEW_CHOICES),
        ("phase", phase, PHASE_CHOICES),
        ("preset", preset, tuple(PRESETS)),
        ("patients to score on", scored_on, tuple(SCORED_ON)),
    ):
        require_known(name, value, choices)
    if preset not in backend.presets:
        raise EchobenchError(f"generator {generator} has no preset {preset!r}; it has: {', '.join(backend.presets)}")
    if not 0 <= seed < 2**63 - unet_seeds - patient_draw:
        raise EchobenchError(f"seed is {seed}; it must be at least 0 and below 2**63")
    if not 0 <= strength < inf:
        raise EchobenchError(f"strength is {strength}; it must be at least 0 (1 is the paper's)")
    if not 0 < fraction <= 1:
        raise EchobenchError(f"fraction is {fraction}; it must be above 0 and at most 1 (all training patients)")
    if drawn and fraction != 1:
        raise EchobenchError(f"{generator} was drawn elsewhere: a fraction of its patients cannot be chosen here")
    if unet_seeds < 1:
        raise EchobenchError(f"unet-seeds is {unet_seeds}; at least one U-Net must be trained")
    if images is not None and images < 1:
        raise EchobenchError(f"images is {images}; the U-Net needs at least one to train on")
    _require_mix(mix, images)
    _require_patients(patients, patient_draw, fraction, drawn)
    unet = {"unet": UNET_PRESETS[preset]}
    # What a folder of drawn images has in place of settings, nobody can choose.
    chosen = {} if drawn else {"generator": backend.presets[preset]}
    parts = overridden(chosen | unet, _with_network(network, assignments))
    if (mix, patients) != (None, None) and parts["unet"].epochs is not None:
        raise EchobenchError(
            "a mix and a number of patients need a U-Net that counts optimiser steps, the same for every row, and this "
            "one counts epochs; give --set unet.epochs=null --set unet.steps=N, or another preset"
        )
    first_seed = seed + (patient_draw if patients else 0)
    settings = RunSettings(
        generator=f"folder:{drawn.resolve()}" if drawn else written.resolved() if written else generator,
        view=view,
        data=str(Path(data).resolve()) if data else None,
        preset=preset,
        strength=float(strength) if backend.deforms else 0.0,
        repeats=PRESETS[preset].repeats if backend.deforms else 1,
        seed=seed,
        unet_seeds=tuple(range(first_seed, first_seed + unet_seeds)),
        phantom_patients=None if data else PRESETS[preset].phantom_patients,
        generator_settings=FolderSettings.of(drawn) if drawn else parts["generator"],
        unet_settings=parts["unet"],
        images=images,
        phase=phase,
        fraction=float(fraction),
        deformation=VERSION if backend.deforms and strength else None,
        scored_on=scored_on,
        code=code,
        mix=None if mix is None or generator == "real" else float(mix),
        patients=patients,
        patient_draw=patient_draw if patients else 0,
    )
    return _real_alone(settings) if mix == 0 else settings


def _with_network(network: str | None, assignments: Sequence[str]) -> list[str]:
    """The assignments, and those that make a network's own settings, where they say nothing else."""
    asked = [*assignments, *([f"{_NETWORK}={network}"] if network else [])]
    given = {key: value for key, _, value in (one.partition("=") for one in asked)}
    own = OWN_SETTINGS.get(given.get(_NETWORK, ""), {})
    texts = {f"unet.{name}": json.dumps(value) for name, value in own.items()}
    return [*asked, *(f"{key}={text}" for key, text in texts.items() if key not in given)]


def _require_mix(mix: float | None, images: int | None) -> None:
    if mix is None:
        return
    if not 0 <= mix < inf:
        raise EchobenchError(f"mix is {mix}; it must be at least 0 (0 is the real frames alone)")
    if images is not None:
        raise EchobenchError(f"mix {mix:g} and images {images} both say how many images are drawn; leave one out")


def _require_patients(patients: int | None, draw: int, fraction: float, drawn: Path | None) -> None:
    if draw < 0:
        raise EchobenchError(f"patient-draw is {draw}; the first draw is 0")
    if patients is None:
        return
    if patients < 2:
        raise EchobenchError(f"patients is {patients}; there must be two at least: one trains, and one selects")
    if fraction != 1:
        raise EchobenchError(f"patients {patients} and fraction {fraction:g} both say who trains; leave one out")
    if drawn:
        raise EchobenchError(f"folder:{drawn} was drawn elsewhere: the number of its patients cannot be chosen here")


def _real_alone(settings: RunSettings) -> RunSettings:
    """The run of `real` that has all else in common."""
    real = generator_class("real").presets[settings.preset]
    undeformed: dict[str, Any] = {"strength": 0.0, "repeats": 1, "deformation": None}
    return replace(settings, generator="real", generator_settings=real, mix=None, **undeformed)


def resolve_each(asked: Sequence[Mapping[str, Any]], assignments: Sequence[str] = ()) -> list[RunSettings]:
    """`resolve` for each of several generators; asked: its other parameters.

    Assignments to `unet` are made in all. One to `generator` is made in those generators that have the setting, and
    raises EchobenchError where none has.
    """
    shared = [one for one in assignments if not one.startswith(OF_GENERATOR)]
    settings = [resolve(**one, assignments=shared) for one in asked]
    chosen = [list(shared) for _ in asked]
    for assignment in (one for one in assignments if one.startswith(OF_GENERATOR)):
        if not asked:
            raise EchobenchError(f"--set {assignment}: no generator is trained here, so that there is none to change")
        path = assignment.partition("=")[0].removeprefix(OF_GENERATOR).split(".")
        known = [_known(one, path) for one in settings]
        for own, names in zip(chosen, known, strict=True):
            if names == max(known):  # where even that is too few, `resolve` says which settings there are
                own.append(assignment)
    each = zip(settings, asked, chosen, strict=True)
    return [usual if own == shared else resolve(**one, assignments=own) for usual, one, own in each]


def _known(settings: RunSettings, path: Sequence[str]) -> int:
    """How many names of a path, from its start on, lead to settings of a run's generator that can be chosen."""
    current = None if folder_of(settings.generator) else settings.generator_settings
    for number, name in enumerate(path):
        if not dataclasses.is_dataclass(current) or name not in {field.name for field in dataclasses.fields(current)}:
            return number
        current = getattr(current, name)
    return len(path)


def resolve_device(name: str) -> str:
    """ "auto" is the GPU where there is one; raises EchobenchError where a GPU is asked for and there is none."""
    require_known("device", name, DEVICES)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise EchobenchError("device cuda was asked for, and torch sees no GPU; use --device cpu")
    return name
