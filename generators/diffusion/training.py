"""The training of a denoiser: the diffusion loss on one device, or on this process's share of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, cast

import torch
from torch import Tensor

from echobench.data.base.errors import EchobenchError, require
from echobench.generators.diffusion.method import Method
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.preconditioning import Denoiser
from echobench.generators.diffusion.schedule import Schedule
from echobench.generators.settings import Precision
from echobench.generators.training.draws import rows_of_step, seeded
from echobench.generators.training.loop import Training
from echobench.generators.training.pairs import AugmentationSettings, Pairs
from echobench.generators.training.parallel import fabric_of, share


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained."""

    steps: int
    """Optimiser steps."""
    batch: int = 16
    """Frames per step."""
    learning_rate: float = 8e-4
    """Highest of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), reached after the warm-up; falls to 0 as half a
    cosine."""
    muon_rate: float | None = None
    """Highest of Muon, on the same course. It moves the weights of convolutions and linear layers, and AdamW moves the
    others; see `KernelMuon`. None: AdamW moves all."""
    warmup_steps: int = 50
    """Steps of linear rise."""
    weight_decay: float = 0.01
    """PyTorch's default of AdamW, of Muon too."""
    gradient_norm: float = 1.0
    """Longer gradients of AdamW are shortened to it. The length of Muon's steps does not depend on the gradient's."""
    ema_decay: float = 0.999
    """Of the moving average of the weights, which draws the images; shorter at first: (1 + n) / (10 + n)."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    precision: Precision = "bf16-mixed"
    """As Fabric calls it."""
    checkpoint_seconds: float = 60.0
    """Wall clock between two checkpoints."""

    def __post_init__(self) -> None:
        require(
            self, steps=(1, inf), batch=(1, inf), learning_rate=(0, 1), muon_rate=(0, 1), warmup_steps=(0, inf),
            weight_decay=(0, 1), gradient_norm=(0, inf), ema_decay=(0, 1), checkpoint_seconds=(0, inf),
        )  # fmt: skip


_STEERING = ("learning_rate", "muon_rate", "gradient_norm")
"""Settings to look at where a training diverges, if it has them."""


def new_denoiser(settings: NetworkSettings, schedule: Schedule, seed: int) -> Denoiser:
    """A denoiser with seeded random weights; PyTorch's global random state is as before."""
    return cast(Denoiser, seeded(Denoiser, seed, settings, schedule))


class DiffusionTraining(Training):
    """A denoiser that learns to undo noise; under a launcher every process learns from its share of each batch."""

    def __init__(self, method: Method, pairs: Pairs, seed: int, device: torch.device) -> None:
        settings = method.training
        self.method, self.pairs, self.device = method, pairs, device
        denoiser = method.new_denoiser(seed).to(device)
        method.prepare(denoiser, pairs)
        optimizers = method.optimizers(denoiser)
        rates = [method.rate(optimizer) for optimizer in optimizers]
        self.fabric = fabric_of(device, settings.precision)
        self.loss, *wrapped = self.fabric.setup(method.loss(denoiser), *optimizers)
        super().__init__(
            denoiser, denoiser, wrapped, rates,
            steps=settings.steps, seed=seed, checkpoint_seconds=settings.checkpoint_seconds,
            steering={name: getattr(settings, name) for name in _STEERING if getattr(settings, name, None) is not None},
        )  # fmt: skip
        self.is_first = self.fabric.is_global_zero

    def learn(self, generator: torch.Generator) -> Mapping[str, Tensor]:
        """One step on a batch; the mean loss over all processes."""
        settings = self.method.training
        rows = rows_of_step(len(self.pairs), settings.batch, self.seed, self.step)
        batch = self.method.batch(self.pairs, rows.to(self.device), generator)
        loss = self._backward(share(batch, self.fabric))
        if settings.gradient_norm is not None:
            self.fabric.clip_gradients(
                self.loss, self.optimizers[0], max_norm=settings.gradient_norm, error_if_nonfinite=False
            )  # `advance` looks for what is not finite, and says which setting
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return {"loss": cast(Tensor, self.fabric.all_reduce(loss, reduce_op="mean"))}

    def _backward(self, batch: Sequence[Tensor]) -> Tensor:
        """Gradients of the mean loss of a batch, gone through in parts of `Method.micro_batch` rows; that loss, ()."""
        n = len(batch[0])
        parts = list(zip(*(torch.split(tensor, self.method.micro_batch or n) for tensor in batch), strict=True))
        total = torch.zeros((), device=self.device)
        for number, part in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.loss, enabled=number < len(parts)):  # processes wait once a step
                loss = self.loss(*part) * (len(part[0]) / n)
                self.fabric.backward(loss)
            total += loss.detach()
        return total

    def decay(self) -> float:
        return self.method.decay(self.step)

    def together(self) -> None:
        """Wait for the others. Raises EchobenchError where they would go on from different steps."""
        steps = cast(Tensor, self.fabric.all_gather(torch.tensor(self.step, device=self.device))).flatten().tolist()
        if len(set(steps)) > 1:
            raise EchobenchError(
                f"the processes would go on from the steps {', '.join(map(str, steps))}: the run's folder must be one "
                "that all machines share"
            )

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, or from a checkpoint of echobench 0.1."""
        super().load_state(_of_0_1(state) if "denoiser" in state else state)


def _of_0_1(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state that 0.1 kept, in the words of today."""
    kept = {name: state[name] for name in ("step", "seconds", "curve", "average")}
    return kept | {
        "sums": {"loss": sum(state["losses"])} if state["losses"] else {},
        "networks": state["denoiser"],
        "optimizers": [state["optimizer"]],
        "rates": [state["rate"]],
    }
