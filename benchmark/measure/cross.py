"""A finished run's U-Nets on data of another kind: another dataset, another scanner, the other view."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from echobench.benchmark.choices import CROSSED
from echobench.benchmark.run.machine import describe_machine, now, package_versions, source_commit
from echobench.benchmark.run.place import reread
from echobench.benchmark.run.scoring import known_scores
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trial import PHANTOM_SEED, read_view
from echobench.data.base.cache import cache_folder
from echobench.data.base.errors import EchobenchError, require_known
from echobench.data.base.files import typed_path, working_in
from echobench.data.base.metric import MetricFacts
from echobench.data.base.progress import Progress, silent
from echobench.data.datasets.copies import alike, thumbnails_of
from echobench.data.datasets.dataset import Asked
from echobench.data.datasets.echonet.reading import CAVITY, read_echonet
from echobench.data.datasets.medical_image import resize_image, resize_labels
from echobench.data.datasets.registry import reader_called
from echobench.data.datasets.soundness import sound
from echobench.data.frames import VIEWS, Frames
from echobench.data.phantom.echonet import VERSION, write_phantom_echonet
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.cross import ECHONET, CrossRecord, read_cross, write_cross
from echobench.results.records.run import RunRecord, is_finished, read_failed, read_record, unet_path
from echobench.results.shown.cross import cross_figures, cross_tables
from echobench.results.shown.files import FIGURES, TABLES, file_name, write_figures, write_tables
from echobench.results.shown.formats import Table
from echobench.segmentation.scores import scored_by
from echobench.segmentation.segmenter import Forecast, Segmenter

CROSS = "cross"
DATA_VARIABLE = "ECHOBENCH_ECHONET"
PHANTOM_ECHONET = "phantom-echonet"
PHANTOM_PATIENTS = 160
"""Of the phantom's second scanner; an eighth of them are its test patients."""


@dataclass(frozen=True, eq=False)
class Target:
    """Test frames of other data. name: of the files beside a run. frames: at their own size. regions: what the experts
    drew. skipped: a sentence for each video that could not be read."""

    name: str
    dataset: str
    frames: Frames
    regions: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def echonet_target(folder: Path | None, *, skip_broken: bool = False, progress: Progress = silent) -> Target:
    """The test videos of an EchoNet-Dynamic folder, or of the phantom's second scanner for None.

    Raises EchobenchError for what cannot be read, unless skip_broken.
    """
    if folder is None:
        name, dataset = PHANTOM_ECHONET, "the phantom's second scanner"
        folder = cache_folder() / f"{PHANTOM_ECHONET}-{VERSION}-{PHANTOM_PATIENTS}"
        write_phantom_echonet(folder, PHANTOM_PATIENTS, PHANTOM_SEED)
    else:
        name, dataset = ECHONET, "EchoNet-Dynamic"
    data = read_echonet(folder, subset="testing", skip_broken=skip_broken, progress=progress)
    return Target(name, dataset, data.frames, data.regions, data.skipped)


def view_target(run: Path, data: str | None = None) -> Target:
    """The patients that a run is scored on, in the other view; data: see `reread`.

    Raises EchobenchError where they have none.
    """
    record, _ = read_record(run)
    if record.view not in VIEWS:
        raise EchobenchError(f"{run} was trained on both views: there is no other one to test it on")
    (view,) = (view for view in VIEWS if view != record.view)
    dataset = read_view(reread(run, record, data)[0], view)
    frames = dataset.frames.where(patients=record.scored_patients)  # a split derived from the other view has others
    if not len(frames):
        raise EchobenchError(f"{dataset.name} has no {view} frames of the {record.whom} of {run}")
    return Target(view, dataset.name, frames, dataset.regions)


def _size(settings: Mapping[str, Any], run: Path) -> tuple[int, int]:
    side = settings["unet_settings"].get("image_size_px")
    if type(side) is not int or side < 1:
        raise EchobenchError(f"{run} does not say of what size the images of its U-Net are: its settings are damaged")
    return side, side


def camus_target(folder: Path, run: Path, data: str | None = None) -> Target:
    """The test patients of a CAMUS-layout folder, of the views that a run was trained on, at its U-Net's size.

    data: of the run, see `reread`. Raises EchobenchError where a frame of theirs is a copy of one that the run has
    learnt from, whatever it is called.
    """
    record, _ = read_record(run)
    view, seed = None if record.view == "all" else record.view, record.settings["seed"]
    own = reread(run, record, data)[1].frames
    dataset = sound(reader_called("camus").read(folder, Asked(view, seed, _size(record.settings, run))), seed)
    testing, learnt = dataset.subset("testing"), own.select(~np.isin(own.patient, record.test_patients))
    seen = [testing.patient[i] for i, _ in alike(thumbnails_of(testing.images), thumbnails_of(learnt.images))]
    if seen:
        raise EchobenchError(
            f"{run} has learnt from frames of {seen[0]}, who is among the test patients of {folder} "
            f"({len(set(seen))} such patients): nothing it scores there would count"
        )
    return Target("camus", dataset.name, testing, dataset.regions)


def targets(
    on: str, *, echonet: str | None = None, camus: Path | None = None, data: str | None = None,
    skip_broken: bool = False, progress: Progress = silent,
) -> Callable[[Path], Target]:  # fmt: skip
    """What a run is scored on, by its folder. on: one of `CROSSED`. echonet, camus: folders. data: see `reread`.

    Videos are read once, for all runs; without a folder, `ECHOBENCH_ECHONET` names one, else it is the phantom's second
    scanner. Raises EchobenchError for another choice, and where there is nothing to read.
    """
    require_known("data to score on", on, CROSSED)
    if on == "echonet":
        folder = echonet or os.environ.get(DATA_VARIABLE)
        target = echonet_target(typed_path(folder) if folder else None, skip_broken=skip_broken, progress=progress)
        return lambda run: target
    if on == "view":
        return lambda run: view_target(run, data)
    if camus is None:
        raise EchobenchError("--on camus needs a CAMUS folder: --data-camus DIR")
    reader = reader_called("camus")
    if not (camus.is_dir() and reader.recognises(camus)):
        raise EchobenchError(f"there is no CAMUS dataset in {camus}; {reader.layout}")
    return lambda run: camus_target(camus, run, data)


def cross_runs(folders: Sequence[Path], target_of: Callable[[Path], Target], out: Path, device: str) -> list[Table]:
    """`cross` for every run, then tables and figures in `out`, a folder for each group; the tables are given back.

    A run that has not finished is passed over. Raises EchobenchError where none has, and for a run on real data where
    the target is the phantom's second scanner, which would say nothing.
    """
    finished = [folder for folder in folders if is_finished(folder)]
    written: list[Table] = []
    if folders and not finished:
        stopped = next((found for folder in folders if (found := read_failed(folder))), None)
        why = f": {stopped.generator} failed, {stopped.error}" if stopped else ""
        raise EchobenchError(f"none of the runs has finished{why}")
    for folder in finished:
        target = target_of(folder)
        refuse_phantom(target, folder.name, on_phantom=read_record(folder)[0].dataset == "phantom")
        with working_in(folder):
            cross(folder, target, device)
    for group in Comparison.of(finished).groups:
        tables, place = cross_tables(group), file_name(group.title)
        with working_in(out, place):
            write_tables(tables, out / place / TABLES)
            write_figures(cross_figures(group), out / place / FIGURES)
        written += [replace(table, of=group.title) for table in tables]
    return written


def refuse_phantom(target: Target, run: str, *, on_phantom: bool) -> None:
    """Raises EchobenchError for a run on real data where the target is the phantom's second scanner."""
    if target.name == PHANTOM_ECHONET and not on_phantom:
        raise EchobenchError(f"{run} is of real frames; name real videos: --data-echonet DIR, or {DATA_VARIABLE}")


def cross(run: Path, target: Target, device: str) -> None:
    """Score a finished run's U-Nets on a target and leave the files beside its record, unless they are there.

    Raises EchobenchError for a run that is not finished, keeps no U-Net, or never saw the view of EchoNet-Dynamic.
    """
    record, own = read_record(run)
    if record.view == "2C" and target.regions == CAVITY:
        raise EchobenchError(
            f"{run.name} was trained on 2C frames, and {target.dataset} has 4C; take a run of 4C or all"
        )
    learnt = set(own["region"])  # what the U-Nets' own experts drew
    target = replace(target, regions=tuple(region for region in target.regions if region in learnt))
    seeds, fingerprint = record.settings["unet_seeds"], target.frames.fingerprint()
    earlier = read_cross(run, target.name)
    if earlier and (earlier[0].run_sha256, earlier[0].fingerprint) == (record.scores_sha256, fingerprint):
        return
    began = time.perf_counter()
    segmenters = {seed: _unet(run, seed, device) for seed in seeds}
    scores = pd.concat(
        [scores_on(segmenter, target).assign(unet_seed=seed) for seed, segmenter in segmenters.items()],
        ignore_index=True,
    )
    size = next(iter(segmenters.values())).preprocessing.size_px
    seconds = time.perf_counter() - began
    machine, metrics = describe_machine(device), scored_by(scores)
    write_cross(run, _record(record, target, fingerprint, size, metrics, seconds, machine), scores)


def scores_on(segmenter: Segmenter, target: Target) -> pd.DataFrame:
    """See `known_scores`; at the target's own size, of its regions."""
    frames, size = target.frames, segmenter.preprocessing.size_px
    images = np.stack([resize_image(image, (size, size)) for image in frames.images])
    forecasts = (_resized(forecast, frames.size) for forecast in segmenter.forecasts(images))
    return known_scores(frames, forecasts, target.regions)[0]


def _resized(forecast: Forecast, size: tuple[int, int]) -> Forecast:
    labels, probabilities = forecast
    if labels.shape[1:] == size:
        return forecast
    said = functional.interpolate(torch.from_numpy(probabilities), size, mode="bilinear", antialias=True)
    return np.stack([resize_labels(one, size) for one in labels]), said.numpy()


def _record(
    record: RunRecord,
    target: Target,
    fingerprint: str,
    size_px: int,
    metrics: list[MetricFacts],
    seconds: float,
    machine: dict[str, Any],
) -> CrossRecord:
    height, width = target.frames.size
    same = (height, width) == (size_px, size_px)
    return CrossRecord(
        target=target.name,
        dataset=target.dataset,
        view=", ".join(sorted(set(target.frames.view))),
        regions=list(target.regions),
        frames=len(target.frames),
        patients=len(set(target.frames.patient)),
        unet_seeds=list(record.settings["unet_seeds"]),
        resize=f"Frames are read at the U-Net's {size_px} × {size_px} pixels"
        if same
        else f"Frames of {height} × {width} pixels are resized to the U-Net's {size_px} × {size_px} (bilinear), its "
        "labels (nearest) and probabilities (bilinear) back, and scored at the frames' own size",
        fingerprint=fingerprint,
        skipped=list(target.skipped),
        metrics=metrics,
        seconds=round(seconds, 3),
        commit=source_commit(),
        versions=package_versions(),
        finished=now(),
        run_sha256=record.scores_sha256,
        machine=machine,
    )


def _unet(run: Path, seed: int, device: str) -> Segmenter:
    path = unet_path(run, seed)
    if not path.is_file():
        raise EchobenchError(f"{run} keeps no U-Net of seed {seed}: only the folder that `echobench run` wrote has it")
    return Segmenter.load(StageFolder(run, "cpu").kept(path), device=device)
