"""What a comparison with the published network would cost on GPUs: the tables of docs/scale.md, `make readme`.

Nothing here was run on a GPU. Seconds on one are arithmetic from what was measured on a processor, what the network is
asked to compute, and the assumptions of `ASSUMED`.
"""

import heapq
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType

import pandas as pd
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from echobench.benchmark.run.settings import PRESETS
from echobench.data.base.files import write_whole
from echobench.generators.diffusion.paper import PaperSamplingSettings, PaperTrainingSettings
from echobench.generators.diffusion.paper_network import PaperNetworkSettings, PaperUNet
from echobench.results.evidence.cost import UNET, cost
from echobench.results.records.run import read_record
from echobench.results.shown.formats import Table, markdown
from echobench.segmentation.settings import PRESETS as UNET_PRESETS

OPERATIONS = "operations-paper.csv"
"""Among the records: what `count_operations` has counted."""
TRAINED = "speed/sdm-standard"
"""Among the records: a training on the processor, and as many threads, that `make speed` was measured on."""
GENERATORS, SEEDS, DRAWN_FAST = 8, 3, 20
VIEWS: Mapping[str, int] = MappingProxyType({"4C": 1, "2C": 1, "all": 2})
"""Views of the plan, and how many generators each trains."""
FRAMES: Mapping[str, int] = MappingProxyType({"training": 800, "validation": 100})
"""Of one view of CAMUS' official split: 400 and 50 patients, two phases."""
PLANS = ((1, 1), (8, 1), (64, 1), (64, 2), (64, 4))
"""GPUs, and how many of them draw and train a generator together."""


@dataclass(frozen=True)
class Assumption:
    """A number that was not measured here, and whose word it is."""

    value: float
    what: str
    source: str


ASSUMED: Mapping[str, Assumption] = MappingProxyType(
    {
        "peak": Assumption(312.0, "TFLOP/s of an A100 in bf16, without sparsity", "NVIDIA A100 datasheet, 2021"),
        "share": Assumption(
            0.3,
            "share of the peak that a large diffusion U-Net reaches",
            "Dhariwal & Nichol 2021, arXiv 2105.05233, table 7: about 30 % for their largest models, on V100",
        ),
        "unet": Assumption(
            1.0,
            "how many times faster a GPU trains a U-Net of the paper's, image by image, than the processor here",
            "a guess on the safe side: at batch 1 so small a network waits for its kernels to start",
        ),
    }
)


@dataclass(frozen=True)
class Rates:
    """Seconds. train: an image, forward and backward; evaluate: the network, for an image whose map is read; read: a
    map; unet: a step of a U-Net's training, of one image."""

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


def count_operations() -> pd.DataFrame:
    """Floating-point operations of the published network for one image, in TFLOP: reading its map, and an evaluation.

    A multiplication and an addition are two. Nothing is computed: tensors have shapes alone.
    """
    settings = PaperNetworkSettings()
    with torch.no_grad(), FakeTensorMode(), FlopCounterMode(display=False) as counter:
        network = PaperUNet(settings)
        modulation = network.condition(torch.zeros(1, settings.classes, 256, 256))
        read = counter.get_total_flops()
        network(torch.zeros(1, settings.image_channels, 256, 256), torch.zeros(1, dtype=torch.long), modulation)
        evaluate = counter.get_total_flops() - read
    return pd.DataFrame({"part": ["read", "evaluate"], "tflop": [read / 1e12, evaluate / 1e12]})


def training_ratio(measured: Path) -> float:
    """Seconds of training on an image, over those of an evaluation that reads the map, as measured for our own network.

    One more evaluation is added: the published network computes its activations twice (`gradient_checkpointing`).
    """
    record, _ = read_record(measured / TRAINED)
    trained = record.settings["generator_settings"]["training"]
    seconds = cost(record).training_seconds / (trained["steps"] * trained["batch"])
    return 1000 * seconds / _speed(measured, "standard", cached=False) + PaperTrainingSettings().gradient_checkpointing


def here(measured: Path) -> Rates:
    """On the processor that speeds were measured on."""
    cached, uncached = (_speed(measured, "paper", cached=cached) / 1000 for cached in (True, False))
    record, _ = read_record(measured / TRAINED)
    steps = [stage.seconds / (stage.items or 1) for stage in record.stages if stage.name.startswith(UNET)]
    return Rates(training_ratio(measured) * uncached, cached, uncached - cached, median(steps))


def on_gpu(measured: Path) -> Rates:
    """On a GPU as in `ASSUMED`."""
    tflop = pd.read_csv(measured / OPERATIONS).set_index("part")["tflop"]
    rate = ASSUMED["peak"].value * ASSUMED["share"].value
    read, evaluate = tflop["read"] / rate, tflop["evaluate"] / rate
    return Rates(
        training_ratio(measured) * (read + evaluate), evaluate, read, here(measured).unet / ASSUMED["unet"].value
    )


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
    """A table of the plan, by its name: assumptions, rates or costs."""
    return _MADE[name](measured)


def _assumptions(measured: Path) -> str:
    rows = [{"assumed": one.what, "value": f"{one.value:g}", "source": one.source} for one in ASSUMED.values()]
    return markdown(Table("assumptions", "", pd.DataFrame(rows), {}))


def _rates(measured: Path) -> str:
    """Of an image of the published network, on the processor and on a GPU."""
    processor, gpu, columns = here(measured), on_gpu(measured), ("measured on 2 cores", "one GPU, by arithmetic")
    named = {
        "train": "training, an image",
        "evaluate": "one evaluation, the map read before",
        "read": "reading a map",
        "unet": "a U-Net's step of one image",
    }
    rows = [[name, getattr(processor, field), getattr(gpu, field)] for field, name in named.items()]
    frame = pd.DataFrame(rows, columns=["seconds", *columns])
    return markdown(Table("rates", "", frame, dict.fromkeys(columns, ",.3g")))


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


def _speed(measured: Path, preset: str, *, cached: bool) -> float:
    """Milliseconds of an evaluation of one image in bf16, by the ancestral sampler."""
    rows = pd.read_csv(measured / f"speed-{preset}.csv")
    chosen = (rows["sampler"] == "ancestral") & (rows["precision"] == "bf16") & (rows["cached"] == cached)
    return float(rows.loc[chosen, "ms_per_step"].iloc[0])


_MADE = {"assumptions": _assumptions, "rates": _rates, "costs": _costs}


if __name__ == "__main__":
    write_whole(Path(sys.argv[1]), count_operations().to_csv(index=False))
