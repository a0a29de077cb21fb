"""The training loop: diffusion loss, moving average, and a checkpoint from which a killed run goes on."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from echobench.data.errors import EchobenchError, require
from echobench.data.progress import Progress
from echobench.generators.checkpoint import Checkpoint
from echobench.generators.diffusion.method import Method
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.parallel import fabric_of, share
from echobench.generators.diffusion.preconditioning import Denoiser
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.draws import rows_of_step, seeded, step_generator
from echobench.generators.pairs import AugmentationSettings, Pairs
from echobench.generators.settings import Precision

CURVE_STEPS = 10  # one point of the loss curve is the mean over so many steps


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained."""

    steps: int
    """Optimiser steps."""
    batch: int = 16
    """Frames per step."""
    learning_rate: float = 8e-4
    """Highest, reached after the warm-up; falls to 0 as half a cosine."""
    warmup_steps: int = 50
    """Steps of linear rise."""
    weight_decay: float = 0.01
    """Of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), PyTorch's default."""
    gradient_norm: float = 1.0
    """Longer gradients are shortened to it."""
    ema_decay: float = 0.999
    """Of the moving average of the weights, which draws the images; shorter at first: (1 + n) / (10 + n)."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    precision: Precision = "bf16-mixed"
    """As Fabric calls it."""
    checkpoint_seconds: float = 60.0
    """Wall clock between two checkpoints."""

    def __post_init__(self) -> None:
        require(
            self, steps=(1, inf), batch=(1, inf), learning_rate=(0, 1), warmup_steps=(0, inf), weight_decay=(0, 1),
            gradient_norm=(0, inf), ema_decay=(0, 1), checkpoint_seconds=(0, inf),
        )  # fmt: skip


def new_denoiser(settings: NetworkSettings, schedule: ScheduleSettings, seed: int) -> Denoiser:
    """A denoiser with seeded random weights; PyTorch's global random state is as before."""
    return cast(Denoiser, seeded(Denoiser, seed, settings, schedule))


class TrainingRun:
    """A training at some step: network, moving average, optimiser and loss curve."""

    def __init__(self, method: Method, pairs: Pairs, denoiser: nn.Module, seed: int, device: torch.device) -> None:
        settings = method.training
        self.method, self.pairs, self.settings, self.seed, self.device = method, pairs, settings, seed, device
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        """Step, seconds of training in all, mean loss of the steps since the last point."""
        self._losses: list[float] = []  # of the steps since the last point of the curve
        self.denoiser = denoiser.to(device)
        method.prepare(self.denoiser, pairs)
        self.average = copy.deepcopy(self.denoiser).requires_grad_(False)
        optimizer = torch.optim.AdamW(
            self.denoiser.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.rate = method.rate(optimizer)
        self.fabric = fabric_of(device, settings.precision)
        self.loss, self.optimizer = self.fabric.setup(method.loss(self.denoiser), optimizer)

    def advance(self) -> None:
        """One optimiser step."""
        began = time.perf_counter()
        settings, generator = self.settings, step_generator(self.seed, self.step)
        rows = rows_of_step(len(self.pairs), settings.batch, self.seed, self.step)
        batch = self.method.batch(self.pairs, rows.to(self.device), generator)
        loss = self.loss(*share(batch, self.fabric))
        self.fabric.backward(loss)
        if settings.gradient_norm is not None:
            self.fabric.clip_gradients(self.loss, self.optimizer, max_norm=settings.gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.rate.step()
        self.step += 1
        self._update_average()
        self._losses.append(float(cast(Tensor, self.fabric.all_reduce(loss.detach(), reduce_op="mean"))))
        self.seconds += time.perf_counter() - began
        if self.step % CURVE_STEPS == 0 or self.step == settings.steps:
            mean = sum(self._losses) / len(self._losses)
            self.curve.append({"step": self.step, "seconds": self.seconds, "loss": mean})
            self._losses.clear()

    def _update_average(self) -> None:
        with torch.no_grad():
            average = get_ema_multi_avg_fn(self.method.decay(self.step))  # type: ignore[no-untyped-call]
            average(list(self.average.parameters()), list(self.denoiser.parameters()), self.step)

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs, in types that `torch.load(weights_only=True)` reads."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "losses": list(self._losses),
            "curve": list(self.curve),
            "denoiser": self.denoiser.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rate": self.rate.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.step, self.seconds, self._losses = state["step"], state["seconds"], list(state["losses"])
        self.curve = list(state["curve"])
        self.denoiser.load_state_dict(state["denoiser"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rate.load_state_dict(dict(state["rate"]))  # PyTorch empties what it is given


def _check_together(run: TrainingRun) -> None:
    """Raises EchobenchError where processes would go on from different steps."""
    steps = cast(Tensor, run.fabric.all_gather(torch.tensor(run.step, device=run.device))).flatten().tolist()
    if len(set(steps)) > 1:
        raise EchobenchError(
            f"the processes would go on from the steps {', '.join(map(str, steps))}: the run's folder must be one that "
            "all machines share"
        )


def train(
    method: Method,
    pairs: Pairs,
    denoiser: nn.Module,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> tuple[nn.Module, list[dict[str, float]]]:
    """Train a new denoiser, or go on from the checkpoint; the one with averaged weights, and the loss curve.

    Under a launcher every process calls it and gets the same weights; the first one writes the checkpoint.
    """
    run, settings = TrainingRun(method, pairs, denoiser, seed, device), method.training
    if checkpoint is not None and (state := checkpoint.read()) is not None:
        run.load_state(state)
    _check_together(run)
    saved = time.monotonic()
    while run.step < settings.steps:
        run.advance()
        last = run.step == settings.steps
        if checkpoint is not None and (last or time.monotonic() - saved >= settings.checkpoint_seconds):
            if run.fabric.is_global_zero:
                checkpoint.write(run.state())
            saved = time.monotonic()
        if run.fabric.is_global_zero:
            progress(run.step, settings.steps, {"loss": run.curve[-1]["loss"]} if run.curve else None)
    run.fabric.barrier()  # nobody looks for the checkpoint before it is there
    return run.average.eval(), run.curve
