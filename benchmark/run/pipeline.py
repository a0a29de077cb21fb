"""One run: dataset → label maps → generator → synthetic frames → U-Net → scores → record."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.run import pictures
from echobench.benchmark.run.drawing import drawn_frames
from echobench.benchmark.run.machine import describe_machine, package_versions, source_commit
from echobench.benchmark.run.processes import agreed
from echobench.benchmark.run.scoring import known_scores
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import Reporter, StageFolder
from echobench.benchmark.run.trained import generator_curves, offered_generators, trained_generators
from echobench.benchmark.run.trial import Trial, begin, load_dataset, reopen
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.data.frames import Frames, concatenate
from echobench.generators.base import Generator
from echobench.generators.folder import folder_of
from echobench.results.records.run import (
    SCORED_ON,
    FailedRun,
    RunRecord,
    is_finished,
    read_record,
    write_failed,
    write_record,
)
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.training import train


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
    if generator_from is not None and generator_from.resolve() == folder.resolve():
        raise EchobenchError(f"{folder} cannot take its own generator; choose another --out")
    if force:
        load_dataset(settings)  # before anything is removed
        if generator_from is not None:
            StageFolder(generator_from, device).begun_with()
        stages.clear()
    stages.open(settings.identity())
    if is_finished(folder):
        finished = read_record(folder)
        trial = reopen(settings, stages, device)
        if _fingerprints(trial) != finished[0].fingerprints:
            raise EchobenchError(
                f"{folder} is of other data than there is now; choose another --out, or --force to start over"
            )
        if generator_from is not None:
            offered_generators(trial, generator_from)  # what it cannot give, it is not asked for in silence
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
    training, validation = (
        concatenate([drawn_frames(trial, generator, view, subset) for view, generator in generators.items()])
        for subset in ("training", "validation")
    )
    trained = [_segmenter(trial, training, validation, seed) for seed in settings.unet_seeds]
    scores, predicted = _scores(trial, [segmenter for segmenter, _ in trained], trial.scored)
    read_back, real = _read_back(generators, validation), trial.frames("validation")
    pictures.save(stages.run, validation, read_back, trial.scored, predicted, real, whom=SCORED_ON[settings.scored_on])
    record = _record(trial, next(iter(generators.values())), training, started)
    curves = pd.concat(
        [curve.assign(unet_seed=seed) for seed, (_, curve) in zip(settings.unet_seeds, trained, strict=True)]
    )
    write_record(stages.run, record, scores, curves, generator_curves(trial))


def _read_back(generators: Mapping[str, Generator], drawn: Frames) -> NDArray[np.uint8] | None:
    """Label maps that the generators themselves read from what they drew; None where they have not learnt to."""
    parts = []
    for view, generator in generators.items():
        frames = drawn.where(view=view)
        if (read := generator.read_maps(frames.images, frames.sector)) is None:
            return None
        parts.append(read)
    return np.concatenate(parts)


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


def _scores(trial: Trial, segmenters: list[Segmenter], frames: Frames) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Raw scores of every U-Net on frames that none of them was trained on, and the first one's predictions."""
    with trial.stages.measured("score") as noted:
        predictions = [segmenter.predict(frames.images) for segmenter in segmenters]
        parts = [
            known_scores(frames, predicted, trial.dataset.regions).assign(unet_seed=seed)
            for seed, predicted in zip(trial.settings.unet_seeds, predictions, strict=True)
        ]
        noted["items"] = len(frames) * len(segmenters)
    return pd.concat(parts, ignore_index=True), predictions[0]


def _record(trial: Trial, generator: Generator, training: Frames, started: str) -> RunRecord:
    settings, split = trial.settings, trial.dataset.split
    return RunRecord(
        generator=settings.label,
        dataset=trial.dataset.name,
        view=settings.view,
        preset=settings.preset,
        settings=settings.published(),
        fingerprints=_fingerprints(trial),
        split_origin=split.origin,
        test_patients=sorted(split.testing),
        training_images=len(training),
        training_patients=len(trial.source.split.training),
        validation_patients=sorted(split.validation),
        notes=_notes(settings),
        parameters=generator.parameters,
        evaluations=generator.evaluations,
        stages=trial.stages.stages(),
        deviations=settings.deviations(split.origin),
        versions=package_versions(),
        machine=describe_machine(trial.device),
        commit=source_commit(),
        started=started,
        finished=_now(),
    )


def _notes(settings: RunSettings) -> list[str]:
    """What a score on validation patients owes to the U-Net's selection, which they serve too."""
    if settings.scored_on == "testing":
        return []
    if folder_of(settings.generator):
        seen = "images of the folder, which may have been drawn for the label maps of the patients who are scored"
    elif not settings.backend.deforms:
        seen = "the very frames that are scored, so that its Dice flatters"
    elif settings.backend.needs_source_images:
        seen = "copies of the frames that are scored, deformed like its training images, so that its Dice flatters"
    else:
        seen = "images drawn for the label maps of the patients who are scored; it saw none of their own images"
    return [f"the U-Net's weights were selected on {seen}"]


def _fingerprints(trial: Trial) -> dict[str, str]:
    """Of what a run is about."""
    frames = {subset: trial.frames(subset).fingerprint() for subset in ("training", trial.settings.scored_on)}
    return frames | {"split": trial.dataset.split.fingerprint()}


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
