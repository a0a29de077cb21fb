"""This project's own kind of semantic diffusion: presets quick and standard."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from diffusers.optimization import get_cosine_schedule_with_warmup
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from echobench.data.frames import Frames
from echobench.generators.diffusion.loss import DiffusionLoss
from echobench.generators.diffusion.method import Method
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.preconditioning import Denoiser
from echobench.generators.diffusion.sampling import SamplingSettings, Solver, draw, solver_for
from echobench.generators.diffusion.schedule import Schedule, ScheduleSettings, stratified_times
from echobench.generators.diffusion.training import TrainingSettings, new_denoiser
from echobench.generators.training.loop import warmed_up
from echobench.generators.training.muon import KernelMuon, is_matrix
from echobench.generators.training.pairs import LIMIT, Pairs, to_grey
from echobench.generators.training.precision import autocast


class Known(NamedTuple):
    """Pixels that are given: x_0 (B, 1, H, W), see `to_data`, and where (B, 1, H, W) bool."""

    x_0: Tensor
    where: Tensor


@dataclass(frozen=True)
class OwnMethod(Method):
    """Velocity of grey images inside the sector, with the linear part in closed form (see `Denoiser`)."""

    schedule: ScheduleSettings
    network: NetworkSettings
    training: TrainingSettings
    sampling: SamplingSettings

    @property
    def divisor(self) -> int:
        return self.network.divisor

    @property
    def evaluations(self) -> int:
        return self.sampling.steps

    def frames(self, frames: Frames) -> Frames:
        # Departs from the paper [sdm.training.frames]: end-systole is drawn too, so it is learnt from as well.
        return frames

    def new_denoiser(self, seed: int) -> Denoiser:
        return new_denoiser(self.network, Schedule(self.schedule), seed)

    def prepare(self, denoiser: nn.Module, pairs: Pairs) -> None:
        cast(Denoiser, denoiser).statistics.measure(pairs.images, pairs.sector)

    def loss(self, denoiser: nn.Module) -> nn.Module:
        return DiffusionLoss(cast(Denoiser, denoiser))

    def batch(self, pairs: Pairs, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        # Departs from the paper [sdm.training.augmentation, sdm.training.times]: a short training needs more shapes of
        # heart, and less variance of its loss.
        batch = pairs.batch(rows, generator, self.training.augmentation)
        t = self.times(len(rows), generator).to(rows.device)
        epsilon = torch.randn(batch.x_0.shape, generator=generator).to(rows.device)
        return batch.x_0, batch.planes, t, epsilon

    def times(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,), at which a batch is learnt."""
        return stratified_times(n, generator, self.schedule.power)

    def optimizers(self, denoiser: nn.Module) -> list[Optimizer]:
        # Departs from the paper [sdm.training.optimiser]: Muon needs fewer steps.
        settings, weights = self.training, list(denoiser.parameters())
        if settings.muon_rate is None:
            return super().optimizers(denoiser)
        return [
            self.adamw(weight for weight in weights if not is_matrix(weight)),
            KernelMuon(filter(is_matrix, weights), settings.muon_rate, settings.weight_decay),
        ]

    def rate(self, optimizer: Optimizer) -> LRScheduler:
        # Departs from the paper [sdm.training.rate]: so high a rate needs a climb.
        schedule: LRScheduler = get_cosine_schedule_with_warmup(
            optimizer, self.training.warmup_steps, self.training.steps
        )
        return schedule

    def decay(self, step: int) -> float:
        # Departs from the paper [sdm.training.average]: a short training would average over its random beginning.
        return warmed_up(self.training.ema_decay, step)

    def solver(self, denoiser: Denoiser) -> Solver:
        """A fresh one for one batch."""
        return solver_for(self.sampling, denoiser.schedule)

    def draw(self, denoiser: nn.Module, planes: Tensor, seeds: list[int], known: Known | None = None) -> Tensor:
        """See `Method.draw`. known: pixels that are not drawn; all others are, to fit them."""
        model = cast(Denoiser, denoiser)
        with torch.no_grad(), autocast(planes.device, self.training.precision):
            modulation = model.condition(planes)  # once, not at every step

            def velocity(x_t: Tensor, t: Tensor) -> Tensor:
                drawn = model(x_t, t, modulation)
                if known is None:
                    return drawn
                # What is known goes straight from its noise to its value.
                return torch.where(known.where, model.schedule.towards(known.x_0, x_t, t), drawn)

            x_0 = draw(velocity, seeds, planes[:, -1:], self.solver(model), model.schedule, LIMIT)
        return to_grey(x_0 if known is None else torch.where(known.where, known.x_0, x_0))[:, 0]
