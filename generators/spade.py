"""`spade`: a paired GAN, which draws an echocardiogram from noise under a label map in one pass.

After "Semantic Image Synthesis with Spatially-Adaptive Normalization" (Park et al. 2019, arXiv 1903.07291): the fast
rival of `sdm`. Unlike `cyclegan` it is told which image belongs to which map.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from echobench.data.frames import Frames
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import NoiseSource
from echobench.generators.trained import Trained
from echobench.generators.training.pairs import Pairs, to_grey
from echobench.generators.training.precision import autocast
from echobench.generators.translation.paired import Painter, PairedSettings, PairedTraining, new_painter


@dataclass(frozen=True)
class SpadeSettings:
    """The parts of a paired GAN."""

    network: NetworkSettings
    training: PairedSettings


QUICK = SpadeSettings(NetworkSettings(channels=(96, 128), placed=True), PairedSettings(steps=200))
"""Its record on the phantom is results/measured/phantom-spade-quick."""
STANDARD = SpadeSettings(NetworkSettings(channels=(128, 192)), PairedSettings(steps=5000))
"""Its record on CAMUS 4C is results/measured/camus-spade-standard.

By a count of multiplications, a step of both sides costs 1.75 times one of `sdm`'s per image.
"""
PAPER = replace(STANDARD, training=replace(STANDARD.training, steps=50_000))
"""A long training of the same network: Park et al. publish none for echocardiograms."""


class Spade(Trained):
    """A paired GAN: the network of `sdm`, trained to draw at once."""

    name: ClassVar[str] = "spade"
    kind: ClassVar[type] = SpadeSettings
    summary: ClassVar[str] = "paired GAN: noise and a label map become an image in one pass"
    paper: ClassVar[str] = "Park et al. 2019, arXiv 1903.07291"
    presets: ClassVar[Mapping[str, SpadeSettings]] = MappingProxyType(
        {"quick": QUICK, "standard": STANDARD, "paper": PAPER}
    )

    settings: SpadeSettings

    def new_network(self, seed: int) -> nn.Module:
        return new_painter(self.settings.network, seed)

    def new_training(self, frames: Frames, seed: int, device: torch.device) -> PairedTraining:
        return PairedTraining(self.settings.training, self.settings.network, Pairs.of(frames, device), seed, device)

    def draw(self, network: nn.Module, planes: Tensor, seeds: list[int]) -> Tensor:
        noise = NoiseSource(seeds, (1, *planes.shape[-2:]), planes.device).draw()
        with torch.no_grad(), autocast(planes.device, self.settings.training.precision):
            return to_grey(cast(Painter, network)(noise, planes))[:, 0]

    @property
    def evaluations(self) -> int:
        """One: the image comes out at once."""
        return 1
