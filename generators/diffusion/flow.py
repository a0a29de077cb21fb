"""Rectified flow: a straight path from image to noise, and its velocity.

After Liu et al. 2022 (arXiv 2209.03003) and Lipman et al. 2022 (arXiv 2210.02747). Image and noise meet on a line,
x_t = (1 - t) x_0 + t epsilon; the network learns the direction of the line, v = epsilon - x_0; and an image is drawn by
following v from t = 1 to t = 0. Network and preconditioning are those of this project's own diffusion, so that the two
differ in path, times and solver alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

import torch
from torch import Tensor

from echobench.data.base.errors import EchobenchError, require
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.own import OwnMethod
from echobench.generators.diffusion.preconditioning import Denoiser
from echobench.generators.diffusion.sampling import Solver
from echobench.generators.diffusion.schedule import TIMES, Schedule, stratified
from echobench.generators.diffusion.training import TrainingSettings, new_denoiser


@dataclass(frozen=True)
class PathSettings:
    """At which times a flow learns: t = sigmoid(mean + deviation · n), n standard normal, then `shifted`.

    The logit-normal times of Esser et al. 2024 (arXiv 2403.03206, section 3.1), drawn stratified.
    """

    mean: float = 0.4
    deviation: float = 1.8
    """Wider than the 1 of Esser et al.: brightness is decided where there is nothing but noise, speckle where there is
    nearly none."""
    shift: float = 1.0
    """Factor on noise / image at every time, as that of `ScheduleSettings`."""

    def __post_init__(self) -> None:
        require(self, mean=(-10, 10), deviation=(1e-3, 10), shift=(1e-3, 1e3))


@dataclass(frozen=True)
class FlowSamplingSettings:
    """How an image is drawn. Raises EchobenchError for a solver that there is not."""

    sampler: str = "euler"
    """"euler", or "heun", of second order: it evaluates the network at both ends of an interval."""
    steps: int = 4
    """Network evaluations per image. An odd number of Heun's ends with one step of Euler's."""
    shift: float = 2.0
    """Of the times that are visited, as that of `PathSettings`: 1 spaces them equally."""
    batch: int = 16
    """Images drawn together; changes time and memory, not the images."""

    def __post_init__(self) -> None:
        require(self, steps=(1, TIMES), shift=(1e-3, 1e3), batch=(1, inf))
        if self.sampler not in SOLVERS:
            raise EchobenchError(f"unknown sampler {self.sampler!r}; there are {', '.join(SOLVERS)}")


def shifted(t: Tensor, shift: float) -> Tensor:
    """Times 0…1 at which noise / image, t / (1 - t), is `shift` times what it was (arXiv 2403.03206, section 5.3.2)."""
    return shift * t / (1 + (shift - 1) * t)


class StraightPath(Schedule):
    """x_t = (1 - t) x_0 + t epsilon, v = epsilon - x_0.

    Times are given as t · TIMES, any number 0…TIMES, shape (B,): the embedding of time is made for that range.
    """

    def __init__(self) -> None:  # of no settings
        pass

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        sigma = (t.float() / TIMES)[:, None, None, None]
        return 1 - sigma, sigma

    def velocity(self, x_0: Tensor, epsilon: Tensor, t: Tensor) -> Tensor:
        return epsilon - x_0

    def regression(self, t: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As that of a `Schedule`: the covariance of v and x_t is sigma - alpha variance."""
        alpha, sigma = self.alpha_sigma(t)
        total = alpha**2 * variance + sigma**2
        return total, (sigma - alpha * variance) / total, variance / total

    def share(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t, dtype=torch.float32)[:, None, None, None]

    def clip(self, velocity: Tensor, x_t: Tensor, t: Tensor, limit: float) -> Tensor:
        """As that of a `Schedule`: x_0 = x_t - sigma v is held within ±limit, where there is noise left."""
        _, sigma = self.alpha_sigma(t)
        held = self.towards((x_t - sigma * velocity).clamp(-limit, limit), x_t, t)
        return torch.where(sigma > 0, held, velocity)

    def towards(self, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """As that of a `Schedule`. At t = 0 there is none, and a number that means nothing is given."""
        return (x_t - x_0) / self.alpha_sigma(t)[1].clamp(min=1 / TIMES**2)


class _Euler:
    """x_next = x_t + (t_next - t) v, between as many times as there are steps, and 0."""

    def __init__(self, settings: FlowSamplingSettings) -> None:
        grid = shifted(torch.linspace(1, 0, settings.steps + 1, dtype=torch.float64), settings.shift).tolist()
        self._spans = list(pairwise(grid))

    @property
    def times(self) -> Sequence[float]:
        return [TIMES * begin for begin, _ in self._spans]

    def step(self, velocity: Tensor, spread: Tensor, time: Any, x_t: Tensor, noise: Tensor) -> Tensor:
        begin, end = self._spans.pop(0)
        return x_t + (end - begin) * velocity


class _Heun:
    """The mean of the velocities at both ends of an interval (Karras et al. 2022, arXiv 2206.00364, algorithm 1)."""

    def __init__(self, settings: FlowSamplingSettings) -> None:
        intervals = (settings.steps + 1) // 2
        grid = shifted(torch.linspace(1, 0, intervals + 1, dtype=torch.float64), settings.shift).tolist()
        self._times = [time for span in pairwise(grid) for time in span][: settings.steps]
        self._ends = [end for span in pairwise(grid) for end in (span[1], span[1])]
        self._row = 0
        self._begun: tuple[Tensor, Tensor] | None = None

    @property
    def times(self) -> Sequence[float]:
        return [TIMES * time for time in self._times]

    def step(self, velocity: Tensor, spread: Tensor, time: Any, x_t: Tensor, noise: Tensor) -> Tensor:
        row, self._row = self._row, self._row + 1
        if self._begun is None:
            self._begun = x_t, velocity
            return x_t + (self._ends[row] - self._times[row]) * velocity
        (x, first), self._begun = self._begun, None
        return x + (self._ends[row] - self._times[row - 1]) * (first + velocity) / 2


SOLVERS: dict[str, Any] = {"euler": _Euler, "heun": _Heun}
"""By name; a test holds them to diffusers' FlowMatchEulerDiscreteScheduler and FlowMatchHeunDiscreteScheduler, which
refuse an even number of Heun's evaluations."""


@dataclass(frozen=True)
class FlowMethod(OwnMethod):
    """A rectified flow of grey images inside the sector."""

    schedule: PathSettings  # type: ignore[assignment]
    network: NetworkSettings
    training: TrainingSettings
    sampling: FlowSamplingSettings  # type: ignore[assignment]

    def new_denoiser(self, seed: int) -> Denoiser:
        return new_denoiser(self.network, StraightPath(), seed)

    def times(self, n: int, generator: torch.Generator) -> Tensor:
        path = self.schedule
        u = stratified(n, generator).double().clamp(1e-6, 1 - 1e-6)
        normal = path.mean + path.deviation * torch.special.ndtri(u)
        return (TIMES * shifted(normal.sigmoid(), path.shift)).float()

    def solver(self, denoiser: Denoiser) -> Solver:
        solver: Solver = SOLVERS[self.sampling.sampler](self.sampling)
        return solver
