"""The label vocabulary: the one place where integers stand for anatomy."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class Label(IntEnum):
    """Codes of a label map, as CAMUS publishes them (Leclerc et al. 2019, doi:10.1109/TMI.2019.2900516)."""

    BACKGROUND = 0
    LV_ENDO = 1  # cavity of the left ventricle
    LV_MYO = 2  # its myocardium
    LA = 3  # cavity of the left atrium


def vocabulary() -> dict[str, int]:
    """Name and code of every label, to be written beside weights."""
    return {label.name: int(label) for label in Label}


REGIONS: Mapping[str, frozenset[Label]] = MappingProxyType(
    {
        "LVendo": frozenset({Label.LV_ENDO}),
        "LVepi": frozenset({Label.LV_ENDO, Label.LV_MYO}),
        "LVmyo": frozenset({Label.LV_MYO}),
        "LA": frozenset({Label.LA}),
    }
)
"""Regions that are scored, each a set of labels. LVepi is what the epicardium encloses: cavity and wall."""

TABLE_REGIONS = ("LVendo", "LVepi", "LA")
"""The regions of Table 1 of "Echo from noise" (arXiv 2305.05424v2); their mean is its column `mean`."""


def region_mask(labels: NDArray[np.uint8], region: str) -> NDArray[np.bool_]:
    """Where `labels` (any shape) belongs to the named region."""
    return np.isin(labels, [int(label) for label in REGIONS[region]])


def bounding_box(mask: NDArray[np.bool_], margin: float = 0.0) -> tuple[slice, slice]:
    """The rows and columns of a mask (H, W) that is not empty, and on every side a share of their number more, as far
    as the image reaches."""
    ends = []
    for axis in (1, 0):
        (along,) = np.nonzero(mask.any(axis=axis))
        first, last = int(along[0]), int(along[-1]) + 1
        more = round(margin * (last - first))
        ends.append(slice(max(first - more, 0), last + more))
    return ends[0], ends[1]
