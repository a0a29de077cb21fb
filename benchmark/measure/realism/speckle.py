"""What a sonographer looks at in speckle: its grey values in each region, its grain along and across the beam."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import wasserstein_distance

from echobench.data.frames import Frames
from echobench.data.labels import REGIONS, Label

ELSEWHERE = "elsewhere"
GREY_REGIONS: Mapping[str, frozenset[Label]] = {name: REGIONS[name] for name in ("LVendo", "LVmyo", "LA")} | {
    ELSEWHERE: frozenset({Label.BACKGROUND})
}
"""Regions that share no pixel; elsewhere is what has no label inside the sector."""
BLOOD, WALL = "LVendo", "LVmyo"
LEVELS = 256
_BATCH = 64
_WINDOWS = 8  # across an image; at least 8 pixels each
_HALF = 0.5

Array = NDArray[np.float64]


def grey_counts(frames: Frames) -> NDArray[np.int64]:
    """How many pixels inside the sector have each grey value, by frame and label: (N, labels, `LEVELS`)."""
    shape = (len(Label) + 1, LEVELS)  # the last row is what lies outside
    counts = []
    for start in range(0, len(frames), _BATCH):
        part = frames.select(slice(start, start + _BATCH))
        rows = np.arange(len(part))[:, None, None] * shape[0] + np.where(part.sector, part.labels, len(Label))
        found = np.bincount((rows * LEVELS + part.images).ravel(), minlength=len(part) * shape[0] * LEVELS)
        counts.append(found.reshape(len(part), *shape)[:, :-1])
    return np.concatenate(counts)


def of_region(counts: NDArray[np.int64], region: str) -> NDArray[np.int64]:
    """Those of a region of `GREY_REGIONS`, by frame: (N, `LEVELS`)."""
    return counts[:, sorted(GREY_REGIONS[region])].sum(axis=1)


def histogram_distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Between two histograms (`LEVELS`,), in grey levels: how far a pixel has to be moved on average (Wasserstein).

    NaN where one of them is empty.
    """
    if not first.any() or not second.any():
        return float("nan")
    levels = np.arange(LEVELS)
    return float(wasserstein_distance(levels, levels, first, second))


def signal_to_noise(histograms: NDArray[np.int64]) -> Array:
    """Mean grey value over its standard deviation, of histograms (N, `LEVELS`): (N,); NaN where nothing varies.

    Of an envelope that was not compressed it is 1.91 for speckle that is fully developed (Burckhardt 1978,
    doi:10.1109/T-SU.1978.30978). Images are compressed, so that only real frames say what theirs should be.
    """
    levels, n = np.arange(LEVELS), np.maximum(histograms.sum(axis=1), 1)
    mean = histograms @ levels / n
    variance = histograms @ levels**2 / n - mean**2
    return np.divide(mean, np.sqrt(variance), out=np.full(len(n), np.nan), where=variance > 1e-9)


def correlation_lengths(frames: Frames) -> Array:
    """In mm, at which lag two pixels still have half of the correlation: (N, 2), along the beam and across it.

    Of the windows that lie whole in the sector, after the mean of each was taken away. At most half a window; NaN where
    the spacing is unknown, no window fits, or nothing varies.
    """
    found = zip(frames.images, frames.sector, frames.spacing_mm, strict=True)
    return np.array([_lengths(image, sector, spacing) for image, sector, spacing in found]).reshape(-1, 2)


def apex(sector: NDArray[np.bool_]) -> Array:
    """Where the edges of a sector (H, W) meet: (row, column) in pixels, far above the image where they never do."""
    rows = np.flatnonzero(sector.any(axis=1))
    rows = rows[len(rows) // 10 : max(len(rows) // 2, len(rows) // 10 + 2)]  # the sides, without the round ends
    left, right = sector[rows].argmax(axis=1), sector.shape[1] - 1 - sector[rows, ::-1].argmax(axis=1)
    (slope_left, at_left), (slope_right, at_right) = (np.polyfit(rows, edge, 1) for edge in (left, right))
    row = -(at_right - at_left) / max(slope_right - slope_left, 1e-3)
    return np.array([row, (at_left + at_right + (slope_left + slope_right) * row) / 2])


def _lengths(image: NDArray[np.uint8], sector: NDArray[np.bool_], spacing_mm: Array) -> Array:
    side = max(8, min(image.shape) // _WINDOWS)
    inside = _windows(sector, side).all(axis=(1, 2))
    windows = _windows(image, side)[inside].astype(np.float64)
    if not inside.any() or np.isnan(spacing_mm).any() or not np.ptp(windows, axis=(1, 2)).any():
        return np.full(2, np.nan)
    centres = _windows(np.moveaxis(np.indices(image.shape), 0, -1), side)[inside].mean(axis=(1, 2))
    along = (centres - apex(sector)) * spacing_mm
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = along[:, ::-1] * [1, -1]
    covariance = _covariance(windows - windows.mean(axis=(1, 2), keepdims=True))
    return np.array([_half_length(covariance, beam, spacing_mm) for beam in (along, across)])


def _windows(array: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """Those side by side that fit into (H, W, …): (P, side, side, …)."""
    high, wide = (n // side for n in array.shape[:2])
    cut = array[: high * side, : wide * side].reshape(high, side, wide, side, *array.shape[2:])
    return cut.swapaxes(1, 2).reshape(high * wide, side, side, *array.shape[2:])


def _covariance(windows: Array) -> Array:
    """The mean product of two pixels by the lag between them, of windows (P, S, S): (P, 2S, 2S), negative lags last."""
    side = windows.shape[1]
    spectrum = np.fft.rfft2(windows, s=(2 * side, 2 * side))
    products = np.fft.irfft2(np.abs(spectrum) ** 2, s=(2 * side, 2 * side))
    pairs = side - np.abs(np.fft.fftfreq(2 * side, 1 / (2 * side)))
    return products / np.maximum(np.outer(pairs, pairs), 1)


def _half_length(covariance: Array, beams: Array, spacing_mm: Array) -> float:
    """Where the correlation over all windows falls to a half; covariance: (P, 2S, 2S), beams: (P, 2) in mm."""
    side, step = covariance.shape[1] // 2, spacing_mm.min() / 2
    lags = np.arange(0, side + 1) * step
    pixels = lags[:, None, None] * beams / spacing_mm
    windows = np.broadcast_to(np.arange(len(beams)), pixels.shape[:2])
    at = np.stack([windows, *np.moveaxis(pixels, 2, 0)])
    curve = ndimage.map_coordinates(covariance, at, order=1, mode="grid-wrap").sum(axis=1)
    below = np.flatnonzero(curve < _HALF * curve[0])
    if not len(below):
        return float(lags[-1])
    last = below[0] - 1
    return float(np.interp(_HALF * curve[0], curve[[last + 1, last]], lags[[last + 1, last]]))
