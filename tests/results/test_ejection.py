"""Ejection fractions of runs: agreement against closed forms, and what stands in which cell."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.ejection import agreement
from echobench.results.records.ejection import EJECTION, EXPERT, PREDICTED
from echobench.results.records.realism import UNMEASURED
from echobench.results.records.run import read_record
from echobench.results.shown.ejection import DATASET, ERRORS, EXPERTS, ejection_figure, ejection_tables
from echobench.results.shown.formats import csv, latex, shown
from echobench.results.shown.tables import WHO, summary_table

PATIENTS = [f"p{i:02d}" for i in range(20)]
TRUTH = np.linspace(30, 70, 20)


def predicted(*errors):
    """Patients × seeds: the truth and what each seed adds to it."""
    return pd.DataFrame({seed: TRUTH + error for seed, error in enumerate(errors)}, index=PATIENTS)


def reference():
    return pd.Series(TRUTH, index=PATIENTS)


def noise(seed):
    return np.random.default_rng(seed).normal(2, 5, 20)


def test_one_seed_is_bland_and_altmans_formula_and_scipys_r():
    error = noise(0)
    found = agreement(predicted(error), reference())
    assert found.mae == pytest.approx(np.abs(error).mean()) and found.bias == pytest.approx(error.mean())
    half = 1.959964 * error.std(ddof=1)
    assert found.limits == pytest.approx((error.mean() - half, error.mean() + half))
    expected = stats.pearsonr(TRUTH + error, TRUTH)
    assert found.r == pytest.approx(expected.statistic)
    assert found.r_interval == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.patients, found.failures) == (20, 0)
    assert found.mae_interval[0] < found.mae < found.mae_interval[1]


def test_seeds_do_not_average_a_u_nets_errors_away():
    """Limits of three U-Nets with independent errors are those of one, on average over many trials."""
    one, three = (
        [
            np.diff(agreement(predicted(*(noise(100 * trial + seed) for seed in range(seeds))), reference()).limits)[0]
            for trial in range(40)
        ]
        for seeds in (1, 3)
    )
    assert np.mean(three) == pytest.approx(np.mean(one), rel=0.05)
    opposite = agreement(predicted(np.full(20, 4.0), np.full(20, -4.0)), reference())
    assert opposite.mae == pytest.approx(4) and opposite.bias == pytest.approx(0)


def test_the_same_seed_twice_says_what_it_said_once():
    once, twice = (agreement(predicted(*[noise(0)] * times), reference()) for times in (1, 2))
    assert (twice.mae, twice.bias, twice.r) == pytest.approx((once.mae, once.bias, once.r))
    assert twice.limits == pytest.approx(once.limits)


def test_failures_are_counted_and_left_out():
    values = predicted(noise(0), noise(1))
    values.loc["p03"] = np.nan
    values.loc["p07", 1] = np.nan
    found = agreement(values, reference())
    assert (found.patients, found.failures) == (19, 3)
    assert not math.isnan(found.mae + found.r + sum(found.limits))
    nothing = agreement(values * np.nan, reference())
    assert (nothing.patients, nothing.failures) == (0, 40) and math.isnan(nothing.mae) and math.isnan(nothing.r)
    unknown = agreement(values, reference().where(reference() > 35))
    assert unknown.patients < 19


def rows_of(sha256, *errors, dataset=5.0, planes="4C"):
    """A file: the experts' EF is the truth, the dataset's lies below it, a U-Net's above by its errors."""
    tables = [pd.DataFrame({"patient": PATIENTS, "masks": EXPERT, "ef_percent": TRUTH})]
    for seed, error in enumerate(errors):
        tables.append(
            pd.DataFrame({"patient": PATIENTS, "masks": PREDICTED, "unet_seed": seed, "ef_percent": TRUTH + error})
        )
    table = pd.concat(tables, ignore_index=True).reindex(columns=[*EJECTION.columns, "scores_sha256"])
    volumes = {"edv_ml": 100.0, "esv_ml": 100 - table["ef_percent"]}
    known = {"planes": planes, "dataset_ef_percent": np.tile(TRUTH - dataset, 1 + len(errors))}
    return table.assign(**volumes, **known, scores_sha256=sha256)


@pytest.fixture
def add_measured(add_run):
    """Write a run with its ejection.csv: `add_measured(generator, errors of each seed, keywords of rows_of)`."""

    def add(generator, *errors, **changes):
        folder = add_run(generator, {patient: 0.9 for patient in PATIENTS})
        sha256 = read_record(folder)[0].scores_sha256
        rows_of(sha256, *errors, **changes).to_csv(folder / EJECTION.name, index=False)
        return folder

    return add


def group_of(*folders):
    (group,) = Comparison.of(folders).groups
    return group


def row(table, who, against):
    (found,) = table.frame[(table.frame[WHO] == who) & (table.frame["against"] == against)].to_dict("records")
    return found


def test_runs_stand_against_experts_and_dataset_beside_the_methods_ceiling(add_measured):
    group = group_of(add_measured("real", noise(0)), add_measured("sdm", np.full(20, -3.0)))
    (table,) = ejection_tables(group)
    assert table.frame["against"].tolist() == [EXPERTS] * 2 + [DATASET] * 3
    experts = row(table, "sdm", EXPERTS)
    assert (experts["MAE"], experts["bias"], experts["EDV bias"]) == pytest.approx((3, -3, 0))
    assert experts["ESV bias"] == pytest.approx(3) and experts["r"] == pytest.approx(1)
    assert row(table, "sdm", DATASET)["bias"] == pytest.approx(2)
    assert row(table, EXPERTS, DATASET)["MAE"] == pytest.approx(5)
    assert shown(table)["limits 95 %"][1] == "-3.0 to -3.0"
    assert "in 4C" in table.caption and any("single plane" in note for note in table.notes)
    assert "sdm" in latex(table) and "sdm" in csv(table)
    summary = summary_table(group)
    assert shown(summary)["EF MAE"][1] == "3.0" and "EF MAE" in summary.caption


def test_biplane_has_no_word_on_single_planes_and_no_dataset_no_rows_against_it(add_measured):
    group = group_of(add_measured("sdm", noise(0), planes="2C+4C", dataset=np.nan))
    (table,) = ejection_tables(group)
    assert table.frame["against"].tolist() == [EXPERTS]
    assert not any("single plane" in note for note in table.notes)
    assert len(ejection_figure(group).axes) == 2  # a panel and an empty place


def test_a_file_of_other_u_nets_is_not_shown(add_measured, add_run):
    measured, folder = add_measured("real", noise(0)), add_measured("sdm", noise(0))
    rows_of("0" * 64, noise(0)).to_csv(folder / EJECTION.name, index=False)
    (table,) = ejection_tables(group_of(measured, folder))
    assert table.frame.set_index(WHO).loc["sdm", UNMEASURED] == EJECTION.outdated
    without = group_of(add_run("paint", {"a": 0.9}))
    assert ejection_tables(without) == [] and ejection_figure(without) is None
    assert "EF MAE" not in shown(summary_table(without))


def test_a_damaged_file_is_named(add_measured):
    folder = add_measured("sdm", noise(0))
    (folder / EJECTION.name).write_text("patient,planes\n")
    with pytest.raises(EchobenchError, match=r"ejection\.csv is damaged"):
        ejection_tables(group_of(folder))


def test_a_panel_for_each_run_and_one_for_the_method_with_the_same_axes(add_measured, small_texts):
    failed = np.where(TRUTH > 40, np.nan, 1.0)
    group = group_of(add_measured("real", noise(0)), add_measured("sdm", noise(1), noise(2)), add_measured("x", failed))
    figure = ejection_figure(group)
    axes = figure.axes
    assert not small_texts(figure)
    assert [one.get_title().partition("\n")[0] for one in axes] == [
        "real", "sdm", "x", f"{EXPERTS} vs {DATASET}",
    ]  # fmt: skip
    assert axes[2].get_title().endswith("\n15 without EF")
    assert len({one.get_ylim() for one in axes}) == len({one.get_xlim() for one in axes}) == 1
    assert [len(one.collections[0].get_offsets()) for one in axes] == [20, 40, 20, 20]
    assert axes[1].get_title().partition("\n")[2].startswith("+")


def test_what_lies_beyond_the_axes_stands_at_their_edge_and_is_counted(add_measured):
    wild = np.where(np.arange(len(TRUTH)) < 3, -200.0, 1.0)
    (axes, *_) = ejection_figure(group_of(add_measured("sdm", wild))).axes
    shown, beyond = (one.get_offsets() for one in axes.collections[:2])
    assert (len(shown), len(beyond)) == (len(TRUTH) - 3, 3) and set(beyond[:, 1]) == {ERRORS[0]}
    assert axes.get_title().endswith("3 outside") and axes.get_ylim() == ERRORS


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.assign(masks="x"),
        lambda rows: rows[rows["masks"] == EXPERT],
        lambda rows: pd.concat([rows, rows[:1]]),
        lambda rows: rows.assign(ef_percent=math.inf),
        lambda rows: rows.assign(unet_seed="x"),
    ],
)
def test_rows_that_cannot_be_are_refused(add_measured, change):
    folder = add_measured("sdm", noise(0))
    change(pd.read_csv(folder / EJECTION.name, dtype={"patient": str})).to_csv(folder / EJECTION.name, index=False)
    with pytest.raises(EchobenchError, match=r"ejection\.csv is damaged"):
        EJECTION.read(folder)
