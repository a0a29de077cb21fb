"""Rank stability between two networks, with orders whose Kendall's τ is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.networks import _by_seed, _pairs, kendall, rank_stabilities, resampled_means
from echobench.results.evidence.statistics import patient_values
from echobench.results.report.page import write_report
from echobench.results.shown.networks import in_words, network_tables
from echobench.results.shown.tables import WHO, summary_table

DEEP = {"network": "unet-deep", "channels": [16, 32], "peak_learning_rate": 1e-3}
UNET = {"steps": 8000, "batch_size": 8, "channels": [2, 4], "peak_learning_rate": 5e-3}


@pytest.fixture
def compared(add_run: Callable[..., Path], make_scores: Callable[..., object]) -> Callable[..., Comparison]:
    """`compared(first, second)`: mean Dice by generator with either network; twelve patients, alike in all rows."""

    def make(
        *networks: Mapping[str, float],
        second: Mapping[str, object] = UNET | DEEP,
        noise: float = 0,
        seeds: Sequence[float] = (0.0,),
    ) -> Comparison:
        rng, folders = np.random.default_rng(0), []
        for number, (means, unet) in enumerate(zip(networks, (UNET, second), strict=False)):
            for name, mean in means.items():
                dice = {f"p{i:02d}": mean + 0.001 * (i % 4) + noise * rng.uniform(-1, 1) for i in range(12)}
                own = {"unet_settings": dict(unet)}
                folders.append(add_run(name, make_scores(dice, seeds=seeds), name=f"{name}-{number}", settings=own))
        return Comparison.of(folders)

    return make


ORDER = {"real": 0.90, "warp": 0.88, "sdm": 0.86, "paint": 0.70}
REVERSED = dict(zip(ORDER, reversed(ORDER.values()), strict=True))


def test_the_same_order_is_one_and_nothing_changes_it(compared: Callable[..., Comparison]) -> None:
    (found,) = rank_stabilities(compared(ORDER, ORDER).groups)
    assert (found.tau, found.low, found.high) == (1, 1, 1)
    assert (found.networks, found.best, found.stays, found.same) == (("unet", "unet-deep"), ("warp",) * 2, (1, 1), 1)
    assert (set(found.labels), found.patients) == (set(ORDER), 12)


def test_the_papers_network_is_the_first_of_two_whatever_came_first(compared: Callable[..., Comparison]) -> None:
    groups = compared(ORDER, ORDER).groups
    both = [rank_stabilities(one) for one in (groups, groups[::-1])]
    assert both[0] == both[1] and both[0][0].networks == ("unet", "unet-deep") and both[0][0].title == "CAMUS, 4C"


def test_the_reversed_order_is_minus_one_and_real_frames_are_never_the_best(
    compared: Callable[..., Comparison],
) -> None:
    (found,) = rank_stabilities(compared(ORDER, REVERSED).groups)
    assert (found.tau, found.low, found.high) == (-1, -1, -1)
    assert (found.best, found.same) == (("warp", "paint"), 0)


def test_one_pair_of_four_rows_that_changed_places_is_two_thirds(compared: Callable[..., Comparison]) -> None:
    (found,) = rank_stabilities(compared(ORDER, ORDER | {"sdm": 0.89}).groups)
    assert found.tau == pytest.approx(1 - 2 / 6)
    assert found.best == ("warp", "sdm")


def test_rows_that_lie_close_come_apart_in_some_samples(compared: Callable[..., Comparison]) -> None:
    close = {"real": 0.90, "warp": 0.85, "sdm": 0.85, "paint": 0.85}
    (found,) = rank_stabilities(compared(close, close, noise=0.05).groups)
    assert found.low < found.high and found.low <= found.tau <= found.high
    assert all(1 / 3 < share < 1 for share in found.stays)


@pytest.mark.parametrize("second", [UNET, UNET | DEEP | {"steps": 4000}])
def test_groups_of_one_network_or_of_two_budgets_are_not_held_together(
    compared: Callable[..., Comparison], second: Mapping[str, object]
) -> None:
    assert rank_stabilities(compared(ORDER, ORDER, second=second).groups) == []
    assert network_tables(compared(dict.fromkeys(["flow"], 0.8))) == []


def test_two_rows_have_no_order_worth_a_number(compared: Callable[..., Comparison]) -> None:
    two = {"real": 0.9, "warp": 0.8}
    assert rank_stabilities(compared(two, two).groups) == []


def test_tau_of_many_is_scipys_of_each() -> None:
    first, second = np.random.default_rng(0).integers(0, 4, (2, 50, 5)).astype(float)
    expected = [kendalltau(*pair).statistic for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(kendall(first, second), expected)


def test_a_sample_takes_the_same_patients_for_all_rows_and_both_networks() -> None:
    patients = np.random.default_rng(0).random(7)
    means = resampled_means([[patients[:, None]] * 3] * 2)
    np.testing.assert_allclose(means, np.broadcast_to(means[:, :1, :1], means.shape))
    assert means.mean() == pytest.approx(patients.mean(), abs=0.01) and means.std() > 0.05


def test_a_sample_takes_seeds_for_each_row() -> None:
    """Two seeds that are 2 apart, on patients who are alike: 0, 1 and 2 in a quarter, a half and a quarter."""
    rows = [np.array([[0.0, 2.0]] * 5)] * 2
    means = resampled_means([rows, rows]).reshape(-1, 4)
    shares = [(means == value).mean(axis=0) for value in (0, 1, 2)]
    np.testing.assert_allclose(shares, np.outer([0.25, 0.5, 0.25], np.ones(4)), atol=0.02)
    assert np.abs(np.corrcoef(means.T) - np.eye(4)).max() < 0.05


def test_u_nets_that_come_apart_make_an_order_uncertain(compared: Callable[..., Comparison]) -> None:
    """Patients are alike, so only U-Nets can change the order; the order of their means is that of one U-Net."""
    (found,) = rank_stabilities(compared(ORDER, ORDER, seeds=(-0.05, 0.05)).groups)
    assert found.tau == 1 and found.low < 1 and found.same < 1


@pytest.mark.parametrize("seeds", [(-0.01, 0.01), (-0.03, 0.0, 0.0, 0.03)])
def test_samples_of_seeds_vary_as_means_of_new_ones_would(make_scores: Callable[..., pd.DataFrame], seeds) -> None:
    """By the variance of the seeds over their number; the patients are alike."""
    values = _by_seed(make_scores({f"p{i}": 0.8 for i in range(5)}, seeds=seeds)).to_numpy()
    means = resampled_means([[values]])
    assert means.var() == pytest.approx(np.var([100 * seed for seed in seeds], ddof=1) / len(seeds), rel=0.05)
    assert means.mean() == pytest.approx(80, abs=0.02)


def test_the_order_is_that_of_the_table_where_a_structure_is_absent(make_scores: Callable[..., pd.DataFrame]) -> None:
    """One U-Net finds no atrium where there is none, which has no value; the other invents one, which has 0."""
    scores = make_scores({f"p{i}": 0.8 for i in range(4)}, seeds=(0.0, 0.1))
    absent = (scores["region"] == "LA") & (scores["patient"] == "p0") & (scores["metric"] == "dice")
    scores.loc[absent & (scores["unet_seed"] == 0), "value"] = np.nan
    scores.loc[absent & (scores["unet_seed"] == 1), "value"] = 0.0
    pd.testing.assert_series_equal(_by_seed(scores).mean(axis=1), patient_values(scores), check_names=False)


def test_patients_whom_one_row_lacks_are_left_out(compared: Callable[..., Comparison]) -> None:
    groups = compared(ORDER, ORDER).groups
    lacking = groups[1].runs[0]
    fewer = replace(lacking, scores=lacking.scores[lacking.scores["patient"] != "p03"])
    groups = (groups[0], replace(groups[1], runs=(fewer, *groups[1].runs[1:])))
    (found,) = rank_stabilities(groups)
    assert found.patients == 11 and found.tau == 1


def test_runs_of_one_row_are_held_against_one_run_each(
    add_run: Callable[..., Path], make_scores: Callable[..., pd.DataFrame]
) -> None:
    """sdm has a run of one seed and one of two; each meets the other network's run of as many seeds."""
    folders = []
    for number, unet in enumerate((UNET, UNET | DEEP)):
        for name, seeds in {"real": (0.0,), "warp": (0.0,), "sdm": (0.0,), "sdm_": (0.0, 0.02)}.items():
            scores = make_scores({f"p{i:02d}": 0.8 + 0.001 * i for i in range(12)}, seeds=seeds)
            own = {"unet_settings": dict(unet)}
            folders.append(add_run(name.rstrip("_"), scores, name=f"{name}-{number}", settings=own))
    groups = Comparison.of(folders).groups
    pairs = list(_pairs(groups[0].runs, groups[1].runs[::-1]))
    assert len(pairs) == len({id(second) for _, second in pairs}) == 4
    assert all(first.record.settings["unet_seeds"] == second.record.settings["unet_seeds"] for first, second in pairs)


@pytest.mark.parametrize(
    ("seeds", "end"),
    [
        ((0.0,), "; with one U-Net seed, luck of the training may do more than the samples show"),
        ((0.0, 0.0), "; with two U-Net seeds, luck of the training may do more than the samples show"),
        ((0.0, 0.0, 0.0), "both have the same one"),
    ],
)
def test_few_seeds_are_named(compared: Callable[..., Comparison], seeds: Sequence[float], end: str) -> None:
    (found,) = rank_stabilities(compared(ORDER, ORDER, seeds=seeds).groups)
    assert in_words(found).endswith(end)


def test_table_and_report_say_it_and_the_networks_keep_their_tables(
    compared: Callable[..., Comparison], tmp_path: Path
) -> None:
    comparison = compared(ORDER, REVERSED)
    assert [len(summary_table(group).frame[WHO]) for group in comparison.groups] == [4, 4]
    (table,) = network_tables(comparison)
    assert table.frame.loc[0, ["networks", "rows", "τ", "same best"]].to_list() == ["unet, unet-deep", 4, -1, 0]
    assert "the best generator is warp with unet and paint with unet-deep" in table.notes[0]
    page = write_report(tmp_path, comparison).read_text()
    assert "Would another network say the same?" in page and "τ = -1.00" in page
