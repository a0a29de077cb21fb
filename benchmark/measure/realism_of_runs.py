"""Realism of what finished runs have drawn, beside their records."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from echobench.benchmark.measure.realism.diversity import Redrawn, redraw
from echobench.benchmark.measure.realism.extractors import inception_extractor, unet_extractor
from echobench.benchmark.measure.realism.measure import measure
from echobench.benchmark.run.drawing import drawn_frames
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trained import first_unet, trained_generators
from echobench.benchmark.run.trial import Trial, reopen
from echobench.data.base.errors import EchobenchError
from echobench.data.maps import undeformed_maps
from echobench.generators.base import Generator
from echobench.results.records.realism import REALISM, UNMEASURED, is_judged_by
from echobench.results.records.run import read_record
from echobench.segmentation.segmenter import Segmenter

REDRAWN_MAPS = 8
"""Validation maps of each view that are drawn several times, to see how different the images are."""


def measure_realism(
    settings: RunSettings, folder: Path, reference: Path, device: str, inception: Path | None = None
) -> None:
    """Write realism.csv into a finished run's folder, unless it is there, of that run and judged by the same networks.

    reference: a finished run of `real` on the same frames; its first U-Net judges. Real frames to compare with are the
    training patients', held-out ones the validation patients'; no test patient is looked at. inception: weights of
    InceptionV3; None looks in torch-fidelity's cache. A run of which realism cannot be measured gets a file that says
    why, in the column `note`.
    """
    judge = Segmenter.load(first_unet(reference), device=device)
    networks = (unet_extractor(judge), inception_extractor(inception, torch.device(device)))
    scores_sha256 = read_record(folder)[0].scores_sha256
    if is_judged_by(folder, scores_sha256, {network.provenance()["weights_sha256"] for network in networks if network}):
        return
    trial = reopen(settings, StageFolder(folder, device), device)
    generators = trained_generators(trial)
    training = trial.frames("training")
    try:
        table = measure(
            drawn_frames(trial, generators.__getitem__, "training"),
            training,
            training,
            trial.frames("validation"),
            judge,
            reference_split="training",
            redrawn=_redrawn(trial, generators) if settings.backend.deforms else None,
            inception=inception,
            seed=settings.seed,
        )
    except EchobenchError as error:
        table = pd.DataFrame([{"metric": UNMEASURED, "note": str(error)}])
    REALISM.write(folder, scores_sha256, table)


def _redrawn(trial: Trial, generators: dict[str, Generator]) -> Redrawn:
    parts = []
    for view, generator in generators.items():
        frames = trial.dataset.subset("validation", view)
        chosen = np.unique(np.linspace(0, len(frames) - 1, REDRAWN_MAPS).round().astype(np.intp))
        parts.append(redraw(generator, undeformed_maps(frames).select(chosen)))
    return Redrawn(*(np.concatenate(arrays) for arrays in zip(*((p.images, p.sector) for p in parts), strict=True)))
