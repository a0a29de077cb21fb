"""The networks of a run: its generators, trained or taken from an earlier run, one for each view; its U-Nets."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import pandas as pd

from echobench.benchmark.run.settings import RunSettings, label_of
from echobench.benchmark.run.stages import StageFolder, read_part
from echobench.benchmark.run.trial import Trial, load_dataset
from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import write_whole
from echobench.data.frames import Frames
from echobench.generators.base import Generator
from echobench.generators.registry import generator_class
from echobench.generators.training.parallel import together
from echobench.results.records.run import read_record


class Identity(TypedDict):
    """What a training is a function of, but for the generator's settings, which lie with its weights. generator: as
    tables name it; code: see `RunSettings`."""

    generator: str
    seed: int
    frames: str
    code: NotRequired[str]


def trained_generators(trial: Trial, earlier: Path | None = None) -> dict[str, Generator]:
    """The generator of each view, trained on the training patients alone.

    earlier: a run whose generators are taken, drawn with this run's settings, in place of a training, unless they are
    here already. Raises EchobenchError, naming what differs, unless they are what a training here would give.
    """
    views = [view for view in trial.settings.views if not trial.stages.finished(_stage(view))]
    if earlier is not None:
        offered = offered_generators(trial, earlier)
        for view in views:
            _take(trial, view, offered[view], StageFolder(earlier, trial.device))
        views = []
    for view in views:
        _train(trial, view)
    return {view: kept_by(trial, view) for view in trial.settings.views}


def kept_by(trial: Trial, view: str) -> Generator:
    """The generator of a view that a run has trained or taken. Raises EchobenchError where its file is damaged."""
    return trial.settings.backend.load(trial.stages.kept(_weights(trial.stages, view)), trial.device)


def offered_generators(trial: Trial, earlier: Path) -> dict[str, Generator]:
    """The generator of each view that an earlier run can give. Raises EchobenchError, see `trained_generators`."""
    return {view: _offered(trial, view, StageFolder(earlier, trial.device)) for view in trial.settings.views}


def kept_generator(run: Path, view: str, training: Frames, device: str) -> tuple[str, Generator]:
    """The generator of a view that a run has trained, whether the rest of it is finished or not; and its name.

    training: the frames that it must have learnt from. Raises EchobenchError where there is none, or it has others.
    """
    stages = _with_generator(run, view)
    if _identity_of(stages, view)["frames"] != training.fingerprint():
        raise EchobenchError(
            f"the generator of {run} has learnt from other frames than the training patients' {view} frames here, "
            "perhaps from those whose maps it is to draw; name another run, or its --data and --seed"
        )
    return label_of(stages.begun_with()["generator"]), generator_of(run, view, device)


def generator_of(run: Path, view: str, device: str) -> Generator:
    """The generator of a view that a run has trained, or made where there is nothing to train.

    Raises EchobenchError where there is none, or its file is damaged.
    """
    begun = _with_generator(run, view).begun_with()
    return generator_class(begun["generator"], begun.get("code")).load(kept_weights(run, view), device)


def _with_generator(run: Path, view: str) -> StageFolder:
    """The stages of a run that has finished the generator of a view; raises EchobenchError for another run."""
    stages = StageFolder(run, "cpu")
    if not stages.finished(_stage(view)):
        raise EchobenchError(f"{run} keeps no trained generator for {view}; name the folder of a run that has one")
    return stages


def kept_weights(run: Path, view: str) -> Path:
    """The file of a run that holds the trained generator of a view. Raises EchobenchError where it is damaged."""
    stages = StageFolder(run, "cpu")
    return stages.kept(_weights(stages, view))


def has_generators(run: Path, views: Sequence[str]) -> bool:
    """Whether a run, finished or not, has trained the generators of these views."""
    return all(StageFolder(run, "cpu").finished(_stage(view)) for view in views)


class Training(NamedTuple):
    """Which generator has learnt, and from whom: the settings of a run that say so."""

    generator: str
    fraction: float
    patients: int | None
    patient_draw: int

    @property
    def whom(self) -> str:
        """In words, for messages."""
        if self.patients is None:
            return f"fraction {self.fraction:g}"
        return f"{self.patients} patients (draw {self.patient_draw})"


def training_of(run: Path) -> Training:
    """What the generator of a run has learnt from. Raises EchobenchError where no run was begun."""
    begun = StageFolder(run, "cpu").begun_with()
    return Training(*(begun[name] for name in Training._fields))


def first_unet(run: Path) -> Path:
    """The weights of a run's first U-Net. Raises EchobenchError where the run keeps none."""
    found = sorted((run / "stages").glob("unet-*.pt"), key=lambda path: int(path.stem.partition("-")[2]))
    if not found:
        raise EchobenchError(f"{run} keeps no U-Net in its stages; give its command again with --force")
    return StageFolder(run, "cpu").kept(found[0])


def generator_curves(trial: Trial) -> pd.DataFrame:
    """Training curves of all views' generators: column view, then those of `Generator.curve`; empty without any."""
    curves = pd.DataFrame()
    for view in trial.settings.views:
        if (path := _curve(trial.stages, view)).is_file():
            curves = pd.concat([curves, pd.read_csv(trial.stages.kept(path)).assign(view=view)])
    return curves[["view", *curves.columns.drop("view")]] if len(curves) else curves


@dataclass(frozen=True)
class _Fit:
    """The part that every process but the first has in a training, with the data that the first has cached."""

    settings: RunSettings
    view: str
    folder: Path
    device: str

    def __call__(self) -> None:
        settings = self.settings
        frames = load_dataset(settings).subset("training", self.view)
        with suppress(EchobenchError):  # the first meets it, too, and says so
            settings.backend(settings.generator_settings, self.device).fit(frames, settings.seed, folder=self.folder)


def _train(trial: Trial, view: str) -> None:
    settings, name = trial.settings, _stage(view)
    generator = settings.backend(settings.generator_settings, trial.device)
    with trial.stages.measured(name, _files(trial.stages, view)):
        if generator.together:
            together(_Fit(settings, view, (trial.stages.work / name).resolve(), trial.device))
        generator.fit(
            trial.dataset.subset("training", view),
            settings.seed,
            folder=trial.stages.work / name,
            progress=trial.report(name),
        )
        _keep(trial, view, generator, generator.curve)


def _offered(trial: Trial, view: str, earlier: StageFolder) -> Generator:
    stage = _stage(view)
    if not earlier.finished(stage):
        raise EchobenchError(f"{earlier.run} has not finished its stage {stage}: there is no generator to take from it")
    found = _identity_of(earlier, view)
    if found["generator"] in trial.settings.backend.draws_with:
        found = {**found, "generator": trial.settings.generator}
    if differing := differences(found, _identity(trial, view)):
        raise EchobenchError(
            f"{earlier.run} has trained another generator: {'; '.join(differing)}. Name another run, or train anew"
        )
    try:
        weights = trial.settings.backend.load(earlier.kept(_weights(earlier, view)), trial.device)
        return weights.redraw(trial.settings.generator_settings)
    except EchobenchError as error:
        raise EchobenchError(f"the generator of {earlier.run} cannot be taken: {error}") from error


def _take(trial: Trial, view: str, generator: Generator, earlier: StageFolder) -> None:
    curve = _curve(earlier, view)
    _keep(trial, view, generator, pd.read_csv(earlier.kept(curve)) if curve.is_file() else pd.DataFrame())
    trial.stages.take(_stage(view), earlier, _files(trial.stages, view))


def _keep(trial: Trial, view: str, generator: Generator, curve: pd.DataFrame) -> None:
    """Write a trained generator, its curve, and what the training was a function of beside its settings."""
    generator.save(_weights(trial.stages, view))
    if len(curve):
        write_whole(_curve(trial.stages, view), curve.to_csv(index=False))
    write_whole(_identity_file(trial.stages, view), json.dumps(_identity(trial, view), indent=1) + "\n")


def _identity(trial: Trial, view: str) -> Identity:
    settings, frames = trial.settings, trial.dataset.subset("training", view).fingerprint()
    identity: Identity = {"generator": settings.label, "seed": settings.seed, "frames": frames}
    return identity if settings.code is None else {**identity, "code": settings.code}


def _identity_of(stages: StageFolder, view: str) -> Identity:
    """The identity of a training that a run has finished; a run of before it was kept has it in its record."""
    if (path := _identity_file(stages, view)).is_file():
        return read_part(path, Identity)
    begun, (record, _) = stages.begun_with(), read_record(stages.run)
    return {"generator": begun["generator"], "seed": begun["seed"], "frames": record.fingerprints["training"]}


def _stage(view: str) -> str:
    return f"fit-{view}"


def _files(stages: StageFolder, view: str) -> list[Path]:
    """What the training of a view leaves, but for its identity, of which every word is looked at anyway."""
    return [_weights(stages, view), _curve(stages, view)]


def _weights(stages: StageFolder, view: str) -> Path:
    return stages.work / f"generator-{view}.pt"


def _curve(stages: StageFolder, view: str) -> Path:
    """Where trained generators keep it themselves, for anyone who wants to watch."""
    return stages.work / _stage(view) / "curve.csv"


def _identity_file(stages: StageFolder, view: str) -> Path:
    return stages.work / f"{_stage(view)}.identity.json"
