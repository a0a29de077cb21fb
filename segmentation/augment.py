"""Augmentation of image and label map together, as operations on whole batches of tensors.

Source: transforms of "Echo from noise" (arXiv 2305.05424v2) as its code has them, `echo_segmentations/runner.py`
of github.com/david-stojanovski/echo_from_noise: gamma, flip, rotation, then translation with scale.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AugmentationSettings:
    """Ranges of the random changes; every one is drawn uniformly, once per image.

    gamma_range: exponent of the grey value in [0, 1]; above 1 darkens. Uniform between the ends, as the paper's code
        draws it, so the mean image is darker than the original.
    flip_probability: chance of a mirror image, left to right.
    rotation_degrees: largest rotation about the image centre, either way.
    translation_fraction: largest shift in each direction, as a fraction of the image side.
    scale_range: magnification about the centre.
    """

    gamma_range: tuple[float, float] = (0.5, 3.0)
    flip_probability: float = 0.5
    rotation_degrees: float = 10.0
    translation_fraction: float = 0.2
    scale_range: tuple[float, float] = (0.8, 1.2)


NO_AUGMENTATION = AugmentationSettings((1.0, 1.0), 0.0, 0.0, 0.0, (1.0, 1.0))
"""The settings that leave every frame as it is."""


def augment(
    images: Tensor, labels: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One random change per image, the same geometry for its label map.

    images: (N, S, S) uint8. labels: (N, S, S) uint8, codes of `Label`.
    generator: on the CPU, the only source of randomness; the tensors may lie on any device.
    Returns images (N, 1, S, S) float32 in [0, 1] and labels (N, S, S) int64, the form that cross-entropy reads.
    What moves in from outside is black and background (both zero).
    """
    n, device = len(images), images.device
    gamma = _uniform(n, settings.gamma_range, generator)
    # Departs from the paper [unet.resampling]: one map does all of it, so an image is interpolated once, and
    # bilinearly; labels stay nearest.
    grid = _sampling_grid(_output_to_input(n, settings, generator).to(device), images.shape[-1])
    grey = apply_gamma(images, gamma.to(device))
    moved = functional.grid_sample(grey[:, None], grid, mode="bilinear", align_corners=False)
    codes = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
    return moved, codes[:, 0].long()


def apply_gamma(images: Tensor, gamma: Tensor) -> Tensor:
    """(v / 255) ** gamma for images (N, S, S) uint8 and gamma (N,); float32 in [0, 1], same shape.

    There are 256 grey values, so the power is computed 256 times per image and looked up.
    """
    greys = torch.linspace(0.0, 1.0, 256, device=images.device)
    table = greys ** gamma[:, None]
    return table.gather(1, images.flatten(1).long()).view(images.shape)


def _uniform(n: int, ends: tuple[float, float], generator: torch.Generator) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * torch.rand(n, generator=generator)


def _output_to_input(n: int, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """(N, 2, 3): where each output pixel comes from, in coordinates (x, y) that run from -1 to 1 over the image.

    Forwards a point p goes to s R F p + t (flip F, rotation R, scale s, shift t); sampling needs the way back,
    F R^T (p - t) / s.
    """
    limit = math.radians(settings.rotation_degrees)
    angle = _uniform(n, (-limit, limit), generator)
    scale = _uniform(n, settings.scale_range, generator)
    reach = 2 * settings.translation_fraction  # the image is 2 wide in these coordinates
    shift = torch.stack([_uniform(n, (-reach, reach), generator) for _ in "xy"], dim=1)
    flip = torch.where(torch.rand(n, generator=generator) < settings.flip_probability, -1.0, 1.0)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    back = torch.stack([flip * cosine, flip * sine, -sine, cosine], dim=1).view(n, 2, 2)
    return torch.cat([back, -back @ shift[:, :, None]], dim=2)


def _sampling_grid(matrix: Tensor, size_px: int) -> Tensor:
    """(N, S, S, 2) input coordinates (x, y) of the output's pixel centres, for `grid_sample`.

    Written out as broadcast sums: half the time of `affine_grid`, which multiplies matrices.
    """
    centres = (2 * torch.arange(size_px, device=matrix.device) + 1) / size_px - 1
    along_x = matrix[:, :, 0, None] * centres + matrix[:, :, 2, None]  # (N, 2, S), one value per column
    along_y = matrix[:, :, 1, None] * centres  # (N, 2, S), one value per row
    return along_x.transpose(1, 2)[:, None, :, :] + along_y.transpose(1, 2)[:, :, None, :]
