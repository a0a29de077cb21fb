"""A run under way: its settings, its data, and where it keeps what is finished."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import Reporter, StageFolder
from echobench.data.base.cache import cache_folder
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.datasets.dataset import Dataset
from echobench.data.datasets.registry import layout_of, read_dataset, read_drawn
from echobench.data.frames import Frames, concatenate
from echobench.data.phantom.dataset import VERSION, write_phantom
from echobench.data.splits import Split
from echobench.generators.folder import folder_of
from echobench.results.records.run import RunRecord

PHANTOM_SEED = 0
"""Of the built-in phantom: data is data, and does not change with the seed of a run."""


@dataclass(frozen=True)
class Trial:
    """A run under way. dataset: frames and split; source: what training and validation frames are
    taken from, the dataset or a folder of drawn ones; stages: where it keeps what is finished."""

    settings: RunSettings
    dataset: Dataset
    source: Dataset
    stages: StageFolder
    device: str
    report: Reporter

    def frames(self, subset: str) -> Frames:
        """See `frames_of`."""
        return frames_of(self.settings, self.dataset, subset)

    @property
    def scored(self) -> Frames:
        """The frames that the U-Nets are scored on."""
        return self.frames(self.settings.scored_on)


def frames_of(run: RunSettings | RunRecord, dataset: Dataset, subset: str) -> Frames:
    """The dataset's frames of one subset, view by view, of the phases that a run is about."""
    return concatenate([dataset.subset(subset, view) for view in run.views]).where(phases=run.phases)


def fingerprints(settings: RunSettings, dataset: Dataset) -> dict[str, str]:
    """Of the frames that a run needs, by subset."""
    return {subset: frames_of(settings, dataset, subset).fingerprint() for subset in settings.subsets}


def begin(settings: RunSettings, stages: StageFolder, device: str, report: Reporter) -> Trial:
    """Read what a run is about. Raises EchobenchError where stages that it has finished are of other data."""
    if stages.finished("read"):
        return claimed(reopen(settings, stages, device, report))
    with stages.measured("read") as noted:
        trial = claimed(reopen(settings, stages, device, report))
        noted["items"] = len(trial.dataset.frames)
        return trial


def claimed(trial: Trial) -> Trial:
    """The same. Raises EchobenchError where stages that the run has finished are of other data."""
    trial.stages.claim(fingerprints(trial.settings, trial.dataset))
    return trial


def reopen(settings: RunSettings, stages: StageFolder, device: str, report: Reporter = lambda stage: silent) -> Trial:
    """Opens the trial of a finished run without timing it again."""
    dataset = load_dataset(settings, report("read"))
    return Trial(settings, dataset, _source(settings, dataset, report), stages, device, report)


def load_dataset(settings: RunSettings, progress: Progress = silent) -> Dataset:
    """The dataset that a run is about: the folder it names, or the phantom, and the patients of it that train.

    Raises EchobenchError where it cannot be read, or has no frame of a view and subset.
    """
    dataset = read_view(settings, None if settings.view == "all" else settings.view, progress)
    for name in settings.views:
        for subset in settings.subsets:
            if not len(dataset.subset(subset, name).where(phases=settings.phases)):
                phases = " or ".join(settings.phases)
                raise EchobenchError(
                    f"{settings.data or 'the phantom'} has no {name} {phases} frame of a {subset} patient; choose "
                    "--view and --phase that it has"
                )
    return replace(dataset, split=used(dataset.split, settings))


def used(split: Split, settings: RunSettings) -> Split:
    """The same division, with the training patients whom a run takes in use."""
    split = split.fewer(settings.fraction, settings.seed)
    if settings.patients is None:
        return split
    return split.drawn(settings.patients, settings.patient_draw, settings.seed)


def require_data(settings: RunSettings) -> None:
    """Raises EchobenchError where the folder that a run names holds no dataset: before anything is made for the run."""
    if settings.data is not None:
        layout_of(Path(settings.data))


def read_view(settings: RunSettings, view: str | None, progress: Progress = silent) -> Dataset:
    """The frames of one view, or of both, whichever a run is about, where it reads its own. Raises EchobenchError where
    they cannot be read."""
    size = (settings.unet_settings.image_size_px,) * 2
    folder = Path(settings.data) if settings.data else phantom_folder(settings.phantom_patients or 0)
    last, asked = _LAST.get(), (folder, view, settings.seed, size)
    if last is None or asked not in last:
        dataset = read_dataset(folder, view=view, seed=settings.seed, size=size, progress=progress)
        if last is None:
            return dataset
        last.clear()
        last[asked] = dataset
    return last[asked]


_LAST: ContextVar[dict[tuple[Any, ...], Dataset] | None] = ContextVar("_LAST", default=None)
"""What was read last, by what was asked for, inside `reading_once`."""


@contextmanager
def reading_once() -> Iterator[None]:
    """Meanwhile, frames that are asked for several times in a row are read once, and stay in memory."""
    token = _LAST.set({})
    try:
        yield
    finally:
        _LAST.reset(token)


def phantom_folder(patients: int) -> Path:
    """The built-in phantom of that many patients, written into the cache if it is not there."""
    return write_phantom(cache_folder() / f"phantom-{VERSION}-{patients}", patients, PHANTOM_SEED)


def _source(settings: RunSettings, dataset: Dataset, report: Reporter) -> Dataset:
    """What the U-Net trains on is made from: the dataset itself, or a folder of ready-made images and maps."""
    drawn = folder_of(settings.generator)
    if drawn is None:
        return dataset
    view = None if settings.view == "all" else settings.view
    source = read_drawn(
        drawn, dataset, view=view, seed=settings.seed, scored_on=settings.scored_on, progress=report("read folder")
    )
    return source if settings.mix is None else _of_the_same_patients(source, dataset, settings.label)


def _of_the_same_patients(drawn: Dataset, dataset: Dataset, name: str) -> Dataset:
    """Drawn images that may stand beside the real frames: all of training patients train.

    Those of validation patients are looked at alone. Raises EchobenchError for an image of anybody else.
    """
    patients = set(drawn.frames.patient.tolist())
    if others := sorted(patients - {*dataset.split.training, *dataset.split.validation}):
        raise EchobenchError(
            f"{name} holds images of {others[0]}, who is no training patient here ({len(others)} such patients): only "
            "images of the same patients can be mixed with real frames; name them as the dataset does, or give no mix"
        )
    training = tuple(patient for patient in dataset.split.training if patient in patients)
    if not training:
        raise EchobenchError(f"{name} holds no image of a training patient that could be mixed with real frames")
    return replace(drawn, split=replace(drawn.split, training=training))
