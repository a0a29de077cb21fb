"""The variance of a reverse step, learnt (Nichol & Dhariwal 2021, arXiv 2102.09672)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from echobench.generators.diffusion.schedule import TIMES, Schedule

GREY_STEP = 2 / 255
"""Between two grey values of 8 bits, in images within [-1, 1]."""
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, eq=False)
class ReverseSteps:
    """The Gaussians q(x_s | x_t, x_0) of the steps from each of K times t to the next smaller one s.

    Row k: alpha_bar_t, alpha_bar_s (1 for the last step, which ends at the image), both (K,) float64, rows in
    ascending order of time.
    """

    alpha_bar: Tensor
    alpha_bar_next: Tensor

    @classmethod
    def between(cls, schedule: Schedule, times: Tensor) -> "ReverseSteps":
        """times: (K,) ascending, e.g. 0…999."""
        alpha_bar = schedule.alpha_bar[times]
        return cls(alpha_bar, torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar[:-1]]))

    @property
    def beta(self) -> Tensor:
        """Variance of the forward step, the largest that a reverse step can have: (K,)."""
        return 1 - self.alpha_bar / self.alpha_bar_next

    @property
    def mean_of_image(self) -> Tensor:
        """Factor of x_0 in the mean (Ho et al. 2020, arXiv 2006.11239, eq. 7): (K,)."""
        return self.alpha_bar_next.sqrt() * self.beta / (1 - self.alpha_bar)

    @property
    def mean_of_noisy(self) -> Tensor:
        """Factor of x_t in the mean (same equation): (K,)."""
        return (1 - self.beta).sqrt() * (1 - self.alpha_bar_next) / (1 - self.alpha_bar)

    @property
    def log_least(self) -> Tensor:
        """log of beta tilde, the variance where x_0 is known (same equation): (K,).

        It is 0 in the last step, whose value is that of the step before, so that its logarithm exists.
        """
        least = self.beta * (1 - self.alpha_bar_next) / (1 - self.alpha_bar)
        return torch.cat([least[1:2] if len(least) > 1 else self.beta[:1], least[1:]]).log()

    def log_variance(self, spread: Tensor, row: Tensor) -> Tensor:
        """Learnt log variance (arXiv 2102.09672, eq. 15): v log(beta) + (1 - v) log(beta tilde), v = (spread + 1) / 2.

        spread: (B, C, H, W), the network's number; row: (B,) of these steps.
        """
        v, greatest, least = (spread + 1) / 2, self._of(self.beta.log(), row), self._of(self.log_least, row)
        return v * greatest + (1 - v) * least

    @staticmethod
    def _of(values: Tensor, row: Tensor) -> Tensor:
        return values[row.cpu()].float().to(row.device)[:, None, None, None]

    def bound(self, x_0: Tensor, epsilon: Tensor, predicted: Tensor, spread: Tensor, t: Tensor) -> Tensor:
        """The term of the variational bound at the times t, bits per number: (B,).

        x_0 within [-1, 1], epsilon, predicted noise, spread: (B, C, H, W). These steps must be all of 0…999.
        The true mean less the predicted one is beta / (sqrt(1 - beta) sigma) (predicted - epsilon), at t = 0 as well,
        where the true mean is x_0. No gradient reaches the predicted noise: the bound teaches the variance alone.
        """
        factor = self.beta / ((1 - self.beta) * (1 - self.alpha_bar)).sqrt()
        difference = self._of(factor, t) * (predicted.detach() - epsilon)
        log_variance = self.log_variance(spread, t)
        divergence = gaussian_divergence(difference, self._of(self.log_least, t), log_variance)
        likelihood = grey_log_likelihood(x_0, x_0 - difference, log_variance)
        nats = torch.where((t == 0)[:, None, None, None], -likelihood, divergence)
        return nats.mean((1, 2, 3)) / math.log(2)


def all_steps(schedule: Schedule) -> ReverseSteps:
    """From every time to the one before it."""
    return ReverseSteps.between(schedule, torch.arange(TIMES))


def gaussian_divergence(difference: Tensor, log_variance: Tensor, log_variance_other: Tensor) -> Tensor:
    """KL(N(m, v) || N(m + difference, v_other)) in nats, number by number."""
    ratio = log_variance - log_variance_other
    return 0.5 * (ratio.exp() - 1 - ratio + difference.square() * (-log_variance_other).exp())


def grey_log_likelihood(x_0: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log probability of the grey value x_0 where N(mean, exp(log_variance)) is rounded to 256 of them, in nats.

    The outermost grey values take the tails (Ho et al. 2020, arXiv 2006.11239, eq. 13).
    Departs from the paper [sdm.training.likelihood]: torch has the distribution itself.
    """
    precision = (-0.5 * log_variance).exp()
    below = torch.special.ndtr((x_0 - GREY_STEP / 2 - mean) * precision)
    above = torch.special.ndtr((x_0 + GREY_STEP / 2 - mean) * precision)
    below = torch.where(x_0 < -1 + GREY_STEP / 2, 0.0, below)
    above = torch.where(x_0 > 1 - GREY_STEP / 2, 1.0, above)
    return (above - below).clamp(min=SMALLEST_PROBABILITY).log()
