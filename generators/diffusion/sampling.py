"""Drawing images: diffusers' solvers around any prediction of the velocity, with noise that belongs to each image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from types import MappingProxyType
from typing import Any, Protocol

import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from echobench.data.base.errors import EchobenchError, require
from echobench.generators.diffusion.learned_variance import ReverseSteps
from echobench.generators.diffusion.schedule import TIMES, Schedule

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Maps x_t (B, C, H, W) and t (B,) to the velocity, shape of x_t. A network that has learnt the variance gives
(B, 2 C, H, W): the spread of `ReverseSteps.log_variance` follows."""


class Solver(Protocol):
    """Goes from noise to an image; built for one batch, for diffusers' schedulers keep state between steps."""

    @property
    def times(self) -> Sequence[float]:
        """The times of the network's evaluations, descending."""

    def step(self, velocity: Tensor, spread: Tensor, time: Any, x_t: Tensor, noise: Tensor) -> Tensor:
        """x at the next time. spread: shape of x_t, or no channels; noise: fresh, standard normal, shape of x_t."""


def trailing(steps: int, power: float = 1.0) -> list[int]:
    """That many times from 999 down, equally far apart, the last one as far from the image; or their powers.

    Not diffusers' spacing of that name: its floating-point range has a time too many, -1, for 62 numbers of steps.
    """
    return _distinct([round(TIMES * (k / steps) ** power) - 1 for k in range(steps, 0, -1)])


def _distinct(times: Sequence[int]) -> list[int]:
    """Descending times, each of which is put off until it is another than the one that follows it."""
    found: list[int] = []
    for time in reversed(times):
        found.append(max(time, found[-1] + 1 if found else 0))
    return found[::-1]


@dataclass(frozen=True)
class SamplingSettings:
    """How an image is drawn from a trained network. Raises EchobenchError for a sampler or steps that there are not."""

    sampler: str = "ddim"
    """One of `SAMPLERS`."""
    steps: int = 25
    """Network evaluations per image."""
    eta: float = 1.0
    """Of DDIM: 0 draws no noise on the way, 1 as much as ancestral sampling (Song et al. 2021, arXiv 2010.02502)."""
    batch: int = 16
    """Images drawn together; changes time and memory, not the images."""
    power: float = 1.0
    """Of the times of the evaluations, (k / steps)^power: above 1 more of them have little noise, where the grain of
    speckle is decided."""

    def __post_init__(self) -> None:
        require(self, power=(1, 10), eta=(0, 1), batch=(1, inf))
        if not 1 <= self.steps <= TIMES:
            raise EchobenchError(f"an image cannot be drawn in {self.steps} steps; choose 1 to {TIMES}")
        if self.sampler not in SAMPLERS:
            raise EchobenchError(f"unknown sampler {self.sampler!r}; there are {', '.join(SAMPLERS)}")


class _DDIM:
    """DDIM (Song et al. 2021, arXiv 2010.02502, eq. 12 and 16) over the times of `trailing`.

    Not diffusers' DDIMScheduler: it steps by 1000 // steps whatever the distance to the next time is, which leaves
    noise in the image unless the steps divide 1000; the test compares them where they do.
    """

    def __init__(self, settings: SamplingSettings, schedule: Schedule) -> None:
        self.times = trailing(settings.steps, settings.power)
        self._eta = settings.eta
        alpha_bars = pairwise([*schedule.alpha_bar[self.times].tolist(), 1.0])
        self._alpha_bars = dict(zip(self.times, alpha_bars, strict=True))

    def step(self, velocity: Tensor, spread: Tensor, time: int, x_t: Tensor, noise: Tensor) -> Tensor:
        here, there = self._alpha_bars[time]
        x_0 = here**0.5 * x_t - (1 - here) ** 0.5 * velocity
        epsilon = here**0.5 * velocity + (1 - here) ** 0.5 * x_t
        variance = self._eta**2 * (1 - there) / (1 - here) * (1 - here / there)
        return there**0.5 * x_0 + (1 - there - variance) ** 0.5 * epsilon + variance**0.5 * noise


def _dpm_solver(algorithm: str) -> Callable[[SamplingSettings, Schedule], Solver]:
    """DPM-Solver++(2M), deterministic or stochastic (Lu et al. 2022, arXiv 2211.01095)."""

    def build(settings: SamplingSettings, schedule: Schedule) -> Solver:
        scheduler = DPMSolverMultistepScheduler(
            TIMES,
            trained_betas=schedule.betas,
            prediction_type="v_prediction",
            algorithm_type=algorithm,
            solver_order=2,
        )
        scheduler.set_timesteps(timesteps=trailing(settings.steps, settings.power))
        return _DPMSolver(scheduler)

    return build


@dataclass(frozen=True)
class _DPMSolver:
    """A scheduler of diffusers, ready for one batch."""

    scheduler: DPMSolverMultistepScheduler

    @property
    def times(self) -> list[int]:
        return [int(t) for t in self.scheduler.timesteps]

    def step(self, velocity: Tensor, spread: Tensor, time: int, x_t: Tensor, noise: Tensor) -> Tensor:
        x_next: Tensor = self.scheduler.step(velocity, time, x_t, variance_noise=noise, return_dict=False)[0]
        return x_next


class _Ancestral:
    """One draw from each reverse Gaussian (Ho et al. 2020, arXiv 2006.11239, algorithm 2), respaced to fewer steps.

    Not diffusers' DDPMScheduler, whose `step` draws its noise itself; the test compares them. Of a network without a
    learnt variance the least is taken, which is DDIM with eta = 1.
    """

    def __init__(self, settings: SamplingSettings, schedule: Schedule) -> None:
        evenly = torch.linspace(1, 0, settings.steps, dtype=torch.float64).tolist()
        self.times = _distinct([round((TIMES - 1) * share**settings.power) for share in evenly])
        self._row = {time: row for row, time in enumerate(reversed(self.times))}
        self._steps = ReverseSteps.between(schedule, torch.tensor(self.times[::-1]))

    def step(self, velocity: Tensor, spread: Tensor, time: int, x_t: Tensor, noise: Tensor) -> Tensor:
        steps, row = self._steps, self._row[time]
        alpha_bar = steps.alpha_bar[row].item()
        x_0 = alpha_bar**0.5 * x_t - (1 - alpha_bar) ** 0.5 * velocity
        mean = steps.mean_of_image[row].item() * x_0 + steps.mean_of_noisy[row].item() * x_t
        if row == 0:
            return mean
        if not spread.shape[1]:
            spread = torch.full_like(x_t, -1.0)
        rows = torch.full((len(x_t),), row, device=x_t.device)
        return mean + (0.5 * steps.log_variance(spread, rows)).exp() * noise


SAMPLERS: Mapping[str, Callable[[SamplingSettings, Schedule], Solver]] = MappingProxyType(
    {
        "ancestral": _Ancestral,
        "ddim": _DDIM,
        "dpm++": _dpm_solver("dpmsolver++"),
        "dpm++sde": _dpm_solver("sde-dpmsolver++"),
    }
)
"""Solvers by name. No Heun: it has the order of DPM-Solver++(2M), at two evaluations per step in place of one."""


def solver_for(settings: SamplingSettings, schedule: Schedule) -> Solver:
    """A fresh solver."""
    return SAMPLERS[settings.sampler](settings, schedule)


class NoiseSource:
    """Standard normal noise for a batch, each image's from its own seed.

    Drawn on the CPU, so that a seed means the same image on every device.
    """

    def __init__(self, seeds: Sequence[int], shape: tuple[int, ...], device: torch.device) -> None:
        self._generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        self._shape = shape
        self._device = device

    def draw(self) -> Tensor:
        """(B, *shape) float32."""
        return torch.stack([torch.randn(self._shape, generator=g) for g in self._generators]).to(self._device)


@torch.no_grad()
def draw(
    predict: Velocity,
    seeds: Sequence[int],
    mask: Tensor,
    solver: Solver,
    schedule: Schedule,
    limit: float,
    after_step: Callable[[], None] = lambda: None,
    channels: int = 1,
) -> Tensor:
    """Draw one batch of images, from noise to x_0.

    predict: the velocity of x_t (B, channels, H, W) at the times t (B,), and the spread if there is one.
    solver: a fresh one.
    mask: (B, 1, H, W) float, 0 where an image has nothing; noise enters where it is 1.
    limit: the data lie within ±limit; every estimate of x_0 is clipped to it, without which a few-step solver
        explodes where alpha is nearly 0.
    Returns (B, channels, H, W) float32 within ±limit, 0 outside the mask.
    """
    noise = NoiseSource(seeds, (channels, *mask.shape[-2:]), mask.device)
    x_t = noise.draw() * mask
    for time in solver.times:
        t = torch.full((len(x_t),), time, device=mask.device)
        predicted = predict(x_t, t).float()
        velocity = schedule.clip(predicted[:, :channels], x_t, t, limit)
        x_t = solver.step(velocity, predicted[:, channels:], time, x_t, noise.draw()) * mask
        after_step()
    return x_t.clamp(-limit, limit)
