"""Adherence without any network: is an image dark and bright on the sides of a wall where its map has it?

A segmenter trained on ordinary hearts is a poor judge of extraordinary ones. Here nothing is learnt: along each
boundary of the map between blood and tissue, the area under the ROC curve between the grey values of a band on one side
and on the other says how often a pixel of tissue is brighter than one of blood. It is 1 for a perfect border, 0.5 where
the image ignores the map, less where it is inverted.

Real frames are no 1: speckle, dropout and trabeculae count, and experts draw smooth contours. On the 4C frames of the
50 official validation patients of CAMUS (Leclerc et al. 2019, doi:10.1109/TMI.2019.2900516) at 256 × 256 and a band
of 3 mm, the mean is 0.65 (5th to 95th percentile 0.58 to 0.73) for LVendo and 0.62 (0.49 to 0.74) for LA, and with
the map of another patient in the same phase 0.55 and 0.51; the frame's own map scores higher than the other's in 94
and 89 of 100. So a generator's scores are to be read between those of real frames and those of exchanged maps, not
between 0.5 and 1. The epicardium is no boundary of this kind: lung, fat, liver and the right ventricle's blood lie
outside of it, and the same measure gives 0.52 against 0.50.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import rankdata

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.data.ladder.anatomy import LEAST_MM2

BAND_MM = 3.0
LEAST_CHANGE_MM2 = LEAST_MM2 / 4
"""Of blood that came or went, for the wall beside it to count as one that moved."""


@dataclass(frozen=True)
class Boundary:
    """What lies on the dark side and on the bright side of a wall."""

    blood: frozenset[Label]
    tissue: frozenset[Label]


BOUNDARIES: Mapping[str, Boundary] = MappingProxyType(
    {
        "LVendo": Boundary(frozenset({Label.LV_ENDO}), frozenset({Label.LV_MYO})),
        "LA": Boundary(frozenset({Label.LA}), frozenset({Label.BACKGROUND, Label.LV_MYO})),
    }
)
"""Endocardium, and wall of the left atrium; the mitral valve, blood on both sides, is in neither."""


def boundary_contrast(
    frames: Frames, band_mm: float = BAND_MM, other: NDArray[np.uint8] | None = None
) -> dict[str, NDArray[np.float64]]:
    """For each of `BOUNDARIES`, (N,), the area under the ROC curve of every image along the walls of its map.

    A side's pixels are those of its labels inside the sector, at most `band_mm` away from the other side's labels. NaN
    where one of the sides is empty. other: (N, H, W) the same maps before or after a deformation; only what lies in a
    band beside blood that one of them has and the other has not counts then, as a wall that stays where it was says
    nothing about a gap that was cut elsewhere. NaN where that is less than `LEAST_CHANGE_MM2`.
    Raises EchobenchError for a band that is not positive.
    """
    if not band_mm > 0:
        raise EchobenchError(f"the band beside a wall must be wider than 0 mm, got {band_mm:g}")
    return {
        name: np.array(
            [_contrast(frames, i, boundary, band_mm, None if other is None else other[i]) for i in range(len(frames))]
        )
        for name, boundary in BOUNDARIES.items()
    }


def _contrast(frames: Frames, i: int, boundary: Boundary, band_mm: float, other: NDArray[np.uint8] | None) -> float:
    spacing_mm, sides = frames.spacing_mm[i], _sides(frames.labels[i], boundary)
    blood, tissue = (side & frames.sector[i] for side in sides)
    if not (blood.any() and tissue.any()):
        return np.nan
    window = _around(blood, 2 * band_mm / spacing_mm)
    counted = np.ones(1, dtype=bool)
    if other is not None:
        changed = sides[0] != _sides(other, boundary)[0]
        if changed.sum() * np.prod(spacing_mm) < LEAST_CHANGE_MM2:
            return np.nan
        counted = _within(band_mm, changed[window], spacing_mm)
    image, blood, tissue = frames.images[i][window], blood[window], tissue[window]
    bright = image[tissue & counted & _within(band_mm, blood, spacing_mm)]
    dark = image[blood & counted & _within(band_mm, tissue, spacing_mm)]
    return roc_area(bright, dark)


def _sides(labels: NDArray[np.uint8], boundary: Boundary) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a map (H, W) has blood, and where tissue."""
    blood, tissue = (np.isin(labels, [int(label) for label in side]) for side in (boundary.blood, boundary.tissue))
    return blood, tissue


def _around(mask: NDArray[np.bool_], margin: NDArray[np.float64]) -> tuple[slice, slice]:
    """The part of an image that holds a mask and a margin in pixels around it, along rows and columns."""
    spans = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    more = np.ceil(margin).astype(np.intp)
    rows, columns = (slice(max(s[0] - m, 0), s[-1] + m + 1) for s, m in zip(spans, more, strict=True))
    return rows, columns


def _within(band_mm: float, mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels at most a band away from a mask (H, W), centre to centre; none of an empty one."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= band_mm


def roc_area(bright: NDArray[np.uint8], dark: NDArray[np.uint8]) -> float:
    """Chance that a value of the first sample exceeds one of the second, ties counting half; NaN for an empty sample.

    The Mann-Whitney statistic over the number of pairs (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747).
    """
    n, m = len(bright), len(dark)
    if n == 0 or m == 0:
        return np.nan
    ranks = rankdata(np.concatenate([bright, dark]))[:n]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))
