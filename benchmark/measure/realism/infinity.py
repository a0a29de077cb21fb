"""A Fréchet distance at every number of images, and where it goes as they become infinitely many.

Chong & Forsyth 2020 (arXiv 1911.07023): the distance of n images is too large by about a/n, where a hangs on the
generator, so that two generators compare only at infinity. A line in 1/n leads there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import linregress

from echobench.benchmark.measure.realism.distances import Features, frechet_of_roots, mean_and_root

SIZES = 10
SUBSETS = 5
LEAST = 4  # images; below them there is no line to draw


@dataclass(frozen=True, eq=False)
class Curve:
    """The distance by number of images; n, distance: (S,), of all images last."""

    n: NDArray[np.intp]
    distance: NDArray[np.float64]

    @property
    def at_infinity(self) -> tuple[float, float, float]:
        """The distance at 1/n = 0, its standard error, and r² of the line; NaN for fewer than `LEAST` images."""
        if self.n[-1] < LEAST:
            return (float("nan"),) * 3
        line = linregress(1 / self.n, self.distance)
        return float(line.intercept), float(line.intercept_stderr), float(line.rvalue**2)


def distance_curve(features: Features, reference: Features, seed: Sequence[int]) -> Curve:
    """Fréchet distances of random subsets of features (N, D), from half of them to all, to the whole reference (M, D).

    A point is the mean of `SUBSETS`: Chong & Forsyth have one, of many more images. Only the first set's n is led to
    infinity, as with them: what the size of the reference adds is the same for all that are held against it.
    """
    rng, n = np.random.default_rng(seed), len(features)
    whole = mean_and_root(reference)
    sizes = np.unique(np.linspace(n / 2, n, SIZES).round().astype(np.intp))
    found = [
        np.mean(
            [
                frechet_of_roots(*mean_and_root(features[rng.choice(n, size, replace=False)]), *whole)
                for _ in range(SUBSETS if size < n else 1)
            ]
        )
        for size in sizes
    ]
    return Curve(sizes, np.array(found))
