"""The one training loop: any number of optimisers, a moving average, and a checkpoint to go on from after a kill."""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.optimizer import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from echobench.data.base.errors import EchobenchError
from echobench.data.base.finite import not_finite
from echobench.data.base.progress import Progress
from echobench.data.base.saved import load_optimizer, require_alike, taken_from
from echobench.data.base.typed import typed
from echobench.generators.training.checkpoint import Checkpoint
from echobench.generators.training.draws import step_generator

CURVE_STEPS = 10
"""One point of the curve is the mean over so many steps."""


class _State(TypedDict):
    """See `Training.state`."""

    step: int
    seconds: float
    sums: dict[str, float]
    curve: list[dict[str, float]]
    networks: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizers: list[dict[str, Any]]
    rates: list[dict[str, Any]]


class Training(ABC):
    """A training at some step: networks, optimisers, the moving average that draws, and the curve.

    A subclass says what one step is (`learn`) and how long the average's memory is (`decay`). Everything random in a
    step comes from the seed and the step's number, so that a training that goes on is one that was never stopped.
    """

    shown: ClassVar[str] = "loss"
    """The figure of the curve that stands beside the progress bar."""
    is_first: bool = True
    """Whether this process, of several, writes and reports."""

    def __init__(
        self,
        networks: nn.Module,
        drawing: nn.Module,
        optimizers: Sequence[Optimizer],
        rates: Sequence[LRScheduler],
        *,
        steps: int,
        seed: int,
        checkpoint_seconds: float,
        steering: Mapping[str, object],
    ) -> None:
        """networks: all that learn. drawing: the part of them whose average draws. rates: of the optimisers, each of
        which takes one step per step. steps: in all. steering: the settings to look at where it diverges."""
        self.networks, self.drawing = networks, drawing
        self.optimizers, self.rates = list(optimizers), list(rates)
        self.steps, self.seed, self.checkpoint_seconds = steps, seed, checkpoint_seconds
        self.steering = steering
        self.average = copy.deepcopy(drawing).requires_grad_(False)
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        """Step, seconds of training in all, and the means of what `learn` returns since the last point."""
        self._sums: dict[str, float] = {}

    @abstractmethod
    def learn(self, generator: torch.Generator) -> Mapping[str, Tensor]:
        """One step of every optimiser; the figures of the curve, () each. generator: of this step, on the CPU."""

    @abstractmethod
    def decay(self) -> float:
        """Share of the moving average that stays, after `self.step` steps."""

    def together(self) -> None:  # noqa: B027  # most trainings are of one process
        """Called before the first step and after the last: where several processes wait for one another."""

    def advance(self) -> None:
        """One step."""
        began = time.perf_counter()
        figures = {name: float(value) for name, value in self.learn(step_generator(self.seed, self.step)).items()}
        for name, value in figures.items():
            self.require_finite(name, value)
        for rate in self.rates:
            rate.step()
        self.step += 1
        with torch.no_grad():
            average = get_ema_multi_avg_fn(self.decay())  # type: ignore[no-untyped-call]
            average(list(self.average.parameters()), list(self.drawing.parameters()), self.step)
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self.seconds += time.perf_counter() - began
        if self.step % CURVE_STEPS == 0 or self.step == self.steps:
            n = (self.step - 1) % CURVE_STEPS + 1
            means = {name: total / n for name, total in self._sums.items()}
            self.curve.append({"step": self.step, "seconds": self.seconds} | means)
            self._sums.clear()

    def descend(self, loss: Tensor, optimizer: Optimizer) -> None:
        """One step of an optimiser down a loss, (). Raises EchobenchError where it is not finite."""
        self.require_finite("the loss", float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def require_finite(self, name: str, value: float) -> None:
        """Raises EchobenchError, naming the settings to look at, for a figure of a step that is not finite."""
        if not math.isfinite(value):
            raise self._diverged(f"{name} is {value}")

    def _diverged(self, what: str) -> EchobenchError:
        settings = ", ".join(f"{name} ({value})" for name, value in self.steering.items())
        return EchobenchError(
            f"the training has diverged at step {self.step + 1}: {what}. Look at the settings {settings}; "
            "the last finite checkpoint is kept"
        )

    def finite_state(self) -> dict[str, Any]:
        """The state. Raises EchobenchError where weights, averages or optimisers are not finite."""
        state = self.state()
        if (name := not_finite(state)) is not None:
            raise self._diverged(f"{name} is not finite")
        return state

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs, in types that `torch.load(weights_only=True)` reads."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "sums": dict(self._sums),
            "curve": list(self.curve),
            "networks": self.networks.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "rates": [rate.state_dict() for rate in self.rates],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; raises ValueError for what no training of this kind returns."""
        typed(state, _State, "state")
        self._require_steps(state)
        for name in ("networks", "average"):
            require_alike(state[name], getattr(self, name).state_dict(), name)
        require_alike(state["rates"], [rate.state_dict() for rate in self.rates], "rates")
        self.step, self.seconds, self._sums = state["step"], state["seconds"], dict(state["sums"])
        self.curve = list(state["curve"])
        self.networks.load_state_dict(state["networks"])
        self.average.load_state_dict(state["average"])
        for optimizer, of in zip(self.optimizers, state["optimizers"], strict=True):
            load_optimizer(optimizer, of, "optimizers")
        for rate, of in zip(self.rates, state["rates"], strict=True):
            rate.load_state_dict(dict(of))  # PyTorch empties what it is given

    def _require_steps(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError unless curve and rates are those of the step."""
        step = state["step"]
        if not 0 <= step <= self.steps:
            raise ValueError(f"it is at step {step} of {self.steps}")
        points = [*range(CURVE_STEPS, step + 1, CURVE_STEPS)]
        points += [step] if step == self.steps and step % CURVE_STEPS else []
        if [point.get("step") for point in state["curve"]] != points:
            raise ValueError(f"its curve is not that of step {step} of {self.steps}")
        if any(self.shown not in point or point.keys() != state["curve"][0].keys() for point in state["curve"]):
            raise ValueError("its curve lacks figures")
        if any(rate.get("last_epoch") != step for rate in state["rates"]):
            raise ValueError(f"its learning rates are not those of step {step}")


def second_half_to_zero(optimizer: Optimizer, steps: int) -> LRScheduler:
    """The highest learning rate in the first half of the steps, then along a line to 0."""
    return LambdaLR(optimizer, lambda step: min(1.0, 2 * (1 - step / steps)))


def warmed_up(decay: float, step: int) -> float:
    """Of a moving average that is shorter at first, so that it does not hold on to random weights."""
    return min(decay, (1 + step) / (10 + step))


def _go_on(training: Training, checkpoint: Checkpoint | None) -> None:
    """From the checkpoint, if there is one. What was read is let go of here: it is as large as the training."""
    if checkpoint is not None and (state := checkpoint.read()) is not None:
        with taken_from(checkpoint.path):
            training.load_state(state)


def train(training: Training, checkpoint: Checkpoint | None, progress: Progress) -> None:
    """Bring a new training to its end, or go on from the checkpoint."""
    _go_on(training, checkpoint)
    training.together()
    saved = time.monotonic()
    while training.step < training.steps:
        training.advance()
        due = training.step == training.steps or time.monotonic() - saved >= training.checkpoint_seconds
        if due:
            state = training.finite_state()
            if checkpoint is not None and training.is_first:
                checkpoint.write(state)
            saved = time.monotonic()
        if training.is_first:
            shown = {training.shown: training.curve[-1][training.shown]} if training.curve else None
            progress(training.step, training.steps, shown)
    training.together()
