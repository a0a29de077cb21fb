"""One run: dataset → label maps → generator → synthetic frames → U-Net → scores → record."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark import pictures
from echobench.benchmark.machine import describe_machine, package_versions, source_commit
from echobench.benchmark.settings import RunSettings
from echobench.benchmark.stages import Reporter, StageFolder
from echobench.data.datasets import Dataset, cache_folder, read_camus
from echobench.data.frames import Frames, concatenate
from echobench.data.maps import LabelMaps, item_seeds, label_maps, undeformed_maps
from echobench.data.phantom.dataset import VERSION, write_phantom
from echobench.data.progress import Progress, silent
from echobench.data.store import FrameWriter
from echobench.generators.base import Generator
from echobench.generators.folder import folder_of, read_folder
from echobench.results.record import RunRecord, is_finished, read_record, write_record
from echobench.segmentation.scores import score
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.training import train

PHANTOM_SEED = 0
"""Of the built-in phantom: data is data, and does not change with the seed of a run."""

CHUNK = 64
"""Maps per call of a generator: what a killed run may lose."""


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


def run(
    settings: RunSettings,
    folder: Path,
    *,
    device: str = "cpu",
    force: bool = False,
    report: Reporter = lambda stage: silent,
) -> tuple[RunRecord, pd.DataFrame]:
    """Carry out a run, or read it if it is finished; a run that was killed goes on where it was.

    folder: the run's own; a finished run in it that has fewer U-Net seeds gets the missing ones. force: start over,
    whatever is there.
    Raises EchobenchError for whatever a user can cause; finished stages are kept.
    """
    stages = StageFolder(folder, device)
    if force:
        stages.clear()
    stages.open(settings.identity())
    if is_finished(folder):
        finished = read_record(folder)
        if set(settings.unet_seeds) <= set(finished[0].settings["unet_seeds"]):
            return finished
    started = _now()
    dataset = _dataset(settings, stages, report)
    trial = Trial(settings, dataset, _source(settings, dataset, report), stages, device, report)
    backends = {view: _fitted(trial, view) for view in settings.views}
    training = concatenate([_drawn(trial, backends[view], view, "training") for view in settings.views])
    validation = concatenate([_drawn(trial, backends[view], view, "validation") for view in settings.views])
    trained = [_segmenter(trial, training, validation, seed) for seed in settings.unet_seeds]
    testing = _frames(dataset, settings, "testing")
    scores, predicted = _scores(trial, [segmenter for segmenter, _ in trained], testing)
    pictures.save(folder, training, testing, predicted, real=_frames(dataset, settings, "training"))
    record = _record(trial, next(iter(backends.values())), training, testing, started)
    curves = pd.concat(
        [curve.assign(unet_seed=seed) for seed, (_, curve) in zip(settings.unet_seeds, trained, strict=True)]
    )
    write_record(folder, record, scores, curves)
    return read_record(folder)


def load_dataset(settings: RunSettings, progress: Progress = silent) -> Dataset:
    """The dataset that a run is about: the folder it names, or the phantom."""
    view = None if settings.view == "all" else settings.view
    size = (settings.unet_settings.image_size_px,) * 2
    if settings.data is not None:
        return read_camus(Path(settings.data), view=view, seed=settings.seed, size=size, progress=progress)
    assert settings.phantom_patients is not None
    phantom = phantom_folder(settings.phantom_patients)
    return read_camus(phantom, name="phantom", view=view, size=size, progress=progress)


def phantom_folder(patients: int) -> Path:
    """The built-in phantom of that many patients, written into the cache if it is not there."""
    return write_phantom(cache_folder() / f"phantom-{VERSION}-{patients}", patients, PHANTOM_SEED)


def _dataset(settings: RunSettings, stages: StageFolder, report: Reporter) -> Dataset:
    with stages.measured("read") as noted:
        dataset = load_dataset(settings, report("read"))
        noted["items"] = len(dataset.frames)
    return dataset


def _source(settings: RunSettings, dataset: Dataset, report: Reporter) -> Dataset:
    """What the U-Net trains on is made from: the dataset itself, or a folder of ready-made images and maps."""
    drawn = folder_of(settings.generator)
    if drawn is None:
        return dataset
    view = None if settings.view == "all" else settings.view
    size, progress = dataset.frames.size, report("read folder")
    return read_folder(drawn, dataset.split, view=view, seed=settings.seed, size=size, progress=progress)


def _frames(dataset: Dataset, settings: RunSettings, subset: str) -> Frames:
    return concatenate([dataset.subset(subset, view) for view in settings.views])


def _fitted(trial: Trial, view: str) -> Generator:
    """The generator of one view, trained on the training patients alone."""
    name, backend = f"fit-{view}", trial.settings.backend
    weights = trial.stages.work / f"generator-{view}.pt"
    if trial.stages.finished(name):
        return backend.load(weights, trial.device)
    generator = backend(trial.settings.generator_settings, trial.device)
    with trial.stages.measured(name):
        generator.fit(
            trial.dataset.subset("training", view),
            trial.settings.seed,
            folder=trial.stages.work / name,
            progress=trial.report(name),
        )
        generator.save(weights)
    return generator


def _drawn(trial: Trial, generator: Generator, view: str, subset: str) -> Frames:
    """Label maps of one view and subset with the images that the generator draws for them."""
    maps = _maps(trial, view, subset)
    if not generator.deforms:  # the frames themselves: nothing to draw, nothing to store
        return maps.with_images(generator.sample(maps, np.zeros(len(maps), dtype=np.int64)))
    seeds = item_seeds(maps.source, maps.source_index, np.arange(len(maps)), f"sample/{trial.settings.seed}")
    name = f"draw-{subset}-{view}"
    writer = FrameWriter(trial.stages.run / "synthetic" / f"{subset}-{view}", maps, seeds)
    if not trial.stages.finished(name):
        with trial.stages.measured(name) as noted:
            noted["items"] = len(maps) - writer.written
            _draw_missing(generator, maps, seeds, writer, trial.report(name))
    return maps.with_images(writer.images())


def _draw_missing(
    generator: Generator, maps: LabelMaps, seeds: NDArray[np.int64], writer: FrameWriter, progress: Progress
) -> None:
    visible = maps if generator.needs_source_images else maps.without_images()
    while writer.written < len(maps):
        chunk = slice(writer.written, writer.written + CHUNK)
        writer.append(generator.sample(visible.select(chunk), seeds[chunk]))
        progress(writer.written, len(maps))


def _maps(trial: Trial, view: str, subset: str) -> LabelMaps:
    """The maps of one view and subset; validation maps are one per frame, as its frames only select weights."""
    frames, settings = trial.source.subset(subset, view), trial.settings
    if not settings.backend.deforms:
        return undeformed_maps(frames)
    repeats = settings.repeats if subset == "training" else 1
    return label_maps(frames, strength=settings.strength, repeats=repeats, seed=settings.seed)


def _segmenter(trial: Trial, training: Frames, validation: Frames, seed: int) -> tuple[Segmenter, pd.DataFrame]:
    """The U-Net of one seed and its training curves."""
    name = f"unet-{seed}"
    weights, curves_file = trial.stages.work / f"{name}.pt", trial.stages.work / f"{name}.csv"
    if trial.stages.finished(name):
        return Segmenter.load(weights, device=trial.device), pd.read_csv(curves_file)
    with trial.stages.measured(name) as noted:
        segmenter, curves = train(
            training,
            validation,
            trial.settings.unet_settings,
            seed,
            device=trial.device,
            checkpoint=trial.stages.work / f"{name}.checkpoint",
            progress=trial.report(name),
        )
        segmenter.save(weights)
        curves.to_csv(curves_file, index=False)
        noted["items"] = int(curves["step"].max()) * trial.settings.unet_settings.batch_size
    return segmenter, pd.read_csv(curves_file)


def _scores(trial: Trial, segmenters: list[Segmenter], testing: Frames) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Raw scores of every U-Net on the locked test frames, and the first one's predictions."""
    with trial.stages.measured("score") as noted:
        predictions = [segmenter.predict(testing.images) for segmenter in segmenters]
        parts = [
            score(testing, predicted).assign(unet_seed=seed)
            for seed, predicted in zip(trial.settings.unet_seeds, predictions, strict=True)
        ]
        noted["items"] = len(testing) * len(segmenters)
    return pd.concat(parts, ignore_index=True), predictions[0]


def _record(trial: Trial, generator: Generator, training: Frames, testing: Frames, started: str) -> RunRecord:
    settings, split = trial.settings, trial.dataset.split
    return RunRecord(
        generator=settings.label,
        dataset=trial.dataset.name,
        view=settings.view,
        preset=settings.preset,
        # A record is for others: it names folders, not where they lie on this machine.
        settings=settings.as_dict() | {"data": settings.data and Path(settings.data).name, "generator": settings.label},
        fingerprints={
            "training": _frames(trial.dataset, settings, "training").fingerprint(),
            "testing": testing.fingerprint(),
            "split": split.fingerprint(),
        },
        split_origin=split.origin,
        test_patients=sorted(split.testing),
        training_images=len(training),
        parameters=generator.parameters,
        evaluations=generator.evaluations,
        stages=trial.stages.stages(),
        deviations=settings.deviations(),
        versions=package_versions(),
        machine=describe_machine(trial.device),
        commit=source_commit(),
        started=started,
        finished=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
