"""Muon for networks of convolutions: PyTorch's optimiser of matrices, with each kernel seen as one matrix."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Muon

from echobench.generators.training.precision import has_bf16

MOMENTUM = 0.9
"""Short trainings leave less unlearnt with it than with PyTorch's 0.95, which is for long ones."""


class KernelMuon(Muon):
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for weights of convolutions and linear layers.

    A step is the momentum of the gradient with its singular values made nearly alike, so that every direction of a
    weight learns at one pace. A kernel (outputs, inputs, height, width) is a matrix of `outputs` rows.

    PyTorch multiplies in bf16. A processor without bf16 multiplies in float32 here, for the reason in `has_bf16`.
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float, weight_decay: float) -> None:
        """weights: of two axes, or of four that lie in memory as `torch.channels_last`, on the device they stay on."""
        self.weights = list(weights)
        seen = (weight.detach().movedim(1, -1).view(len(weight), -1) for weight in self.weights)
        self.matrices = list(map(nn.Parameter, seen))  # in the memory of the weights
        super().__init__(self.matrices, rate, weight_decay, MOMENTUM)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """closure: None; the gradients are those that the weights have."""
        if closure is not None:
            raise ValueError("a step is of the gradients that the weights have: there can be no closure")
        for matrix, weight in zip(self.matrices, self.weights, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.movedim(1, -1).flatten(1)
        if not has_bf16(self.matrices[0].device.type):
            return self._step_in_float32()
        return super().step()  # type: ignore[no-untyped-call]

    def _step_in_float32(self) -> None:
        """What `torch.optim.Muon` does in a step, but for the precision of `nearly_orthogonal`."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                move = nearly_orthogonal(matrix.grad.lerp(mean, momentum), group["ns_coefficients"], group["ns_steps"])
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.sub_(move, alpha=rate * math.sqrt(max(1.0, len(matrix) / matrix.shape[1])))

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weight in self.weights:
            weight.grad = None


def is_matrix(weight: Tensor) -> bool:
    """Whether it is of a convolution or a linear layer, and no bias or scale."""
    return weight.ndim > 1


def nearly_orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """The matrix with all singular values near 1, by the Newton-Schulz iteration of Muon: X becomes a·X + b·(X·Xᵀ)·X +
    c·(X·Xᵀ)²·X, which pulls each singular value towards 1. In the precision of the matrix."""
    a, b, c = coefficients
    is_tall = len(matrix) > matrix.shape[1]
    x = functional.normalize(matrix.T if is_tall else matrix, dim=(0, 1), eps=1e-7)  # type: ignore[arg-type]
    for _ in range(steps):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x
