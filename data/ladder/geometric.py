"""Geometric stresses: displacement fields that ask nothing of a heart but that it is there.

Each is a function of (map, severity in [0, 1], seed): the field (2, H, W) in mm, source minus output position.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import bisect

from echobench.data.ladder.anatomy import Array, HeartMap, NotApplicable

SWIRL_DEGREES = 110.0  # at the heart's centre
SHEAR_DEGREES = 30.0  # training: 5
ROTATION_DEGREES = 45.0  # training: 5
STRETCH = 1.45  # in width; depth shrinks by as much, so that areas stay
SMALL, LARGE = 0.5, 1.4
KEPT_AT_THE_EDGE = 0.85  # of the heart's area in the sector, when it is pushed to the sector's edge


def swirl(heart: HeartMap, severity: float, seed: int) -> Array:
    """Turned about its centre, less and less with distance; the sense of the turn is drawn."""
    from_centre = heart.grid_mm - _centre(heart)
    distance = np.hypot(*from_centre)
    reach = 0.8 * np.sqrt(heart.heart.sum() * np.prod(heart.spacing_mm) / np.pi)
    angle = _sign(seed) * severity * np.deg2rad(SWIRL_DEGREES) * np.exp(-((distance / reach) ** 2))
    return _turned(from_centre, angle) - from_centre


def shear(heart: HeartMap, severity: float, seed: int) -> Array:
    """Sheared sideways about its centre: what lies deeper goes farther left or right, which is drawn."""
    depth = heart.grid_mm[0] - _centre(heart)[0]
    return np.stack([np.zeros_like(depth), _sign(seed) * np.tan(severity * np.deg2rad(SHEAR_DEGREES)) * depth])


def rotation(heart: HeartMap, severity: float, seed: int) -> Array:
    """Turned as a whole about its centre; the sense is drawn."""
    from_centre = heart.grid_mm - _centre(heart)
    return _turned(from_centre, np.array(_sign(seed) * severity * np.deg2rad(ROTATION_DEGREES))) - from_centre


def stretch(heart: HeartMap, severity: float, seed: int) -> Array:
    """Wider and shallower about its centre."""
    factor = 1 + severity * (STRETCH - 1)
    return _scaled(heart, factor, 1 / factor)


def mirror(heart: HeartMap, severity: float, seed: int) -> Array:
    """Left and right exchanged about the sector's middle, wholly at any severity above 0."""
    field = np.zeros_like(heart.grid_mm)
    if severity > 0:
        columns = heart.grid_mm[1]
        field[1] = 2 * columns[heart.sector].mean() - 2 * columns
    return field


def small(heart: HeartMap, severity: float, seed: int) -> Array:
    """Down to half the size about its centre."""
    factor = 1 + severity * (SMALL - 1)
    return _scaled(heart, factor, factor)


def large(heart: HeartMap, severity: float, seed: int) -> Array:
    """Up to 1.4 times the size about its centre."""
    factor = 1 + severity * (LARGE - 1)
    return _scaled(heart, factor, factor)


def edge(heart: HeartMap, severity: float, seed: int) -> Array:
    """Swung about the probe, as by tilting it, to the sector's left or right edge, until a part of it is lost there."""
    from_probe = heart.grid_mm - probe_mm(heart.sector, heart.grid_mm)[:, None, None]
    inside = heart.heart & heart.sector
    if not inside.any():
        raise NotApplicable("the heart of the map lies outside of the sector")
    points = from_probe[:, inside]
    sign = _sign(seed)

    def kept(angle: float) -> float:
        """Share of the heart that stays in the sector when it is swung by an angle."""
        moved = _turned(points, np.array(-sign * angle)) + probe_mm(heart.sector, heart.grid_mm)[:, None]
        row, column = np.rint(moved / np.asarray(heart.spacing_mm)[:, None]).astype(np.intp)
        height, width = heart.sector.shape
        within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        lit = heart.sector[row.clip(0, height - 1), column.clip(0, width - 1)]
        return float((within & lit).mean())

    if kept(np.pi / 2) >= KEPT_AT_THE_EDGE:
        raise NotApplicable("the sector of the map has no edge within a quarter turn of the heart")
    full = bisect(lambda angle: kept(angle) - KEPT_AT_THE_EDGE, 0.0, np.pi / 2, xtol=1e-3)
    return _turned(from_probe, np.array(sign * severity * full)) - from_probe


def probe_mm(sector: NDArray[np.bool_], grid_mm: Array) -> Array:
    """The sector's tip: the middle of its first row."""
    first = int(np.argmax(sector.any(axis=1)))
    return grid_mm[:, first, sector[first]].mean(axis=1)


def _centre(heart: HeartMap) -> Array:
    """Centre of area of the whole heart, as a column (2, 1, 1)."""
    return heart.grid_mm[:, heart.heart].mean(axis=1)[:, None, None]


def _scaled(heart: HeartMap, width: float, depth: float) -> Array:
    from_centre = heart.grid_mm - _centre(heart)
    return from_centre * np.array([1 / depth - 1, 1 / width - 1])[:, None, None]


def _turned(offset: Array, angle: Array) -> Array:
    """(row, column) offsets turned by an angle, from depth towards the right where it is positive."""
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.stack([cosine * offset[0] - sine * offset[1], sine * offset[0] + cosine * offset[1]])


def _sign(seed: int) -> float:
    return float(np.random.default_rng(seed).choice([-1, 1]))
