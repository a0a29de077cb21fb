"""The forward process: how much of an image is left at time t, and the quantity that the network predicts."""

from dataclasses import dataclass
from functools import cached_property

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from echobench.data.base.errors import require

TIMES = 1000
"""Discrete time steps of the forward process, as in DDPM (Ho et al. 2020, arXiv 2006.11239)."""
LARGEST_BETA = 0.999
"""Of one step, as in Nichol & Dhariwal 2021 (arXiv 2102.09672): alpha never becomes 0."""


@dataclass(frozen=True)
class ScheduleSettings:
    """The cosine schedule, shifted towards more noise."""

    shift: float = 4.0
    """Factor on sigma / alpha at every time. The larger and smoother an image, the more noise hides as much of it:
    the shifted schedule of "simple diffusion" (Hoogeboom et al. 2023, arXiv 2301.11093), there image side / 64.
    1 is the plain cosine of Nichol & Dhariwal 2021."""
    power: float = 1.0
    """Of the times that are learnt, t = 1000 u^power, u uniform: above 1 more of them have little noise, where the
    grain of speckle is decided."""

    def __post_init__(self) -> None:
        require(self, shift=(1e-3, 1e3), power=(1, 10))


class Schedule:
    """x_t = alpha x_0 + sigma epsilon, alpha² + sigma² = 1, alpha² = alpha_bar(t) falling as a squared cosine.

    Times t are integers 0…999, shape (B,); images are (B, 1, H, W).
    """

    def __init__(self, settings: ScheduleSettings) -> None:
        self.settings = settings

    @cached_property
    def alpha_bar(self) -> Tensor:
        """(1000,) float64 on the CPU."""
        cosine = DDPMScheduler(TIMES, beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
        shifted: Tensor = cosine / (cosine + self.settings.shift**2 * (1 - cosine))
        return shifted

    @cached_property
    def betas(self) -> list[float]:
        """The 1000 steps of variance that diffusers' schedulers take in place of a name."""
        before = torch.cat([torch.ones(1, dtype=torch.float64), self.alpha_bar[:-1]])
        betas: list[float] = (1 - self.alpha_bar / before).clamp(max=LARGEST_BETA).tolist()
        return betas

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma of each time: (B, 1, 1, 1) float32 on the device of t."""
        alpha_bar = self.alpha_bar[t.cpu()].to(t.device)[:, None, None, None]
        return alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float()

    def add_noise(self, x_0: Tensor, epsilon: Tensor, t: Tensor) -> Tensor:
        """x_t of the images x_0 and the noise epsilon."""
        alpha, sigma = self.alpha_sigma(t)
        return alpha * x_0 + sigma * epsilon

    def velocity(self, x_0: Tensor, epsilon: Tensor, t: Tensor) -> Tensor:
        """v = alpha epsilon - sigma x_0, what the network learns (Salimans & Ho 2022, arXiv 2202.00512)."""
        alpha, sigma = self.alpha_sigma(t)
        return alpha * epsilon - sigma * x_0

    def regression(self, t: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The regression of v on x_t, for components of the image that have these variances about 0.

        t: (B,); variance: (P, 1, 1). Each (B, P, 1, 1): the variance of x_t, which is alpha² variance + sigma²; the
        slope, alpha sigma (1 - variance) divided by it; what remains of the variance of v, variance divided by it.
        """
        alpha, sigma = self.alpha_sigma(t)
        total = alpha**2 * variance + sigma**2
        return total, alpha * sigma * (1 - variance) / total, variance / total

    def share(self, t: Tensor) -> Tensor:
        """Which share of v is the image itself, with its sign: -sigma, (B, 1, 1, 1)."""
        return -self.alpha_sigma(t)[1]

    def clip(self, velocity: Tensor, x_t: Tensor, t: Tensor, limit: float) -> Tensor:
        """The velocity whose estimate of x_0, alpha x_t - sigma v, is that of `velocity` held within ±limit.

        Done on the velocity so that every solver gets the clipped estimate and the noise that goes with it.
        """
        alpha, sigma = self.alpha_sigma(t)
        return self.towards((alpha * x_t - sigma * velocity).clamp(-limit, limit), x_t, t)

    def towards(self, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The velocity whose estimate of the image is x_0."""
        alpha, sigma = self.alpha_sigma(t)
        return (alpha * x_t - x_0) / sigma


def stratified(n: int, generator: torch.Generator) -> Tensor:
    """n numbers 0…1, one in each n-th of the range: less variance (Kingma et al. 2021, arXiv 2107.00630)."""
    return (torch.rand((), generator=generator) + torch.arange(n) / n) % 1


def stratified_times(n: int, generator: torch.Generator, power: float = 1.0) -> Tensor:
    """n times 0…TIMES-1, as `stratified`; see `ScheduleSettings.power`."""
    return (stratified(n, generator) ** power * TIMES).long().clamp(max=TIMES - 1)
