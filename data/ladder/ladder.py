"""The ladder of extreme label maps: every stress by its name."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from echobench.data.base.errors import require_known
from echobench.data.labels import Label
from echobench.data.ladder import anatomical, geometric, relabel
from echobench.data.ladder.claims import (
    Claim,
    apical_growth,
    at_least,
    at_most,
    basal_growth,
    between,
    changed,
    euler_gain,
    gain_mm2,
    heart_in_sector,
    lean_change,
    mirrored_lean,
    more_pieces,
    moved_mm,
    near,
    ratio,
    thickening,
    turn_degrees,
    widening,
)
from echobench.data.ladder.stress import Displaced, Relabelled, Stress

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)

_CAVITY, _WALL, _ATRIUM = Label.LV_ENDO, Label.LV_MYO, Label.LA
_ONE_CAVITY = Claim("the cavity stays in one piece", more_pieces(_CAVITY), between(0, 0))
_SAME_MUSCLE = Claim("the wall keeps its area", ratio(_WALL), between(0.7, 1.25))
_SAME_CAVITY = Claim("the cavity keeps its area", ratio(_CAVITY), between(0.8, 1.1))

STRESSES: Mapping[str, Stress] = MappingProxyType(
    {
        "swirl": Displaced(
            "geometric",
            f"turned by {geometric.SWIRL_DEGREES:g}° at the heart's centre, less and less with distance",
            (
                _SAME_CAVITY,
                _ONE_CAVITY,
                Claim("the map becomes another", changed, at_least(0, 0.2)),
            ),
            field=geometric.swirl,
        ),
        "shear": Displaced(
            "geometric",
            f"sheared sideways by {geometric.SHEAR_DEGREES:g}°; trainings see 5°",
            (
                Claim(
                    "the cavity leans by the shear's tangent",
                    lean_change,
                    near(lambda severity: np.tan(severity * np.deg2rad(geometric.SHEAR_DEGREES)), 0.25, 0.04),
                    trend=1,
                ),
                _SAME_CAVITY,
            ),
            field=geometric.shear,
        ),
        "rotation": Displaced(
            "geometric",
            f"turned by {geometric.ROTATION_DEGREES:g}°; trainings see 5°",
            (
                Claim(
                    "the cavity's long axis turns by the angle",
                    turn_degrees,
                    near(lambda severity: severity * geometric.ROTATION_DEGREES, 0.1, 3),
                    trend=1,
                ),
                _SAME_CAVITY,
            ),
            field=geometric.rotation,
        ),
        "stretch": Displaced(
            "geometric",
            f"{geometric.STRETCH:g} times as wide and as much shallower",
            (
                Claim(
                    "the cavity's width over depth grows by the factor's square",
                    widening,
                    near(lambda severity: (1 + severity * (geometric.STRETCH - 1)) ** 2, 0.1),
                    trend=1,
                ),
                _SAME_CAVITY,
            ),
            field=geometric.stretch,
        ),
        "mirror": Displaced(
            "geometric",
            "left and right exchanged, wholly at any severity above 0",
            (
                Claim(
                    "the cavity leans to the other side",
                    mirrored_lean,
                    between(0, 0.06),
                ),
                _SAME_CAVITY,
            ),
            field=geometric.mirror,
        ),
        "small": Displaced(
            "geometric",
            f"the whole heart at {geometric.SMALL:g} of its size",
            (
                Claim(
                    "the cavity's area falls with the square of the size",
                    ratio(_CAVITY),
                    near(lambda severity: (1 + severity * (geometric.SMALL - 1)) ** 2, 0.1),
                    trend=-1,
                ),
                _ONE_CAVITY,
            ),
            field=geometric.small,
        ),
        "large": Displaced(
            "geometric",
            f"the whole heart at {geometric.LARGE:g} times its size, so that the sector cuts it",
            (
                Claim(
                    "the cavity's area grows with the square of the size, less what the sector cuts",
                    ratio(_CAVITY),
                    lambda severity: (1 + 0.5 * severity, 1.03 * (1 + severity * (geometric.LARGE - 1)) ** 2),
                    trend=1,
                ),
                _ONE_CAVITY,
            ),
            field=geometric.large,
        ),
        "edge": Displaced(
            "geometric",
            "swung about the probe to the sector's left or right edge, until a part of it is lost",
            (
                Claim("the ventricle moves", moved_mm, at_least(0, 5), trend=1),
                Claim("most of the heart stays in the sector", heart_in_sector, between(0.75, 1.2)),
            ),
            field=geometric.edge,
        ),
        "septal-defect": Relabelled(
            "anatomical",
            f"a gap of up to {relabel.DEFECT_MM[1]:g} mm in the septum, open to the right heart",
            (
                Claim("the wall is cut once", euler_gain(_WALL), between(1, 1)),
                Claim("the wall loses the gap", ratio(_WALL), at_most(1, -0.02), trend=-1),
                _ONE_CAVITY,
            ),
            views=("4C",),
            cannot_warp="no warping tears the wall open",
            needs=(_CAVITY, _WALL),
            relabel=relabel.septal_defect,
        ),
        "missing-atrium": Relabelled(
            "anatomical",
            "a left atrium that shrinks to nothing",
            (
                Claim(
                    "of the atrium's area 1 - severity is left",
                    ratio(_ATRIUM),
                    near(lambda severity: 1 - severity, 0.1, 0.03),
                    trend=-1,
                ),
                Claim("the cavity keeps its area", ratio(_CAVITY), between(0.97, 1.03)),
            ),
            cannot_warp="no warping makes a chamber disappear",
            needs=(_CAVITY, _ATRIUM),
            relabel=relabel.missing_atrium,
        ),
        "dilated-ventricle": Displaced(
            "anatomical",
            "a wide, round cavity in a wall of unchanged mass, hence thin",
            (
                Claim("the cavity grows", ratio(_CAVITY), at_least(1, 0.2), trend=1),
                _SAME_MUSCLE,
                _ONE_CAVITY,
            ),
            needs=(_CAVITY, _WALL),
            field=anatomical.dilated,
        ),
        "hypertrophied-wall": Displaced(
            "anatomical",
            "a wall of up to 1.8 times the thickness, mostly at the cavity's expense",
            (
                Claim("the wall thickens", thickening, at_least(1, 0.2), trend=1),
                Claim("the cavity narrows", ratio(_CAVITY), at_most(1, -0.2), trend=-1),
                _ONE_CAVITY,
            ),
            needs=(_CAVITY, _WALL),
            field=anatomical.hypertrophied,
        ),
        "aneurysm": Displaced(
            "anatomical",
            "the apex balloons by up to 15 mm, its wall thinned",
            (
                Claim("the apical cavity grows", apical_growth, at_least(1, 0.25), trend=1),
                Claim("the basal cavity keeps its area", basal_growth, between(0.85, 1.2)),
                _ONE_CAVITY,
            ),
            needs=(_CAVITY, _WALL),
            field=anatomical.aneurysm,
        ),
        "enlarged-atrium": Displaced(
            "anatomical",
            "a left atrium that grows sideways and down",
            (
                Claim("the atrium grows", ratio(_ATRIUM), at_least(1, 0.25), trend=1),
                Claim("the cavity keeps its area", ratio(_CAVITY), between(0.93, 1.07)),
            ),
            needs=(_CAVITY, _ATRIUM),
            field=anatomical.enlarged_atrium,
        ),
        "collapsed-cavity": Displaced(
            "anatomical",
            "contracted beyond end-systole: a third of the cavity in a wall of unchanged mass",
            (
                Claim("the cavity empties", ratio(_CAVITY), at_most(1, -0.6), trend=-1),
                _SAME_MUSCLE,
                _ONE_CAVITY,
            ),
            needs=(_CAVITY, _WALL),
            field=anatomical.collapsed,
        ),
        "pericardial-rim": Relabelled(
            "anatomical",
            f"up to {relabel.EFFUSION_MM[1]:g} mm of fluid, coded as blood, around apex and lateral wall",
            (
                Claim("fluid is added", gain_mm2(_CAVITY), at_least(0, 250), trend=1),
                Claim("the fluid is a piece of its own", more_pieces(_CAVITY), between(1, 1)),
                _SAME_MUSCLE,
            ),
            cannot_warp="the image holds no fluid that a displacement could bring there",
            needs=(_CAVITY, _WALL),
            relabel=relabel.effusion,
        ),
        "two-ventricles": Relabelled(
            "anatomical",
            "a second ventricle with a wall of its own on the septum's other side",
            (
                Claim("a second cavity is there", more_pieces(_CAVITY), between(1, 1)),
                Claim("the second cavity grows", gain_mm2(_CAVITY), at_least(0, 200), trend=1),
            ),
            cannot_warp="the image holds one left ventricle, and no warping makes a second one",
            needs=(_CAVITY, _WALL),
            relabel=relabel.two_ventricles,
        ),
    }
)


def find_stress(name: str) -> Stress:
    """Raises EchobenchError for a name that is not in `STRESSES`."""
    require_known("deformation", name, STRESSES)
    return STRESSES[name]
