"""Every generator keeps the contract of `echobench.generators.testing`, and the contract notices who does not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from echobench.data.labels import Label
from echobench.generators.cyclegan import CycleGanSettings
from echobench.generators.diffusion.flow import FlowSamplingSettings, PathSettings
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.flow import FlowSettings
from echobench.generators.inpaint import InpaintSettings
from echobench.generators.paint import Paint, PaintSettings
from echobench.generators.registry import BACKENDS, generator_class
from echobench.generators.sdm import SdmSettings
from echobench.generators.spade import SpadeSettings
from echobench.generators.testing import CHECKS, check_generator, examples
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.paired import PairedSettings
from echobench.generators.translation.training import CycleSettings
from echobench.generators.warp import Warp, WarpSettings

TINY = {
    "sdm": SdmSettings(
        schedule=ScheduleSettings(shift=1.0),
        network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
        training=TrainingSettings(steps=4, batch=4, warmup_steps=2, precision="32-true", checkpoint_seconds=0.0),
        sampling=SamplingSettings(steps=2, batch=3),
    ),
    "spade": SpadeSettings(
        network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
        training=PairedSettings(
            steps=3, batch=4, judge_channels=4, scales=1, precision="32-true", checkpoint_seconds=0.0
        ),
    ),
    "flow": FlowSettings(
        path=PathSettings(),
        network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
        training=TrainingSettings(steps=4, batch=4, warmup_steps=2, precision="32-true", checkpoint_seconds=0.0),
        sampling=FlowSamplingSettings(steps=3, sampler="heun", batch=3),
    ),
    "inpaint": InpaintSettings(
        path=PathSettings(),
        network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
        training=TrainingSettings(steps=4, batch=4, warmup_steps=2, precision="32-true", checkpoint_seconds=0.0),
        sampling=FlowSamplingSettings(steps=3, batch=3),
    ),
    "cyclegan": CycleGanSettings(
        network=TranslatorSettings(channels=8, halvings=1, blocks=1, discriminator_channels=4),
        training=CycleSettings(steps=3, batch=2, history=3, checkpoint_seconds=0.0),
    ),
}
"""Settings of who is trained; whoever is not has presets that are quick enough."""


@pytest.fixture(scope="module")
def worlds():
    return {name: examples(generator_class(name)) for name in BACKENDS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", BACKENDS)
def test_contract(name, check, worlds):
    backend = generator_class(name)
    check(backend(TINY.get(name, backend.presets["quick"])), *worlds[name])


class WrongType(Paint):
    def sample(self, maps, seeds, *, progress=None):
        return super().sample(maps, seeds).astype(np.float32)


class LitOutside(Paint):
    def sample(self, maps, seeds, *, progress=None):
        return super().sample(maps, seeds) | 1


class DependsOnTheBatch(Paint):
    def sample(self, maps, seeds, *, progress=None):
        return super().sample(maps, np.full_like(seeds, seeds[0]))


class TakesGlobalNoise(Paint):
    def sample(self, maps, seeds, *, progress=None):
        noise = np.random.randint(0, 200, maps.labels.shape)  # noqa: NPY002
        return (noise * maps.sector).astype(np.uint8)


class SeedsTorch(Paint):
    def fit(self, frames, seed, *, folder=None, progress=None):
        torch.manual_seed(seed)
        return super().fit(frames, seed)


class ForgetsItsSettings(Paint):
    @classmethod
    def load(cls, path, device="cpu"):
        loaded = super().load(path, device)
        loaded.settings = replace(loaded.settings, speckle_px=0.5)
        return loaded


class PeeksAtTheSource(Warp):
    needs_source_images = False


class WritesIntoTheFrames(Paint):
    def fit(self, frames, seed, *, folder=None, progress=None):
        frames.images[0, 16, 16] ^= 1
        return super().fit(frames, seed)


class StumblesOverUnfitFrames(Paint):
    def fit(self, frames, seed, *, folder=None, progress=None):
        if not frames.labels.any():
            raise ZeroDivisionError
        return super().fit(frames, seed)


class BlindWithoutAnAtrium(Paint):
    def sample(self, maps, seeds, *, progress=None):
        return super().sample(maps, seeds) * np.uint8((maps.labels == Label.LA).any())


@dataclass
class NotFrozen:
    speckle_px: float = 1.0


class LooseSettings(Paint):
    presets = {name: NotFrozen() for name in ("quick", "standard", "paper")}  # noqa: RUF012


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        (WrongType, "uint8"),
        (LitOutside, "outside the sector are not black"),
        (DependsOnTheBatch, "depend on the order"),
        (TakesGlobalNoise, "from the same seeds differ"),
        (SeedsTorch, "changed global state: torch's random state"),
        (ForgetsItsSettings, "other settings than were saved"),
        (WritesIntoTheFrames, "fit changed the frames"),
        (BlindWithoutAnAtrium, "of a map without LA, has a single grey value"),
        (StumblesOverUnfitFrames, "frames must work or raise EchobenchError"),
        (LooseSettings, "frozen dataclass"),
    ],
)
def test_the_contract_notices(backend, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_generator(backend(PaintSettings()), *examples(backend, patients=2))


def test_the_contract_notices_whoever_looks_at_images_without_saying_so():
    with pytest.raises(AssertionError, match="single grey value"):
        check_generator(PeeksAtTheSource(WarpSettings()), *examples(PeeksAtTheSource, patients=2))
