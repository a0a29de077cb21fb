"""What one kind of semantic diffusion decides; training and the generator are alike for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from echobench.data.frames import Frames
from echobench.generators.settings import Precision
from echobench.generators.training.pairs import Pairs


class LoopSettings(Protocol):
    """What the training loop itself needs to know; the fields are those of `TrainingSettings`."""

    @property
    def steps(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def gradient_norm(self) -> float | None: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def checkpoint_seconds(self) -> float: ...


class Method(ABC):
    """A network, what it learns from, and how it draws. Its constructor takes settings and does no work."""

    training: LoopSettings

    @property
    @abstractmethod
    def divisor(self) -> int:
        """What the sides of an image must be divisible by."""

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Network evaluations per image."""

    @abstractmethod
    def frames(self, frames: Frames) -> Frames:
        """Those of the training frames that are learnt from. Raises EchobenchError if there are none."""

    @abstractmethod
    def new_denoiser(self, seed: int) -> nn.Module:
        """A denoiser with seeded random weights; PyTorch's global random state is as before."""

    @abstractmethod
    def prepare(self, denoiser: nn.Module, pairs: Pairs) -> None:
        """Whatever is done once before training."""

    @abstractmethod
    def loss(self, denoiser: nn.Module) -> nn.Module:
        """Maps the tensors of `batch` to the mean loss, (), and holds the denoiser."""

    @abstractmethod
    def batch(self, pairs: Pairs, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `loss` takes, from the frames `rows` (B,) and a CPU generator; the first axis of each is B."""

    @property
    def micro_batch(self) -> int | None:
        """Rows of a batch whose gradient is computed at a time; None is all of them."""
        return None

    def optimizers(self, denoiser: nn.Module) -> list[Optimizer]:
        """Of the weights of a denoiser on its device. The gradients of the first may be shortened."""
        return [self.adamw(denoiser.parameters())]

    def adamw(self, weights: Iterable[nn.Parameter]) -> Optimizer:
        """Of the settings' rate."""
        settings = self.training
        return torch.optim.AdamW(weights, settings.learning_rate, weight_decay=settings.weight_decay, fused=True)

    @abstractmethod
    def rate(self, optimizer: Optimizer) -> LRScheduler:
        """The course of the learning rate over the steps."""

    @abstractmethod
    def decay(self, step: int) -> float:
        """Of the moving average of the weights, after so many steps."""

    @abstractmethod
    def draw(self, denoiser: nn.Module, planes: Tensor, seeds: list[int]) -> Tensor:
        """Images of label maps: planes (B, PLANES, H, W) -> (B, H, W) uint8."""
