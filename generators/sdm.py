"""`sdm`: a semantic diffusion model, which draws an echocardiogram from noise under a label map.

After "Echo from noise" (Stojanovski et al. 2023, arXiv 2305.05424v2), which trained the network of Wang et al.
2022 (arXiv 2207.00050) on CAMUS. The presets quick and standard are models of our own for anyone without a GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.generators.diffusion.method import Method
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.own import OwnMethod
from echobench.generators.diffusion.paper import (
    BOUND_WEIGHT,
    PaperMethod,
    PaperSamplingSettings,
    PaperTrainingSettings,
)
from echobench.generators.diffusion.paper_network import PaperNetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import TIMES, ScheduleSettings
from echobench.generators.diffusion.training import DiffusionTraining, TrainingSettings
from echobench.generators.trained import Trained
from echobench.generators.training.pairs import Pairs


@dataclass(frozen=True)
class SdmSettings:
    """The parts of a semantic diffusion model: all of this project's own kind, or all of the paper's.

    Raises EchobenchError for guidance of a network that never sees an empty map, and for a power of the times that the
    published training lacks.
    """

    schedule: ScheduleSettings
    network: NetworkSettings | PaperNetworkSettings
    training: TrainingSettings | PaperTrainingSettings
    sampling: SamplingSettings | PaperSamplingSettings

    def __post_init__(self) -> None:
        match self.training, self.sampling:
            case PaperTrainingSettings(map_dropout=0), PaperSamplingSettings(guidance=guidance) if guidance:
                raise EchobenchError(
                    f"sampling.guidance is {guidance:g}, but the network never sees an empty map to be guided away "
                    "from: train it with generator.training.map_dropout=0.1 or another share, or set guidance to 0"
                )
        if isinstance(self.training, PaperTrainingSettings) and self.schedule.power != 1:
            raise EchobenchError(
                f"schedule.power is {self.schedule.power:g}, but the published training learns all times alike: "
                "set it to 1"
            )


QUICK = SdmSettings(
    schedule=ScheduleSettings(),
    network=NetworkSettings(channels=(96, 128), placed=True),
    training=TrainingSettings(steps=200, learning_rate=2e-3, muon_rate=0.03, warmup_steps=10),
    sampling=SamplingSettings(steps=20),
)
"""Two minutes of training on two cores without AMX, four on one thread; 3.0 million weights.

Tried on the phantom: squared error of the velocity in 16 validation frames, mean over five times, 0.331 untrained, as
tests/generators/bench_training.py makes it again. AdamW at a rate of 8e-4 has 50 steps of warm-up, all others have 10:

    AdamW                450 steps   0.189
    AdamW                100 steps   0.253    at a rate of 2e-3 0.253
    Muon at 0.03         100 steps   0.192    at 0.015 0.199, at 0.06 0.209
    Muon at 0.03         200 steps   0.175    in half the seconds of AdamW's 450 steps

Before Muon: a smaller network, smaller batches and powers of the times left edges of squares. In fewer evaluations than
15 images become smoother, with dpm++ noisier.
"""

STANDARD = SdmSettings(
    schedule=ScheduleSettings(),
    network=NetworkSettings(channels=(128, 192)),
    training=TrainingSettings(steps=1000, learning_rate=2e-3, muon_rate=0.03, warmup_steps=10),
    sampling=SamplingSettings(steps=20),
)
"""Half an hour of training on one thread without AMX, at 1.5 s per step; 5.7 million weights.

Its records on CAMUS 4C are results/measured/camus-evaluations and, over training length, camus-minutes there.
camus-optimisers holds it to 5,000 steps of AdamW, the preset of version 0.1: a fifth of the steps loses less than a
point of Dice, and nothing tells the two apart. Whoever has the time sets `generator.training.steps` higher. In
camus-evaluations nothing tells 5 or 10 evaluations from 20; how real the images are with fewer was not measured, so
it stays at 20. `placed` was not tried on CAMUS, and is not taken. Muon's rate was: in 120 steps half of it learns
less.

Tried with AdamW, on CAMUS 4C, 550 steps on 798 frames each, judged by a small segmenter that is trained on the images
alone and scored on real validation patients, and by the Dice that one trained on real frames finds between an image and
its map (91.5 on real images, in both):

    velocity of the pixels, no preconditioning             89.5    84.5   white noise in the images
    linear estimate in closed form, plain cosine           89.4    91.1   all images of one brightness
    linear estimate in closed form, schedule shifted by 4  90.1    91.1

Squares of 4 pixels and a third level (64, 128, 192), plain cosine, 300 steps of 1.8 times the cost each: 86.2 and
82.6. GroupNorm of 32 groups in place of 16 channels each: 367 instead of 282 ms per step. torch.compile, on one
processor thread: 3 to 5 % less per step, after two minutes of compiling; not worth its weight.

Taken without a comparison of its own: the average's length, half of each batch under a random affine map,
bf16. Not tried: a latent space, prediction of the noise at this size. Tried on the phantom and left out: mean and
variance of a square by the labels in it and by its place, in closed form. Without a network that takes 7 % from the
error of the image where there is much noise, and nothing where there is little.
"""


PAPER = SdmSettings(
    schedule=ScheduleSettings(shift=1.0),
    network=PaperNetworkSettings(),
    training=PaperTrainingSettings(),
    sampling=PaperSamplingSettings(),
)
"""The published model, 652.2 million weights, for machines with GPUs. An image takes 1000 evaluations.
docs/scale.md has what they and the training cost; in full it was not trained."""

FEW = 3
"""Evaluations that tell what one costs; every solver takes an odd number."""


class SemanticDiffusion(Trained):
    """Semantic diffusion: noise becomes an image in a few steps, each of which sees the label map."""

    name: ClassVar[str] = "sdm"
    kind: ClassVar[type] = SdmSettings
    together: ClassVar[bool] = True
    summary: ClassVar[str] = "semantic diffusion: a denoising U-Net modulated by the label map"
    paper: ClassVar[str] = "Stojanovski et al. 2023, arXiv 2305.05424"
    presets: ClassVar[Mapping[str, SdmSettings]] = MappingProxyType(
        {"quick": QUICK, "standard": STANDARD, "paper": PAPER}
    )

    settings: SdmSettings

    @property
    def divisor(self) -> int:
        return self.method.divisor

    @property
    def batch(self) -> int:
        return self.settings.sampling.batch

    def learnt_from(self, frames: Frames) -> Frames:
        return self.method.frames(frames)

    def new_network(self, seed: int) -> nn.Module:
        return self.method.new_denoiser(seed)

    def new_training(self, frames: Frames, seed: int, device: torch.device) -> DiffusionTraining:
        return DiffusionTraining(self.method, Pairs.of(frames, device), seed, device)

    def draw(self, network: nn.Module, planes: Tensor, seeds: list[int]) -> Tensor:
        return self.method.draw(network, planes, seeds)

    def abridged(self) -> Self:
        few = replace(self.settings.sampling, steps=min(FEW, self.settings.sampling.steps))
        return type(self)(replace(self.settings, sampling=few), self.device)

    @classmethod
    def upgraded(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """What files from before a setting do not say; the bound of those without `bound_weight` was of all times."""
        match settings:
            case {"training": {"map_dropout": _} as training}:
                settings = {**settings, "training": {"bound_weight": BOUND_WEIGHT * TIMES} | training}
            case {"network": {"map_channels": _} as network}:
                settings = {**settings, "network": {"placed": False} | network}
        match settings:
            case {"training": {"augmentation": _} as training}:
                settings = {**settings, "training": {"muon_rate": None} | training}
        match settings:
            case {"schedule": {"shift": _} as schedule, "sampling": {"eta": _} as sampling}:
                settings = {**settings, "schedule": {"power": 1.0} | schedule, "sampling": {"power": 1.0} | sampling}
        return settings

    def redraw(self, settings: SdmSettings) -> Self:
        """The same weights with another sampler; see `Generator.redraw`."""
        return self._redrawn(settings, "sampling")

    @property
    def evaluations(self) -> int:
        """Network evaluations per image."""
        return self.method.evaluations

    @property
    def method(self) -> Method:
        """The kind of diffusion that the settings are of. Raises EchobenchError where they are of two kinds."""
        match self.settings:
            case SdmSettings(
                schedule, PaperNetworkSettings() as network, PaperTrainingSettings() as training,
                PaperSamplingSettings() as sampling,
            ):  # fmt: skip
                return PaperMethod(schedule, network, training, sampling)
            case SdmSettings(schedule, NetworkSettings() as network, TrainingSettings() as training, sampling):
                return OwnMethod(schedule, network, training, sampling)
        raise EchobenchError("sdm settings mix the published model with this project's own")
