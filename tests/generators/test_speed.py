"""Drawing speed, on demand, on a machine with nothing else to do:

    pytest tests/generators/test_speed.py --benchmark-only -s

The weights are random: they cost the same as trained ones. Environment variables choose what is measured
(`ECHOBENCH_SPEED_OUT` names a CSV that gets the table, with the processor, its instruction sets and the threads):
`ECHOBENCH_SPEED_PRESET` (standard), `ECHOBENCH_SPEED_BATCH` (images drawn together, 16), `ECHOBENCH_SPEED_SIZE` (side
in pixels, 256), `ECHOBENCH_SPEED_STEPS` (steps that are timed, 20), `ECHOBENCH_SPEED_DEVICE` (cpu). For the
published network on a processor, where an evaluation takes seconds: PRESET=paper BATCH=1 STEPS=3; only its own sampler
is timed.

A sampler is timed once in each way, the median of `ECHOBENCH_SPEED_ROUNDS` (3) after one that warms up, in turn with
all others, so that a machine that slows down slows all of them; its step counts are that cost of a step times steps,
plus the label maps once. The reference is ancestral sampling in 1000 steps, float32, the label maps read at every step.
Beside ours, an evaluation of MONAI's network of the same levels is timed, in which every SPADE layer has an encoder of
the label map of its own.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np
import pandas as pd
import pytest
import torch
from monai.networks.nets import SPADEDiffusionModelUNet
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from echobench.benchmark.commands import SPEED
from echobench.benchmark.run.machine import describe_machine
from echobench.generators.diffusion.sampling import SamplingSettings, draw, solver_for
from echobench.generators.sdm import SemanticDiffusion
from echobench.generators.training.pairs import LIMIT, to_planes
from echobench.results.evidence.cost import conditions

pytestmark = pytest.mark.filterwarnings(  # diffusers 0.42 hands a tensor to numpy 2 without saying whether to copy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PRESET = os.environ.get(*SPEED["preset"])
BATCH = int(os.environ.get(*SPEED["batch"]))
SIZE = int(os.environ.get(*SPEED["size_px"]))
TIMED_STEPS = int(os.environ.get(*SPEED["extrapolated_from_steps"]))
ROUNDS = int(os.environ.get("ECHOBENCH_SPEED_ROUNDS", "3"))
DEVICE = torch.device(os.environ.get(*SPEED["device"]))
REFERENCE = SamplingSettings("ancestral", 1000)
PEER = "MONAI's SPADE network"
SAMPLERS = {"ancestral": (1000, 250, 25), "ddim": (50, 25, 20), "dpm++": (25, 15, 10), "dpm++sde": (25, 15, 10)}
"""Step counts of each, the reference's first."""


@dataclass(frozen=True)
class Way:
    """How the network is run. cache: label maps read once for all steps; half: bf16."""

    cache: bool
    half: bool

    def __str__(self) -> str:
        return f"{'cached' if self.cache else 'uncached'} {'bf16' if self.half else 'float32'}"


PLAIN, DEFAULT = Way(cache=False, half=False), Way(cache=True, half=True)
WAYS = [PLAIN, Way(cache=True, half=False), Way(cache=False, half=True), DEFAULT]


@dataclass(frozen=True)
class Cost:
    """Seconds: of reading the label maps once, and of each step, per image."""

    maps: float
    step: float

    def image(self, steps: int) -> float:
        return self.maps + steps * self.step


@pytest.fixture(scope="module")
def denoiser() -> nn.Module:
    return SemanticDiffusion(SemanticDiffusion.presets[PRESET]).method.new_denoiser(0).to(DEVICE).eval()


@pytest.fixture(scope="module")
def planes() -> Tensor:
    labels = torch.randint(0, 4, (BATCH, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    return to_planes(labels, torch.ones(BATCH, SIZE, SIZE, dtype=torch.bool)).to(DEVICE)


def now() -> float:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def costs_of(denoiser: nn.Module, planes: Tensor, cells: Iterable[tuple[str, Way]]) -> dict[tuple[str, Way], Cost]:
    """Of each sampler and way, the median of some drawings, after one that warms up."""
    drawn: dict[tuple[str, Way], list[Cost]] = {cell: [] for cell in cells}
    for _ in range(1 + ROUNDS):
        for (sampler, way), drawings in drawn.items():
            one = _evaluation(way) if sampler == PEER else _drawing(denoiser, planes, sampler, way)
            drawings.append(one)
    return {
        cell: Cost(median(one.maps for one in drawings[1:]), median(one.step for one in drawings[1:]))
        for cell, drawings in drawn.items()
    }


def _drawing(denoiser: nn.Module, planes: Tensor, sampler: str, way: Way) -> Cost:
    """Time one of `TIMED_STEPS` steps."""
    condition, marks = denoiser.condition, [0.0]
    channels = 3 if PRESET == "paper" else 1
    with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16, enabled=way.half):
        began = now()
        modulation = condition(planes)
        maps = now() - began if way.cache else 0.0

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            predicted: Tensor = denoiser(x_t, t, modulation if way.cache else condition(planes))
            return predicted

        solver = solver_for(SamplingSettings(sampler, TIMED_STEPS), denoiser.schedule)  # type: ignore[arg-type]
        draw(
            predict, range(BATCH), planes[:, -1:], solver, denoiser.schedule, LIMIT,  # type: ignore[arg-type]
            after_step=lambda: marks.append(now()), channels=channels,
        )  # fmt: skip
    steps = np.diff(marks[1:]) if TIMED_STEPS > 1 else [marks[1] - began - maps]
    return Cost(maps / BATCH, float(np.median(steps)) / BATCH)


def _evaluation(way: Way) -> Cost:
    """Time evaluations of MONAI's SPADE network with our levels, map channels and patches, which knows no cache."""
    settings = SemanticDiffusion.presets[PRESET].network
    pixels, planes, side = settings.patch**2, settings.planes * settings.patch**2, SIZE // settings.patch
    network = SPADEDiffusionModelUNet(
        2, pixels, pixels, planes, settings.blocks, settings.channels, settings.attention, norm_num_groups=16,
        num_head_channels=64, spade_intermediate_channels=settings.map_channels,
    ).to(DEVICE).eval()  # fmt: skip
    x, seg = torch.randn(BATCH, pixels, side, side).to(DEVICE), torch.randn(BATCH, planes, side, side).to(DEVICE)
    marks = []
    with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16, enabled=way.half):
        for _ in range(1 + TIMED_STEPS):
            network(x, torch.zeros(BATCH, device=DEVICE), seg)
            marks.append(now())
    return Cost(0.0, float(np.median(np.diff(marks))) / BATCH)


def row(sampler: str, steps: int, way: Way, measured: Cost, reference: float) -> dict[str, object]:
    """One line of the table."""
    seconds = measured.image(steps)
    return {
        "preset": PRESET, "sampler": sampler, "nfe": steps, "cached": way.cache,
        "precision": "bf16" if way.half else "float32", "seconds_per_image": round(seconds, 4),
        "ms_per_step": round(1000 * measured.step, 3), "times_reference": round(reference / seconds, 1),
        "extrapolated_from_steps": TIMED_STEPS if steps > TIMED_STEPS else None,
    }  # fmt: skip


def test_table(benchmark: BenchmarkFixture, denoiser: nn.Module, planes: Tensor) -> None:
    """Every sampler, step count and way; the benchmark's own time is that of one default drawing."""
    samplers = SAMPLERS if PRESET != "paper" else {REFERENCE.sampler: (REFERENCE.steps,)}
    peers = [(PEER, way) for way in WAYS if not way.cache and PRESET != "paper"]
    costs = costs_of(denoiser, planes, [*product(samplers, WAYS), *peers])
    reference = costs[REFERENCE.sampler, PLAIN].image(REFERENCE.steps)
    default = SemanticDiffusion.presets[PRESET].sampling
    cells = [(sampler, steps, way) for sampler, counts in samplers.items() for steps in counts for way in WAYS]
    cells.sort(key=lambda cell: cell != (default.sampler, default.steps, DEFAULT))
    cells += [(PEER, REFERENCE.steps, way) for _, way in peers]
    table = pd.DataFrame([row(*cell, costs[cell[0], cell[2]], reference) for cell in cells])
    benchmark.pedantic(_drawing, args=(denoiser, planes, default.sampler, DEFAULT), rounds=1)
    weights = sum(p.numel() for p in denoiser.parameters())
    machine = {name.replace(" ", "_"): value for name, value in conditions(describe_machine(str(DEVICE))).items()}
    table = table.assign(weights=weights, size_px=SIZE, batch=BATCH, device=str(DEVICE), **machine)
    print("\n" + table.to_string(index=False))
    for half in (False, True):
        uncached, cached = (costs[REFERENCE.sampler, Way(cache, half)] for cache in (False, True))
        print(f"a cached step is {uncached.step / cached.step:.2f} × faster ({Way(True, half)})")
        if peer := costs.get((PEER, Way(cache=False, half=half))):
            print(f"and {peer.step / cached.step:.2f} × faster than one of {PEER}")
    if out := os.environ.get("ECHOBENCH_SPEED_OUT"):
        table.to_csv(out, index=False)
    benchmark.extra_info["default"] = table.iloc[0].to_dict()
    benchmark.extra_info["cached_step_faster"] = (
        costs[REFERENCE.sampler, PLAIN].step / costs[REFERENCE.sampler, WAYS[1]].step
    )
