"""Fréchet distances of as many images as there are, where they go at infinity, and the curve that leads there: as rows.

A set of its own size is biased on its own terms, so that real frames in the drawn images' place are no floor at the n
they have. At infinity they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.measure.realism.extractors import Extractor
from echobench.benchmark.measure.realism.infinity import Curve, distance_curve
from echobench.results.records.realism import CURVES

CURVE_COLUMNS = tuple(CURVES.columns)
"""The distance of n images to n_real; whose: `DRAWN`, or `REAL` of the real frames in their place."""
DRAWN, REAL = "drawn", "real"
INFINITY = "∞"

Row = Mapping[str, Any]
Vectors = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Whole:
    """Distances of drawn images, and of real frames in their place, to the same reference.

    n_real, reference_split: of the reference. dimensions: how many features there are.
    """

    metric: str
    drawn: Curve
    real: Curve
    n_real: int
    reference_split: str
    dimensions: int
    provenance: Mapping[str, str]

    @property
    def of_all(self) -> Row:
        """Of all images: what is called FID."""
        n, rank = self.drawn.n[-1], min(self.drawn.n[-1] - 1, self.dimensions)
        note = f"{self.dimensions} features; covariance of rank {rank}; biased by n"
        return self._row(self.metric, note) | {
            "value": self.drawn.distance[-1],
            "held_out": self.real.distance[-1],
            "note": f"{note}; {n} drawn images, {self.real.n[-1]} real frames in their place",
        }

    @property
    def at_infinity(self) -> Row:
        """Of infinitely many."""
        (value, error, fit), (floor, floor_error, _) = self.drawn.at_infinity, self.real.at_infinity
        note = f"line in 1/n from {self.drawn.n[0]} to {self.drawn.n[-1]} images, r² = {fit:.3f}"
        return self._row(f"{self.metric}{INFINITY}", note) | {
            "value": value, "spread": error, "held_out": floor, "held_out_spread": floor_error,
        }  # fmt: skip

    @property
    def curves(self) -> pd.DataFrame:
        """`CURVE_COLUMNS`."""
        terms: dict[str, Any] = {"metric": self.metric, "n_real": self.n_real} | {
            name: self.provenance[name] for name in ("extractor", "weights_sha256")
        }
        parts = [
            pd.DataFrame({"whose": whose, "n": curve.n, "distance": curve.distance}).assign(**terms)
            for whose, curve in ((DRAWN, self.drawn), (REAL, self.real))
        ]
        return pd.concat(parts, ignore_index=True)[list(CURVE_COLUMNS)]

    def _row(self, metric: str, note: str) -> dict[str, Any]:
        return {
            "metric": metric,
            "n_drawn": self.drawn.n[-1],
            "n_real": self.n_real,
            "reference_split": self.reference_split,
            "note": note,
            **self.provenance,
        }


def whole(
    metric: str,
    drawn: Vectors,
    real: Vectors,
    reference: Vectors,
    reference_split: str,
    extractor: Extractor,
    seed: int,
) -> Whole:
    """Distances of features (N, D) and (R, D) to those of the reference (M, D)."""
    of_drawn, of_real = (distance_curve(features, reference, [seed, k]) for k, features in enumerate((drawn, real)))
    return Whole(metric, of_drawn, of_real, len(reference), reference_split, drawn.shape[1], extractor.provenance())


def chosen(features: Vectors, images: int | None, seed: int) -> Vectors:
    """At most so many of them, by chance; None is all."""
    if images is None or images >= len(features):
        return features
    return features[np.sort(np.random.default_rng(seed).choice(len(features), images, replace=False))]
