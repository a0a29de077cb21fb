"""Ejection fractions that the U-Nets of finished runs measure on the patients who are scored, beside their records."""

from pathlib import Path

import numpy as np
import pandas as pd

from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trial import reopen
from echobench.data.frames import PHASES
from echobench.results.records.ejection import EJECTION, EXPERT, PREDICTED
from echobench.results.records.run import read_record
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.volumes import ejection


def measure_ejection(settings: RunSettings, folder: Path, device: str) -> None:
    """Write ejection.csv into a finished run's folder, unless it is there and of the same scores.

    It has the experts' masks and those of every U-Net in the record. Nothing is written where a phase is missing, of
    the run or of every scored patient, where millimetres are unknown, and where the frames are no longer those that
    the run was scored on.
    """
    record, _ = read_record(folder)
    if EJECTION.is_current(folder, record.scores_sha256) or set(settings.phases) < set(PHASES):
        return
    trial = reopen(settings, StageFolder(folder, device), device)
    scored = trial.scored
    if scored.fingerprint() != record.fingerprints[record.scored_on] or not np.isfinite(scored.spacing_mm).all():
        return
    tables = [ejection(scored, scored.labels).assign(masks=EXPERT)]
    for seed in record.settings["unet_seeds"]:
        segmenter = Segmenter.load(trial.stages.kept(trial.stages.work / f"unet-{seed}.pt"), device=device)
        predicted = segmenter.predict(scored.images)
        tables.append(ejection(scored, predicted).assign(masks=PREDICTED, unet_seed=seed))
    if tables[0].empty:
        return
    table = pd.concat(tables, ignore_index=True)
    table["unet_seed"] = table["unet_seed"].astype("Int64")
    table["dataset_ef_percent"] = table["patient"].map(trial.dataset.ejection_fraction)
    EJECTION.write(folder, record.scores_sha256, table[list(EJECTION.columns)].round(4))
