"""Realism of what finished runs have drawn, beside their records."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from echobench.benchmark.measure.realism.diversity import Redrawn, redraw
from echobench.benchmark.measure.realism.extractors import inception_extractor, unet_extractor
from echobench.benchmark.measure.realism.measure import measure
from echobench.benchmark.measure.realism.radiomics import radiomics_packages
from echobench.benchmark.run.drawing import drawn_frames
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trained import first_unet, trained_generators
from echobench.benchmark.run.trial import Trial, reopen
from echobench.data.base.errors import EchobenchError
from echobench.data.maps import undeformed_maps
from echobench.generators.base import Generator
from echobench.results.records.realism import CURVES, REALISM, UNMEASURED, is_measured
from echobench.results.records.run import read_record
from echobench.segmentation.segmenter import Segmenter

REDRAWN_MAPS = 8
"""Validation maps of each view that are drawn several times, to see how different the images are."""


def measure_realism(
    settings: RunSettings,
    folder: Path,
    reference: Path,
    device: str,
    inception: Path | None = None,
    images: int | None = None,
) -> None:
    """Write realism.csv and realism-curves.csv into a finished run's folder, unless they are there, of that run, judged
    by the same networks and of as many images.

    reference: a finished run of `real` on the same frames; its first U-Net judges. Real frames to compare with are the
    training patients', held-out ones the validation patients'; no test patient is looked at. inception: see
    `find_inception`. images: how many FID takes, see `measure`. A run of which realism cannot be measured gets a file
    that says why, in the column `note`.
    """
    judge = Segmenter.load(first_unet(reference), device=device)
    networks = (unet_extractor(judge), inception_extractor(inception, torch.device(device)))
    record = read_record(folder)[0]
    judges = {network.weights_sha256 for network in networks if network} | {*filter(None, [radiomics_packages()])}
    n = min(images or record.training_images, record.training_images)
    if is_measured(folder, record.scores_sha256, judges, n):
        return
    trial = reopen(settings, StageFolder(folder, device), device)
    generators = trained_generators(trial)
    training = trial.frames("training")
    try:
        measured = measure(
            drawn_frames(trial, generators.__getitem__, "training"),
            training,
            training,
            trial.frames("validation"),
            judge,
            reference_split="training",
            redrawn=_redrawn(trial, generators) if settings.backend.deforms else None,
            inception=inception,
            images=images,
            seed=settings.seed,
        )
        CURVES.write(folder, record.scores_sha256, measured.curves)
        table = measured.rows
    except EchobenchError as error:
        table = pd.DataFrame([{"metric": UNMEASURED, "note": str(error)}])
    REALISM.write(folder, record.scores_sha256, table)


def _redrawn(trial: Trial, generators: dict[str, Generator]) -> Redrawn:
    parts = []
    for view, generator in generators.items():
        frames = trial.dataset.subset("validation", view)
        chosen = np.unique(np.linspace(0, len(frames) - 1, REDRAWN_MAPS).round().astype(np.intp))
        parts.append(redraw(generator, undeformed_maps(frames).select(chosen)))
    return Redrawn(*(np.concatenate(arrays) for arrays in zip(*((p.images, p.sector) for p in parts), strict=True)))
