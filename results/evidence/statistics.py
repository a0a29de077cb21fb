"""What scores say and how far they can be trusted.

A patient is the unit: ED and ES, both views, and the U-Net seeds are averaged first, as they are not independent.
Fractions, such as Dice, are in per cent, distances in mm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, hypot, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from echobench.data.labels import TABLE_REGIONS

LEVEL = 0.95
ALPHA = 0.05
RESAMPLES = 9999
PAIRINGS = factorial(8)
LEAST_GENERATORS = 5
MEAN = "mean"
"""In the place of a region: the mean of the regions of the paper's Table 1."""

BETTER, WORSE, EQUAL, UNDECIDED = "better", "worse", "not distinguishable", "undecided: one U-Net seed"
RULE = (
    f"“{BETTER}” or “{WORSE}” needs two things: a paired Wilcoxon signed-rank test over patients with p < {ALPHA} "
    "after Holm's correction for all pairs, and a mean difference larger than the seed margin. The margin is the "
    "larger of two numbers. One is the seed spread √(s₁² + s₂²), where s₁ and s₂ are the standard deviations of the "
    "two mean Dice over U-Net seeds: how far two U-Nets differ by their seeds alone. The other is how far the means "
    "of so few seeds may be off (95 %, Welch's t). So a difference that other seeds could undo is not called one. "
    "The generators themselves were trained once."
)
"""The verdict's rule, for captions."""

_ROUNDING = 9  # decimals of a per cent or mm: below them, two means of the same values may differ


@dataclass(frozen=True)
class Estimate:
    """A mean over patients, its 95 % interval, and two spreads: of the patients, and of the U-Net seeds' means.

    seed_std is NaN for a single seed, low and high for a single patient.
    """

    mean: float
    low: float
    high: float
    patient_std: float
    seed_std: float
    patients: int
    seeds: int


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's ρ over n runs, its exact two-sided p and its 95 % interval, NaN where n says nothing; and a sentence.

    sign: 1 where it goes with Dice, -1 against it, 0 where neither is shown, None without an answer.
    """

    n: int
    rho: float
    p: float
    statement: str
    low: float = nan
    high: float = nan
    sign: int | None = None


def structures(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per image × region × U-Net seed, whatever was scored: for its pixels n_ref and n_pred."""
    return scores[scores["metric"].isin(scores["metric"].head(1))]


def patient_means(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Per patient × region, the mean of a metric over the patient's frames and the U-Net seeds, as recorded.

    A structure that is absent from both maps has no value and counts neither for nor against; nor does one that is in
    no scored frame at all, whatever the U-Nets found.
    """
    chosen = scores[(scores["metric"] == metric) & scores["region"].isin(drawn_regions(scores))]
    return chosen.groupby(["patient", "region"], sort=True)["value"].mean().unstack("region")


def drawn_regions(scores: pd.DataFrame) -> list[str]:
    """The scored regions that some scored frame has, sorted."""
    return sorted(scores.loc[scores["n_ref"] > 0, "region"].unique())


def patient_values(scores: pd.DataFrame, metric: str = "dice", region: str = MEAN) -> "pd.Series[float]":
    """A region's value of every patient that has one; a fraction in per cent. Nobody has that of a region nobody drew.

    Departs from the paper [scoring.patients]: frames of one patient are alike, and count once.
    """
    is_fraction = (scores.loc[scores["metric"] == metric, "unit"].head(1) == "1").all()
    means = patient_means(scores, metric) * (100 if is_fraction else 1)
    wanted = means.reindex(columns=list(TABLE_REGIONS) if region == MEAN else [region])
    return wanted.mean(axis=1).dropna()


def mean_regions(scores: pd.DataFrame) -> str:
    """What `MEAN` is the mean of, in words: those regions that the experts of the dataset drew in some scored frame."""
    drawn = drawn_regions(scores)
    return ", ".join(region for region in TABLE_REGIONS if region in drawn)


def seed_means(scores: pd.DataFrame, metric: str = "dice", region: str = MEAN) -> NDArray[np.float64]:
    """Mean over patients of every U-Net seed, (S,)."""
    return np.array([patient_values(rows, metric, region).mean() for _, rows in scores.groupby("unet_seed")])


def seed_spread(scores: pd.DataFrame, metric: str = "dice", region: str = MEAN) -> float:
    """Standard deviation over U-Net seeds of the mean over patients; NaN for a single seed."""
    means = seed_means(scores, metric, region)
    return float(means.std(ddof=1)) if len(means) > 1 else nan


def seed_margin(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """What two generators' means over U-Net seeds, (S,) and (T,), must differ by for `RULE`; NaN for a single seed.

    With few seeds their standard deviations are themselves guesses: at three each, equal generators come apart by more
    than √(s₁² + s₂²) in 16 of 100 cases, and by more than the interval of Welch's t test (1947) in 5.
    """
    if min(len(first), len(second)) < 2:
        return nan
    spread = hypot(first.std(ddof=1), second.std(ddof=1))
    errors = np.array([first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)])
    if spread < 10.0**-_ROUNDING:
        return spread
    freedom = errors.sum() ** 2 / (errors**2 / [len(first) - 1, len(second) - 1]).sum()
    return max(spread, float(stats.t.ppf((1 + LEVEL) / 2, freedom) * errors.sum() ** 0.5))


def bootstrap_interval(values: ArrayLike, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean, (N,) values: bias-corrected and accelerated bootstrap (Efron 1987), as Dice is skewed.

    NaN for fewer than two values.
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return nan, nan
    if np.ptp(sample) < 10.0**-_ROUNDING:  # acceleration is 0 / 0
        return float(sample.mean()), float(sample.mean())
    interval = stats.bootstrap(
        (sample,), np.mean, confidence_level=LEVEL, n_resamples=RESAMPLES, method="BCa", rng=np.random.default_rng(seed)
    ).confidence_interval
    return float(interval.low), float(interval.high)


def estimate(scores: pd.DataFrame, metric: str = "dice", region: str = MEAN) -> Estimate:
    """Mean over patients of one run's metric in one region, with its interval and spreads."""
    values = patient_values(scores, metric, region)
    return Estimate(
        float(values.mean()),
        *bootstrap_interval(values),
        patient_std=float(values.std()),
        seed_std=seed_spread(scores, metric, region),
        patients=len(values),
        seeds=scores["unet_seed"].nunique(),
    )


def signed_rank_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test (1945) on paired differences (N,), exact for few; 1 if all are 0."""
    differences = np.round(np.asarray(differences, dtype=np.float64), _ROUNDING)
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """Holm's step-down correction (1979) of p-values that belong together."""
    return np.asarray(multipletests(p, method="holm")[1], dtype=np.float64) if len(p) else np.empty(0)


def compared_pairs(
    scores: Mapping[str, pd.DataFrame], region: str = MEAN, pairs: Iterable[tuple[str, str]] | None = None
) -> pd.DataFrame:
    """Every pair of generators on the patients they share, by `RULE`; a row each, the verdict on `first`.

    scores: raw scores by generator. pairs: those that are asked for, if not all. difference: mean Dice of first minus
    second, in points of per cent, with its 95 % interval (low, high). reason: what the verdict hangs on.
    """
    values = {name: patient_values(table, region=region) for name, table in scores.items()}
    means = {name: seed_means(table, region=region) for name, table in scores.items()}
    rows: list[dict[str, Any]] = []
    for first, second in combinations(scores, 2) if pairs is None else pairs:
        differences = (values[first] - values[second]).dropna().to_numpy(dtype=np.float64)
        low, high = bootstrap_interval(differences)
        rows.append(
            {
                "first": first,
                "second": second,
                "difference": float(differences.mean()),
                "difference low": low,
                "difference high": high,
                "patients": len(differences),
                "p": signed_rank_p(differences),
                "seed margin": seed_margin(means[first], means[second]),
                "ranks": _rank_sum(differences),
            }
        )
    corrected = holm([row["p"] for row in rows])
    for row, p in zip(rows, corrected, strict=True):
        row["p Holm"] = p
        row["verdict"], row["reason"] = verdict(
            row["difference"], p, row["seed margin"], row["ranks"], row["patients"], len(rows)
        )
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def verdict_on(pairs: pd.DataFrame, first: str, second: str) -> str:
    """The verdict on `first` against `second`, in whichever order `compared_pairs` took them; raises ValueError where
    it did not."""
    for row in pairs.to_dict("records"):
        if (row["first"], row["second"]) == (first, second):
            return str(row["verdict"])
        if (row["first"], row["second"]) == (second, first):
            return {BETTER: WORSE, WORSE: BETTER}.get(row["verdict"], str(row["verdict"]))
    raise ValueError(f"{first} and {second} were not compared")


PAIR_COLUMNS = (
    "first", "second", "difference", "difference low", "difference high", "patients", "p", "p Holm", "seed margin",
    "verdict", "reason",
)  # fmt: skip


def verdict(
    difference: float, p_holm: float, margin: float, ranks: float, patients: int, pairs: int
) -> tuple[str, str]:
    """The verdict of `RULE` and what it hangs on.

    margin: `seed_margin`, NaN if unknown. ranks: sum of signed ranks; where it and the mean point apart, a few patients
    outweigh the others, and nothing is called better. pairs: how many p were corrected together.
    """
    if p_holm >= ALPHA:
        if pairs * 2 ** (1 - patients) >= ALPHA:
            family = "1 pair" if pairs == 1 else f"{pairs} pairs"
            return EQUAL, f"{patients} patients are too few for p < {ALPHA} in {family}, whatever they show"
        return EQUAL, f"p = {p_holm:.2g}"
    if difference * ranks <= 0:
        return EQUAL, "the mean and most patients point apart"
    if isnan(margin):
        return UNDECIDED, "the seed margin is unknown"
    if abs(difference) <= margin:
        return EQUAL, f"{abs(difference):.2f} points are within the seed margin of {margin:.2f}"
    return BETTER if difference > 0 else WORSE, f"{abs(difference):.2f} points exceed the seed margin of {margin:.2f}"


def rank_correlation(
    column: Sequence[float], dice: Sequence[float], name: str = "the column", generators: Sequence[str] | None = None
) -> RankCorrelation:
    """Spearman's ρ between a realism column and Dice, one value of each per run; NaN pairs are left out.

    generators: of each run; None is another one for each. p counts all pairings of up to eight runs, and `PAIRINGS`
    random ones of more; where a generator has several runs, which are alike, there is none. The interval is a bootstrap
    of generators, each with all of its runs. Fewer than five generators give no answer: with four, even perfect
    agreement has p = 2 / 4! = 0.083.
    """
    values = np.column_stack([column, dice]).astype(np.float64)
    known = ~np.isnan(values).any(axis=1)
    values, whose = values[known], np.asarray(generators if generators else range(len(values)))[known]
    n, generator = len(values), np.unique(whose, return_inverse=True)[1]
    independent = len(set(generator))
    if independent < LEAST_GENERATORS:
        least = f": even perfect agreement has p = {2 / factorial(independent):.2g}" if independent > 1 else ""
        why = f"{independent} generators are too few to say whether Dice goes with {name}{least}"
        return RankCorrelation(n, nan, nan, why)
    if (np.ptp(values, axis=0) == 0).any():
        return RankCorrelation(n, nan, nan, f"{name} or Dice is the same for all {n} runs: there is no rank")
    low, high = _rank_interval(values, generator)
    rho, p = _rank_test(values) if independent == n else (float(stats.spearmanr(values).statistic), nan)
    shown = p < ALPHA if independent == n else low * high > 0
    sign = (1 if rho > 0 else -1) if shown else 0
    says = {1: "goes with Dice", -1: "goes against Dice", 0: "is not shown to go with Dice or against it"}[sign]
    many = f"p = {p:.2g}, {n} generators" if independent == n else f"{n} runs of {independent} generators"
    interval = f"{100 * LEVEL:.0f} % interval {low:.2f} to {high:.2f}"
    statement = f"{name} {says}: Spearman's ρ = {rho:.2f} ({interval}), {many}"
    return RankCorrelation(n, rho, p, statement, low, high, sign)


def _rank_test(values: NDArray[np.float64]) -> tuple[float, float]:
    """Spearman's ρ of the columns of (N, 2), and the share of pairings that are as far from 0."""
    ranks = stats.rankdata(values, axis=0)
    centred = ranks - ranks.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=0)
    result = stats.permutation_test(
        (unit[:, 0],), lambda column, axis: column @ unit[:, 1], permutation_type="pairings", vectorized=True,
        n_resamples=PAIRINGS, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(result.statistic), float(result.pvalue)


def _rank_interval(values: NDArray[np.float64], generator: NDArray[np.intp]) -> tuple[float, float]:
    """Percentiles of Spearman's ρ of the columns of (N, 2) over resampled generators, numbers (N,) from 0.

    A run that was drawn w times counts w times in every rank. Resamples without any rank are left out.
    """
    k = generator.max() + 1
    times = np.random.default_rng(0).multinomial(k, np.full(k, 1 / k), RESAMPLES)[:, generator]
    drawn = times / times.sum(axis=1, keepdims=True)
    ranks = [drawn @ ((x < x[:, None]) + 0.5 * (x == x[:, None])).T for x in values.T]
    first, second = (rank - (drawn * rank).sum(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((drawn * first**2).sum(axis=1) * (drawn * second**2).sum(axis=1))
    found = (drawn * first * second).sum(axis=1)[size > 10.0**-_ROUNDING] / size[size > 10.0**-_ROUNDING]
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _rank_sum(differences: NDArray[np.floating[Any]]) -> float:
    """Sum of the ranks of |d| with the signs of d: above 0 where most patients are better off."""
    rounded = np.round(differences, _ROUNDING)
    return float(np.sign(rounded) @ stats.rankdata(np.abs(rounded)))
