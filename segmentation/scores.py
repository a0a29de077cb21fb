"""Scores of predicted label maps against the experts', one row per image, region and metric of `METRICS`.

The rule for structures that one side lacks, so that no failure is ever dropped from a mean:

- in the reference, missed by the prediction: what `METRICS` says, such as Dice 0, or the image's diagonal in mm for a
  distance (n_pred is 0);
- predicted, absent from the reference: the same (n_ref is 0);
- absent from both: nothing to score; the row stays, its value NaN (n_ref and n_pred are 0).
  Departs from the paper [scoring.absent]: a network that rightly finds nothing has missed nothing.

A calibration error has a value wherever there is a structure, missed or not (see `calibration`), and keeps it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
from monai.metrics.utils import get_mask_edges, get_surface_distance
from numpy.typing import NDArray

from echobench.data.base.metric import DIAGONAL, MEASURED, MetricFacts
from echobench.data.frames import Frames
from echobench.data.labels import REGIONS, Label, bounding_box, region_mask
from echobench.segmentation.calibration import calibration_errors


@dataclass(frozen=True, eq=False)
class Masks:
    """One region in N images, as a metric gets it: masks (N, H, W) of the experts and predicted, spacing (N, 2) in mm
    along rows and columns; pixels of each mask and of both, (N,). probability: (N, H, W) float32, of each pixel to be
    of the region; None where only label maps are known."""

    truth: NDArray[np.bool_]
    guess: NDArray[np.bool_]
    spacing_mm: NDArray[np.float64]
    probability: NDArray[np.float32] | None = None

    @cached_property
    def n_ref(self) -> NDArray[np.int64]:
        return self.truth.sum(axis=(1, 2))

    @cached_property
    def n_pred(self) -> NDArray[np.int64]:
        return self.guess.sum(axis=(1, 2))

    @cached_property
    def n_both(self) -> NDArray[np.int64]:
        return (self.truth & self.guess).sum(axis=(1, 2))

    @cached_property
    def distances_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """HD95 and ASSD, (N,) each."""
        return surface_distances_mm(self.truth, self.guess, self.spacing_mm)

    @property
    def calibration_errors(self) -> NDArray[np.float64]:
        """See `calibration_errors`, (N,)."""
        assert self.probability is not None  # `score` asks for nothing else without
        return calibration_errors(self.truth, self.guess, self.probability)


@dataclass(frozen=True)
class Metric(MetricFacts):
    """A metric and its function: the value of every image, (N,), where both masks have a pixel; the others are not
    looked at, unless a missed structure's value is `MEASURED`. of_probabilities: whether the function reads them."""

    values: Callable[[Masks], NDArray[np.float64]]
    of_probabilities: bool = False

    @property
    def facts(self) -> MetricFacts:
        """What a record keeps of it."""
        return MetricFacts(**{field.name: getattr(self, field.name) for field in fields(MetricFacts)})

    def __call__(self, masks: Masks) -> NDArray[np.float64]:
        """(N,) values by the module's rule for structures that one side lacks."""
        values = self.values(masks)
        diagonal_mm = np.hypot(*(masks.spacing_mm * masks.truth.shape[1:]).T)
        worst = {DIAGONAL: diagonal_mm, MEASURED: values}
        missed = worst[self.missed] if isinstance(self.missed, str) else self.missed
        lacking = np.where((masks.n_ref > 0) | (masks.n_pred > 0), missed, np.nan)
        return np.where((masks.n_ref > 0) & (masks.n_pred > 0), values, lacking)


def score(
    reference: Frames, predicted: NDArray[np.uint8], probabilities: NDArray[np.float32] | None = None
) -> pd.DataFrame:
    """Every metric of `METRICS` of every image and region.

    reference: N frames with expert labels and spacing. predicted: (N, H, W) uint8 label codes, in the same order.
    probabilities: (N, len(Label), H, W) of every label, which sum to 1; without them, metrics of them are left out.
    Returns a row per image, region and metric with the columns patient, view, phase, region, metric, unit, value,
    n_ref, n_pred (pixels). Dice is a fraction, 0 to 1. Distances are in mm between the boundary pixels of the two
    masks, rows and columns weighted by their own spacing; HD95 is the larger of the two directed 95th percentiles,
    ASSD the mean over the boundary pixels of both; NaN where the spacing is.
    """
    if predicted.shape != reference.labels.shape:
        raise ValueError(f"{predicted.shape=} does not match the reference's {reference.labels.shape}")
    tables = [_score_region(reference, predicted, probabilities, region) for region in REGIONS]
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


def _score_region(
    reference: Frames, predicted: NDArray[np.uint8], probabilities: NDArray[np.float32] | None, region: str
) -> pd.DataFrame:
    """The rows of one region, with the image's index in a column `image`."""
    truth, guess = region_mask(reference.labels, region), region_mask(predicted, region)
    probability = None if probabilities is None else probabilities[:, sorted(REGIONS[region])].sum(axis=1)
    masks = Masks(truth, guess, reference.spacing_mm, probability)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "image": np.arange(len(reference)),
                    "patient": reference.patient,
                    "view": reference.view,
                    "phase": reference.phase,
                    "region": region,
                    "metric": name,
                    "unit": metric.unit,
                    "value": metric(masks),
                    "n_ref": masks.n_ref,
                    "n_pred": masks.n_pred,
                }
            )
            for name, metric in METRICS.items()
            if probability is not None or not metric.of_probabilities
        ]
    )


def surface_distances_mm(
    truth: NDArray[np.bool_], guess: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """HD95 and ASSD, (N,) each, of masks (N, H, W) with spacing (N, 2) along rows and columns; NaN where a mask is
    empty or the spacing is NaN.

    Boundaries and distances are MONAI's; its `compute_hausdorff_distance` and `compute_average_surface_distance` would
    find both twice.
    """
    hd95_mm, assd_mm = np.full((2, len(truth)), np.nan)
    known = np.isfinite(spacing_mm).all(axis=1)
    for i in np.flatnonzero(truth.any(axis=(1, 2)) & guess.any(axis=(1, 2)) & known):
        window = bounding_box(truth[i] | guess[i])  # most of an image is background
        edges = get_mask_edges(guess[i][window], truth[i][window], crop=False)
        pairs = (edges, edges[::-1])  # from prediction to reference, and back
        directed = [get_surface_distance(start, end, spacing=spacing_mm[i]) for start, end in pairs]
        hd95_mm[i] = max(np.percentile(distances, 95) for distances in directed)
        assd_mm[i] = np.concatenate(directed).mean()
    return hd95_mm, assd_mm


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("dice", "Dice", "1", ".1f", "higher", 0.0, lambda m: dice(m.n_ref, m.n_pred, m.n_both)),
        Metric(
            "hd95_mm", "95th-percentile Hausdorff distance", "mm", ".1f", "lower", DIAGONAL, lambda m: m.distances_mm[0]
        ),
        Metric(
            "assd_mm", "Average symmetric surface distance", "mm", ".2f", "lower", DIAGONAL, lambda m: m.distances_mm[1]
        ),
        Metric(
            "ece",
            "Expected calibration error near the structure",
            "1",
            ".2f",
            "lower",
            MEASURED,
            lambda m: m.calibration_errors,
            of_probabilities=True,
        ),
    )
}
"""Name → metric: its label, unit, digits, which values are better, what a missed structure counts as, its function.

A new one is a line here. `dice` comes first: it is what verdicts are of."""


def scored_by(scores: pd.DataFrame) -> list[MetricFacts]:
    """What tables have to know of the metrics that scores are of."""
    scored = set(scores["metric"])
    return [metric.facts for name, metric in METRICS.items() if name in scored]
