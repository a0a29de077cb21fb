"""Expected calibration error (ECE): how far stated probabilities lie from how often they come true.

Of what is forecast with probability near p, a share of p should come true. Forecasts are put into bins by p; with n_b
of n forecasts in bin b, their mean p_b and the share y_b of them that came true, ECE = Σ_b n_b / n · |p_b - y_b|
(Guo et al. 2017, arXiv 1706.04599, eq. 3). 0 is best and 1 is worst. Here a forecast is "this pixel is of the region",
against all else, in one image.

MONAI's `CalibrationErrorMetric` computes the same of every image and channel, over all pixels that it is given. It adds
up in single precision: of 20,000 pixels that are all said to be 0.99, its mean is wrong by 0.0002. So sums are our own.
"""

import numpy as np
from numpy.typing import NDArray

from echobench.data.labels import bounding_box

BINS = 15
"""Of equal width, with their upper ends, as in Guo et al.; MONAI's default is 20."""
MARGIN = 0.25
"""How far the window reaches beyond the structure's box on every side, as a share of the box's own side."""


def calibration_errors(
    truth: NDArray[np.bool_], guess: NDArray[np.bool_], probability: NDArray[np.float32]
) -> NDArray[np.float64]:
    """ECE of every image, (N,), from the masks (N, H, W) of the experts and predicted, and the probability of each
    pixel to be of the region, (N, H, W).

    Only pixels of a window count: the box around the experts' structure with `MARGIN`. What lies far away is background
    that every U-Net is sure and right about; over the whole image it would bring all errors close to 0. The window
    hangs on the experts alone, so that all U-Nets are asked about the same pixels; where they drew nothing it is around
    what was predicted, and NaN is the error where both masks are empty.
    """
    errors = np.full(len(truth), np.nan)
    for i in np.flatnonzero((truth | guess).any(axis=(1, 2))):
        window = bounding_box(truth[i] if truth[i].any() else guess[i], MARGIN)
        errors[i] = calibration_error(probability[i][window], truth[i][window])
    return errors


def calibration_error(probability: NDArray[np.float32], came_true: NDArray[np.bool_]) -> float:
    """ECE of forecasts of any shape."""
    said = probability.astype(np.float64).ravel()
    bins = np.clip(np.ceil(said * BINS) - 1, 0, BINS - 1).astype(np.intp)
    surplus = np.bincount(bins, weights=said - came_true.ravel())  # n_b (p_b - y_b)
    return float(np.abs(surplus).sum() / said.size)
