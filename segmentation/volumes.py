"""Volumes of the left ventricle and its ejection fraction, from masks of the cavity by the method of disks.

A cavity is cut into 20 disks of equal height along its long axis. With diameters a_i and b_i of disk i in the 2C and
the 4C view and the length L of the axis, V = π / 4 · L / 20 · Σ a_i b_i; a single plane takes b_i = a_i, so every disk
for round (Schiller et al. 1989, doi:10.1016/S0894-7317(89)80014-8; Lang et al. 2015, doi:10.1016/j.echo.2014.10.003).
L is the longer of the two views' axes, as the shorter one is foreshortened.

The long axis is the cavity's principal axis, from its highest to its lowest point along it; the apex is the end nearer
to the transducer, at the top of the image. It needs nothing but the cavity, so that experts' masks, U-Nets' and those
of datasets without wall and atrium are measured by one rule, and it depends on no single pixel. On the 998 expert masks
of 499 CAMUS patients (4C) it lies 2.3° (median) from the line between the middle of the border with the atrium and the
farthest point from there; disks along that line differ by 0.3 % of the volume (median), and the mean absolute error of
the EF, 7.2 points against the dataset's own, by less than 0.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from echobench.data.frames import PHASES, VIEWS, Frames
from echobench.data.labels import region_mask

DISKS = 20
STEPS = 8
"""Places in each disk at which its width is taken."""
WHOLE = 0.9
"""Share of a mask's pixels that must hang together: what is more scattered is no cavity, but fragments of one."""
LEAST_ML = 1.0
"""What holds less is a fragment as well: no adult's ventricle is that small."""


@dataclass(frozen=True, eq=False)
class Disks:
    """A cavity in disks. diameters_mm: (20,), from the apex to the mitral plane; length_mm: of the long axis."""

    diameters_mm: NDArray[np.float64]
    length_mm: float


def cut(cavity: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> Disks | None:
    """The disks of a mask (H, W), spacing (2,) along rows and columns; None for an empty mask or fragments.

    Holes are filled, and what is not connected to the largest part is left out. A disk's diameter is the root
    mean square of the cavity's widths at `STEPS` places; a pixel is a box along the axis as wide as
    its own spread. So volumes depend neither on the pixels of the contour nor on where an end lies between two of them.
    """
    parts, _ = ndimage.label(ndimage.binary_fill_holes(cavity), structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    if not sizes.any() or sizes.max() < WHOLE * sizes.sum():
        return None
    points_mm = np.argwhere(parts == 1 + sizes.argmax()) * spacing_mm
    axis = np.linalg.eigh(np.cov(points_mm.T, ddof=0))[1][:, -1]
    along_mm = points_mm @ (axis * (1 if axis[0] >= 0 else -1))
    spread_mm = float(np.hypot(*(axis * spacing_mm)))
    start, end = along_mm.min() - spread_mm / 2, along_mm.max() + spread_mm / 2
    borders = np.linspace(start, end, DISKS * STEPS + 1)
    pixels_above = _boxes_below(borders, along_mm, spread_mm)
    length_mm = float(end - start)
    widths_mm = np.diff(pixels_above) * spacing_mm.prod() / (length_mm / (DISKS * STEPS))
    found = Disks(np.sqrt((widths_mm.reshape(DISKS, STEPS) ** 2).mean(axis=1)), length_mm)
    return found if disk_volume([found]) >= LEAST_ML else None


def _boxes_below(borders: NDArray[np.float64], centres: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """How many of N boxes of one width lie below each border (B,), by shares: the sum of
    clip((border - centre) / width + 1 / 2, 0, 1), without N × B steps."""
    ordered = np.sort(centres)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])

    def excess(border: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of border - centre over the centres below it."""
        below = np.searchsorted(ordered, border)
        return below * border - sums[below]

    return (excess(borders + width / 2) - excess(borders - width / 2)) / width


def disk_volume(planes: Sequence[Disks | None]) -> float:
    """mL from the disks of one plane, or of two that are orthogonal; NaN where one of them has none."""
    known = [plane for plane in planes if plane is not None]
    if len(known) < len(planes):
        return nan
    first, second = known[0], known[-1]
    height_mm = max(first.length_mm, second.length_mm) / DISKS
    return float(np.pi / 4 * height_mm * first.diameters_mm @ second.diameters_mm / 1000)


def ejection(frames: Frames, labels: NDArray[np.uint8]) -> pd.DataFrame:
    """Volumes and ejection fraction of every patient, from label maps (N, H, W) for the frames.

    A row per patient with the columns patient, planes ("4C", "2C" or "2C+4C", biplane), edv_ml, esv_ml, ef_percent;
    NaN where a cavity is missing or in fragments. Patients without frames of both phases in any view have no row.
    """
    cavities = region_mask(labels, "LVendo")
    keys = zip(frames.patient.tolist(), frames.view.tolist(), frames.phase.tolist(), strict=True)
    disks = {key: cut(cavities[i], frames.spacing_mm[i]) for i, key in enumerate(keys)}
    rows = []
    for patient in dict.fromkeys(frames.patient.tolist()):
        views = [view for view in VIEWS if all((patient, view, phase) in disks for phase in PHASES)]
        if views:
            edv, esv = (disk_volume([disks[patient, view, phase] for view in views]) for phase in PHASES)
            rows.append((patient, "+".join(views), edv, esv, 100 * (1 - esv / edv)))
    return pd.DataFrame(rows, columns=["patient", "planes", "edv_ml", "esv_ml", "ef_percent"])
