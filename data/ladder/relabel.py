"""Anatomical stresses that no warping of an image draws: something is cut, removed or added.

Each is a function of (map, severity above 0 up to 1, seed): the labels (H, W).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from echobench.data.deform import pull_labels
from echobench.data.labels import Label
from echobench.data.ladder.anatomical import deeper_mm
from echobench.data.ladder.anatomy import Array, HeartMap, Mask, NotApplicable, depth_mm, largest
from echobench.data.ladder.polar import rays_from, smoothed

Labels = NDArray[np.uint8]

DEFECT_MM = (4.0, 18.0)  # width of the gap, at the mildest and at full severity
DEFECT_PLACE = (0.45, 0.7)  # on the way from apex to mitral plane
EFFUSION_MM = (4.0, 16.0)  # depth of the fluid, at the mildest and at full severity
SECOND_MM = (8.0, 32.0)  # width of the second ventricle's cavity
SECOND_PLACE_DEGREES = (25, 90, 130, 165)  # left of the apex: where it starts, is widest, and ends
SECOND_WALL_MM = 5.0


def septal_defect(heart: HeartMap, severity: float, seed: int) -> Labels:
    """A gap with rounded edges, filled with blood, in the wall on the image's left: the septum of a 4C view."""
    labels, wall = heart.labels.copy(), heart.mask(Label.LV_MYO)
    axis = heart.valve_mm - heart.apex_mm
    length = np.linalg.norm(axis)
    place = np.random.default_rng(seed).uniform(*DEFECT_PLACE) * length
    offset = heart.grid_mm - heart.apex_mm[:, None, None]
    along = (axis[0] * offset[0] + axis[1] * offset[1]) / length
    across = (axis[0] * offset[1] - axis[1] * offset[0]) / length  # positive to the right of an upright heart
    width = max(np.interp(severity, (0, 1), DEFECT_MM), 2 * max(heart.spacing_mm))
    left = wall & (across < 0)
    middle = left & (np.abs(along - place) < 1.0 + max(heart.spacing_mm))
    if not middle.any():
        raise NotApplicable("the map has no wall on the left of its cavity")
    # The stumps are half circles: the gap widens towards both surfaces of the wall.
    centre = across[middle].mean()
    half_wall = max(np.ptp(across[middle]) / 2, 1.0)
    flare = half_wall - np.sqrt(np.maximum(half_wall**2 - (across - centre) ** 2, 0))
    gap = left & (np.abs(along - place) < width / 2 + flare * 0.6)
    labels[gap & (np.abs(across - centre) < 1.5 * half_wall)] = Label.LV_ENDO
    return labels


def missing_atrium(heart: HeartMap, severity: float, seed: int) -> Labels:
    """An atrium of 1 - severity of its area, shrunk towards the mitral plane; none at severity 1."""
    labels, atrium = heart.labels.copy(), heart.mask(Label.LA)
    labels[atrium] = Label.BACKGROUND
    if severity < 1:
        anchor = heart.valve_mm[:, None, None]
        source = anchor + (heart.grid_mm - anchor) / np.sqrt(1 - severity)
        left = _pulled(atrium, source, heart) & (labels == Label.BACKGROUND)
        labels[left & (heart.sector | atrium)] = Label.LA
    return labels


def effusion(heart: HeartMap, severity: float, seed: int) -> Labels:
    """Fluid, coded as blood, around apex and lateral wall; the heart moves down and to the left to make room for it."""
    fluid_mm = np.interp(severity, (0, 1), EFFUSION_MM)
    moved_mm = np.array([min(fluid_mm, deeper_mm(heart)), -fluid_mm])
    moved = replace(heart, labels=_pulled_labels(heart, moved_mm))
    rays = rays_from(moved, heart.centre_mm + moved_mm, heart.apex_mm + moved_mm)
    # From the apex's septal side to the lateral base; 0 is the apex, 90 the lateral wall.
    where = np.minimum(np.clip((rays.degrees + 50) / 60, 0, 1), np.clip((150 - rays.degrees) / 40, 0, 1))
    depth = rays.at_pixels(fluid_mm * smoothed(where, 6))
    from_heart = ndimage.distance_transform_edt(~moved.ventricle, sampling=heart.spacing_mm)
    labels = moved.labels.copy()
    labels[largest(_rounded((from_heart <= depth) & _free_above_valve(moved), 1.0, heart))] = Label.LV_ENDO
    return labels


def two_ventricles(heart: HeartMap, severity: float, seed: int) -> Labels:
    """A second ventricle, a crescent on the image's left of the septum as the right one is, with a wall of its own."""
    rays = rays_from(heart, heart.centre_mm, heart.apex_mm)
    # Widest near the base; nothing beyond the apex and below the mitral plane.
    width = np.interp(-rays.degrees, SECOND_PLACE_DEGREES, (0, 1, 1, 0)) * np.interp(severity, (0, 1), SECOND_MM)
    from_heart = ndimage.distance_transform_edt(~heart.ventricle, sampling=heart.spacing_mm)
    from_edge = depth_mm(heart.sector, heart.spacing_mm)
    free = _free_above_valve(heart)
    cavity = free & (from_heart <= rays.at_pixels(smoothed(width, 6))) & (from_edge > SECOND_WALL_MM)
    cavity = largest(_rounded(cavity, 3.0, heart))
    from_cavity = ndimage.distance_transform_edt(~cavity, sampling=heart.spacing_mm)
    labels = heart.labels.copy()
    labels[free & (from_cavity <= SECOND_WALL_MM)] = Label.LV_MYO
    labels[cavity] = Label.LV_ENDO
    return labels


def _free_above_valve(heart: HeartMap) -> Mask:
    """Background of the sector on the apex's side of the mitral plane."""
    beyond = np.tensordot(heart.valve_mm - heart.apex_mm, heart.grid_mm - heart.valve_mm[:, None, None], 1) > 0
    return heart.mask(Label.BACKGROUND) & heart.sector & ~beyond


def _rounded(mask: Mask, radius_mm: float, heart: HeartMap) -> Mask:
    """The mask without what a disc of that radius does not reach."""
    core = depth_mm(mask, heart.spacing_mm) >= radius_mm
    if not core.any():
        return core
    return ndimage.distance_transform_edt(~core, sampling=heart.spacing_mm) < radius_mm


def _pulled_labels(heart: HeartMap, moved_mm: Array) -> Labels:
    """The heart's labels moved as a whole."""
    return pull_labels(heart.labels, _pixels(heart.grid_mm - moved_mm[:, None, None], heart))


def _pixels(positions_mm: Array, heart: HeartMap) -> NDArray[np.float32]:
    return (positions_mm / np.asarray(heart.spacing_mm)[:, None, None]).astype(np.float32)


def _pulled(mask: Mask, source_mm: Array, heart: HeartMap) -> Mask:
    """A mask at positions (2, H, W) in mm, smooth between pixels."""
    return ndimage.map_coordinates(mask.astype(np.float32), _pixels(source_mm, heart), order=1, cval=0) > 0.5
