"""One label map and what the stresses need to know of its heart, in millimetres."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import euler_number
from skimage.morphology import skeletonize

from echobench.data.base.errors import EchobenchError
from echobench.data.labels import Label

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_MM2 = 60.0
"""A structure smaller than this is none that could be deformed, and a piece smaller than a quarter of it is a crumb."""

SMOOTH_MM = 0.9
"""Standard deviation of the Gaussian that smooths the borders of a deformed map."""

_AROUND = np.ones((3, 3), dtype=bool)


class NotApplicable(EchobenchError):
    """A map lacks the structure that a stress deforms, or leaves it no room; the sentence says what."""


@dataclass(frozen=True, eq=False)
class HeartMap:
    """labels: (H, W) uint8, codes of `Label`. sector: (H, W) bool. spacing_mm: (2,) along rows and columns.

    Positions are (row, column) in mm from the image's corner; `left` and `right` are those of the image.
    What needs a structure that the map lacks raises NotApplicable.
    """

    labels: NDArray[np.uint8]
    sector: Mask
    spacing_mm: Array

    @cached_property
    def grid_mm(self) -> Array:
        """Position of every pixel's centre: (2, H, W)."""
        return np.indices(self.labels.shape) * np.asarray(self.spacing_mm)[:, None, None]

    def mask(self, *labels: Label) -> Mask:
        """Where the map has one of these labels."""
        return np.isin(self.labels, [int(label) for label in labels])

    def area_mm2(self, *labels: Label) -> float:
        return area_mm2(self.mask(*labels), self.spacing_mm)

    def need(self, label: Label) -> Mask:
        """The largest piece of a structure that must be there."""
        piece = largest(self.mask(label))
        if area_mm2(piece, self.spacing_mm) < LEAST_MM2:
            raise NotApplicable(f"the map has no {_NAMES[label]} of at least {LEAST_MM2:g} mm²")
        return piece

    def pieces(self, label: Label) -> int:
        """How many connected pieces a structure has, crumbs not counted."""
        component, _ = ndimage.label(self.mask(label), _AROUND)
        pixels = np.bincount(component.ravel())[1:]
        return int((pixels * np.prod(self.spacing_mm) >= LEAST_MM2 / 4).sum())

    def euler(self, label: Label) -> int:
        """Pieces less holes of a structure."""
        return int(euler_number(self.mask(label), connectivity=2))

    @cached_property
    def heart(self) -> Mask:
        """Everything that is not background; there must be something."""
        if self.area_mm2(*_NAMES) < LEAST_MM2:
            raise NotApplicable(f"the map has no heart of at least {LEAST_MM2:g} mm²")
        return self.mask(*_NAMES)

    @cached_property
    def ventricle(self) -> Mask:
        """Cavity and wall of the left ventricle."""
        self.need(Label.LV_MYO)
        return largest(self.need(Label.LV_ENDO) | self.mask(Label.LV_MYO))

    @cached_property
    def valve(self) -> Mask:
        """The cavity's pixels at the mitral plane: those beside the atrium, or else where no wall closes the cavity."""
        cavity = self.need(Label.LV_ENDO)
        for opening in (self.mask(Label.LA), self.mask(Label.BACKGROUND) & self.sector, self.mask(Label.BACKGROUND)):
            beside = cavity & ndimage.binary_dilation(opening, _AROUND, iterations=2)
            if area_mm2(beside, self.spacing_mm) > LEAST_MM2 / 6:
                return beside
        raise NotApplicable("the cavity of the map has no mitral plane: its wall closes it all around")

    @cached_property
    def valve_mm(self) -> Array:
        """The middle of the mitral plane."""
        return self.grid_mm[:, self.valve].mean(axis=1)

    @cached_property
    def apex_mm(self) -> Array:
        """Where the cavity is farthest from the middle of the mitral plane, to within 1 mm."""
        points = self.grid_mm[:, self.need(Label.LV_ENDO)]
        distance = np.linalg.norm(points - self.valve_mm[:, None], axis=0)
        return points[:, distance >= distance.max() - 1].mean(axis=1)

    @cached_property
    def centre_mm(self) -> Array:
        """The cavity's centre of area."""
        return self.grid_mm[:, self.need(Label.LV_ENDO)].mean(axis=1)

    @cached_property
    def wall_mm(self) -> float:
        """Mean thickness of the myocardium along its midline."""
        wall = self.need(Label.LV_MYO)
        return float(2 * depth_mm(wall, self.spacing_mm)[skeletonize(wall)].mean())


_NAMES = {Label.LV_ENDO: "left ventricular cavity", Label.LV_MYO: "myocardium", Label.LA: "left atrium"}


def area_mm2(mask: Mask, spacing_mm: Array) -> float:
    return float(mask.sum() * np.prod(spacing_mm))


def depth_mm(mask: Mask, spacing_mm: Array) -> Array:
    """Distance from each pixel of a mask (H, W) to what is not of it; what lies beyond the image is not."""
    return ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1]


def largest(mask: Mask) -> Mask:
    """The largest connected piece of a mask (H, W); nothing of an empty one."""
    component, n = ndimage.label(mask, _AROUND)
    if n == 0:
        return mask
    return component == 1 + np.argmax(np.bincount(component.ravel())[1:])


def smooth(labels: NDArray[np.uint8], spacing_mm: Array) -> NDArray[np.uint8]:
    """Each pixel with the label that prevails around it: takes the staircase off contours that were stretched."""
    sigma = SMOOTH_MM / np.asarray(spacing_mm)
    shares = [ndimage.gaussian_filter((labels == label).astype(np.float32), sigma) for label in Label]
    return np.array(list(Label), dtype=np.uint8)[np.argmax(shares, axis=0)]


def without_crumbs(labels: NDArray[np.uint8], spacing_mm: Array) -> NDArray[np.uint8]:
    """The map with pieces of labels that are crumbs given to what lies nearest."""
    crumbs = np.zeros(labels.shape, dtype=bool)
    for label in Label:
        component, _ = ndimage.label(labels == label, _AROUND)
        pixels = np.bincount(component.ravel())
        pixels[0] = labels.size
        crumbs |= (pixels * np.prod(spacing_mm) < LEAST_MM2 / 4)[component]
    if not crumbs.any():
        return labels
    row, column = ndimage.distance_transform_edt(
        crumbs, sampling=spacing_mm, return_distances=False, return_indices=True
    )
    return labels[row, column]
