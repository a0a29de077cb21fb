"""A paired GAN: a network that turns noise into the image of a label map in one pass, and networks that judge it.

After Park et al. 2019 (arXiv 1903.07291). The network that draws is the one of `sdm`, with its map encoder and its
squares of pixels, so that a table of both compares trainings and not networks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar, cast

import torch
from monai.networks.nets.patchgan_discriminator import PatchDiscriminator
from torch import Tensor, nn
from torch.nn import functional

from echobench.data.base.errors import require
from echobench.generators.diffusion.network import NetworkSettings, SpadeUNet
from echobench.generators.diffusion.preconditioning import PatchStatistics
from echobench.generators.diffusion.schedule import TIMES
from echobench.generators.settings import Precision
from echobench.generators.training.draws import rows_of_step, seeded
from echobench.generators.training.loop import Training, second_half_to_zero, warmed_up
from echobench.generators.training.pairs import LIMIT, AugmentationSettings, Pairs
from echobench.generators.training.precision import autocast


@dataclass(frozen=True)
class PairedSettings:
    """How the networks are trained."""

    steps: int
    """Optimiser steps of either side."""
    batch: int = 8
    """Pairs per step."""
    learning_rate: float = 4e-4
    """Of the network that draws; falls to 0 along a line in the second half."""
    judge_rate: float = 4e-4
    """Of the networks that judge, likewise."""
    betas: tuple[float, float] = (0.0, 0.9)
    """Of both Adams (Park et al., section 4)."""
    feature_weight: float = 10.0
    """Of the L1 distance between the judges' features of real and drawn images (Wang et al. 2018, arXiv 1711.11585)."""
    pixel_weight: float = 1.0
    """Of the L1 distance between the images themselves, in units of their standard deviation."""
    judge_channels: int = 16
    """Width of each judge's first layer."""
    scales: int = 2
    """Judges, each of which sees images of half the size of the one before."""
    ema_decay: float = 0.999
    """Of the moving average of the weights, which draws the images; shorter at first: (1 + n) / (10 + n)."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    precision: Precision = "bf16-mixed"
    """As Fabric calls it."""
    checkpoint_seconds: float = 60.0
    """Wall clock between two checkpoints."""

    def __post_init__(self) -> None:
        require(
            self, steps=(1, inf), batch=(1, inf), learning_rate=(0, 1), judge_rate=(0, 1), betas=(0, 0.99999),
            feature_weight=(0, inf), pixel_weight=(0, inf), judge_channels=(1, inf), scales=(1, 4), ema_decay=(0, 1),
            checkpoint_seconds=(0, inf),
        )  # fmt: skip


class Painter(nn.Module):
    """Noise and a label map into an image, at once.

    The network says how much of each principal component of a square of pixels there is, in units of its standard
    deviation (see `PatchStatistics`). Its time is always that of pure noise.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.statistics = PatchStatistics(settings.patch)
        self.network = SpadeUNet(settings)

    def forward(self, noise: Tensor, planes: Tensor) -> Tensor:
        """noise: (B, 1, H, W) standard normal; planes: (B, PLANES, H, W). (B, 1, H, W) float32 within ±LIMIT."""
        statistics, mask = self.statistics, planes[:, -1:]
        t = torch.full((len(noise),), TIMES - 1, device=noise.device)
        noise = functional.pixel_unshuffle(noise * mask, statistics.patch)
        drawn = self.network(noise, t, self.network.condition(planes)).float()
        with torch.autocast(noise.device.type, enabled=False):
            x = statistics.pixels(statistics.variance.sqrt()[:, None, None] * drawn) + statistics.mean
        return LIMIT * (x / LIMIT).tanh() * mask


class Judges(nn.Module):
    """Patch discriminators of an image beside its label map, at several scales."""

    def __init__(self, settings: PairedSettings, planes: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(2, settings.judge_channels, 1 + planes, norm="INSTANCE") for _ in range(settings.scales)
        )

    def forward(self, images: Tensor, planes: Tensor) -> list[list[Tensor]]:
        """images: (B, 1, H, W); planes: (B, PLANES, H, W). Per judge its layers' features, the verdicts last."""
        seen, found = torch.cat([images, planes], dim=1), []
        for scale, judge in enumerate(self.scales):
            seen = functional.avg_pool2d(seen, 2) if scale else seen
            found.append([layer.float() for layer in judge(seen)])
        return found


class PairedTraining(Training):
    """Drawing and judging networks, step by step: the hinge loss, features matched, and pixels."""

    shown: ClassVar[str] = "loss_features"

    def __init__(
        self, settings: PairedSettings, network: NetworkSettings, pairs: Pairs, seed: int, device: torch.device
    ) -> None:
        self.settings, self.pairs, self.device = settings, pairs, device
        self.painter = new_painter(network, seed).to(device)
        self.painter.statistics.measure(pairs.images, pairs.sector)
        self.judges = cast(Judges, seeded(Judges, seed, settings, network.planes)).to(device)
        optimizers = [
            torch.optim.Adam(part.parameters(), rate, settings.betas)
            for part, rate in ((self.painter, settings.learning_rate), (self.judges, settings.judge_rate))
        ]
        rates = [second_half_to_zero(one, settings.steps) for one in optimizers]
        super().__init__(
            nn.ModuleList([self.painter, self.judges]), self.painter, optimizers, rates,
            steps=settings.steps, seed=seed, checkpoint_seconds=settings.checkpoint_seconds,
            steering={name: getattr(settings, name) for name in ("learning_rate", "judge_rate", "feature_weight")},
        )  # fmt: skip

    def learn(self, generator: torch.Generator) -> Mapping[str, Tensor]:
        """One step of the network that draws, then one of those that judge."""
        settings = self.settings
        rows = rows_of_step(len(self.pairs), settings.batch, self.seed, self.step).to(self.device)
        batch = self.pairs.batch(rows, generator, settings.augmentation)
        noise = torch.randn(batch.x_0.shape, generator=generator).to(self.device)
        with autocast(self.device, settings.precision):
            self.judges.requires_grad_(False)
            drawn = self.painter(noise, batch.planes)
            on_drawn, on_real = self.judges(drawn, batch.planes), self.judges(batch.x_0, batch.planes)
            fooling = -_mean(verdict.mean() for *_, verdict in on_drawn)
            features = _mean(
                functional.l1_loss(ours, theirs)
                for drawn_layers, real_layers in zip(on_drawn, on_real, strict=True)
                for ours, theirs in zip(drawn_layers[:-1], real_layers[:-1], strict=True)
            )
            pixels = (drawn - batch.x_0).abs().sum() / batch.mask.sum().clamp(min=1)
            loss = fooling + settings.feature_weight * features + settings.pixel_weight * pixels
        self.descend(loss, self.optimizers[0])
        with autocast(self.device, settings.precision):
            self.judges.requires_grad_(True)
            on_drawn, on_real = self.judges(drawn.detach(), batch.planes), self.judges(batch.x_0, batch.planes)
            # Hinge (Lim & Ye 2017, arXiv 1705.02894).
            judged = _mean((1 + verdict).relu().mean() for *_, verdict in on_drawn)
            judged = judged + _mean((1 - verdict).relu().mean() for *_, verdict in on_real)
        self.descend(judged, self.optimizers[1])
        figures = {"loss_features": features, "loss_pixels": pixels, "loss_fooling": fooling, "loss_judges": judged}
        return {name: value.detach() for name, value in figures.items()}

    def decay(self) -> float:
        return warmed_up(self.settings.ema_decay, self.step)


def new_painter(settings: NetworkSettings, seed: int) -> Painter:
    """A painter with seeded random weights; PyTorch's global random state is as before."""
    return cast(Painter, seeded(Painter, seed, settings))


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()
