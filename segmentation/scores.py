"""Scores of predicted label maps against the experts', one row per image, region and metric.

The rule for structures that one side lacks, so that no failure is ever dropped from a mean:

- in the reference, missed by the prediction: Dice 0, both distances the image's diagonal in mm (n_pred is 0);
- predicted, absent from the reference: the same (n_ref is 0);
- absent from both: nothing to score; the row stays, its value NaN (n_ref and n_pred are 0).
  Departs from the paper [scoring.absent]: a network that rightly finds nothing has missed nothing.
"""

import numpy as np
import pandas as pd
from monai.metrics.utils import get_mask_edges, get_surface_distance
from numpy.typing import NDArray

from echobench.data.frames import Frames
from echobench.data.labels import REGIONS, Label, region_mask

METRIC_UNITS = {"dice": "1", "hd95_mm": "mm", "assd_mm": "mm"}


def score(reference: Frames, predicted: NDArray[np.uint8]) -> pd.DataFrame:
    """Dice, 95th-percentile Hausdorff distance and average symmetric surface distance of every image and region.

    reference: N frames with expert labels and spacing. predicted: (N, H, W) uint8 label codes, in the same order.
    Returns 12 rows per image (4 regions, 3 metrics) with the columns patient, view, phase, region, metric, unit,
    value, n_ref, n_pred (pixels). Dice is a fraction, 0 to 1. Distances are in mm between the boundary pixels of the
    two masks, rows and columns weighted by their own spacing; HD95 is the larger of the two directed 95th
    percentiles, ASSD the mean over the boundary pixels of both; NaN where the spacing is.
    """
    if predicted.shape != reference.labels.shape:
        raise ValueError(f"{predicted.shape=} does not match the reference's {reference.labels.shape}")
    tables = [_score_region(reference, predicted, region) for region in REGIONS]
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values("image", kind="stable", ignore_index=True).drop(columns="image")


def dice(n_ref: NDArray[np.int64], n_pred: NDArray[np.int64], n_both: NDArray[np.int64]) -> NDArray[np.float64]:
    """2 n_both / (n_ref + n_pred) from pixel counts of any shape; NaN where both are empty."""
    total = n_ref + n_pred
    return np.where(total > 0, 2 * n_both / np.maximum(total, 1), np.nan)


def region_dice(reference: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Dice of every region for every image, (N,) each, from label maps (N, H, W): one pass over the pixels."""
    n, n_labels = len(reference), len(Label)
    cell = (np.arange(n)[:, None, None] * n_labels + reference) * n_labels + predicted
    counts = np.bincount(cell.reshape(-1), minlength=n * n_labels**2).reshape(n, n_labels, n_labels)
    scores = {}
    for region, labels in REGIONS.items():
        codes = sorted(labels)
        n_both = counts[:, codes][:, :, codes].sum(axis=(1, 2))
        scores[region] = dice(counts[:, codes].sum(axis=(1, 2)), counts[:, :, codes].sum(axis=(1, 2)), n_both)
    return scores


def _score_region(reference: Frames, predicted: NDArray[np.uint8], region: str) -> pd.DataFrame:
    """The rows of one region, with the image's index in a column `image`."""
    truth, guess = region_mask(reference.labels, region), region_mask(predicted, region)
    n_ref, n_pred = truth.sum(axis=(1, 2)), guess.sum(axis=(1, 2))
    hd95_mm, assd_mm = surface_distances_mm(truth, guess, reference.spacing_mm)
    values = {"dice": dice(n_ref, n_pred, (truth & guess).sum(axis=(1, 2))), "hd95_mm": hd95_mm, "assd_mm": assd_mm}
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "image": np.arange(len(reference)),
                    "patient": reference.patient,
                    "view": reference.view,
                    "phase": reference.phase,
                    "region": region,
                    "metric": metric,
                    "unit": METRIC_UNITS[metric],
                    "value": value,
                    "n_ref": n_ref,
                    "n_pred": n_pred,
                }
            )
            for metric, value in values.items()
        ]
    )


def surface_distances_mm(
    truth: NDArray[np.bool_], guess: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """HD95 and ASSD, (N,) each, of masks (N, H, W) with spacing (N, 2) along rows and columns.

    The module's rule covers empty masks, for which MONAI's own metrics answer NaN or infinity. Boundaries and
    distances are MONAI's; its `compute_hausdorff_distance` and `compute_average_surface_distance` would find both
    twice.
    """
    in_truth, in_guess = truth.any(axis=(1, 2)), guess.any(axis=(1, 2))
    diagonal_mm = np.hypot(*(spacing_mm * truth.shape[1:]).T)
    penalty = np.where(in_truth | in_guess, diagonal_mm, np.nan)
    hd95_mm, assd_mm = penalty.copy(), penalty.copy()
    for i in np.flatnonzero(in_truth & in_guess & np.isfinite(diagonal_mm)):
        window = _bounding_box(truth[i] | guess[i])  # most of an image is background
        edges = get_mask_edges(guess[i][window], truth[i][window], crop=False)
        pairs = (edges, edges[::-1])  # from prediction to reference, and back
        directed = [get_surface_distance(start, end, spacing=spacing_mm[i]) for start, end in pairs]
        hd95_mm[i] = max(np.percentile(distances, 95) for distances in directed)
        assd_mm[i] = np.concatenate(directed).mean()
    return hd95_mm, assd_mm


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
