"""Training speed of the paper's network, on demand: `pytest tests/segmentation/test_speed.py --benchmark-only -s`.

The figure to look at is `images_per_second`; the issue asks for 200 of 256×256 px, augmentation included.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from echobench.data.frames import Frames
from echobench.segmentation.augment import augment
from echobench.segmentation.settings import PRESETS
from echobench.segmentation.training import Run, training_loss

BATCH_SIZE = 8
ROUNDS = 60


def report(benchmark: BenchmarkFixture, what: str) -> None:
    rate = BATCH_SIZE / benchmark.stats.stats.median
    benchmark.extra_info["images_per_second"] = rate
    print(f"\n{what}: {rate:.0f} images/s (batch {BATCH_SIZE}, {torch.get_num_threads()} threads)")


@pytest.fixture
def training(make_frames: Callable[..., Frames]) -> Frames:
    return make_frames(16, size=256)


def test_training_step_with_augmentation(benchmark: BenchmarkFixture, training: Frames) -> None:
    settings = replace(PRESETS["standard"], batch_size=BATCH_SIZE)
    run = Run(training, training, settings, 0, torch.device("cpu"))
    benchmark.pedantic(run.optimise, args=(1e-3,), rounds=ROUNDS, warmup_rounds=5)
    report(benchmark, "training step with augmentation")


def test_network_alone(benchmark: BenchmarkFixture) -> None:
    network = PRESETS["standard"].build(0)
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    images, labels = torch.rand(BATCH_SIZE, 1, 256, 256), torch.randint(0, 4, (BATCH_SIZE, 256, 256))

    def step() -> None:
        optimiser.zero_grad()
        training_loss(network, images, labels, torch.ones(4)).backward()
        optimiser.step()

    benchmark.pedantic(step, rounds=ROUNDS, warmup_rounds=5)
    report(benchmark, "network alone, forward, backward and Adam")


def test_augmentation_alone(benchmark: BenchmarkFixture, training: Frames) -> None:
    images, labels = (torch.tensor(part[:BATCH_SIZE]) for part in (training.images, training.labels))
    settings, generator = PRESETS["standard"].augmentation, torch.Generator().manual_seed(0)
    benchmark.pedantic(augment, args=(images, labels, settings, generator), rounds=ROUNDS, warmup_rounds=5)
    report(benchmark, "augmentation alone")
