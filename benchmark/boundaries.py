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

from echobench.data.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import Label

BAND_MM = 3.0


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


def boundary_contrast(frames: Frames, band_mm: float = BAND_MM) -> dict[str, NDArray[np.float64]]:
    """For each of `BOUNDARIES`, (N,), the area under the ROC curve of every image along the walls of its map.

    A side's pixels are those of its labels inside the sector, at most `band_mm` away from the other side's labels. NaN
    where one of the sides is empty. Raises EchobenchError for a band that is not positive.
    """
    if not band_mm > 0:
        raise EchobenchError(f"the band beside a wall must be wider than 0 mm, got {band_mm:g}")
    return {
        name: np.array([_contrast(frames, i, boundary, band_mm) for i in range(len(frames))])
        for name, boundary in BOUNDARIES.items()
    }


def exchanged(frames: Frames) -> NDArray[np.intp]:
    """(N,) for each frame one of another patient in the same view and phase, -1 where there is none.

    `replace(frames, labels=frames.labels[index])` gives the floor of `boundary_contrast`: images beside maps that
    they do not follow.
    """
    other = np.full(len(frames), -1, dtype=np.intp)
    for i in range(len(frames)):
        same = (frames.view == frames.view[i]) & (frames.phase == frames.phase[i])
        others = np.flatnonzero(same & (frames.patient != frames.patient[i]))
        if len(others):
            other[i] = others[np.searchsorted(others, i) % len(others)]  # the next in order
    return other


def _contrast(frames: Frames, i: int, boundary: Boundary, band_mm: float) -> float:
    blood, tissue = (
        np.isin(frames.labels[i], [int(label) for label in side]) & frames.sector[i]
        for side in (boundary.blood, boundary.tissue)
    )
    if not (blood.any() and tissue.any()):
        return np.nan
    image, spacing_mm = frames.images[i], frames.spacing_mm[i]
    bright = image[tissue & _within(band_mm, blood, spacing_mm)]
    dark = image[blood & _within(band_mm, tissue, spacing_mm)]
    return roc_area(bright, dark)


def _within(band_mm: float, mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels at most a band away from a mask (H, W), centre to centre."""
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
