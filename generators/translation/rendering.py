"""Label maps and frames as pictures of one kind: three channels in [-1, 1], black outside the sector."""

import torch
from torch import Tensor

from echobench.data.labels import Label

CHANNELS = 3
_COLOURS = {
    Label.BACKGROUND: (-1.0, -1.0, 1.0),
    Label.LV_ENDO: (1.0, -1.0, -1.0),
    Label.LV_MYO: (-1.0, 1.0, -1.0),
    Label.LA: (1.0, 1.0, -1.0),
}
"""Corners of the RGB cube, so that no label lies between two others, as it would on a scale of greys."""


def picture_of_maps(planes: Tensor) -> Tensor:
    """Rendered label maps: planes (B, labels + sector, H, W) of `to_planes` -> (B, CHANNELS, H, W) in [-1, 1]."""
    colours = torch.tensor([_COLOURS[label] for label in Label], device=planes.device)
    # In the sector exactly one label is 1; outside none is, and what is left is black.
    coloured = torch.einsum("blhw,lc->bchw", planes[:, : len(Label)], colours)
    return coloured - (1 - planes[:, -1:])


def labels_of_picture(picture: Tensor, sector: Tensor) -> Tensor:
    """The label whose colour is nearest, background outside the sector.

    picture: (B, CHANNELS, H, W); sector: (B, H, W) bool. Returns (B, H, W) uint8 codes of `Label`.
    """
    colours = torch.tensor([_COLOURS[label] for label in Label], device=picture.device)
    nearest = (picture[:, None] - colours[:, :, None, None]).square().sum(dim=2).argmin(dim=1)
    return torch.where(sector, nearest, int(Label.BACKGROUND)).to(torch.uint8)


def picture_of_images(x: Tensor) -> Tensor:
    """Grey images (B, 1, H, W) in [-1, 1] -> (B, CHANNELS, H, W), a view."""
    return x.expand(-1, CHANNELS, -1, -1)
