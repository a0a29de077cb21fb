"""Can one tell from drawn images whose frames the generator was trained on?

Anyone with the drawn images and a patient's frames can ask how near the nearest drawn image is: Chen et al. 2020
(GAN-Leaks, arXiv 1909.03935). That tells training patients as far as they are nearer than held-out ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from echobench.results.evidence.statistics import LEVEL

RESAMPLES = 1999

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Membership:
    """auc: the chance that a training patient lies nearer to the drawn images than a held-out one, 0.5 where nothing
    tells them apart; low, high: its 95 % interval. training, heldout: how many patients there are."""

    auc: float
    low: float
    high: float
    training: int
    heldout: int


def membership(training: ArrayLike, heldout: ArrayLike, seed: int = 0) -> Membership:
    """From distances of training patients (T,) and of held-out patients (H,); the bootstrap is of patients of both."""
    near, far = (np.asarray(distances, dtype=np.float64) for distances in (training, heldout))
    nearer = (near[:, None] < far) + 0.5 * (near[:, None] == far)
    rng = np.random.default_rng(seed)
    of_training, of_heldout = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in nearer.shape)
    drawn = np.einsum("bt,th,bh->b", of_training, nearer, of_heldout, optimize=True)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Membership(float(nearer.mean()), float(low), float(high), len(near), len(far))


def nearest_drawn(real: Features, drawn: Iterable[Features]) -> NDArray[np.float64]:
    """The distance of each real vector (R, D) to the nearest drawn one, which come in batches (N, D): (R,)."""
    known, found = torch.from_numpy(real), torch.full((len(real),), torch.inf, dtype=torch.float64)
    for batch in drawn:
        found = torch.minimum(found, torch.cdist(known, torch.from_numpy(batch)).amin(dim=1))
    return found.numpy()


def patient_distances(distances: NDArray[np.float64], patient: NDArray[np.str_]) -> NDArray[np.float64]:
    """Of frames (N,), the mean of each patient's."""
    return np.asarray(pd.Series(distances).groupby(np.asarray(patient)).mean(), dtype=np.float64)
