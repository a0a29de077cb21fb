"""Scores made again from the U-Nets that a finished run keeps, to be held against its record."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from echobench.benchmark.run.machine import describe_machine, package_versions
from echobench.benchmark.run.scoring import known_scores
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.results.records.run import RunRecord, unet_path
from echobench.segmentation.segmenter import Segmenter

_OF_THE_MACHINE = ("system", "processor", "instruction_sets", "torch_capability", "device")


@dataclass(frozen=True, eq=False)
class Rescored:
    """scores: raw, of the U-Nets that are there. elsewhere: processor and packages that are not those of the record;
    without any, the scores must be the record's, bit for bit."""

    scores: pd.DataFrame
    elsewhere: tuple[str, ...]


def load_unets(run: Path, record: RunRecord) -> dict[int, Segmenter]:
    """The U-Nets that a run keeps, by seed. Raises EchobenchError for a file that holds none, or another one."""
    paths = {seed: unet_path(run, seed) for seed in record.settings["unet_seeds"]}
    unets = {seed: Segmenter.load(path) for seed, path in paths.items() if path.is_file()}
    for seed, unet in unets.items():
        if json.loads(json.dumps(unet.settings.as_dict())) != record.settings["unet_settings"]:
            raise EchobenchError(f"{paths[seed]} holds a U-Net of other settings than the record's")
    return unets


def rescore(record: RunRecord, unets: dict[int, Segmenter], frames: Frames) -> Rescored:
    """Raw scores of these U-Nets, by the metrics, on the processor and on as many threads as the record says."""
    threads = torch.get_num_threads()
    torch.set_num_threads(record.machine.get("torch_threads", threads))
    try:
        tables = [
            known_scores(frames, unet.forecasts(frames.images), record.regions)[0].assign(unet_seed=seed)
            for seed, unet in unets.items()
        ]
    finally:
        torch.set_num_threads(threads)
    scores = pd.concat(tables, ignore_index=True)
    scored_then = scores["metric"].isin([metric.name for metric in record.metrics])  # others came later
    return Rescored(scores[scored_then], _elsewhere(record))


def _elsewhere(record: RunRecord) -> tuple[str, ...]:
    here, packages = describe_machine("cpu"), package_versions()
    machine = [name for name in _OF_THE_MACHINE if record.machine.get(name) != here.get(name)]
    others = [name for name in packages if name != "echobench" and record.versions.get(name) != packages[name]]
    return (*machine, *others)
