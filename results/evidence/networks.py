"""Whether another segmentation network puts the same generators in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from echobench.data.base.differences import Facts
from echobench.results.evidence.comparison import NETWORK, Group, own_settings
from echobench.results.evidence.differences import key
from echobench.results.evidence.statistics import LEVEL, RESAMPLES, patient_values
from echobench.results.records.run import Run

LEAST_ROWS = 3
"""Two rows have one order or the other, which says little."""
_OF_THE_NETWORK = (NETWORK, "unet.channels", "unet.leaky_slope", "unet.peak_learning_rate", "unet.final_learning_rate")
"""What a network may have of its own; budget, loss and augmentation must be the same."""


@dataclass(frozen=True)
class RankStability:
    """The order of n rows by mean Dice in two networks.

    networks, title: of the two, and of the first's table. labels: of the rows. tau: Kendall's τ, 1 for the same order
    and -1 for the reverse, with its 95 % interval (low, high). best: of each network, the row with the highest mean
    Dice; stays: the share of resamples in which it is so again. same: the share in which both have the same best. Real
    frames are a row of the order, but never the best: they draw nothing.
    """

    networks: tuple[str, str]
    title: str
    labels: tuple[str, ...]
    patients: int
    tau: float
    low: float
    high: float
    best: tuple[str, str]
    stays: tuple[float, float]
    same: float


def rank_stabilities(groups: Sequence[Group]) -> list[RankStability]:
    """One for each two groups that differ in the network alone and have three rows in common, one of which draws."""
    pairs = combinations(groups, 2)
    found = [_stability(first, second) for first, second in pairs if _differ_in_network(first.facts, second.facts)]
    return [one for one in found if one is not None]


def _differ_in_network(first: Facts, second: Facts) -> bool:
    kept = [key({name: fact for name, fact in one.items() if name not in _OF_THE_NETWORK}) for one in (first, second)]
    return first[NETWORK] != second[NETWORK] and kept[0] == kept[1]


def _stability(first: Group, second: Group) -> RankStability | None:
    others = {_row(run): run for run in second.runs}
    both = [(run, others[_row(run)]) for run in first.runs if _row(run) in others]
    drawing = np.array([not run.is_reference for run, _ in both])
    if len(both) < LEAST_ROWS or not drawing.any():
        return None
    values = [pd.concat([patient_values(run.scores) for run in runs], axis=1) for runs in zip(*both, strict=True)]
    known = (values[0].notna() & values[1].notna().to_numpy()).all(axis=1)
    dice = np.stack([one[known].to_numpy(dtype=np.float64) for one in values])
    labels = [run.label for run, _ in both]
    means, resampled = dice.mean(axis=1), resampled_means(dice)
    best, bests = _best(means, drawing), _best(resampled, drawing)
    taus = kendall(resampled[:, 0], resampled[:, 1])
    low, high = np.nanquantile(taus, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return RankStability(
        networks=(str(first.facts[NETWORK]), str(second.facts[NETWORK])),
        title=first.title,
        labels=tuple(labels),
        patients=dice.shape[1],
        tau=float(stats.kendalltau(*means).statistic),
        low=float(low),
        high=float(high),
        best=(labels[best[0]], labels[best[1]]),
        stays=(float((bests[:, 0] == best[0]).mean()), float((bests[:, 1] == best[1]).mean())),
        same=float((bests[:, 0] == bests[:, 1]).mean()),
    )


def _row(run: Run) -> str:
    """What makes a row the same one with another network."""
    settings = {name: value for name, value in run.record.settings.items() if name != "unet_seeds"}
    return key([run.record.generator, own_settings(settings)])


def resampled_means(dice: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Mean Dice of both networks and G rows in `RESAMPLES` bootstrap samples of N patients, (R, 2, G), from the values
    (2, N, G). A sample takes the same patients for all rows and both networks."""
    n = dice.shape[1]
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return np.einsum("rn,kng->rkg", times / n, dice)


def kendall(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kendall's τ_b of the rows of (R, G) and (R, G), as `scipy.stats.kendalltau` has it of one; NaN without an
    order."""
    i, j = np.triu_indices(first.shape[1], k=1)
    signs = [np.sign(np.round(one[:, i] - one[:, j], 9)) for one in (first, second)]
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (signs[0] * signs[1]).sum(axis=1) / np.sqrt((signs[0] ** 2).sum(axis=1) * (signs[1] ** 2).sum(axis=1))
        )


def _best(means: NDArray[np.float64], drawing: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The row with the highest mean (…, G) of those that draw."""
    return np.where(drawing, means, -np.inf).argmax(axis=-1)
