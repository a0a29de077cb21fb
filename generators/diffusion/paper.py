"""The semantic diffusion model of "Echo from noise" (Stojanovski et al. 2023, arXiv 2305.05424v2): preset paper.

"The authors' code" is github.com/david-stojanovski/echo_from_noise, its README and semantic_diffusion_model/.
"""

from dataclasses import dataclass
from math import inf
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from echobench.data.base.errors import EchobenchError, require
from echobench.data.frames import Frames
from echobench.generators.diffusion.learned_variance import all_steps
from echobench.generators.diffusion.method import Method
from echobench.generators.diffusion.paper_network import PaperModulation, PaperNetworkSettings, PaperUNet
from echobench.generators.diffusion.sampling import SamplingSettings, draw, solver_for
from echobench.generators.diffusion.schedule import TIMES, Schedule, ScheduleSettings
from echobench.generators.settings import Precision
from echobench.generators.training.draws import seeded
from echobench.generators.training.pairs import Pairs, to_planes
from echobench.generators.training.precision import autocast

BOUND_WEIGHT = 0.001
"""lambda of the hybrid loss (Nichol & Dhariwal 2021, arXiv 2102.09672, eq. 16; arXiv 2305.05424)."""


@dataclass(frozen=True)
class PaperTrainingSettings:
    """How the published network is trained."""

    steps: int = 50_000
    """Optimiser steps (arXiv 2305.05424; README of the authors' code)."""
    batch: int = 12
    """Frames per step, all processes together (arXiv 2305.05424). The command in the README of the authors' code
    starts 8 processes of 12 frames each: for that many, 96."""
    micro_batch: int | None = None
    """Frames whose gradient is computed at a time, of those of a process; the step is the same, and needs less memory.
    None is all at once. The authors' code can do so too (config.py, microbatch)."""
    phases: tuple[str, ...] = ("ED",)
    """Frames that are learnt from: the published models are of one view and one phase each."""
    learning_rate: float = 1e-4
    """Falls to 0 as a straight line (authors' code, config.py and train_util.py)."""
    weight_decay: float = 0.0
    """Of AdamW (authors' code, config.py)."""
    gradient_norm: float | None = None
    """The authors' code shortens no gradient."""
    ema_decay: float = 0.9999
    """Of the moving average of the weights, which draws the images (authors' code, config.py)."""
    flip: float = 0.5
    """Share of the frames that are mirrored left to right (--random_flip in the README of the authors' code)."""
    map_dropout: float = 0.0
    """Share of the frames whose label map is left out (authors' code, config.py). `guidance` needs it above 0, for it
    goes by the null map: 0.2 in the fine-tuning command of the code of Wang et al. 2022 (arXiv 2207.00050)."""
    bound_weight: float = BOUND_WEIGHT
    """Of the variational bound in the loss (arXiv 2305.05424; authors' code, gaussian_diffusion.py)."""
    precision: Precision = "bf16-mixed"
    """As Fabric calls it. Departs from the paper [sdm.training.precision]: bfloat16 needs no loss scale."""
    gradient_checkpointing: bool = True
    """Compute activations again for the gradient instead of keeping them (authors' code, config.py)."""
    checkpoint_seconds: float = 600.0
    """Wall clock between two checkpoints; one is some 10 GB."""

    def __post_init__(self) -> None:
        require(
            self, steps=(1, inf), batch=(1, inf), micro_batch=(1, inf), learning_rate=(0, 1), weight_decay=(0, 1),
            gradient_norm=(0, inf), ema_decay=(0, 1), flip=(0, 1), map_dropout=(0, 1), bound_weight=(0, inf),
            checkpoint_seconds=(0, inf),
        )  # fmt: skip


@dataclass(frozen=True)
class PaperSamplingSettings(SamplingSettings):
    """How an image is drawn from the published network."""

    sampler: str = "ancestral"
    """One of `SAMPLERS`. Ancestral, with the learnt variance, is the paper's (Ho et al. 2020, arXiv 2006.11239)."""
    steps: int = 1000
    """All of them (authors' code, config.py)."""
    batch: int = 4
    """Images drawn together; changes time and memory, not the images."""
    guidance: float = 0.0
    """s of arXiv 2305.05424, eq. 1: noise = (1 + s) · noise under the map - s · noise under no map. 0 is none, as
    in the authors' code; any other doubles the evaluations and needs a training with `map_dropout`."""
    modulation_gib: float = 8.0
    """Memory for what SPADE makes of the label maps, computed once for all steps: 1.9 GiB per image of 256×256 in
    float32, half in bf16. What does not fit is computed anew at every step: slower, the same images."""


class PaperDenoiser(nn.Module):
    """Noise and variance of an RGB image in [-1, 1] under a label map; nothing is masked, outside is black."""

    def __init__(self, settings: PaperNetworkSettings, schedule: ScheduleSettings) -> None:
        super().__init__()
        self.schedule = Schedule(schedule)
        self.network = PaperUNet(settings)

    def condition(
        self, planes: Tensor, keep: Tensor | float = 1.0, budget_bytes: float = float("inf")
    ) -> PaperModulation:
        """Read label maps (B, PLANES, H, W). keep: 1, or 0 where the null map stands in, broadcast to the maps."""
        classes = torch.cat([planes[:, :-1], 1 - planes[:, -1:]], dim=1)
        return self.network.condition(classes * keep, budget_bytes)

    def noise(self, x_t: Tensor, t: Tensor, modulation: PaperModulation) -> tuple[Tensor, Tensor]:
        """The predicted noise and the spread, of which the variance is made: each (B, C, H, W) float32."""
        epsilon, spread = self.network(x_t, t, modulation).chunk(2, dim=1)
        return epsilon, spread

    def forward(
        self, x_t: Tensor, t: Tensor, modulation: PaperModulation, null: PaperModulation | None = None, s: float = 0.0
    ) -> Tensor:
        """Velocity, then spread: (B, 2 C, H, W). null, s: modulation without a map, and the guidance scale."""
        epsilon, spread = self.noise(x_t, t, modulation)
        if null is not None:
            epsilon = (1 + s) * epsilon - s * self.noise(x_t, t, null)[0]
        alpha, sigma = self.schedule.alpha_sigma(t)
        return torch.cat([(epsilon - sigma * x_t) / alpha, spread], dim=1)


class HybridLoss(nn.Module):
    """Mean squared error of the noise, plus `weight` times the variational bound (arXiv 2102.09672, eq. 16).

    Eq. 16 has the bound's sum over all times. The code of that paper and of arXiv 2305.05424 takes its term at one
    random time as it is (rescale_learned_sigmas = False), in bits per number, and so does this.
    """

    def __init__(self, denoiser: PaperDenoiser, weight: float = BOUND_WEIGHT) -> None:
        super().__init__()
        self.denoiser, self.weight = denoiser, weight
        self.steps = all_steps(denoiser.schedule)

    def forward(self, x_0: Tensor, planes: Tensor, keep: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """x_0, epsilon: (B, C, H, W); planes: (B, PLANES, H, W); keep: (B,) 1 or 0; t: (B,). The mean loss, ()."""
        x_t = self.denoiser.schedule.add_noise(x_0, epsilon, t)
        modulation = self.denoiser.condition(planes, keep[:, None, None, None], budget_bytes=0)
        predicted, spread = self.denoiser.noise(x_t, t, modulation)
        error = (predicted - epsilon).square().mean((1, 2, 3))
        return (error + self.weight * self.steps.bound(x_0, epsilon, predicted, spread, t)).mean()


@dataclass(frozen=True)
class PaperMethod(Method):
    """Noise of whole RGB images, with a learnt variance."""

    schedule: ScheduleSettings
    network: PaperNetworkSettings
    training: PaperTrainingSettings
    sampling: PaperSamplingSettings

    @property
    def divisor(self) -> int:
        return self.network.divisor

    @property
    def evaluations(self) -> int:
        return self.sampling.steps * (2 if self.sampling.guidance else 1)

    def frames(self, frames: Frames) -> Frames:
        chosen = frames.where(phases=self.training.phases)
        if not len(chosen):
            raise EchobenchError(f"there are no {' or '.join(self.training.phases)} frames to learn from")
        return chosen

    def new_denoiser(self, seed: int) -> PaperDenoiser:
        return cast(PaperDenoiser, seeded(PaperDenoiser, seed, self.network, self.schedule))

    def prepare(self, denoiser: nn.Module, pairs: Pairs) -> None:
        cast(PaperDenoiser, denoiser).network.checkpointing = self.training.gradient_checkpointing

    @property
    def micro_batch(self) -> int | None:
        return self.training.micro_batch

    def loss(self, denoiser: nn.Module) -> nn.Module:
        return HybridLoss(cast(PaperDenoiser, denoiser), self.training.bound_weight)

    def batch(self, pairs: Pairs, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        n, device = len(rows), rows.device
        images = (pairs.images[rows].float() / 127.5 - 1)[:, None].expand(-1, self.network.image_channels, -1, -1)
        planes = to_planes(pairs.labels[rows], pairs.sector[rows])
        mirrored = (torch.rand(n, generator=generator) < self.training.flip).to(device)[:, None, None, None]
        images, planes = (torch.where(mirrored, part.flip(-1), part) for part in (images, planes))
        keep = (torch.rand(n, generator=generator) >= self.training.map_dropout).float().to(device)
        t = torch.randint(TIMES, (n,), generator=generator).to(device)
        epsilon = torch.randn(images.shape, generator=generator).to(device)
        return images, planes, keep, t, epsilon

    def rate(self, optimizer: Optimizer) -> LRScheduler:
        return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / self.training.steps))

    def decay(self, step: int) -> float:
        return self.training.ema_decay

    def draw(self, denoiser: nn.Module, planes: Tensor, seeds: list[int]) -> Tensor:
        # Departs from the paper [sdm.sampling.grey]: the channels are trained to be alike, and none is better.
        model, settings = cast(PaperDenoiser, denoiser), self.sampling
        budget = settings.modulation_gib * 2**30
        with torch.no_grad(), autocast(planes.device, self.training.precision):
            null = model.condition(planes[:1], keep=0.0, budget_bytes=budget) if settings.guidance else None
            modulation = model.condition(planes, budget_bytes=budget - (null.layer_bytes if null else 0))
            x_0 = draw(
                lambda x_t, t: model(x_t, t, modulation, null, settings.guidance),
                seeds,
                torch.ones_like(planes[:, :1]),
                solver_for(settings, model.schedule),
                model.schedule,
                limit=1.0,
                channels=self.network.image_channels,
            )
        return ((x_0.mean(1) + 1) * 127.5).round().to(torch.uint8)
