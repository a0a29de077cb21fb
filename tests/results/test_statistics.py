"""Statistics against values known by hand, and the rule of the verdict on cases made for it."""

import math
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from echobench.results.evidence.statistics import (
    BETTER,
    EQUAL,
    UNDECIDED,
    WORSE,
    bootstrap_interval,
    compared_pairs,
    estimate,
    holm,
    patient_values,
    rank_correlation,
    seed_margin,
    seed_spread,
    signed_rank_p,
    verdict,
)

TWENTY = [f"p{i:02d}" for i in range(20)]


def test_a_patient_counts_once_however_many_frames_and_seeds_it_has(make_scores):
    two_views = make_scores({"a": 0.8}, frames=("2C ED", "2C ES", "4C ED", "4C ES"), seeds=(-0.1, 0.1))
    scores = pd.concat([two_views, make_scores({"b": 0.6}, frames=("4C ED",))])
    assert patient_values(scores).to_dict() == pytest.approx({"a": 80, "b": 60})
    assert patient_values(scores, "hd95_mm", "LA").to_dict() == pytest.approx({"a": 20, "b": 40})
    found = estimate(scores)
    assert (found.mean, found.patients, found.seeds) == (pytest.approx(70), 2, 2)
    assert found.patient_std == pytest.approx(np.std([80, 60], ddof=1))


def test_the_seed_spread_is_that_of_the_means_and_unknown_for_one_seed(make_scores):
    scores = make_scores({"a": 0.8, "b": 0.6}, seeds=(-0.01, 0.0, 0.02))
    assert seed_spread(scores) == pytest.approx(np.std([69, 70, 72], ddof=1))
    assert math.isnan(seed_spread(make_scores({"a": 0.8, "b": 0.6})))


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(rng.normal(5, 2, 40)) for _ in range(100)]
    assert 90 <= sum(low <= 5 <= high for low, high in intervals) <= 99


def test_a_bootstrap_interval_of_many_normal_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(90, 3, 400)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert bootstrap_interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_a_bootstrap_interval_of_skewed_values_reaches_further_to_the_long_side():
    values = [90.0] * 15 + [89, 88, 85, 70, 40]
    low, high = bootstrap_interval(values)
    assert np.mean(values) - low > high - np.mean(values) > 0


def test_a_bootstrap_interval_of_equal_values_is_a_point_and_of_one_value_unknown():
    assert bootstrap_interval([3.0, 3.0, 3.0 + 1e-13]) == pytest.approx((3, 3))
    assert all(map(math.isnan, bootstrap_interval([3.0])))


def test_wilcoxon_is_exact_for_few():
    assert signed_rank_p([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 2**6)
    # 14 of the 64 signs have a negative rank sum of 6 or less: 0, 1, 2, 3, 1+2, 4, 1+3, 5, 1+4, 2+3, 6, 1+5, 2+4, 1+2+3
    assert signed_rank_p([1, 2, 3, 4, 5, -6]) == pytest.approx(2 * 14 / 2**6)
    assert signed_rank_p([0.0, 0.0, 1e-14]) == 1


def test_holm_by_hand():
    # 0.01 × 3, then 0.03 × 2, then 0.04 × 1, which may not be below the one before
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    assert len(holm([])) == 0


@pytest.mark.parametrize(
    ("arguments", "expected", "reason"),
    [
        ({}, BETTER, "2.00 points exceed the seed margin of 0.50"),
        ({"difference": -2.0, "ranks": -210}, WORSE, "2.00 points exceed the seed margin of 0.50"),
        ({"p_holm": 0.06}, EQUAL, "p = 0.06"),
        ({"p_holm": 0.05}, EQUAL, "p = 0.05"),
        ({"difference": 0.4}, EQUAL, "0.40 points are within the seed margin of 0.50"),
        ({"difference": 0.5}, EQUAL, "0.50 points are within the seed margin of 0.50"),
        ({"difference": -2.0}, EQUAL, "the mean and most patients point apart"),
        ({"margin": math.nan}, UNDECIDED, "the seed margin is unknown"),
        ({"margin": math.nan, "p_holm": 0.3}, EQUAL, "p = 0.3"),
        # five patients: 2 / 2⁵ = 0.0625 at best; eight, in ten pairs: 10 × 2 / 2⁸ = 0.078
        ({"p_holm": 0.0625, "patients": 5, "pairs": 1}, EQUAL, "5 patients are too few for p < 0.05 in 1 pair"),
        ({"p_holm": 0.078, "patients": 8, "pairs": 10}, EQUAL, "8 patients are too few for p < 0.05 in 10 pairs"),
    ],
)
def test_the_verdict_needs_both_a_small_p_and_more_than_the_seeds_do(arguments, expected, reason):
    standard = {"difference": 2.0, "p_holm": 0.001, "margin": 0.5, "ranks": 210.0, "patients": 20, "pairs": 3}
    found, why = verdict(**standard | arguments)
    assert found == expected
    assert why.startswith(reason)


def test_pairs_are_compared_on_the_same_patients(make_scores):
    rng = np.random.default_rng(0)
    real = dict(zip(TWENTY, rng.uniform(0.5, 0.9, 20), strict=True))
    # 3 points less for everyone, a little more or less: small beside the spread of patients, yet plain
    sdm = {patient: dice - 0.03 + 0.001 * rng.normal() for patient, dice in real.items()}
    like = {patient: dice + 0.001 * rng.normal() for patient, dice in real.items()}
    seeds = (-0.004, 0.0, 0.004)
    named = {"real": real, "sdm": sdm, "like": like}
    pairs = compared_pairs({name: make_scores(dice, seeds=seeds) for name, dice in named.items()})
    assert pairs[["first", "second"]].to_numpy().tolist() == [["real", "sdm"], ["real", "like"], ["sdm", "like"]]
    assert pairs["verdict"].tolist() == [BETTER, EQUAL, WORSE]
    assert pairs["difference"].tolist() == pytest.approx([3, 0, -3], abs=0.1)
    assert pairs.loc[0, "p"] == pytest.approx(2 / 2**20)
    assert pairs.loc[0, "p Holm"] == pytest.approx(3 * 2 / 2**20)
    # s² = 0.16 for both, three seeds each: t with 4 degrees of freedom is 2.776 at 97.5 %
    assert pairs.loc[0, "seed margin"] == pytest.approx(2.776 * math.sqrt(2 * 0.16 / 3), abs=0.001)
    assert pairs.loc[0, "difference low"] < 3 < pairs.loc[0, "difference high"]


def test_seeds_that_differ_more_than_the_generators_undo_a_small_p(make_scores):
    real = {patient: 0.8 + 0.001 * i for i, patient in enumerate(TWENTY)}
    sdm = {patient: dice - 0.01 for patient, dice in real.items()}
    pairs = compared_pairs({n: make_scores(d, seeds=(-0.01, 0, 0.01)) for n, d in {"real": real, "sdm": sdm}.items()})
    assert pairs.loc[0, "p Holm"] < 0.001
    assert pairs.loc[0, "seed margin"] == pytest.approx(2.776 * math.sqrt(2 / 3), abs=0.001)
    assert pairs.loc[0, "verdict"] == EQUAL


def test_the_seed_margin_by_hand():
    many = np.array([1.0, 3.0] * 20)
    assert seed_margin(many, many) == pytest.approx(many.std(ddof=1) * math.sqrt(2)), "many seeds: the seed spread"
    # unequal spreads, two seeds each: s² = 2 and 0, one degree of freedom, t = 12.706
    assert seed_margin(np.array([0.0, 2.0]), np.array([5.0, 5.0])) == pytest.approx(12.706, abs=0.001)
    assert seed_margin(np.ones(2), np.ones(2)) == 0
    assert math.isnan(seed_margin(many, np.array([1.0])))


def test_equal_generators_rarely_come_apart_by_more_than_the_seed_margin():
    rng = np.random.default_rng(0)
    draws = [rng.normal(size=(2, 3)) for _ in range(1000)]
    apart = np.mean([abs(first.mean() - second.mean()) > seed_margin(first, second) for first, second in draws])
    spread = np.mean([abs(a.mean() - b.mean()) > math.hypot(a.std(ddof=1), b.std(ddof=1)) for a, b in draws])
    assert apart < 0.06
    assert spread == pytest.approx(0.16, abs=0.03), "what √(s₁² + s₂²) alone would let pass"


def test_one_generator_makes_no_pair(make_scores):
    assert compared_pairs({"real": make_scores({"a": 0.8, "b": 0.9})}).empty


def test_rank_correlation_counts_all_pairings():
    perfect = rank_correlation([1, 2, 3, 4, 5], [80, 81, 85, 86, 90])
    assert (perfect.rho, perfect.p) == pytest.approx((1, 2 / math.factorial(5)))
    # one swap of neighbours among six: ρ = 1 - 6 · 2 / (6 · 35); 1 + 5 of 720 pairings are as good, as many as bad
    swapped = rank_correlation([10, 9, 8, 7, 5, 6], [1, 2, 3, 4, 5, 6], "FD-UNet")
    assert (swapped.rho, swapped.p) == pytest.approx((-(1 - 12 / 210), 12 / 720))
    assert re.fullmatch(
        r"FD-UNet goes against Dice: Spearman's ρ = -0.94 \(95 % interval -1.00 to -0.\d\d\), p = 0.017, 6 generators",
        swapped.statement,
    )
    assert swapped.low <= swapped.rho <= swapped.high < 0 and swapped.sign == perfect.sign * -1 == -1


def test_the_interval_of_a_rank_correlation_covers_the_true_one():
    rng, true = np.random.default_rng(0), 0.7
    covered = []
    for _ in range(100):
        x, noise = rng.standard_normal((2, 60))
        found = rank_correlation(list(x), list(true * x + (1 - true**2) ** 0.5 * noise))
        covered.append(found.low < 6 / np.pi * np.arcsin(true / 2) < found.high)  # Spearman's of a binormal
    assert np.mean(covered) > 0.88


def test_runs_of_one_generator_widen_the_interval_and_have_no_p():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 6)) + [[0], [1]] * np.arange(6)
    alone = rank_correlation(list(x), list(y))
    again = rank_correlation(list(np.tile(x, 20)), list(np.tile(y, 20)), generators=[*"abcdef"] * 20)
    assert again.rho == pytest.approx(alone.rho) and math.isnan(again.p) and again.n == 120
    assert (again.low, again.high) == pytest.approx((alone.low, alone.high))
    as_if_independent = rank_correlation(list(np.tile(x, 20)), list(np.tile(y, 20)))
    assert as_if_independent.high - as_if_independent.low < 0.5 * (again.high - again.low)


def test_the_interval_is_that_of_all_draws_of_generators_with_all_of_their_runs():
    """Every one of the 5⁵ resamples of five generators is written out, rows repeated, and ranked by scipy."""
    column = np.array([1.0, 2.0, 4.0, 3.0, 5.0, 8.0, 6.0])
    dice = np.array([9.0, 7.0, 8.0, 6.0, 3.0, 2.0, 1.0])
    generators = np.array([*"aaabcde"])  # three checkpoints of the first
    found = rank_correlation(list(column), list(dice), generators=list(generators))
    drawn = []
    for names in product("abcde", repeat=5):
        rows = np.concatenate([np.flatnonzero(generators == name) for name in names])
        if np.ptp(column[rows]):
            drawn.append(stats.spearmanr(column[rows], dice[rows]).statistic)
    assert found.rho == pytest.approx(stats.spearmanr(column, dice).statistic) and found.n == 7
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.03)
    apart = rank_correlation(list(column), list(dice))
    assert abs(apart.low - np.quantile(drawn, 0.025)) + abs(apart.high - np.quantile(drawn, 0.975)) > 0.06


def test_rank_correlation_says_when_there_are_too_few():
    few = rank_correlation([1, 2, 3, 4, math.nan], [1, 2, 3, 4, 5], "FID")
    assert math.isnan(few.rho) and math.isnan(few.p)
    assert few.statement == (
        "4 generators are too few to say whether Dice goes with FID: even perfect agreement has p = 0.083"
    )
    assert "the same for all" in rank_correlation([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]).statement
