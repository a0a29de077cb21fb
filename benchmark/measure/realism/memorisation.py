"""Does a generator copy patients? Drawn images against training frames, held-out real ones as the measure.

A plain distance to the nearest training frame accuses all smooth images: the mean of all frames is nearer to
each of them than they are to one another. So the distance is taken relative to those of the next frames, after Carlini
et al. 2023 (arXiv 2301.13188): only a copy is much nearer to one frame than to its other neighbours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import fisher_exact
from torch.nn import functional

NEIGHBOURS = 50  # as Carlini et al.
PERCENTILE = 1.0
SHARE = 0.05
P_VALUE = 0.01
PIXELS = 64
BATCH = 128
"""Images whose vectors are in memory at a time."""
RULE = (
    f"flagged if more than {SHARE:.0%} of the drawn images are nearer to their nearest training frame, relative to the "
    f"{NEIGHBOURS} nearest, than all but {PERCENTILE:g} % of held-out real frames, and more often than those are "
    f"(Fisher's exact test, one-sided, p < {P_VALUE:g})"
)


@dataclass(frozen=True, eq=False)
class Memorisation:
    """Relative distances to the nearest training frame, about 0 for a copy, of drawn (N,) and held-out real (M,)."""

    drawn: NDArray[np.float64]
    heldout: NDArray[np.float64]

    @property
    def threshold(self) -> float:
        """The distance that `PERCENTILE` per cent of held-out frames fall below."""
        return float(np.percentile(self.heldout, PERCENTILE))

    @property
    def share(self) -> float:
        """Fraction of drawn images nearer than the threshold."""
        return float((self.drawn < self.threshold).mean())

    @property
    def heldout_share(self) -> float:
        """The same of held-out frames: `PERCENTILE`, but that M is finite."""
        return float((self.heldout < self.threshold).mean())

    @property
    def p_value(self) -> float:
        """Of a drawn share as large as this or larger, if drawn images were like held-out frames."""
        near = [(values < self.threshold).sum() for values in (self.drawn, self.heldout)]
        table = [[near[0], len(self.drawn) - near[0]], [near[1], len(self.heldout) - near[1]]]
        return float(fisher_exact(table, alternative="greater").pvalue)

    @property
    def flagged(self) -> bool:
        """Whether `RULE` holds."""
        return self.share > SHARE and self.p_value < P_VALUE


def memorisation(
    drawn: Iterable[NDArray[np.float64]], heldout: Iterable[NDArray[np.float64]], training: NDArray[np.float64]
) -> Memorisation:
    """Compare batches of drawn and held-out vectors (N, D) with those of the training frames (T, D)."""
    return Memorisation(relative_nearest(drawn, training), relative_nearest(heldout, training))


def relative_nearest(queries: Iterable[NDArray[np.float64]], training: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance to the nearest training vector over the mean of the `NEIGHBOURS` nearest, in [0, 1], of every query."""
    known = torch.from_numpy(training)
    k = min(NEIGHBOURS, len(known))
    nearest = [
        torch.cdist(torch.from_numpy(batch), known).topk(k, largest=False).values.sort().values for batch in queries
    ]
    distance = torch.cat(nearest).numpy()
    return distance[:, 0] / distance.mean(axis=1)


def small_pixels(images: NDArray[np.uint8]) -> Iterator[NDArray[np.float64]]:
    """Images (N, H, W) as vectors of `PIXELS` × `PIXELS` block means, (N, 4096) in batches: anatomy without speckle."""
    for start in range(0, len(images), BATCH):
        batch = torch.tensor(images[start : start + BATCH]).float()
        yield functional.adaptive_avg_pool2d(batch, PIXELS).flatten(1).double().numpy()
