"""Images and label maps as tensors: the condition's planes, the data's scale, batches for training."""

import math
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from echobench.data.frames import Frames
from echobench.data.labels import Label

PLANES = len(Label) + 1
"""Channels of the condition: one per label, and the sector."""
SIGMA_DATA = 0.5
"""Standard deviation that images in [-1, 1] are taken to have, as in Karras et al. 2022 (arXiv 2206.00364).

Inside the sector of CAMUS it is 0.4. Dividing by it makes the velocity uncorrelated with x_t, so that the
network need not learn to pass noise through.
"""
LIMIT = 1 / SIGMA_DATA
"""Scaled images lie within ±LIMIT."""


def to_planes(labels: Tensor, sector: Tensor) -> Tensor:
    """The condition: labels (B, H, W) integer codes, sector (B, H, W) bool -> (B, PLANES, H, W) float32."""
    codes = torch.arange(len(Label), device=labels.device)[:, None, None]
    one_hot = (labels[:, None] == codes) & sector[:, None]
    return torch.cat([one_hot, sector[:, None]], dim=1).float()


def to_data(images: Tensor) -> Tensor:
    """Grey values 0…255, any dtype -> float32 within ±LIMIT."""
    return (images.float() / 127.5 - 1) / SIGMA_DATA


def to_grey(x: Tensor) -> Tensor:
    """The inverse of `to_data`, rounded: uint8."""
    return ((x * SIGMA_DATA + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class AugmentationSettings:
    """Random affine maps of image and label map together, so that the network meets more shapes of heart."""

    share: float = 0.5
    """Of the batches that are augmented; the others are as recorded, for these are what is to be learnt."""
    rotation_degrees: float = 8.0
    """Uniform within ±."""
    scale: float = 0.15
    """Per axis, uniform within 1 ±."""


@dataclass(frozen=True, eq=False)
class Batch:
    """x_0: (B, 1, H, W) float32 within ±LIMIT, 0 outside the sector; planes: (B, PLANES, H, W) float32."""

    x_0: Tensor
    planes: Tensor

    @property
    def mask(self) -> Tensor:
        """(B, 1, H, W): the sector, the last of the planes."""
        return self.planes[:, -1:]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Frames as tensors on a device: images, labels (N, H, W) uint8, sector (N, H, W) bool."""

    images: Tensor
    labels: Tensor
    sector: Tensor

    @classmethod
    def of(cls, frames: Frames, device: torch.device) -> "Pairs":
        """The frames' arrays; labels outside the sector are dropped by `batch`."""

        def tensor(array: NDArray) -> Tensor:  # type: ignore[type-arg]
            return torch.tensor(array, device=device)

        return cls(tensor(frames.images), tensor(frames.labels), tensor(frames.sector))

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor, generator: torch.Generator, settings: AugmentationSettings) -> Batch:
        """The pairs of `rows` (B,), augmented or not as the CPU generator decides."""
        images, labels, sector = self.images[rows], self.labels[rows], self.sector[rows]
        if torch.rand((), generator=generator) < settings.share:
            grid = _affine_grid(len(rows), (images.shape[1], images.shape[2]), generator, settings).to(images.device)
            images = _warp(images, grid, "bilinear")
            labels = _warp(labels, grid, "nearest")
            sector = _warp(sector, grid, "nearest") > 0
        return Batch(to_data(images)[:, None] * sector[:, None], to_planes(labels, sector))


def _affine_grid(n: int, size: tuple[int, int], generator: torch.Generator, settings: AugmentationSettings) -> Tensor:
    """n random rotations and scalings about the centre, as sampling positions (n, H, W, 2)."""
    angle, *scales = (2 * torch.rand(3, n, generator=generator) - 1) * torch.tensor(
        [math.radians(settings.rotation_degrees), settings.scale, settings.scale]
    )[:, None]
    x_scale, y_scale = (1 + s for s in scales)
    aspect = size[0] / size[1]  # positions run from -1 to 1 along both sides: keep rotations rigid
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = angle.cos() * x_scale, -angle.sin() * x_scale * aspect
    theta[:, 1, 0], theta[:, 1, 1] = angle.sin() * y_scale / aspect, angle.cos() * y_scale
    return functional.affine_grid(theta, [n, 1, *size], align_corners=False)


def _warp(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    """values: (B, H, W), 0 beyond their border -> (B, H, W) float32."""
    return functional.grid_sample(values[:, None].float(), grid, mode=mode, align_corners=False)[:, 0]
