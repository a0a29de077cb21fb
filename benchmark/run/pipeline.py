"""One run: dataset → generators → training frames → validation frames → U-Nets → scores → maps read back → pictures →
record.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.run import pictures
from echobench.benchmark.run.drawing import drawn_frames, seen_by_unets
from echobench.benchmark.run.machine import now
from echobench.benchmark.run.scoring import known_scores
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import Reporter, StageFolder
from echobench.benchmark.run.trained import (
    generator_curves,
    has_generators,
    kept_by,
    offered_generators,
    trained_generators,
)
from echobench.benchmark.run.trial import Trial, begin, claimed, load_dataset, reopen, require_data
from echobench.data.base.cache import cache_folder
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole
from echobench.data.base.progress import silent
from echobench.data.frames import Frames
from echobench.data.splits import Split
from echobench.generators.base import Generator
from echobench.generators.folder import folder_of
from echobench.generators.in_file import file_of
from echobench.generators.training.precision import has_bf16
from echobench.results.evidence.cost import FIT
from echobench.results.records.run import (
    SCORED_ON,
    FailedRun,
    RunRecord,
    Stage,
    is_finished,
    read_record,
    write_failed,
    write_record,
)
from echobench.segmentation.scores import scored_by
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.training import train

log = logging.getLogger(__name__)
DRAWN = ("training", "validation")
"""The subsets whose images a generator draws."""
_Trained = tuple[Segmenter, pd.DataFrame]
"""A U-Net and its training curves."""


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
    taken. Started by torchrun, only the first process calls it; see `in_company`.
    Raises EchobenchError for whatever a user can cause; finished stages are kept, and failed.json says why it stopped.
    """
    with opened(settings, folder, force=force, generator_from=generator_from):
        conclude(settings, folder, device=device, generator_from=generator_from, report=report)
        return read_record(folder)


@contextmanager
def opened(
    settings: RunSettings, folder: Path, *, force: bool = False, generator_from: Path | None = None
) -> Iterator[None]:
    """The folder of a run without other calls in it. Raises EchobenchError where it is not to be had, see `run`.

    The steps below work in a folder that is opened meanwhile, here or by the process that hands them out; each finds
    done what is done. What they raise is kept in failed.json.
    """
    log.info("%s has the settings %s", folder, json.dumps(settings.as_dict()))
    if generator_from is not None and generator_from.resolve() == folder.resolve():
        raise EchobenchError(f"{folder} cannot take its own generator; choose another --out")
    require_data(settings)  # before anything is made
    if generator_from is not None:
        StageFolder(generator_from, "cpu").begun_with()
    if force:
        load_dataset(settings)  # before anything is removed
    with StageFolder(folder, "cpu").opened(settings.identity(), force=force):
        yield


def train_generators(
    settings: RunSettings, folder: Path, *, device: str, generator_from: Path | None, report: Reporter
) -> None:
    """The first step: train the generators of a run, or take them."""
    stages = StageFolder(folder, device)
    if not has_generators(folder, settings.views):
        with _reason_kept(settings, stages):
            trained_generators(begin(settings, stages, device, report), generator_from)


def draw_images(
    settings: RunSettings, folder: Path, *, device: str, generator_from: Path | None, report: Reporter
) -> None:
    """The first step and the next one: the images that its U-Nets train on, and are selected on."""
    stages = StageFolder(folder, device)
    with _reason_kept(settings, stages):
        trial = begin(settings, stages, device, report)
        generators = trained_generators(trial, generator_from)
        for subset in DRAWN:
            drawn_frames(trial, generators.__getitem__, subset)


def train_unet(settings: RunSettings, folder: Path, seed: int, *, device: str, report: Reporter) -> None:
    """The step behind `draw_images` that trains the U-Net of one seed; those of other seeds may run beside it."""
    stages = StageFolder(folder, device)
    if not stages.finished(unet_stage(seed)):
        with _reason_kept(settings, stages):
            trial = claimed(reopen(settings, stages, device, report))
            drawn = (drawn_frames(trial, partial(kept_by, trial), subset) for subset in DRAWN)
            _train_unet(trial, *seen_by_unets(trial, *drawn), seed)


def conclude(
    settings: RunSettings, folder: Path, *, device: str, generator_from: Path | None, report: Reporter
) -> None:
    """The last step: score and record. It does whatever the others have left."""
    stages = StageFolder(folder, device)
    if not (is_finished(folder) and _has_everything(settings, stages, device, generator_from)):
        with _reason_kept(settings, stages):
            _carry_out(settings, stages, device, generator_from, report)


def give_up(settings: RunSettings, folder: Path, reason: str) -> None:
    """Say in failed.json why a step has ended that could not say it itself, as its process was lost."""
    with suppress(EchobenchError), _reason_kept(settings, StageFolder(folder, "cpu")):
        raise EchobenchError(reason)


def _carry_out(
    settings: RunSettings, stages: StageFolder, device: str, generator_from: Path | None, report: Reporter
) -> None:
    """The nine steps; what takes long in them is a stage, which a run that goes on finds done."""
    started = now()
    trial = begin(settings, stages, device, report)
    generators = trained_generators(trial, generator_from)
    drawn, held_out = (drawn_frames(trial, generators.__getitem__, subset) for subset in DRAWN)
    training, selecting = seen_by_unets(trial, drawn, held_out)
    unets = _train_unets(trial, training, selecting)
    scores, predicted = _score(trial, unets)
    read_back = _read_back(generators, held_out)
    _save_pictures(trial, held_out, read_back, predicted)
    _write_record(trial, generators, training, unets, scores, started)


def _has_everything(settings: RunSettings, stages: StageFolder, device: str, generator_from: Path | None) -> bool:
    """Whether a finished run has all U-Net seeds; raises EchobenchError where it is of other data or generators."""
    finished, _ = read_record(stages.run)
    trial = reopen(settings, stages, device)
    if _fingerprints(trial) != finished.fingerprints:
        raise EchobenchError(
            f"{stages.run} is of other data than there is now; choose another --out, or --force to start over"
        )
    if generator_from is not None:
        offered_generators(trial, generator_from)  # what it cannot give, it is not asked for in silence
    return set(settings.unet_seeds) <= set(finished.settings["unet_seeds"])


@contextmanager
def _reason_kept(settings: RunSettings, stages: StageFolder) -> Iterator[None]:
    """Whatever stops what is done meanwhile is said in failed.json."""
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # on a full disk, say, of which the error tells
            write_failed(stages.run, _failure(settings, stages, error))
        raise


def _read_back(generators: Mapping[str, Generator], drawn: Frames) -> NDArray[np.uint8] | None:
    """Label maps that the generators themselves read from what they drew; None where they have not learnt to."""
    parts = []
    for view, generator in generators.items():
        frames = drawn.where(view=view)
        if (read := generator.read_maps(frames.images, frames.sector)) is None:
            return None
        parts.append(read)
    return np.concatenate(parts)


def unet_stage(seed: int) -> str:
    """The stage that trains the U-Net of a seed."""
    return f"unet-{seed}"


def _train_unets(trial: Trial, training: Frames, validation: Frames) -> dict[int, _Trained]:
    """A U-Net for every seed."""
    return {seed: _train_unet(trial, training, validation, seed) for seed in trial.settings.unet_seeds}


def _train_unet(trial: Trial, training: Frames, validation: Frames, seed: int) -> _Trained:
    name = unet_stage(seed)
    weights, curves_file = trial.stages.work / f"{name}.pt", trial.stages.work / f"{name}.csv"
    if trial.stages.finished(name):
        kept = trial.stages.kept
        return Segmenter.load(kept(weights), device=trial.device), pd.read_csv(kept(curves_file))
    with trial.stages.measured(name, [weights, curves_file]) as noted:
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
        write_whole(curves_file, curves.to_csv(index=False))
        noted["items"] = int(curves["step"].max()) * trial.settings.unet_settings.batch_size
    return segmenter, pd.read_csv(curves_file)


def _score(trial: Trial, unets: Mapping[int, _Trained]) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Raw scores of every U-Net on frames that none of them was trained on, and the first one's predictions."""
    frames = trial.scored
    with trial.stages.measured("score") as noted:
        found = {
            seed: known_scores(frames, segmenter.forecasts(frames.images), trial.dataset.regions)
            for seed, (segmenter, _) in unets.items()
        }
        parts = [table.assign(unet_seed=seed) for seed, (table, _) in found.items()]
        noted["items"] = len(frames) * len(unets)
    return pd.concat(parts, ignore_index=True), next(iter(found.values()))[1]


def _save_pictures(
    trial: Trial, validation: Frames, read_back: NDArray[np.uint8] | None, predicted: NDArray[np.uint8]
) -> None:
    real, whom = trial.frames("selection"), SCORED_ON[trial.settings.scored_on]
    pictures.save(
        trial.stages.run, trial.settings.label, validation, read_back, trial.scored, predicted, real, whom=whom
    )


def _write_record(
    trial: Trial,
    generators: Mapping[str, Generator],
    training: Frames,
    unets: Mapping[int, _Trained],
    scores: pd.DataFrame,
    started: str,
) -> None:
    record = _record(trial, next(iter(generators.values())), training, scores, started)
    curves = pd.concat([curves.assign(unet_seed=seed) for seed, (_, curves) in unets.items()])
    trial.stages.require_there()
    write_record(trial.stages.run, record, scores, curves, generator_curves(trial))


def _record(trial: Trial, generator: Generator, training: Frames, scores: pd.DataFrame, started: str) -> RunRecord:
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
        training_patients=len((trial.source if settings.mix is None else trial.dataset).split.training),
        validation_patients=sorted(split.validation),
        notes=[*_notes(settings, split), *_roundings(settings, trial.device, trial.stages.stages())],
        regions=list(trial.dataset.regions),
        metrics=scored_by(scores),
        parameters=generator.parameters,
        evaluations=generator.evaluations,
        deviations=settings.deviations(split.origin),
        needs_source_images=None if folder_of(settings.generator) else settings.backend.needs_source_images,
        weights_sha256={path.name: file_sha256(path) for path in sorted(trial.stages.work.glob("*.pt"))},
        **trial.stages.provenance(started),
    )


def _notes(settings: RunSettings, split: Split) -> Iterator[str]:
    """Who trained and selected the U-Net where that is not usual; what a score on validation patients owes to them."""
    if settings.mix is not None:
        yield (
            f"the U-Net trained on the real frames too, with {settings.mix:g} drawn "
            f"image{'' if settings.mix == 1 else 's'} for each, and its weights were selected on real frames"
        )
    if settings.patients is not None:
        yield (
            f"it took {settings.patients} patients in all (draw {settings.patient_draw}): {len(split.selecting)} "
            f"selected the U-Net's weights, {len(split.training)} trained"
        )
    elif settings.scored_on == "validation":
        yield f"the U-Net's weights were selected on {_seen(settings)}"


def _roundings(settings: RunSettings, device: str, stages: Iterable[Stage]) -> Iterator[str]:
    """Whether the generator computed more exactly than its settings say, here: not where it was taken from."""
    training = settings.as_dict()["generator_settings"].get("training") or {}
    if training.get("precision") == "bf16-mixed" and not has_bf16(device.partition(":")[0]):
        is_taken = any(stage.taken for stage in stages if stage.name.startswith(FIT))
        what = "drew" if is_taken else "trained and drew"
        yield f"this processor has no bf16, so {settings.label} {what} in float32"


def _seen(settings: RunSettings) -> str:
    """What of the frames that are scored has selected the weights, where validation patients are scored."""
    if settings.mix is not None:
        return "the very frames that are scored, so that its Dice flatters"
    if folder_of(settings.generator):
        return "images of the folder, which may have been drawn for the label maps of the patients who are scored"
    if not settings.backend.deforms:
        return "the very frames that are scored, so that its Dice flatters"
    if settings.backend.needs_source_images:
        return "copies of the frames that are scored, deformed like its training images, so that its Dice flatters"
    return "images drawn for the label maps of the patients who are scored; it saw none of their own images"


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
        error=_without_places(
            str(error) if isinstance(error, EchobenchError) else f"{type(error).__name__}: {error}", settings, stages
        ),
        time=now(),
    )


def _without_places(text: str, settings: RunSettings, stages: StageFolder) -> str:
    """A text for others, who need not know where folders lie on this machine: by name alone."""
    written = file_of(settings.generator)
    drawn = written.path if written else folder_of(settings.generator)
    places = [settings.data, drawn, stages.run.resolve(), stages.run, cache_folder()]
    for place in (Path(place) for place in places if place):
        text = text.replace(str(place), place.name) if place.is_absolute() else text
    return text
