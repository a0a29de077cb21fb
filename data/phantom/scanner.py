"""Scanner settings, and what one acquisition on one patient makes of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from echobench.data.phantom.section import Array

COARSE, FINE, STREAKS = (8, 6), (34, 26), (44, 9)  # knots (range, beam) of an acquisition's smooth random fields


@dataclass(frozen=True)
class Scanner:
    """Settings of one make of scanner; ranges (low, high) are what its users choose between.

    The lateral beam width combines diffraction, wavelength / aperture, with the defocus of an aperture that is
    `defocus` times as wide as it would be for a single perfect transmit focus (Szabo, "Diagnostic Ultrasound
    Imaging", 2nd ed., chapter 6).
    """

    frequency_mhz: float = 2.6
    pulse_cycles: float = 3.2
    aperture_mm: float = 17.0
    focus_mm: float = 80.0
    defocus: float = 0.12
    looks: int = 2  # independent speckle patterns averaged by compounding and persistence
    sector_degrees: tuple[float, float] = (68.0, 84.0)
    dynamic_range_db: tuple[float, float] = (54.0, 64.0)
    grey_of_myocardium: float = 123.0  # where the default gain puts myocardium, 0-255
    grey_exponent: float = 1.8  # of the grey map after log compression; above 1 it darkens the lower half
    gain_sd_db: float = 2.6
    side_lobe_db: float = -16.0  # clutter that a tissue throws over its neighbourhood
    noise_db: float = -18.5  # electronic noise after gain compensation, at the focus
    near_field_db: float = 2.0  # reverberation at the probe
    near_field_mm: float = 20.0  # depth over which it falls by a factor e in amplitude
    grain_db: float = 4.0  # clumping of scatterers below the scale of the random fields


DEFAULT_SCANNER = Scanner()

SECOND_SCANNER = Scanner(
    frequency_mhz=1.8,
    pulse_cycles=4.2,
    aperture_mm=18.0,
    focus_mm=95.0,
    sector_degrees=(88.0, 98.0),
    dynamic_range_db=(48.0, 56.0),
    grey_of_myocardium=106.0,
    grey_exponent=1.4,
    side_lobe_db=-18.0,
    noise_db=-20.0,
)
"""Another make: a lower frequency and a longer pulse, hence coarser speckle; a wider sector, a harder picture."""


@dataclass(frozen=True, eq=False)
class Acquisition:
    """One view of one patient on one scanner: knobs, and the acoustic window between the ribs.

    The random fields are standard normal knots, shared by ED and ES: coarse, fine and streaks of the shapes
    `COARSE`, `FINE` and `STREAKS`, rough (2, *FINE).
    """

    scanner: Scanner
    depth_mm: float
    half_sector_rad: float
    margin: float  # width of the image over that of the sector; below 1 the border cuts the sides off
    dynamic_range_db: float
    gain_db: float
    haze_db: float
    septum_db: float
    lateral_db: float
    anisotropy_db: float
    residual_attenuation_db: float  # left by the gain compensation at full depth
    depth_gain_db: NDArray[np.float64]
    beam_gain_db: NDArray[np.float64]
    rib_shadow: tuple[float, float]  # per side, share of the half sector in the shade
    coarse: NDArray[np.float64]
    fine: NDArray[np.float64]
    streaks: NDArray[np.float64]
    rough: NDArray[np.float64]

    @property
    def image_quality(self) -> str:
        """The grade that CAMUS gives a view, here by how much haze hides the cavities."""
        return "Good" if self.haze_db < 1 else "Medium" if self.haze_db < 3 else "Poor"

    def spacing_mm(self, size: int) -> tuple[float, float]:
        """Millimetres per pixel along rows and columns of a size × size image."""
        width_mm = 2 * self.depth_mm * np.sin(self.half_sector_rad) * self.margin
        return self.depth_mm / size, float(width_mm) / size

    def positions_mm(self, size: int) -> tuple[Array, Array]:
        """(x_mm, y_mm) of the pixel centres, each (size, size), from the probe at the middle of the top edge."""
        row_mm, column_mm = self.spacing_mm(size)
        centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
        y_mm, x_mm = np.meshgrid(centres * row_mm, (centres - size / 2) * column_mm, indexing="ij")
        return x_mm.astype(np.float32), y_mm.astype(np.float32)


def draw_acquisition(generator: np.random.Generator, scanner: Scanner, reach_mm: float) -> Acquisition:
    """Settings for a heart whose atrium ends `reach_mm` below the probe; often it is cut, as in practice."""

    def knots(shape: tuple[int, ...]) -> NDArray[np.float64]:
        return generator.standard_normal(shape)

    shaded = generator.random(2) < 0.3
    shares = np.where(shaded, generator.uniform(0.1, 0.4, 2), 0.0)
    wide = generator.random() < 0.12
    return Acquisition(
        scanner=scanner,
        depth_mm=float(np.clip(reach_mm * np.clip(generator.normal(1.03, 0.1), 0.93, 1.3), 95.0, 200.0)),
        half_sector_rad=float(np.radians(generator.uniform(*scanner.sector_degrees)) / 2),
        margin=float(generator.uniform(0.88, 1.12)) if wide else 1.0,
        dynamic_range_db=float(generator.uniform(*scanner.dynamic_range_db)),
        gain_db=float(generator.normal(0.0, scanner.gain_sd_db)),
        haze_db=float(generator.normal(0.0, 2.2)),
        septum_db=float(generator.normal(2.0, 2.5)),
        lateral_db=float(generator.normal(-2.0, 2.5)),
        anisotropy_db=float(generator.uniform(3.0, 9.0)),
        residual_attenuation_db=float(generator.normal(2.0, 4.0)),
        depth_gain_db=knots((6,)) * 2.0,
        beam_gain_db=knots((7,)) * 2.5,
        rib_shadow=(float(shares[0]), float(shares[1])),
        coarse=knots(COARSE),
        fine=knots(FINE),
        streaks=knots(STREAKS),
        rough=knots((2, *FINE)),
    )
