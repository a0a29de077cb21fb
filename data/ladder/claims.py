"""What a stress claims to do to a map, as measures that are taken before a generator sees the result."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from echobench.data.labels import Label
from echobench.data.ladder.anatomy import Array, HeartMap, Mask, NotApplicable

Measure = Callable[[HeartMap, HeartMap], float]
"""Of a map before and after."""

Bounds = Callable[[float], tuple[float, float]]
"""Least and largest value that a measure may have at a severity."""


@dataclass(frozen=True)
class Claim:
    """A measure, its bounds, and whether it grows (1) or falls (-1) with severity; 0 where neither is claimed."""

    text: str
    measure: Measure
    bounds: Bounds
    trend: int = 0

    def check(self, before: HeartMap, after: HeartMap, severity: float) -> None:
        """Raises NotApplicable, with the value, unless the claim holds."""
        low, high = self.bounds(severity)
        value = self.measure(before, after)
        if not low - _ROUNDING <= value <= high + _ROUNDING:
            raise NotApplicable(
                f"on this map the claim fails that {self.text}: {value:.3g} at severity {severity:g}, "
                f"expected {low:.3g} to {high:.3g}"
            )


_ROUNDING = 1e-6


def at_least(start: float, slope: float) -> Bounds:
    return lambda severity: (start + slope * severity, np.inf)


def at_most(start: float, slope: float) -> Bounds:
    return lambda severity: (-np.inf, start + slope * severity)


def between(low: float, high: float) -> Bounds:
    """The same at any severity."""
    return lambda severity: (low, high)


def near(value: Callable[[float], float], relative: float = 0.0, absolute: float = 0.0) -> Bounds:
    """Within a tolerance of a value that depends on the severity."""

    def bounds(severity: float) -> tuple[float, float]:
        expected = value(severity)
        tolerance = absolute + relative * abs(expected)
        return expected - tolerance, expected + tolerance

    return bounds


def ratio(*labels: Label) -> Measure:
    """Area of some labels after, relative to before."""
    return lambda before, after: after.area_mm2(*labels) / max(before.area_mm2(*labels), 1e-9)


def gain_mm2(label: Label) -> Measure:
    return lambda before, after: after.area_mm2(label) - before.area_mm2(label)


def more_pieces(label: Label) -> Measure:
    return lambda before, after: after.pieces(label) - before.pieces(label)


def euler_gain(label: Label) -> Measure:
    """Change of pieces less holes."""
    return lambda before, after: after.euler(label) - before.euler(label)


def heart_in_sector(before: HeartMap, after: HeartMap) -> float:
    """Area of the heart inside the sector, relative to before."""
    return float((after.heart & after.sector).sum() / max((before.heart & before.sector).sum(), 1))


def thickening(before: HeartMap, after: HeartMap) -> float:
    """Thickness of the wall relative to before."""
    return after.wall_mm / before.wall_mm


def moved_mm(before: HeartMap, after: HeartMap) -> float:
    """How far the ventricle's centre went."""
    return float(np.linalg.norm(_mean(after, after.ventricle) - _mean(before, before.ventricle)))


def lean_change(before: HeartMap, after: HeartMap) -> float:
    """Change, without sign, of how far to the side the cavity goes per unit of depth."""
    return abs(_lean(after) - _lean(before))


def mirrored_lean(before: HeartMap, after: HeartMap) -> float:
    """Lean of the cavity after plus before: 0 for mirror images."""
    return abs(_lean(after) + _lean(before))


def turn_degrees(before: HeartMap, after: HeartMap) -> float:
    """Angle between the cavity's long axes, 0 to 90."""
    a, b = _spread(before), _spread(after)
    one, two = (np.linalg.eigh(spread)[1][:, -1] for spread in (a, b))
    return float(np.degrees(np.arccos(np.clip(abs(one @ two), 0, 1))))


def widening(before: HeartMap, after: HeartMap) -> float:
    """Width over depth of the cavity, relative to before."""
    a, b = _spread(before), _spread(after)
    return float(np.sqrt(b[1, 1] / b[0, 0]) / np.sqrt(a[1, 1] / a[0, 0]))


def changed(before: HeartMap, after: HeartMap) -> float:
    """Share of the two hearts' joint area where the label is another."""
    return float((before.labels != after.labels).sum() / max((before.heart | after.heart).sum(), 1))


def apical_growth(before: HeartMap, after: HeartMap) -> float:
    """Area of the cavity's apical part, relative to before."""
    return _part(after, before, 0.6, np.inf) / _part(before, before, 0.6, np.inf)


def basal_growth(before: HeartMap, after: HeartMap) -> float:
    """Area of the cavity's basal part, relative to before."""
    return _part(after, before, 0, 0.35) / _part(before, before, 0, 0.35)


def _part(heart: HeartMap, scale: HeartMap, start: float, end: float) -> float:
    """Pixels of the cavity at distances from the mitral plane, in lengths of another map's cavity."""
    length = np.linalg.norm(scale.apex_mm - scale.valve_mm)
    points = heart.grid_mm[:, heart.need(Label.LV_ENDO)]
    share = np.linalg.norm(points - heart.valve_mm[:, None], axis=0) / length
    return float(max(((share >= start) & (share < end)).sum(), 1))


def _mean(heart: HeartMap, mask: Mask) -> Array:
    return heart.grid_mm[:, mask].mean(axis=1)


def _spread(heart: HeartMap) -> Array:
    """Covariance (2, 2) in mm² of the cavity's (row, column) positions."""
    return np.cov(heart.grid_mm[:, heart.need(Label.LV_ENDO)])


def _lean(heart: HeartMap) -> float:
    spread = _spread(heart)
    return float(spread[0, 1] / spread[0, 0])
