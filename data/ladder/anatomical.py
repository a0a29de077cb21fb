"""Anatomical stresses that displacement fields draw: walls moved inwards or outwards.

Each is a function of (map, severity in [0, 1], seed): the field (2, H, W) in mm, source minus output position. A wall
that moves outwards stays in the sector if it was there, as far as there is room; hearts that grow towards the narrow
end of the sector are seen from farther away, as a sonographer would.
"""

import numpy as np

from echobench.data.labels import Label
from echobench.data.ladder.anatomy import Array, HeartMap
from echobench.data.ladder.polar import Rays, rays_from, smoothed

DILATION = 0.5  # relative growth of the cavity's radius at its sides; half as much at the apex
THICKENING = 1.0  # relative growth of the wall
INWARD = 0.7  # the share of it that the cavity loses
COLLAPSE = 0.72  # relative loss of the cavity's radius
NARROWEST = 0.25  # of its radius is left of a cavity that a thick wall fills
ANEURYSM_MM = 15.0  # outward bulge of the apex
ANEURYSM_THINNING = 0.6  # relative loss of the wall there
ANEURYSM_SEAT = 0.25  # its centre, on the way from apex to mitral plane
ATRIAL_GROWTH = 0.6  # relative growth of the atrium's radius
DEEPER_MM = 16.0  # that a heart moves away from the probe to find room
EASE_DEGREES = 8.0  # over which the movement of a wall is smoothed
GAP_MM = 1.5  # kept between a wall and the sector's edge


def dilated(heart: HeartMap, severity: float, seed: int) -> Array:
    """A wide, round ventricle whose wall is as much muscle as before, hence thinner; the mitral plane stays as wide."""
    rays, endo, epi = _ventricle(heart)
    deeper = severity * deeper_mm(heart)
    sine = np.sin(np.radians(np.abs(rays.degrees)))
    growth = np.where(np.abs(rays.degrees) < 90, 0.5 + 0.5 * sine, sine**2) * _open_wall(rays)
    wanted = endo * (1 + severity * DILATION * growth)
    room = _room(rays.shifted(deeper), epi)
    grown = _eased(endo, np.minimum(wanted, np.sqrt(np.maximum(room**2 - epi**2 + endo**2, endo**2))))
    return _shifted(rays, [(endo, grown), (epi, _same_muscle(endo, epi, grown))], deeper)


def hypertrophied(heart: HeartMap, severity: float, seed: int) -> Array:
    """Concentric hypertrophy: a wall twice as thick, mostly at the cavity's expense; the mitral plane stays."""
    rays, endo, epi = _ventricle(heart)
    growth = severity * THICKENING * smoothed(epi - endo, EASE_DEGREES) * _open_wall(rays)
    outer = _eased(epi, np.minimum(epi + (1 - INWARD) * growth, _room(rays, epi)))
    inner = _eased(endo, np.maximum(endo - INWARD * growth, NARROWEST * endo))
    return rays.moved([(endo, inner), (epi, outer)])


def collapsed(heart: HeartMap, severity: float, seed: int) -> Array:
    """Contracted beyond end-systole: a third of the cavity, as much muscle as before; the mitral plane stays."""
    rays, endo, epi = _ventricle(heart)
    left = endo * (1 - severity * COLLAPSE * _open_wall(rays))
    return rays.moved([(endo, left), (epi, _same_muscle(endo, epi, left))])


def aneurysm(heart: HeartMap, severity: float, seed: int) -> Array:
    """The apex balloons, its wall thinned, a little to the left or right, which is drawn; the base stays."""
    lean = np.random.default_rng(seed).uniform(-20, 20)
    seat = heart.apex_mm + ANEURYSM_SEAT * (heart.valve_mm - heart.apex_mm)
    rays = rays_from(heart, seat, heart.apex_mm)
    endo, epi = _walls(rays)
    deeper = severity * deeper_mm(heart)
    apical = np.clip((130 - np.abs(rays.degrees - lean)) / 60, 0, 1)
    apical = severity * apical**2 * (3 - 2 * apical)
    wall = (epi - endo) * (1 - ANEURYSM_THINNING * apical)
    outer = np.minimum(np.maximum(endo + ANEURYSM_MM * apical + wall, wall), _room(rays.shifted(deeper), epi))
    outer = np.where(apical > 0, outer, epi)
    outer = _eased(epi, outer)
    return _shifted(rays, [(endo, outer - wall), (epi, outer)], deeper)


def enlarged_atrium(heart: HeartMap, severity: float, seed: int) -> Array:
    """A left atrium that grows sideways and down from a mitral plane that stays."""
    atrium = heart.need(Label.LA)
    centre = heart.grid_mm[:, atrium].mean(axis=1)
    rays = rays_from(heart, centre, heart.valve_mm)
    border = rays.extent_mm(atrium)
    free = 1 - rays.fan(heart.valve, 8, 8)
    grown = np.minimum(border * (1 + severity * ATRIAL_GROWTH * free), _room(rays, border))
    return rays.moved([(border, _eased(border, grown))])


def _ventricle(heart: HeartMap) -> tuple[Rays, Array, Array]:
    """Rays from the cavity's centre, `ahead` the apex, with the extents of endocardium and epicardium on them."""
    rays = rays_from(heart, heart.centre_mm, heart.apex_mm)
    return rays, *_walls(rays)


def _walls(rays: Rays) -> tuple[Array, Array]:
    endo = rays.extent_mm(rays.heart.need(Label.LV_ENDO))
    return endo, np.maximum(rays.extent_mm(rays.heart.ventricle), endo)


def _open_wall(rays: Rays) -> Array:
    """1 on rays through the wall, fading to 0 on those through the mitral valve."""
    return 1 - rays.fan(rays.heart.valve, 6, 12)


def _room(rays: Rays, wall: Array) -> Array:
    """How far out a wall may move: to the sector's edge, or to where it is if it is beyond."""
    return np.maximum(rays.extent_mm(rays.heart.sector) - GAP_MM, wall)


def deeper_mm(heart: HeartMap) -> float:
    """How far the heart can move down and keep its mitral plane in the sector."""
    row, column = np.rint(heart.valve_mm / heart.spacing_mm).astype(np.intp)
    below = heart.sector[row:, column].sum() * heart.spacing_mm[0]
    return float(np.clip(below - 10, 0, DEEPER_MM))


def _shifted(rays: Rays, walls: list[tuple[Array, Array]], deeper_mm: float) -> Array:
    """The field that moves walls and then everything down."""
    return rays.shifted(deeper_mm).moved(walls) - np.array([deeper_mm, 0])[:, None, None]


def _eased(wall: Array, moved: Array) -> Array:
    """A moved wall, the movement smoothed over neighbouring rays."""
    return wall + smoothed(moved - wall, EASE_DEGREES)


def _same_muscle(endo: Array, epi: Array, moved_endo: Array) -> Array:
    """Where the epicardium goes for the wall to keep its area on every ray."""
    return np.sqrt(moved_endo**2 + epi**2 - endo**2)
