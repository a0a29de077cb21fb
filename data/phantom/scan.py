"""The scan: a section's tissues seen through a phased-array sector, from scatterers to 8-bit grey values.

Everything up to the last step lives on the polar grid (range, beam), because that is where a scanner's
resolution is simple: constant along the beam, a function of depth across it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates

from echobench.data.phantom.scanner import Acquisition, Scanner
from echobench.data.phantom.section import Array, Regions, Section, Tissue, regions, tissue_map

SOUND_MM_PER_US = 1.54
SPARE_BEAMS = 1.12  # beams simulated per beam shown, so that the lateral filter wraps round unseen
UNIT_GRAIN = float(np.sqrt(2 * np.sqrt(np.pi)))  # restores unit variance after a Gaussian filter of sd 1
ROUGHNESS_MM = 1.0  # how far walls wander from their smooth contours

ECHO_DB = {
    Tissue.SURROUNDINGS: 0.0,
    Tissue.RIGHT_WALL: 0.0,
    Tissue.RIGHT_BLOOD: -16.0,
    Tissue.PERICARDIUM: 9.0,
    Tissue.ATRIAL_WALL: 0.0,
    Tissue.MYOCARDIUM: 0.0,
    Tissue.ANNULUS: 6.0,
    Tissue.ATRIAL_BLOOD: -18.0,
    Tissue.VENTRICULAR_BLOOD: -18.0,
    Tissue.PAPILLARY: -5.0,
    Tissue.LEAFLET: 8.0,
    Tissue.RIGHT_LEAFLET: 2.0,
}
"""Mean strength of each tissue's echo relative to that of myocardium."""


@dataclass(frozen=True, eq=False)
class Fields:
    """An acquisition's smooth random fields on the polar grid, each (R, B) of unit variance."""

    coarse: Array
    fine: Array
    streaks: Array
    cloud: Array
    rough_x: Array
    rough_y: Array


def scan(
    section: Section,
    acquisition: Acquisition,
    generator: np.random.Generator,
    size: int,
    beams_per_pixel: float = 0.7,
) -> NDArray[np.uint8]:
    """The image of a section: (size, size) uint8, 0 outside the sector and at least 1 inside it."""
    ranges, beams = _polar_grid(acquisition, size, beams_per_pixel)
    x_mm, y_mm = ranges * np.sin(beams), ranges * np.cos(beams)
    fields = _fields(acquisition, x_mm.shape)
    found = regions(section, x_mm + ROUGHNESS_MM * fields.rough_x, y_mm + ROUGHNESS_MM * fields.rough_y)
    echo_db = _echo_db(section, acquisition, found, np.broadcast_to(beams, x_mm.shape))
    grain_db = gaussian_filter1d(generator.standard_normal(echo_db.shape, dtype=np.float32), 1.0, axis=0)
    power = _power(echo_db + acquisition.scanner.grain_db * UNIT_GRAIN * grain_db)
    power = _with_clutter(power, acquisition, ranges, fields.cloud)
    intensity = _speckle(power, acquisition.scanner, ranges, beams, generator)
    shade_db = _shade_db(acquisition, ranges, beams)
    # Gain is turned by eye, so that noise rises where the echoes were weak, but less than they fell.
    noise = _power(
        0.5 * shade_db + acquisition.scanner.noise_db + acquisition.haze_db / 2 + 5 * (ranges / ranges[-1] - 0.5)
    )
    grain = gaussian_filter1d(generator.standard_exponential(power.shape, dtype=np.float32), 0.8, axis=1)
    received_db = 10 * np.log10(intensity * _power(shade_db) + noise * grain)
    return _convert(_grey(received_db, acquisition), acquisition, ranges, beams, size)


def _polar_grid(acquisition: Acquisition, size: int, beams_per_pixel: float) -> tuple[Array, Array]:
    """Ranges in mm (R, 1) and beam angles in radians (1, B)."""
    step_mm = acquisition.depth_mm / (1.2 * size)
    ranges = (np.arange(int(1.2 * size) + 4, dtype=np.float32) + np.float32(0.5)) * np.float32(step_mm)
    edge = SPARE_BEAMS * acquisition.half_sector_rad
    beams = np.linspace(-edge, edge, scipy.fft.next_fast_len(int(beams_per_pixel * size)), dtype=np.float32)
    return ranges[:, None], beams[None, :]


def _echo_db(section: Section, acquisition: Acquisition, found: Regions, beams: Array) -> Array:
    """Echo strength in dB at each polar sample: tissue, texture, and the angle at which walls are struck."""
    tissue = tissue_map(section, found)
    table = np.array([ECHO_DB[code] for code in Tissue], dtype=np.float32)
    fields = _fields(acquisition, tissue.shape)
    table[Tissue.ATRIAL_BLOOD] += section.atrium_filled_db
    tissue_db: Array = table[tissue] + _texture_db(tissue, fields) + (table < -10)[tissue] * acquisition.haze_db
    struck = _right_angle(section, found, beams)
    # Whole stretches of a wall vanish where the beam grazes it.
    dropout_db = 14 * np.clip(-0.7 - fields.fine - 0.7 * fields.coarse, 0, 1) * (1 - struck)
    side_db = np.where(found.t_mm > 0, acquisition.lateral_db, acquisition.septum_db)
    apical = np.clip(1 - found.along / 0.4, 0, 1.3)
    wall_db = acquisition.anisotropy_db * (struck - 0.4) + side_db - 8 * apical - dropout_db
    thin_db = 6 * (struck - 0.5) - dropout_db
    muscle, thin = tissue == Tissue.MYOCARDIUM, (tissue == Tissue.ATRIAL_WALL) | (tissue == Tissue.RIGHT_WALL)
    echo_db: Array = tissue_db + muscle * wall_db.astype(np.float32) + thin * thin_db.astype(np.float32)
    return echo_db


def _texture_db(tissue: NDArray[np.uint8], fields: Fields) -> Array:
    """Unevenness of each tissue in dB; loose tissue is full of bright layers, blood of faint swirls."""
    uneven = np.full(len(Tissue), 3.5, dtype=np.float32)
    uneven[[Tissue.ATRIAL_BLOOD, Tissue.VENTRICULAR_BLOOD]] = 2.5, 1.5
    uneven[[Tissue.LEAFLET, Tissue.RIGHT_LEAFLET, Tissue.RIGHT_BLOOD, Tissue.ANNULUS]] = 7.0, 6.0, 5.0, 5.0
    loose = (tissue == Tissue.SURROUNDINGS) | (tissue == Tissue.PERICARDIUM)
    layers = 6 * fields.coarse + 8 * np.clip(fields.streaks, 0, None) - 7
    texture: Array = uneven[tissue] * fields.fine + np.where(loose, layers, np.float32(2.5) * fields.coarse)
    return texture


def _right_angle(section: Section, found: Regions, beams: Array) -> Array:
    """Squared cosine between beam and wall normal, the wall taken as a half ellipse with straight sides."""
    centre = 0.6 * section.length_mm
    up = np.clip(found.s_mm - centre, None, 0) * np.float32((section.half_width_mm / centre) ** 2)
    angle = beams - np.float32(section.tilt_rad)
    along_beam = up * np.cos(angle) + found.t_mm * np.sin(angle)
    squared: Array = along_beam**2 / (up**2 + found.t_mm**2 + np.float32(1e-3))
    return squared


def _with_clutter(power: Array, acquisition: Acquisition, ranges: Array, cloud: Array) -> Array:
    """Adds what side lobes carry over from the neighbourhood, and reverberation below the probe."""
    scanner = acquisition.scanner
    wide = gaussian_filter1d(gaussian_filter1d(power[::4, ::4], 4.0, axis=0), 6.0, axis=1)
    lobes = np.repeat(np.repeat(wide, 4, axis=0), 4, axis=1)[: power.shape[0], : power.shape[1]]
    reverberation = _power(
        scanner.near_field_db + acquisition.haze_db - (20 / np.log(10)) * ranges / scanner.near_field_mm
    )
    bands = 1 + np.float32(0.8) * np.sin(2 * np.pi * ranges / np.float32(7.0))  # the skin line comes back again
    share = np.float32(10 ** ((scanner.side_lobe_db + acquisition.haze_db) / 10))
    total: Array = power + (share * lobes + reverberation * bands) * _power(3 * cloud - 1)
    return total


def _speckle(power: Array, scanner: Scanner, ranges: Array, beams: Array, generator: np.random.Generator) -> Array:
    """Mean intensity over looks of complex Gaussian scatterers, filtered by the point-spread function.

    Fully developed speckle (Wagner et al. 1983, doi:10.1109/T-SU.1983.31404): scatterers of variance `power`
    (R, B), convolved with a separable Gaussian pulse and beam.
    """
    wavelength_mm = SOUND_MM_PER_US / scanner.frequency_mhz
    axial = scanner.pulse_cycles * wavelength_mm / 2 / 2.355 / float(ranges[1, 0] - ranges[0, 0])
    near_mm = scanner.defocus * scanner.aperture_mm * (1 - ranges / scanner.focus_mm)
    beam_mm = np.hypot(wavelength_mm / scanner.aperture_mm * ranges * np.float32(1.2), near_mm)
    lateral = np.minimum(beam_mm / ranges / 2.355, 0.06) / float(beams[0, 1] - beams[0, 0])  # sd in beams
    frequency = scipy.fft.fftfreq(power.shape[1]).astype(np.float32)
    transfer = np.exp(-2 * np.pi**2 * frequency**2 * lateral**2)
    transfer /= np.sqrt(np.mean(transfer**2, axis=1, keepdims=True))
    scale = np.sqrt(power / (2 * scanner.looks) * np.float32(2 * np.sqrt(np.pi) * axial))
    intensity: Array = np.zeros_like(power)
    for _ in range(scanner.looks):
        parts = generator.standard_normal((2, *power.shape), dtype=np.float32)
        parts = gaussian_filter1d(parts * scale, axial, axis=1, truncate=2.5)
        field = scipy.fft.fft(parts[0] + 1j * parts[1], axis=1, overwrite_x=True)
        field = scipy.fft.ifft(field * transfer, axis=1, overwrite_x=True)
        intensity += field.real**2 + field.imag**2
    return intensity


def _shade_db(acquisition: Acquisition, ranges: Array, beams: Array) -> Array:
    """Gain over the image in dB (R, B): uneven gain compensation, uneven window, ribs at the flanks."""
    depth_db = _rows(len(ranges), len(acquisition.depth_gain_db)) @ acquisition.depth_gain_db
    beam_db = _rows(beams.shape[1], len(acquisition.beam_gain_db)) @ acquisition.beam_gain_db
    shade = depth_db[:, None] - acquisition.residual_attenuation_db * ranges / acquisition.depth_mm + beam_db[None, :]
    for sign, share in zip((-1, 1), acquisition.rib_shadow, strict=True):
        if share > 0:
            inside = sign * beams / acquisition.half_sector_rad - (1 - share)
            shade = shade - 13 * np.clip(inside / 0.15, 0, 1) * np.clip(ranges / 30 - 0.5, 0, 1)
    shade_db: Array = shade.astype(np.float32)
    return shade_db


def _grey(received_db: Array, acquisition: Acquisition) -> Array:
    """Log compression to 0-255, then the scanner's grey map: a power, and an ease into white above 190."""
    scanner = acquisition.scanner
    myocardium = (scanner.grey_of_myocardium / 255) ** (1 / scanner.grey_exponent)
    share = myocardium + (received_db + acquisition.gain_db) / acquisition.dynamic_range_db
    grey = 255 * np.clip(share, 0, 2) ** np.float32(scanner.grey_exponent)
    eased: Array = np.where(grey > 190, 190 + 65 * (1 - np.exp(-np.clip(grey - 190, 0, None) / 65)), grey)
    return eased


def _convert(grey: Array, acquisition: Acquisition, ranges: Array, beams: Array, size: int) -> NDArray[np.uint8]:
    x_mm, y_mm = acquisition.positions_mm(size)
    radius, angle = np.hypot(x_mm, y_mm), np.arctan2(x_mm, y_mm)
    row = radius / float(ranges[1, 0] - ranges[0, 0]) - np.float32(0.5)
    column = (angle - beams[0, 0]) / float(beams[0, 1] - beams[0, 0])
    seen = (radius < acquisition.depth_mm) & (np.abs(angle) < acquisition.half_sector_rad)
    image = np.zeros((size, size), dtype=np.uint8)
    values = map_coordinates(grey, np.stack([row[seen], column[seen]]), order=1, mode="nearest")
    image[seen] = np.clip(np.rint(values), 1, 255).astype(np.uint8)
    return image


def _power(decibel: Array) -> Array:
    power: Array = np.exp(np.asarray(decibel, dtype=np.float32) * np.float32(np.log(10) / 10))
    return power


@lru_cache(maxsize=64)
def _rows(count: int, knots: int) -> Array:
    """Interpolation matrix (count, knots) by Gaussian bumps; unit-variance knots give unit-variance values."""
    position = np.linspace(0, knots - 1, count)[:, None]
    weight = np.exp(-0.5 * ((position - np.arange(knots)) / 0.6) ** 2)
    rows: Array = (weight / np.sqrt((weight**2).sum(axis=1, keepdims=True))).astype(np.float32)
    rows.setflags(write=False)
    return rows


def _smooth(knots: NDArray[np.float64], shape: tuple[int, ...]) -> Array:
    """A smooth random field of the given shape through the acquisition's knots."""
    # einsum, not @: products this small lose more to a BLAS library's threads than they gain.
    across = np.einsum("kl,bl->kb", knots.astype(np.float32), _rows(shape[1], knots.shape[1]))
    field: Array = np.einsum("rk,kb->rb", _rows(shape[0], knots.shape[0]), across)
    return field


@lru_cache(maxsize=4)
def _fields(acquisition: Acquisition, shape: tuple[int, int]) -> Fields:
    """Made once for all frames of an acquisition."""
    knots = (acquisition.coarse, acquisition.fine, acquisition.streaks, acquisition.coarse[::-1], *acquisition.rough)
    return Fields(*(_smooth(k, shape) for k in knots))
