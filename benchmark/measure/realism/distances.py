"""Distances between two sets of images, given as features.

A Fréchet distance grows as sets get smaller: n images of D features have a covariance of rank n - 1, and FID's 2048
features are more than an echo dataset has patients. So nothing here is compared with a number of another n: every
value is a mean over subsets of one size, and beside it stands the value that real frames of other patients have.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from echobench.data.frames import Frames

SUBSETS = 50
NEIGHBOURS = 5
"""k of density and coverage, their paper's choice; that of precision and recall is torch-fidelity's, 3."""

Features = NDArray[np.float64]


def frechet_distance(first: Features, second: Features) -> float:
    """Squared Fréchet distance of the normal distributions with the means and covariances of (n, D) and (m, D).

    Heusel et al. 2017 (arXiv 1706.08500). Exact where the covariances lack rank, and for the few images here a thousand
    times faster than torch-fidelity's, whose value it is.
    """
    (mean, root), (other_mean, other_root) = map(mean_and_root, (first, second))
    return float(frechet_of_roots(mean, root, other_mean, other_root))


def frechet_of_roots(mean: Features, root: Features, other_mean: Features, other_root: Features) -> Features:
    """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½) from means (…, D) and roots (…, rank, D): Σ = RᵀR.

    The eigenvalues of (Σ₁Σ₂)^½ are the singular values of R₁R₂ᵀ, which is no larger than the ranks.
    """
    between = np.linalg.svd(root @ np.swapaxes(other_root, -1, -2), compute_uv=False).sum(axis=-1)
    spread, other_spread = ((r**2).sum(axis=(-2, -1)) for r in (root, other_root))
    return np.asarray(((mean - other_mean) ** 2).sum(axis=-1) + spread + other_spread - 2 * between)


def mean_and_root(features: Features) -> tuple[Features, Features]:
    """Of features (n, D): the mean, and the centred features over √(n - 1); of these, R of QR where that is smaller."""
    mean = features.mean(axis=0)
    root = (features.astype(np.float64) - mean) / np.sqrt(len(features) - 1)
    return mean, np.asarray(np.linalg.qr(root, mode="r")) if len(root) > root.shape[1] else root


def kernel_distance(first: Features, second: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (xᵀy / D + 1)³, as in KID: Bińkowski et al. 2018
    (arXiv 1801.01401). Two sets of one distribution have 0 on average, and so less than 0 half of the time."""
    metric = kid_features_to_metric(
        *_tensors(first, second), kid_subsets=1, kid_subset_size=min(len(first), len(second)), verbose=False
    )
    return float(metric[KEY_METRIC_KID_MEAN])


def precision_recall(drawn: Features, real: Features) -> tuple[float, float]:
    """Share of drawn images within real ones' neighbourhoods, and the other way round: Kynkäänniemi et al. 2019
    (arXiv 1904.06991). One odd real image with a wide neighbourhood can make noise precise; density is less easily
    deceived."""
    metric = prc_features_to_metric(*_tensors(drawn, real), verbose=False)
    return metric[KEY_METRIC_PRECISION], metric[KEY_METRIC_RECALL]


def density_coverage(drawn: Features, real: Features, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Naeem et al. 2020 (arXiv 2002.09797), with neighbourhoods that reach to the k-th real neighbour.

    density: neighbourhoods that a drawn image lies in, over k; 1 on average for one distribution, and may be more.
    coverage: share of real images with a drawn one in their neighbourhood; 1 - 2^-k for one distribution and large n.
    """
    among_real = cdist(real, real)
    np.fill_diagonal(among_real, np.inf)
    radius = np.partition(among_real, k - 1, axis=1)[:, k - 1]
    inside = cdist(drawn, real) < radius
    return float(inside.sum() / (k * len(drawn))), float(inside.any(axis=0).mean())


def distances(drawn: Features, real: Features) -> dict[str, float]:
    """Every distance of this module by name: frechet, kernel, precision, recall, density, coverage."""
    precision, recall = precision_recall(drawn, real)
    density, coverage = density_coverage(drawn, real)
    return {
        "frechet": frechet_distance(drawn, real),
        "kernel": kernel_distance(drawn, real),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }


def distances_over_subsets(
    drawn: Features, real: Features, drawn_subsets: Sequence[NDArray[np.intp]], real_subsets: Sequence[NDArray[np.intp]]
) -> pd.DataFrame:
    """`distances` of each pair of subsets, a row each."""
    pairs = zip(drawn_subsets, real_subsets, strict=True)
    return pd.DataFrame([distances(drawn[mine], real[theirs]) for mine, theirs in pairs])


def independent_frames(frames: Frames) -> int:
    """How many frames of different (patient, view, phase) there are: images of one map count once."""
    return len(np.unique(_cells(frames)))


def equal_subsets(frames: Frames, n: int, seed: Sequence[int]) -> list[NDArray[np.intp]]:
    """`SUBSETS` random subsets of n frames: whole patients, and one frame of each of their views and phases.

    So every subset has the same composition, whether the frames are real or several were drawn for one map. Where n
    is half of the frames, the standard deviation over subsets estimates the standard error of the whole (jackknife
    that deletes half: Shao & Wu 1989, doi:10.1214/aos/1176347263).
    """
    rng = np.random.default_rng(seed)
    cell, patient = _cells(frames), np.unique(frames.patient, return_inverse=True)[1]
    subsets = []
    for _ in range(SUBSETS):
        shuffled = rng.permutation(len(frames))
        one_each = shuffled[np.unique(cell[shuffled], return_index=True)[1]]
        rank = rng.permutation(len(frames))[patient[one_each]]
        subsets.append(one_each[np.argsort(rank, kind="stable")[:n]])
    return subsets


def _cells(frames: Frames) -> NDArray[np.intp]:
    """A number for each frame's (patient, view, phase), (N,)."""
    return np.unique([frames.patient, frames.view, frames.phase], axis=1, return_inverse=True)[1]


def _tensors(*features: Features) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(f, dtype=np.float64)) for f in features)
