"""Walls moved along the rays from a point: what most anatomical stresses are made of."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from echobench.data.ladder.anatomy import Array, HeartMap, Mask

RAYS = 360
SMOOTH_DEGREES = 3.0  # contours are smoothed over that much, so that an expert's jitter is not carried outwards
FADE_MM = 25.0  # beyond the outermost wall that moves, the field fades to nothing over this distance


@dataclass(frozen=True, eq=False)
class Rays:
    """Rays from a point of a map. Tables over rays are (360,), one entry per degree from `ahead`, clockwise.

    centre_mm, ahead: (2,), the point and a direction, in (row, column).
    """

    heart: HeartMap
    centre_mm: Array
    ahead: Array

    @cached_property
    def degrees(self) -> Array:
        """The angle of each entry of a table, in -180..180 degrees from `ahead`."""
        return (np.arange(RAYS, dtype=np.float64) + 180) % 360 - 180

    def extent_mm(self, mask: Mask) -> Array:
        """How far a mask reaches on every ray, smoothed over neighbouring rays."""
        if not mask.any():
            return np.zeros(RAYS)
        points = self.heart.grid_mm[:, mask] - self.centre_mm[:, None]
        distance = np.arange(0, np.hypot(*points).max() + 1, 0.4)
        where = self.centre_mm[:, None, None] + self._directions()[:, :, None] * distance
        pixels = where / np.asarray(self.heart.spacing_mm)[:, None, None]
        inside = ndimage.map_coordinates(mask.astype(np.float32), pixels, order=1, cval=0) > 0.5
        reach = np.where(inside, distance, 0).max(axis=1)
        return smoothed(reach, SMOOTH_DEGREES)

    def shifted(self, deeper_mm: float) -> "Rays":
        """The same rays from a point that lies deeper."""
        return replace(self, centre_mm=self.centre_mm + np.array([deeper_mm, 0.0]))

    def fan(self, mask: Mask, margin_degrees: float, soft_degrees: float) -> Array:
        """1 on rays through a mask and up to a margin beside it, fading to 0."""
        offset = self.heart.grid_mm[:, mask] - self.centre_mm[:, None]
        hit = np.zeros(RAYS)
        hit[np.rint(self._degrees_of(offset)).astype(np.intp) % RAYS] = 1
        size = 2 * round(margin_degrees) + 1
        # Closed first: far pixels leave gaps between rays.
        return smoothed(ndimage.maximum_filter1d(hit, size, mode="wrap"), soft_degrees)

    def at_pixels(self, table: Array) -> Array:
        """A table's value at every pixel: (H, W)."""
        return np.interp(self._polar[1], np.arange(RAYS + 1), np.append(table, table[0]))

    def moved(self, walls: list[tuple[Array, Array]]) -> Array:
        """The field (2, H, W) in mm that brings walls from one distance to another on each ray.

        walls: (from, to) tables in mm, from the innermost to the outermost. Between them the field is linear along
        the ray; beyond the last it fades.
        """
        distance = self._polar[0]
        source = np.array(distance)
        inner_from = inner_to = np.zeros(RAYS)
        outermost = np.maximum(*walls[-1]) + FADE_MM
        for start, end in [*walls, (outermost, outermost)]:
            # Walls never cross: each stays at least a little outside of the one before.
            start, end = np.maximum(start, inner_from + 0.1), np.maximum(end, inner_to + 0.1)
            a, b = self.at_pixels(inner_to), self.at_pixels(end)
            at = self.at_pixels(inner_from) + (distance - a) * self.at_pixels((start - inner_from) / (end - inner_to))
            source = np.where((distance > a) & (distance <= b), at, source)
            inner_from, inner_to = start, end
        return self._offset * ((source - distance) / np.maximum(distance, 1e-6))

    @property
    def distance_mm(self) -> Array:
        """Of every pixel from the rays' point: (H, W)."""
        return self._polar[0]

    @cached_property
    def _offset(self) -> Array:
        return self.heart.grid_mm - self.centre_mm[:, None, None]

    @cached_property
    def _polar(self) -> tuple[Array, Array]:
        """Distance in mm and degrees 0..360 from `ahead` of every pixel."""
        return np.hypot(*self._offset), self._degrees_of(self._offset)

    def _degrees_of(self, offset: Array) -> Array:
        forward = self.ahead[0] * offset[0] + self.ahead[1] * offset[1]
        clockwise = self.ahead[1] * offset[0] - self.ahead[0] * offset[1]
        return np.degrees(np.arctan2(clockwise, forward)) % 360

    def _directions(self) -> Array:
        """Unit vectors of the rays: (2, 360)."""
        angle = np.radians(np.arange(RAYS))
        row, column = self.ahead
        return np.stack([np.cos(angle) * row + np.sin(angle) * column, np.cos(angle) * column - np.sin(angle) * row])


def smoothed(table: Array, degrees: float) -> Array:
    return ndimage.gaussian_filter1d(table, degrees, mode="wrap")


def rays_from(heart: HeartMap, centre_mm: Array, towards_mm: Array) -> Rays:
    """Rays from one point, `ahead` being the direction to another."""
    ahead = towards_mm - centre_mm
    return Rays(heart, centre_mm, ahead / np.linalg.norm(ahead))
