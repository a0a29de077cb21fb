"""One run: dataset → label maps → generator → synthetic frames → U-Net → scores → record."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark import pictures
from echobench.benchmark.machine import describe_machine, package_versions, source_commit
from echobench.benchmark.processes import agreed
from echobench.benchmark.settings import RunSettings
from echobench.benchmark.stages import SYNTHETIC, Reporter, StageFolder
from echobench.benchmark.trained import generator_curves, trained_generators
from echobench.benchmark.trial import Trial, begin
from echobench.data.errors import EchobenchError
from echobench.data.frames import Frames, concatenate
from echobench.data.maps import LabelMaps, item_seeds, label_maps, repeat_numbers, repeats_for, undeformed_maps
from echobench.data.progress import Progress, silent
from echobench.data.store import FrameWriter
from echobench.generators.base import Generator
from echobench.results.record import FailedRun, RunRecord, is_finished, read_record, write_failed, write_record
from echobench.segmentation.scores import score
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.training import train

CHUNK = 64
"""Maps per call of a generator: what a killed run may lose."""


def run(
    settings: RunSettings,
    folder: Path,
    *,
    device: str = "cpu",
    force: bool = False,
    generator_from: Path | None = None,
    report: Reporter = lambda stage: silent,
) -> tuple[RunRecord, pd.DataFrame]:
    """Carry out a run, or read it if it is finished; a run that was killed goes on where it was.

    folder: the run's own; a finished run in it that has fewer U-Net seeds gets the missing ones. force: start over,
    whatever is there. generator_from: the folder of an earlier run, finished or not, whose trained generators are
    taken. Started by torchrun, only the first process calls it; the others call `assist`.
    Raises EchobenchError for whatever a user can cause; finished stages are kept, and failed.json says why it stopped.
    """
    stages = StageFolder(folder, device)
    if force:
        stages.clear()
    stages.open(settings.identity())
    if is_finished(folder):
        finished = read_record(folder)
        if set(settings.unet_seeds) <= set(finished[0].settings["unet_seeds"]):
            agreed((), device)  # nothing to train
            return finished
    try:
        _carry_out(settings, stages, device, generator_from, report)
    except Exception as error:
        write_failed(folder, _failure(settings, stages, error))
        raise
    return read_record(folder)


def _carry_out(
    settings: RunSettings, stages: StageFolder, device: str, generator_from: Path | None, report: Reporter
) -> None:
    started = _now()
    trial = begin(settings, stages, device, report)
    generators = trained_generators(trial, generator_from)
    training = concatenate([_drawn(trial, generator, view, "training") for view, generator in generators.items()])
    validation = concatenate([_drawn(trial, generator, view, "validation") for view, generator in generators.items()])
    trained = [_segmenter(trial, training, validation, seed) for seed in settings.unet_seeds]
    testing = trial.frames("testing")
    scores, predicted = _scores(trial, [segmenter for segmenter, _ in trained], testing)
    pictures.save(stages.run, validation, testing, predicted, real=trial.frames("validation"))
    record = _record(trial, next(iter(generators.values())), training, testing, started)
    curves = pd.concat(
        [curve.assign(unet_seed=seed) for seed, (_, curve) in zip(settings.unet_seeds, trained, strict=True)]
    )
    write_record(stages.run, record, scores, curves, generator_curves(trial))


def _drawn(trial: Trial, generator: Generator, view: str, subset: str) -> Frames:
    """Label maps of one view and subset with the images that the generator draws for them."""
    maps = _maps(trial, view, subset)
    if not generator.deforms:  # the frames themselves: nothing to draw, nothing to store
        return maps.with_images(generator.sample(maps, np.zeros(len(maps), dtype=np.int64)))
    seeds = _sample_seeds(trial, maps, subset)
    name = f"draw-{subset}-{view}"
    writer = FrameWriter(trial.stages.run / SYNTHETIC / f"{subset}-{view}", maps, seeds)
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
    repeats = _repeats(trial, view) if subset == "training" else np.ones(len(frames), dtype=np.intp)
    if not settings.backend.deforms:
        return undeformed_maps(frames.select(repeats > 0))
    return label_maps(frames, strength=settings.strength, repeats=repeats, seed=settings.seed)


def _repeats(trial: Trial, view: str) -> NDArray[np.intp]:
    """How many maps of each training frame of a view are drawn, (N,)."""
    frames, settings = trial.source.subset("training"), trial.settings
    if settings.images is None:
        return np.full(len(frames), settings.repeats)[frames.view == view]
    if settings.images > len(frames) and not settings.backend.deforms:
        raise EchobenchError(
            f"images is {settings.images}, but {settings.label} has {len(frames)} training frames and draws no others; "
            f"ask for {len(frames)} at most"
        )
    return repeats_for(frames, settings.images, settings.seed)[frames.view == view]


def _sample_seeds(trial: Trial, maps: LabelMaps, subset: str) -> NDArray[np.int64]:
    """A seed for each map, the same however many maps of its frame there are."""
    per_frame = trial.settings.repeats if subset == "training" else 1
    number = maps.source_index * per_frame + repeat_numbers(maps.source_index)
    return item_seeds(maps.source, maps.source_index, number, f"sample/{trial.settings.seed}")


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
        settings=settings.published(),
        fingerprints={
            "training": trial.frames("training").fingerprint(),
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


def _failure(settings: RunSettings, stages: StageFolder, error: Exception) -> FailedRun:
    stage, attempts = stages.under_way or (None, 1)
    return FailedRun(
        generator=settings.label,
        view=settings.view,
        preset=settings.preset,
        settings=settings.published(),
        stage=stage,
        attempts=attempts,
        error=str(error) if isinstance(error, EchobenchError) else f"{type(error).__name__}: {error}",
        time=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
