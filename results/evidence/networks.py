"""Whether another segmentation network puts the same generators in the same order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from echobench.data.base.differences import Facts
from echobench.results.evidence.comparison import NETWORK, PAPERS_NETWORK, Group, own_settings
from echobench.results.evidence.differences import key
from echobench.results.evidence.statistics import LEVEL, RESAMPLES, patient_values
from echobench.results.records.run import Run

LEAST_ROWS = 3
"""Two rows have one order or the other, which says little."""
_OF_THE_NETWORK = (NETWORK, "unet.channels", "unet.leaky_slope", "unet.peak_learning_rate", "unet.final_learning_rate")
"""What a network may have of its own; budget, loss and augmentation must be the same."""


@dataclass(frozen=True)
class RankStability:
    """The order of n rows by mean Dice in two networks. Samples are of patients and of U-Net seeds, of patients alone
    for a row of one seed.

    networks, title: of the two, and of the first's table. labels: of the rows. seeds: the fewest of a row. tau:
    Kendall's τ, 1 for the same order and -1 for the reverse, with its 95 % interval (low, high). best: of each network,
    the row with the highest mean Dice; stays: the share of samples in which it is so again. same: the share in which
    both have the same best. Real frames are a row of the order, but never the best: they draw nothing.
    """

    networks: tuple[str, str]
    title: str
    labels: tuple[str, ...]
    patients: int
    seeds: int
    tau: float
    low: float
    high: float
    best: tuple[str, str]
    stays: tuple[float, float]
    same: float


def rank_stabilities(groups: Sequence[Group]) -> list[RankStability]:
    """One for each two groups that differ in the network alone and have three rows in common, one of which draws. The
    paper's network is the first of two."""
    pairs = combinations(sorted(groups, key=lambda group: group.facts[NETWORK] != PAPERS_NETWORK), 2)
    found = [_stability(first, second) for first, second in pairs if _differ_in_network(first.facts, second.facts)]
    return [one for one in found if one is not None]


def _differ_in_network(first: Facts, second: Facts) -> bool:
    kept = [key({name: fact for name, fact in one.items() if name not in _OF_THE_NETWORK}) for one in (first, second)]
    return first[NETWORK] != second[NETWORK] and kept[0] == kept[1]


def _stability(first: Group, second: Group) -> RankStability | None:
    both = list(_pairs(first.runs, second.runs))
    drawing = np.array([not run.is_reference for run, _ in both])
    if len(both) < LEAST_ROWS or not drawing.any():
        return None
    values = [[_by_seed(run.scores) for run in runs] for runs in zip(*both, strict=True)]
    patients = reduce(pd.Index.intersection, (row.index for row in (*values[0], *values[1])))
    dice = [[row.loc[patients].to_numpy(dtype=np.float64) for row in network] for network in values]
    labels = [run.label for run, _ in both]
    means, resampled = np.array([[row.mean() for row in network] for network in dice]), resampled_means(dice)
    best, bests = _best(means, drawing), _best(resampled, drawing)
    taus = kendall(resampled[:, 0], resampled[:, 1])
    low, high = np.nanquantile(taus, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return RankStability(
        networks=(str(first.facts[NETWORK]), str(second.facts[NETWORK])),
        title=first.title,
        labels=tuple(labels),
        patients=len(patients),
        seeds=min(row.shape[1] for network in dice for row in network),
        tau=float(stats.kendalltau(*means).statistic),
        low=float(low),
        high=float(high),
        best=(labels[best[0]], labels[best[1]]),
        stays=(float((bests[:, 0] == best[0]).mean()), float((bests[:, 1] == best[1]).mean())),
        same=float((bests[:, 0] == bests[:, 1]).mean()),
    )


def _pairs(first: Sequence[Run], second: Sequence[Run]) -> Iterator[tuple[Run, Run]]:
    """Each row with one of the other network, of as many U-Nets where there is one."""
    others = list(second)
    for run in first:
        alike = [other for other in others if _row(other) == _row(run)]
        if alike:
            seeds = run.record.settings["unet_seeds"]
            chosen = min(alike, key=lambda other: other.record.settings["unet_seeds"] != seeds)
            others.remove(chosen)
            yield run, chosen


def _row(run: Run) -> str:
    """What makes a row the same one with another network."""
    settings = {name: value for name, value in run.record.settings.items() if name != "unet_seeds"}
    return key([run.record.generator, own_settings(settings)])


def _by_seed(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice in per cent, patients × S U-Net seeds, whose mean over seeds is that of the tables.

    How far a seed is from that mean is stretched by √(S / (S - 1)): the mean of S resampled seeds then varies as much
    as that of S new ones would, by the variance that these S have.
    """
    means = patient_values(scores)
    seeds = pd.concat({seed: patient_values(rows) for seed, rows in scores.groupby("unet_seed")}, axis=1)
    apart = seeds.sub(seeds.mean(axis=1), axis=0).reindex(means.index).fillna(0)
    n = max(seeds.shape[1], 2)
    return apart.mul(np.sqrt(n / (n - 1))).add(means, axis=0)


def resampled_means(dice: Sequence[Sequence[NDArray[np.float64]]], seed: int = 0) -> NDArray[np.float64]:
    """Mean Dice of G rows with both networks in `RESAMPLES` bootstrap samples, (R, 2, G), from the values of each row,
    (patients, U-Net seeds). A sample takes the same patients for all rows and both networks, and seeds for each."""
    rng = np.random.default_rng(seed)

    def shares(n: int) -> NDArray[np.float64]:
        return rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n

    patients = shares(len(dice[0][0]))
    means = [[(patients @ row * shares(row.shape[1])).sum(axis=1) for row in network] for network in dice]
    return np.array(means).transpose(2, 0, 1)


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
