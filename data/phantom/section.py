"""One apical section through the heart, as contours in millimetres, and the maps that it draws.

Positions are (x_mm, y_mm): x to the right of the probe, y down from it. A section has its own axes: s runs
from the endocardial apex down the long axis, t across it, positive on the image's right (lateral) side.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from echobench.data.labels import Label

Array = NDArray[np.float32]

NODES = np.linspace(0.0, 1.0, 97, dtype=np.float32)  # where profiles are tabulated
BUMPS = 4  # harmonics of a contour's individual shape


class Tissue(IntEnum):
    """What the simulated beam meets. Not labels: most of these are background to the experts."""

    SURROUNDINGS = 0
    RIGHT_WALL = 1
    RIGHT_BLOOD = 2
    PERICARDIUM = 3
    ATRIAL_WALL = 4
    MYOCARDIUM = 5
    ANNULUS = 6
    ATRIAL_BLOOD = 7
    VENTRICULAR_BLOOD = 8
    PAPILLARY = 9
    LEAFLET = 10
    RIGHT_LEAFLET = 11


@dataclass(frozen=True)
class RightHeart:
    """Right ventricle and atrium, seen in the four-chamber view only, left of the septa."""

    ventricle_width_mm: float
    start: float  # apical end of the cavity, as a fraction of the left long axis
    atrium_length_mm: float
    atrium_half_width_mm: float
    tricuspid_offset_mm: float  # the tricuspid plane lies nearer to the apex than the mitral one
    wall_mm: float = 4.0


@dataclass(frozen=True)
class Section:
    """The contours of one view at one phase.

    bumps and epi_bumps: per side (left, right), relative width changes in cosine harmonics 1..BUMPS.
    wall_mm and leg_mm: per side, thickness of the wall and how far its foot reaches below the mitral plane.
    """

    apex_mm: tuple[float, float]
    tilt_rad: float
    bend_mm: float
    length_mm: float
    half_width_mm: float
    widest: float  # where along the axis the cavity is widest, 0 apex .. 1 mitral plane
    bluntness: float  # exponent of the apical superellipse; 2 is an ellipse
    taper: float  # relative narrowing from the widest place to the mitral plane
    plane_slope: float  # descent of the mitral plane per millimetre towards the lateral side
    bumps: tuple[tuple[float, ...], tuple[float, ...]]
    epi_bumps: tuple[tuple[float, ...], tuple[float, ...]]
    wall_mm: tuple[float, float]
    apical_wall_mm: float
    leg_mm: tuple[float, float]
    atrium_length_mm: float
    atrium_half_width_mm: float
    atrium_filled_db: float  # echo added by walls and valve that the thick slice cuts
    atrium_slope: float  # sideways drift of the atrium's axis per millimetre of depth
    papillary: tuple[float, float, float]  # position along the axis, side (-1 or 1), radius in mm
    leaflet_tent_mm: float  # how far the leaflets' tips stand above the mitral plane
    leaflet_gap_mm: float  # distance between the tips
    right: RightHeart | None

    def local(self, x_mm: Array, y_mm: Array) -> tuple[Array, Array]:
        """The section's own coordinates (s, t) in mm of image positions (any shape)."""
        dx, dy = x_mm - np.float32(self.apex_mm[0]), y_mm - np.float32(self.apex_mm[1])
        sine, cosine = np.float32(np.sin(self.tilt_rad)), np.float32(np.cos(self.tilt_rad))
        s = dx * sine + dy * cosine
        along = s * np.float32(1 / self.length_mm)
        return s, dx * cosine - dy * sine - np.float32(self.bend_mm) * along * (along - 1)

    def profile(self, side: int) -> Array:
        """Half width in mm of the cavity at NODES, on the left (0) or right (1) side."""
        return self.half_width_mm * self._outline() * _wobble(self.bumps[side])

    def epi_profile(self, side: int) -> Array:
        """The same of the epicardium, NODES running from its own apex to the mitral plane."""
        width = self.half_width_mm * _wobble(self.bumps[side]) + self.wall_mm[side] * _wobble(self.epi_bumps[side])
        return width * self._outline()

    def _outline(self) -> Array:
        apical = 1 - np.clip(1 - NODES / self.widest, 0, 1) ** self.bluntness
        basal = self.taper * np.clip((NODES - self.widest) / (1 - self.widest), 0, 1) ** 2
        outline: Array = (apical ** (1 / self.bluntness) - basal).astype(np.float32)
        return outline

    def atrium_profile(self) -> Array:
        """Half width in mm of the left atrium from the mitral plane (0) to its floor (1)."""
        mouth = 0.5 * (self.profile(0)[-1] + self.profile(1)[-1]) / self.atrium_half_width_mm
        above = mouth + (1 - mouth) * np.sin(np.pi * NODES)
        below = (1 - np.clip(2 * NODES - 1, 0, 1) ** 2.4) ** (1 / 2.4)
        profile: Array = (self.atrium_half_width_mm * np.where(NODES < 0.5, above, below)).astype(np.float32)
        return profile

    def volume_ml(self) -> float:
        """Cavity volume by the single-plane method of discs (Lang et al. 2015, doi:10.1016/j.echo.2014.10.003)."""
        diameter_mm = self.profile(0) + self.profile(1)
        return float(np.pi / 4 * np.mean(diameter_mm**2) * self.length_mm / 1000)


@dataclass(frozen=True, eq=False)
class Regions:
    """Where the left heart is, as masks of one shape, with the coordinates that found it."""

    s_mm: Array
    t_mm: Array
    plane_mm: Array  # s of the mitral plane at each position
    along: Array  # s in units of the plane's
    epi_mm: Array  # half width of the epicardium beside each position
    cavity: NDArray[np.bool_]
    wall: NDArray[np.bool_]
    atrium: NDArray[np.bool_]


def regions(section: Section, x_mm: Array, y_mm: Array) -> Regions:
    """The left heart's chambers and wall at image positions (any shape)."""
    s, t = section.local(x_mm, y_mm)
    plane = section.length_mm + np.float32(section.plane_slope) * np.clip(t, -40, 40)
    along, right, across = s / plane, t > 0, np.abs(t)
    endo = _by_side(along, right, section.profile(0), section.profile(1))
    cavity = (along > 0) & (along < 1) & (across < endo)
    apical = np.float32(section.apical_wall_mm)
    epi = _by_side((s + apical) / (plane + apical), right, section.epi_profile(0), section.epi_profile(1))
    foot = np.where(right, np.float32(section.leg_mm[1]), np.float32(section.leg_mm[0]))
    body = (s > -apical) & (along <= 1) & (across < epi)
    legs = (along > 1) & (s < plane + foot) & (across < epi) & (across > endo)
    atrium = _atrium(section, s - plane, t, 0.0)
    return Regions(s, t, plane, along, epi, cavity, (body | legs) & ~cavity & ~atrium, atrium)


def label_map(section: Section, x_mm: Array, y_mm: Array) -> NDArray[np.uint8]:
    """Codes of `Label` at image positions (any shape)."""
    found = regions(section, x_mm, y_mm)
    labels = np.full(x_mm.shape, Label.BACKGROUND, dtype=np.uint8)
    labels[found.wall] = Label.LV_MYO
    labels[found.atrium] = Label.LA
    labels[found.cavity] = Label.LV_ENDO
    return labels


def tissue_map(section: Section, found: Regions) -> NDArray[np.uint8]:
    """Codes of `Tissue`, painted from the back to the front."""
    s, t, below = found.s_mm, found.t_mm, found.s_mm - found.plane_mm
    tissue = np.full(s.shape, Tissue.SURROUNDINGS, dtype=np.uint8)
    if section.right is not None:
        _paint_right_heart(tissue, section, section.right, found)
    outside = np.abs(t) - found.epi_mm
    lateral = (t > 0) | (section.right is None)
    tissue[lateral & (outside > 0) & (outside < 2.5) & (found.along > 0) & (below < 8)] = Tissue.PERICARDIUM
    tissue[_atrium(section, below, t, 3.0)] = Tissue.ATRIAL_WALL
    tissue[found.wall] = Tissue.MYOCARDIUM
    mouth = 0.5 * (section.profile(0)[-1] + section.profile(1)[-1])
    tissue[(np.abs(np.abs(t) - mouth - 2) < 3.5) & (np.abs(below) < 3)] = Tissue.ANNULUS
    tissue[found.atrium] = Tissue.ATRIAL_BLOOD
    tissue[found.cavity] = Tissue.VENTRICULAR_BLOOD
    place, side, radius_mm = section.papillary
    centre = side * (np.interp(place, NODES, section.profile(int(side > 0))) - 0.6 * radius_mm)
    muscle = ((s - place * section.length_mm) / 2.2) ** 2 + (t - np.float32(centre)) ** 2 < radius_mm**2
    tissue[found.cavity & muscle] = Tissue.PAPILLARY
    for hinge in (-mouth, mouth):
        tip = np.sign(hinge) * section.leaflet_gap_mm / 2
        tissue[_near_segment(below, t, (0.0, hinge), (-section.leaflet_tent_mm, tip), 1.4)] = Tissue.LEAFLET
    return tissue


def _wobble(coefficients: tuple[float, ...]) -> Array:
    orders = np.arange(1, BUMPS + 1, dtype=np.float32)
    wobble: Array = 1 + np.cos(np.pi * NODES[:, None] * orders) @ np.asarray(coefficients, dtype=np.float32)
    return wobble


def _by_side(position: Array, right: NDArray[np.bool_], left_profile: Array, right_profile: Array) -> Array:
    """Profiles looked up at `position` (0..1, clipped), each on its own side."""
    index = np.clip(position * (len(NODES) - 1), 0, len(NODES) - 1.001)
    low = index.astype(np.int32)
    both = np.concatenate([left_profile, right_profile]).astype(np.float32)
    low_of_side = low + right * np.int32(len(NODES))
    width: Array = both[low_of_side] + (index - low) * (both[low_of_side + 1] - both[low_of_side])
    return width


def _atrium(section: Section, below: Array, t: Array, margin_mm: float) -> NDArray[np.bool_]:
    depth = below / (section.atrium_length_mm + margin_mm)
    drifted = np.abs(t - np.float32(section.atrium_slope) * below)
    profile = section.atrium_profile()
    inside: NDArray[np.bool_] = (depth >= 0) & (depth < 1)
    return inside & (drifted < _by_side(depth, inside, profile, profile) + margin_mm)


def _near_segment(
    s: Array, t: Array, start: tuple[float, float], end: tuple[float, float], radius_mm: float
) -> NDArray[np.bool_]:
    """Within `radius_mm` of the segment between two (s, t) points."""
    ds, dt = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    from_s, from_t = s - np.float32(start[0]), t - np.float32(start[1])
    share = np.clip((from_s * ds + from_t * dt) / (ds * ds + dt * dt), 0, 1)
    near: NDArray[np.bool_] = (from_s - share * ds) ** 2 + (from_t - share * dt) ** 2 < radius_mm**2
    return near


def _paint_right_heart(tissue: NDArray[np.uint8], section: Section, right: RightHeart, found: Regions) -> None:
    plane = found.plane_mm - np.float32(right.tricuspid_offset_mm)
    up = np.clip((found.along - right.start) / (1 - right.start), 0, 1)
    depth = -found.t_mm - found.epi_mm  # distance into the right ventricle from the septum
    width = right.ventricle_width_mm * up ** np.float32(0.7)
    open_part = (found.along > right.start) & (found.s_mm < plane) & (depth > -1)
    tissue[open_part & (depth < width + right.wall_mm)] = Tissue.RIGHT_WALL
    tissue[open_part & (depth < width)] = Tissue.RIGHT_BLOOD
    below = found.s_mm - plane
    septal = float(section.profile(0)[-1]) + 3.0  # the interatrial septum, 3 mm thick
    centre = -septal - right.atrium_half_width_mm
    half_length = right.atrium_length_mm / 2
    for margin, code in ((3.0, Tissue.ATRIAL_WALL), (0.0, Tissue.RIGHT_BLOOD)):
        across = (found.t_mm - np.float32(centre)) / (right.atrium_half_width_mm + margin)
        down = np.clip(below - half_length, 0, None) / (half_length + margin)
        tissue[(below > 0) & (across**2 * np.abs(across) + down**2 * down < 1)] = code
    hinges = (-float(section.epi_profile(0)[-1]), -float(section.epi_profile(0)[-1]) - right.ventricle_width_mm)
    tip = (-section.leaflet_tent_mm, (hinges[0] + hinges[1]) / 2)
    for hinge in hinges:
        tissue[_near_segment(below, found.t_mm, (0.0, hinge), tip, 1.2)] = Tissue.RIGHT_LEAFLET
