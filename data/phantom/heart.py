"""The patient: one heart whose two views and two phases agree with one another and with an ejection fraction."""

from dataclasses import dataclass

import numpy as np

from echobench.data.phantom.section import BUMPS, RightHeart, Section

FULL_EF_SHORTENING = 0.27  # relative shortening of the long axis per unit of ejection fraction


@dataclass(frozen=True)
class View:
    """What one probe position adds to a heart: pose, and the shape of the section that it cuts."""

    apex_mm: tuple[float, float]
    tilt_rad: float
    bend_mm: float
    width_ratio: float
    widest: float
    taper: float
    plane_slope: float
    bumps: tuple[tuple[float, ...], tuple[float, ...]]
    epi_bumps: tuple[tuple[float, ...], tuple[float, ...]]
    regional_motion: tuple[tuple[float, ...], tuple[float, ...]]  # change of `bumps` at end-systole
    atrium_slope: float
    papillary: tuple[float, float, float]


@dataclass(frozen=True)
class Heart:
    """Parameters of one patient at end-diastole, in millimetres, and how far the heart contracts."""

    ejection_fraction: float  # 0..1
    long_axis_mm: float
    half_width_mm: float
    bluntness: float
    wall_mm: tuple[float, float]
    apical_wall_mm: float
    leg_mm: tuple[float, float]
    atrium_length_mm: float  # at end-systole, when the atrium is full
    atrium_half_width_mm: float
    atrium_filled_db: float  # at end-diastole, when the emptied atrium is crossed by more of its wall
    leaflets_open: float  # 0..1 at end-diastole: the chosen frame may show the valve still open
    right: RightHeart
    views: dict[str, View]

    def section(self, view: str, phase: str) -> Section:
        """The contours of `view` ("2C", "4C") at `phase` ("ED", "ES")."""
        return self.contracted(view, float(phase == "ES"))

    def contracted(self, view: str, systole: float) -> Section:
        """The contours of `view` on the way from end-diastole (systole 0) to end-systole (1)."""
        at = self.views[view]
        shortening = 1 - systole * FULL_EF_SHORTENING * self.ejection_fraction
        # Volume goes with length × width², so that the widths carry what the shortening leaves over.
        narrowing = float(np.sqrt((1 - systole * self.ejection_fraction) / shortening))
        thickening = self._thickening(shortening, narrowing)
        bumps = tuple(
            tuple(a + systole * b for a, b in zip(*pair, strict=True))
            for pair in zip(at.bumps, at.regional_motion, strict=True)
        )
        emptied = 1 - 0.22 * (1 - systole)
        return Section(
            apex_mm=(at.apex_mm[0], at.apex_mm[1] + 2.0 * systole),
            tilt_rad=at.tilt_rad,
            bend_mm=at.bend_mm,
            length_mm=self.long_axis_mm * shortening,
            half_width_mm=self.half_width_mm * at.width_ratio * narrowing,
            widest=at.widest,
            bluntness=self.bluntness,
            taper=at.taper,
            plane_slope=at.plane_slope,
            bumps=(bumps[0], bumps[1]),
            epi_bumps=at.epi_bumps,
            wall_mm=(self.wall_mm[0] * thickening, self.wall_mm[1] * thickening),
            apical_wall_mm=self.apical_wall_mm * thickening,
            leg_mm=self.leg_mm,
            atrium_length_mm=self.atrium_length_mm * emptied,
            atrium_half_width_mm=self.atrium_half_width_mm * (1 - 0.12 * (1 - systole)),
            atrium_filled_db=self.atrium_filled_db * (1 - systole),
            atrium_slope=at.atrium_slope,
            papillary=at.papillary,
            leaflet_tent_mm=4.0 + 12.0 * self.leaflets_open * (1 - systole),
            leaflet_gap_mm=12.0 * self.leaflets_open * (1 - systole),
            right=self.right if view == "4C" else None,
        )

    def reach_mm(self, view: str) -> float:
        """Depth down to which a sonographer would want to see: most of the full atrium."""
        return self.views[view].apex_mm[1] + self.long_axis_mm + 0.8 * self.atrium_length_mm

    def _thickening(self, shortening: float, narrowing: float) -> float:
        """Factor by which the wall thickens so that its area in the section is conserved."""
        wall = 0.5 * (self.wall_mm[0] + self.wall_mm[1])
        area = wall**2 + wall * (self.half_width_mm + self.long_axis_mm)
        around = self.half_width_mm * narrowing + self.long_axis_mm * shortening
        return float((np.sqrt(around**2 + 4 * area) - around) / 2 / wall)


def draw_heart(generator: np.random.Generator) -> Heart:
    """A patient; the distributions follow the spread of sizes and ejection fractions reported for CAMUS."""

    def normal(mean: float, sd: float, low: float, high: float) -> float:
        return float(np.clip(generator.normal(mean, sd), low, high))

    ejection_fraction = normal(0.53, 0.11, 0.20, 0.75)
    dilation = 1 + 0.35 * (0.53 - ejection_fraction)  # failing hearts are wide ones
    septal_mm = normal(11.7, 1.7, 7.0, 17.0)
    apex_depth_mm = normal(31.0, 6.0, 17.0, 46.0)
    return Heart(
        ejection_fraction=ejection_fraction,
        long_axis_mm=normal(77.0, 8.5, 60.0, 98.0),
        half_width_mm=normal(23.2, 3.4, 15.0, 34.0) * dilation,
        bluntness=normal(2.1, 0.15, 1.75, 2.5),
        wall_mm=(septal_mm, septal_mm * normal(1.05, 0.1, 0.8, 1.3)),
        apical_wall_mm=normal(10.5, 1.5, 6.5, 15.0),
        leg_mm=(normal(1.5, 1.5, 0.0, 6.0), normal(6.0, 3.0, 0.0, 14.0)),
        atrium_length_mm=normal(52.0, 9.0, 30.0, 75.0),
        atrium_half_width_mm=normal(22.6, 4.2, 13.0, 34.0),
        atrium_filled_db=normal(5.5, 3.0, 0.0, 12.0),
        leaflets_open=max(0.0, normal(0.0, 0.5, -1.0, 1.0)),
        right=RightHeart(
            ventricle_width_mm=normal(25.0, 5.0, 14.0, 38.0),
            start=normal(0.22, 0.08, 0.05, 0.4),
            atrium_length_mm=normal(42.0, 6.0, 28.0, 56.0),
            atrium_half_width_mm=normal(18.0, 3.0, 12.0, 26.0),
            tricuspid_offset_mm=normal(5.0, 2.0, 1.0, 10.0),
        ),
        views={view: _draw_view(generator, view, apex_depth_mm) for view in ("2C", "4C")},
    )


def _draw_view(generator: np.random.Generator, view: str, apex_depth_mm: float) -> View:
    def bumps(sd: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        left, right = (generator.normal(0.0, sd, (2, BUMPS)) / np.arange(1, BUMPS + 1)).tolist()
        return tuple(left), tuple(right)

    four = view == "4C"
    return View(
        apex_mm=(float(generator.normal(6.0 if four else 1.0, 4.5)), apex_depth_mm + float(generator.normal(0, 2.5))),
        tilt_rad=float(np.radians(generator.normal(2.0 if four else 0.0, 4.0))),
        bend_mm=float(generator.normal(6.0 if four else 2.0, 6.0)),
        width_ratio=float(np.clip(generator.normal(1.0, 0.06), 0.85, 1.15)),
        widest=float(np.clip(generator.normal(0.6, 0.06), 0.45, 0.75)),
        taper=float(np.clip(generator.normal(0.28, 0.08), 0.08, 0.5)),
        plane_slope=float(generator.normal(-0.02 if four else 0.0, 0.1)),
        bumps=bumps(0.05),
        epi_bumps=bumps(0.12),
        regional_motion=bumps(0.03),
        atrium_slope=float(generator.normal(0.0, 0.1)),
        papillary=(
            float(generator.uniform(0.4, 0.7)),
            1.0 if four else float(generator.choice([-1.0, 1.0])),
            float(generator.uniform(2.0, 5.0)),
        ),
    )
