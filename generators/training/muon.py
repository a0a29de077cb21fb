"""Muon for networks of convolutions: PyTorch's optimiser of matrices, with each kernel seen as one matrix."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Muon

MOMENTUM = 0.9
"""Short trainings leave less unlearnt with it than with PyTorch's 0.95, which is for long ones."""


class KernelMuon(Muon):
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for weights of convolutions and linear layers.

    A step is the momentum of the gradient with its singular values made nearly alike, so that every direction of a
    weight learns at one pace. A kernel (outputs, inputs, height, width) is a matrix of `outputs` rows.
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float, weight_decay: float) -> None:
        """weights: of two axes, or of four that lie in memory as `torch.channels_last`, on the device they stay on."""
        self.weights = list(weights)
        seen = (weight.detach().movedim(1, -1).view(len(weight), -1) for weight in self.weights)
        self.matrices = list(map(nn.Parameter, seen))  # in the memory of the weights
        super().__init__(self.matrices, rate, weight_decay, MOMENTUM)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        for matrix, weight in zip(self.matrices, self.weights, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.movedim(1, -1).flatten(1)
        return super().step(closure)  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weight in self.weights:
            weight.grad = None


def is_matrix(weight: Tensor) -> bool:
    """Whether it is of a convolution or a linear layer, and no bias or scale."""
    return weight.ndim > 1
