"""Drawing images: diffusers' solvers around any prediction of the velocity, with noise that belongs to each image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from echobench.data.errors import EchobenchError
from echobench.generators.diffusion.schedule import TIMES, Schedule

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Maps x_t (B, 1, H, W) and t (B,) to the velocity, shape of x_t."""


@dataclass(frozen=True)
class SamplingSettings:
    """How an image is drawn from a trained network."""

    sampler: str = "ddim"
    """One of `SAMPLERS`."""
    steps: int = 25
    """Network evaluations per image."""
    eta: float = 1.0
    """Of DDIM: 0 draws no noise on the way, 1 as much as ancestral sampling (Song et al. 2021, arXiv 2010.02502)."""
    batch: int = 16
    """Images drawn together; changes time and memory, not the images."""


def _ddim(settings: SamplingSettings, schedule: Schedule) -> "_Solver":
    scheduler = DDIMScheduler(
        TIMES,
        trained_betas=schedule.betas,
        clip_sample=False,  # `draw` clips, alike for every solver
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(settings.steps)
    return _Solver(scheduler, {"eta": settings.eta})


def _dpm_solver(algorithm: str) -> Callable[[SamplingSettings, Schedule], "_Solver"]:
    """DPM-Solver++(2M), deterministic or stochastic (Lu et al. 2022, arXiv 2211.01095)."""

    def build(settings: SamplingSettings, schedule: Schedule) -> "_Solver":
        scheduler = DPMSolverMultistepScheduler(
            TIMES,
            trained_betas=schedule.betas,
            prediction_type="v_prediction",
            algorithm_type=algorithm,
            solver_order=2,
            timestep_spacing="trailing",
        )
        scheduler.set_timesteps(settings.steps)
        return _Solver(scheduler, {})

    return build


@dataclass(frozen=True)
class _Solver:
    """A scheduler of diffusers, ready for one batch."""

    scheduler: Any
    options: Mapping[str, float]

    @property
    def times(self) -> list[int]:
        return [int(t) for t in self.scheduler.timesteps]

    def step(self, velocity: Tensor, time: int, x_t: Tensor, noise: Tensor) -> Tensor:
        """x at the next time, given fresh standard normal noise of the same shape."""
        result = self.scheduler.step(velocity, time, x_t, variance_noise=noise, return_dict=False, **self.options)
        x_next: Tensor = result[0]
        return x_next


SAMPLERS: Mapping[str, Callable[[SamplingSettings, Schedule], Any]] = MappingProxyType(
    {"ddim": _ddim, "dpm++": _dpm_solver("dpmsolver++"), "dpm++sde": _dpm_solver("sde-dpmsolver++")}
)
"""Solvers by name; each is built for one batch, for diffusers' schedulers keep state between steps."""


def solver_for(settings: SamplingSettings, schedule: Schedule) -> Any:
    """A fresh solver. Raises EchobenchError for a name that is not in `SAMPLERS`."""
    if settings.sampler not in SAMPLERS:
        raise EchobenchError(f"unknown sampler {settings.sampler!r}; there are {', '.join(SAMPLERS)}")
    return SAMPLERS[settings.sampler](settings, schedule)


class NoiseSource:
    """Standard normal noise for a batch, each image's from its own seed.

    Drawn on the CPU, so that a seed means the same image on every device.
    """

    def __init__(self, seeds: Sequence[int], size: tuple[int, int], device: torch.device) -> None:
        self._generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        self._shape = (1, *size)
        self._device = device

    def draw(self) -> Tensor:
        """(B, 1, H, W) float32."""
        return torch.stack([torch.randn(self._shape, generator=g) for g in self._generators]).to(self._device)


@torch.no_grad()
def draw(
    predict: Velocity,
    seeds: Sequence[int],
    mask: Tensor,
    settings: SamplingSettings,
    schedule: Schedule,
    limit: float,
    after_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """Draw one batch of images, from noise to x_0.

    predict: the velocity of x_t (B, 1, H, W) at the times t (B,).
    mask: (B, 1, H, W) float, 0 where an image has nothing; noise enters where it is 1.
    limit: the data lie within ±limit; every estimate of x_0 is clipped to it, without which a few-step solver
        explodes where alpha is nearly 0.
    Returns (B, 1, H, W) float32 within ±limit, 0 outside the mask.
    """
    solver = solver_for(settings, schedule)
    noise = NoiseSource(seeds, (mask.shape[-2], mask.shape[-1]), mask.device)
    x_t = noise.draw() * mask
    for time in solver.times:
        t = torch.full((len(x_t),), time, device=mask.device)
        velocity = schedule.clip(predict(x_t, t).float(), x_t, t, limit)
        x_t = solver.step(velocity, time, x_t, noise.draw()) * mask
        after_step()
    return x_t.clamp(-limit, limit)
