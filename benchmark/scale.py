"""What a comparison with the published network would cost on GPUs: the tables of docs/scale.md, `make readme`.

Seconds are measured: of some steps of the published training, some evaluations of its network, and whole trainings of
the U-Net. Everything else is arithmetic.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType

import pandas as pd

from echobench.benchmark.run.settings import PRESETS
from echobench.generators.diffusion.paper import PaperSamplingSettings, PaperTrainingSettings
from echobench.results.evidence.cost import UNET, cost, hardware
from echobench.results.records.run import RunRecord, read_record
from echobench.results.shown.formats import Table, markdown
from echobench.segmentation.settings import PRESETS as UNET_PRESETS

PUBLISHED = "speed/sdm-paper*"
"""Among the records: runs of the published network at full size, as short as a run can be."""
TRAINED, SPEEDS, UNETS = "speed/sdm-paper-h200", "speed-paper-h200.csv", "camus-real-standard"
"""Among the records, those of one GPU: its training, its evaluations (`make speed`), and trainings of the U-Net."""
GENERATORS, SEEDS, DRAWN_FAST = 8, 3, 20
VIEWS: Mapping[str, int] = MappingProxyType({"4C": 1, "2C": 1, "all": 2})
"""Views of the plan, and how many generators each trains."""
FRAMES: Mapping[str, int] = MappingProxyType({"training": 800, "validation": 100})
"""Of one view of CAMUS' official split: 400 and 50 patients, two phases."""
PLANS = ((1, 1), (8, 1), (64, 1), (64, 2), (64, 4))
"""GPUs, and how many of them draw and train a generator together."""


@dataclass(frozen=True)
class Rates:
    """Seconds. train: an image, forward and backward; evaluate: the network, for an image whose map is read; read: a
    map; unet: a step of a U-Net's training."""

    train: float
    evaluate: float
    read: float
    unet: float


@dataclass(frozen=True)
class Cell:
    """Hours of a generator and view on one GPU: training, drawing, and each U-Net."""

    fit: float
    draw: float
    unet: float

    @property
    def total(self) -> float:
        return self.fit + self.draw + SEEDS * self.unet


def training_seconds(record: Path) -> float:
    """Of a training, for an image."""
    trained = read_record(record)[0].settings["generator_settings"]["training"]
    return step_seconds(pd.read_csv(record / "generator-curves.csv")) / int(trained["batch"])


def step_seconds(curves: pd.DataFrame) -> float:
    """Of a training's step: those between the last two points of its curve, so that no warm-up is in them; all where it
    has one point. Of the last view, where several were trained."""
    points = curves.loc[curves["view"] == curves["view"].iloc[-1], ["step", "seconds"]]
    last = pd.concat([pd.DataFrame({"step": [0], "seconds": [0.0]}), points]).diff().iloc[-1]
    return float(last["seconds"] / last["step"])


def on_gpu(measured: Path) -> Rates:
    """On the GPU of the records; a U-Net's step is of its whole batch."""
    cached, uncached = (_speed(measured, cached=cached) / 1000 for cached in (True, False))
    record, _ = read_record(measured / UNETS)
    stages = [stage for stage in record.stages if stage.name.startswith(UNET)]
    steps = [stage.seconds * record.settings["unet_settings"]["batch_size"] / (stage.items or 1) for stage in stages]
    return Rates(training_seconds(measured / TRAINED), cached, uncached - cached, median(steps))


def cells(rates: Rates, evaluations: int = PaperSamplingSettings().steps) -> list[Cell]:
    """The cells of the plan."""
    training, unet = PaperTrainingSettings(), UNET_PRESETS["paper"]
    drawn = PRESETS["paper"].repeats * FRAMES["training"]
    fit = training.steps * training.batch * rates.train
    draw = (drawn + FRAMES["validation"]) * (rates.read + evaluations * rates.evaluate)
    return [
        Cell(*(views * seconds / 3600 for seconds in (fit, draw, (unet.epochs or 0) * drawn * rates.unet)))
        for views in VIEWS.values()
        for _ in range(GENERATORS)
    ]


def wall_hours(plan: Sequence[Cell], gpus: int, together: int) -> float:
    """Hours until the last U-Net is trained, where whatever is ready takes the GPUs that are free first.

    together: GPUs that train a generator and draw, which is divided evenly among them; a U-Net is trained by one. The
    longest cells begin first; what processes tell one another costs nothing.
    """
    free = [0.0] * gpus
    ready = [
        (0.0, -cell.total, number, together, (cell.fit + cell.draw) / together) for number, cell in enumerate(plan)
    ]
    heapq.heapify(ready)
    while ready:
        begin, order, number, wide, hours = heapq.heappop(ready)
        taken = [heapq.heappop(free) for _ in range(wide)]
        end = max(begin, *taken) + hours
        for _ in taken:
            heapq.heappush(free, end)
        if order < 0:
            for _ in range(SEEDS):
                heapq.heappush(ready, (end, 0.0, number, 1, plan[number].unet))
    return max(free)


def plan(measured: Path, name: str) -> str:
    """A table of the plan, by its name: rates, training or costs."""
    return _MADE[name](measured)


def _rates(measured: Path) -> str:
    """Of an image of the published network, and of a U-Net."""
    named = {
        "train": ("training, an image", TRAINED),
        "evaluate": ("one evaluation of an image, its map read before", SPEEDS),
        "read": ("reading a map", SPEEDS),
        "unet": ("a U-Net's step", UNETS),
    }
    rates = on_gpu(measured)
    rows = [
        {"what": what, "seconds": getattr(rates, field), "record": f"[{place}](../results/measured/{place})"}
        for field, (what, place) in named.items()
    ]
    return markdown(Table("rates", "", pd.DataFrame(rows), {"seconds": ",.3g"}))


def _training(measured: Path) -> str:
    """Days of the published training, by the runs that trained its network at full size."""
    training, rows = PaperTrainingSettings(), []
    for folder in sorted(measured.glob(PUBLISHED)):
        record, _ = read_record(folder)
        each, batch = training_seconds(folder), record.settings["generator_settings"]["training"]["batch"]
        rows.append(
            {
                "where": hardware(record), "frames per step": batch, "seconds an image": each,
                "days": training.steps * training.batch * each / 86_400, "memory, GB": _memory_mb(record) / 1000,
            }
        )  # fmt: skip
    formats = {"seconds an image": ",.3g", "days": ",.1f", "memory, GB": ",.0f"}
    return markdown(Table("training", "", pd.DataFrame(rows), formats))


def _memory_mb(record: RunRecord) -> float:
    """The most while a generator trained or drew; of the GPU where there is one."""
    spent = cost(record)
    return spent.peak_memory_mb if record.machine["device"] == "cpu" else spent.peak_gpu_memory_mb


def _costs(measured: Path) -> str:
    rows = [*_rows(measured, PaperSamplingSettings().steps), *_rows(measured, DRAWN_FAST)]
    formats = {"days": ",.1f", "GPU hours": ",.0f", "GPUs busy": ".0%"}
    return markdown(Table("costs", "", pd.DataFrame(rows), formats))


def _rows(measured: Path, evaluations: int) -> Iterator[dict[str, object]]:
    plan = cells(on_gpu(measured), evaluations)
    hours = {
        "training generators": sum(cell.fit for cell in plan),
        "drawing": sum(cell.draw for cell in plan),
        "training U-Nets": sum(SEEDS * cell.unet for cell in plan),
    }
    total, longest = sum(hours.values()), max(plan, key=lambda cell: cell.total)
    for gpus, together in PLANS:
        wall = wall_hours(plan, gpus, together)
        chain = {"training one generator": longest.fit / together, "drawing": longest.draw / together} | {
            "one U-Net": longest.unet
        }
        busy = total / (gpus * wall)
        spent, where = (hours, "all GPUs") if busy > 0.8 else (chain, "the longest cell")
        most = max(spent, key=lambda name: spent[name])
        yield {
            "evaluations per image": evaluations, "GPUs": gpus, "of them per generator": together, "days": wall / 24,
            "GPU hours": total, "GPUs busy": busy,
            "bottleneck": f"{where}: {spent[most] / sum(spent.values()):.0%} is {most}",
        }  # fmt: skip


def _speed(measured: Path, *, cached: bool) -> float:
    """Milliseconds of an evaluation of one image in bf16, by the ancestral sampler."""
    rows = pd.read_csv(measured / SPEEDS)
    chosen = (rows["sampler"] == "ancestral") & (rows["precision"] == "bf16") & (rows["cached"] == cached)
    return float(rows.loc[chosen, "ms_per_step"].iloc[0])


_MADE = {"rates": _rates, "training": _training, "costs": _costs}
