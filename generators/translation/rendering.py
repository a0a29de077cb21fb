"""Label maps and frames as pictures of one kind: three channels in [-1, 1], black outside the sector."""

from dataclasses import dataclass
from typing import Literal

import torch
from monai.networks.layers.simplelayers import GaussianFilter
from torch import Tensor
from torch.nn import functional

from echobench.data.labels import Label

Rendering = Literal["echo", "colours"]
"""What a label map looks like to the network that draws: a simple ultrasound, or a colour for each label."""
CHANNELS = 3
NOISE = 2
"""Channels of standard normal noise that a rendering takes: one for its grain, one for what is bright where."""

_COLOURS = {
    Label.BACKGROUND: (-1.0, -1.0, 1.0),
    Label.LV_ENDO: (1.0, -1.0, -1.0),
    Label.LV_MYO: (-1.0, 1.0, -1.0),
    Label.LA: (1.0, 1.0, -1.0),
}
"""Corners of the RGB cube, so that no label lies between two others, as it would on a scale of greys."""

# Grey values between 0 and 1 of the simple ultrasound. General knowledge, as in the published baseline's pictures
# (github.com/adgilbert/pseudo-image-extraction at 7afdf3b): blood is dark, walls reflect, the pericardium most, and
# leaflets part the chambers. How grey each is follows from all grey values of twelve training frames of CAMUS together,
# whose quartiles are 0.24, 0.36 and 0.53: blood lies at the first, tissue between the others. Nothing was counted under
# the maps. Lengths, grain and variation were set by eye.
_GREY = {Label.BACKGROUND: 0.40, Label.LV_ENDO: 0.24, Label.LV_MYO: 0.45, Label.LA: 0.24}
_VARIED = {Label.BACKGROUND: 0.13, Label.LV_ENDO: 0.02, Label.LV_MYO: 0.09, Label.LA: 0.02}
"""Standard deviation of the grey within a frame, from region to region."""
_ECHOES = {
    (Label.LV_ENDO, Label.LA): 0.25,  # the mitral valve, which no label names
    (Label.LA, Label.BACKGROUND): 0.20,  # the atrial wall, likewise
    (Label.LV_MYO, Label.BACKGROUND): 0.10,  # the pericardium
}
"""What the seam of two labels adds."""
_SPECKLE = 0.2
"""Standard deviation of the grain, relative to the grey that it lies on."""
_GAIN = 0.2
"""Standard deviation of the logarithm of a whole frame's brightness."""
_REGIONS = 7
"""How many regions of their own brightness lie side by side."""
_RIGHT_HEART = 0.45
"""Share of its grey that tissue loses where the right chambers are."""


@dataclass(frozen=True)
class Renderer:
    """Makes pictures of label maps.

    right_heart: whether a simple ultrasound shows the right chambers, which no label names: dark like the left ones,
    and to their left, as in every view of four chambers.
    """

    kind: Rendering
    right_heart: bool = False

    @property
    def outputs(self) -> int:
        """Channels that differ."""
        return 1 if self.kind == "echo" else CHANNELS

    def __call__(self, planes: Tensor, noise: Tensor) -> Tensor:
        """planes (B, labels + sector, H, W) of `to_planes`; noise (B, NOISE, H, W) standard normal, which colours do
        without. Returns (B, CHANNELS, H, W) in [-1, 1]."""
        labels, sector = planes[:, : len(Label)], planes[:, -1:]
        if self.kind == "colours":
            # In the sector exactly one label is 1; outside none is, and what is left is black.
            colours = torch.tensor([_COLOURS[label] for label in Label], device=planes.device)
            return torch.einsum("blhw,lc->bchw", labels, colours) - (1 - sector)
        grey = _echo(labels, noise, self.right_heart).clamp(0, 1)
        return picture_of_images((2 * grey - 1) * sector - (1 - sector))


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


def _echo(labels: Tensor, noise: Tensor, right_heart: bool) -> Tensor:
    """A simple ultrasound, (B, 1, H, W), of labels (B, labels, H, W), 1 where each is."""
    pixel = labels.shape[-2] / 256  # lengths are in pixels of a frame of 256 rows
    soft = GaussianFilter(2, 2 * pixel)(labels)
    grain, bright = noise[:, :1], noise[:, 1:2]
    regions = _coarse(bright, _REGIONS)
    grey = sum((_GREY[label] + _VARIED[label] * regions).clamp(min=0.1) * soft[:, [label]] for label in Label)
    if right_heart:
        grey = grey * (1 - _RIGHT_HEART * _right_chambers(labels, pixel))
    grey = grey + 4 * sum(more * soft[:, [one]] * soft[:, [other]] for (one, other), more in _ECHOES.items())
    speckle = GaussianFilter(2, 1.2 * pixel)(grain)
    speckle = speckle / speckle.std(dim=(2, 3), keepdim=True)
    result: Tensor = grey * (1 + _SPECKLE * speckle) * (_GAIN * _coarse(grain, 1)).exp()
    return result


def _coarse(noise: Tensor, cells: int) -> Tensor:
    """White noise (B, 1, H, W) as smooth noise of the same variance, with so many independent cells a side."""
    height, width = noise.shape[-2:]
    coarse = functional.adaptive_avg_pool2d(noise, cells) * ((height * width) ** 0.5 / cells)
    return functional.interpolate(coarse, (height, width), mode="bicubic")


def _right_chambers(labels: Tensor, pixel: float) -> Tensor:
    """Between 0 and 1, (B, 1, H, W): the left chambers once more, beside the septum, where there is no label."""
    left = labels[:, [Label.LV_ENDO, Label.LA]].sum(dim=1, keepdim=True)
    widths = labels[:, Label.LV_MYO].any(dim=1).sum(dim=1)  # of the ventricle with its wall
    down = round(10 * pixel)
    moved = [one.roll((down, -int(0.62 * width + 4 * pixel)), (1, 2)) for one, width in zip(left, widths, strict=True)]
    beside = torch.stack(moved) * labels[:, [Label.BACKGROUND]]
    soft: Tensor = GaussianFilter(2, 3 * pixel)(beside).square()
    return soft
