"""Sweeps among records: what is a line, what the table says, and which value is called best."""

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection

from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.sweep import sweeps
from echobench.results.shown.sweep import best_table, cell_table, evidence_table
from echobench.results.shown.sweep_figure import sweep_figure

DICE = {"a": 0.7, "b": 0.8, "c": 0.9}
UNDEFORMED = {"generator_settings": {}, "strength": 0.0, "repeats": 1}


@pytest.fixture
def add_cell(add_run):
    def add(generator, value, scores=DICE, *, axis="strength", **changes):
        settings = {axis: value, **changes.pop("settings", {})}
        if axis == "fraction":
            frames = f"{value:g}".ljust(64, "0")
            changes["fingerprints"] = {"training": frames, "testing": "b" * 64, "split": "c" * 64}
        return add_run(generator, scores, name=f"{generator}-{value:g}", settings=settings, **changes)

    return add


def rows(table):
    return table.frame.set_index(["trained on", table.frame.columns[1]])


def test_a_row_per_cell_with_known_numbers(add_cell, add_run, make_scores):
    folders = [add_cell("sdm", value, make_scores(DICE, seeds=(-0.02, 0.0, 0.02))) for value in (2.0, 0.5)]
    folders += [add_cell("warp", value) for value in (0.5, 2.0)]
    folders.append(add_run("real", DICE, settings=UNDEFORMED))
    (sweep,) = sweeps(folders)
    assert (sweep.axis, sweep.title) == ("strength", "CAMUS, 4C, strength")
    assert [list(line.runs) for line in sweep.lines] == [[0.5, 2.0], [0.5, 2.0]]
    table = cell_table(sweep)
    assert list(table.frame["trained on"]) == ["real", "sdm", "sdm", "warp", "warp"]
    found = rows(table).loc[("sdm", 0.5)]
    assert found["Dice mean"] == pytest.approx(80)
    assert found["Dice std"] == pytest.approx(10)
    assert found["seed std"] == pytest.approx(2)
    assert 69.9 < found["Dice low"] < 80 < found["Dice high"] < 90.1
    assert (found["test patients"], found["U-Net seeds"], found["training images"]) == (3, 3, 800)
    assert table.frame["strength"].isna().tolist() == [True, False, False, False, False]
    assert sweep.notes == ("real has undeformed maps alone: a level beside the strengths",)


def test_the_best_and_what_it_cannot_be_told_from(add_cell, make_scores):
    """Strength 1 is five points above strength 0 in every patient, and as often below strength 2 as above it."""
    base = {f"p{i:02d}": 0.70 + 0.01 * i for i in range(12)}
    better = {patient: dice + 0.05 for patient, dice in base.items()}
    mixed = {p: dice + (0.004 if i % 2 else -0.005) for i, (p, dice) in enumerate(better.items())}
    seeds = (-0.001, 0.0, 0.001)
    folders = [add_cell("sdm", v, make_scores(dice, seeds=seeds)) for v, dice in enumerate((base, better, mixed))]
    (sweep,) = sweeps(folders)
    (best,) = best_table(sweep).frame.to_dict("records")
    assert best["best strength"] == 1
    assert best["Dice mean"] == pytest.approx(80.5)
    assert (best["better than"], best["not distinguishable from"]) == ("0", "2")


@pytest.mark.parametrize("scored_on", ["testing", "validation"])
def test_the_choice_says_on_whom_it_was_made(add_cell, scored_on):
    """Records of before there was a choice say nothing: they are of test patients."""
    said = {"settings": {"scored_on": scored_on}, "validation_patients": list(DICE), "notes": ["so far"]}
    fingerprints = {"training": "a" * 64, scored_on: "b" * 64, "split": "c" * 64}
    changes = {} if scored_on == "testing" else said | {"fingerprints": fingerprints}
    (sweep,) = sweeps([add_cell("sdm", value, **changes) for value in (0.0, 1.0)])
    cost = best_table(sweep).notes[0]
    assert sweep.whom in cell_table(sweep).caption and sweep.whom in cost and sweep.whom in cell_table(sweep).frame
    label = sweep_figure(sweep).axes[0].get_ylabel()
    if scored_on == "testing":
        assert (sweep.whom, sweep.notes, label) == ("test patients", (), "mean Dice (%)")
        assert "cannot judge the choice any more" in cost
    else:
        assert (sweep.whom, sweep.notes) == ("validation patients", ("sdm: so far",))
        assert label == "mean Dice (%), validation patients"
        assert "the test patients say, on whom `echobench run` scores it" in cost


def test_with_one_unet_seed_nothing_is_called_better(add_cell):
    high = {f"p{i:02d}": 0.9 for i in range(12)}
    folders = [add_cell("sdm", 0.0, dict.fromkeys(high, 0.5)), add_cell("sdm", 1.0, high)]
    (best,) = best_table(sweeps(folders)[0]).frame.to_dict("records")
    assert (best["better than"], best["undecided: one U-Net seed"]) == ("", "0")


def test_evidence_is_of_generators_at_the_same_strength_and_of_each_against_real(add_cell, add_run):
    folders = [add_cell(generator, value) for generator in ("sdm", "warp") for value in (0.0, 1.0)]
    (sweep,) = sweeps([*folders, add_run("real", DICE, settings=UNDEFORMED)])
    pairs = evidence_table(sweep).frame
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [
        ("sdm, strength 0", "warp, strength 0"),
        ("sdm, strength 0", "real"),
        ("warp, strength 0", "real"),
        ("sdm, strength 1", "warp, strength 1"),
        ("sdm, strength 1", "real"),
        ("warp, strength 1", "real"),
    ]


def test_fractions_share_a_sweep_and_no_table_of_a_comparison(add_cell):
    folders = [add_cell(g, value, axis="fraction") for g in ("real", "sdm") for value in (0.1, 0.5, 1.0)]
    (sweep,) = sweeps(folders)
    assert [(line.label, list(line.runs)) for line in sweep.lines] == [
        ("real", [0.1, 0.5, 1.0]),
        ("sdm", [0.1, 0.5, 1.0]),
    ]
    assert (sweep.title, sweep.levels, sweep.notes) == ("CAMUS, 4C, fraction", (), ())
    titles = [group.title for group in Comparison.of(folders).groups]
    assert sorted(titles) == ["CAMUS, 4C", "CAMUS, 4C, fraction 0.1", "CAMUS, 4C, fraction 0.5"]


def test_a_record_of_before_there_were_fractions_has_all_patients(add_cell, add_run):
    fingerprints = {"training": "1".ljust(64, "0"), "testing": "b" * 64, "split": "c" * 64}
    old = add_run("sdm", DICE, name="old", fingerprints=fingerprints)
    (sweep,) = sweeps([add_cell("sdm", 0.1, axis="fraction"), old])
    assert list(sweep.lines[0].runs) == [0.1, 1.0]


def test_lines_that_differ_in_more_are_told_apart_and_lone_runs_left_out(add_cell, add_run):
    folders = [add_cell("sdm", value) for value in (0.0, 1.0)]
    folders += [add_run("sdm", DICE, name=f"few-{v}", settings={"strength": v, "images": 100}) for v in (0.0, 1.0)]
    folders.append(add_run("paint", DICE))
    (sweep,) = sweeps(folders)
    assert {line.label for line in sweep.lines} == {"sdm (images none)", "sdm (images 100)"}
    assert sweep.notes == ("left out, as nothing differs from them in strength alone: paint",)


def test_another_split_is_another_sweep(add_cell, add_run):
    folders = [add_cell("sdm", value) for value in (0.0, 1.0)]
    other = {"training": "a" * 64, "testing": "b" * 64, "split": "d" * 64}
    folders += [add_run("sdm", DICE, name=f"o{v}", settings={"strength": v}, fingerprints=other) for v in (0.0, 1.0)]
    assert {sweep.title for sweep in sweeps(folders)} == {
        "CAMUS, 4C, split cccccccc, strength",
        "CAMUS, 4C, split dddddddd, strength",
    }


def test_a_failed_cell_is_a_row_with_its_reason(add_cell, add_failure):
    failed = add_failure("sdm", "the disk is full", settings={"strength": 3.0})
    (sweep,) = sweeps([add_cell("sdm", 0.0), failed])
    table = cell_table(sweep)
    assert rows(table).loc[("sdm", 3.0), "not finished"] == "failed in fit-4C, attempt 2: the disk is full"
    assert len(best_table(sweep).frame) == 1
    with pytest.raises(EchobenchError, match="no run of the sweep has finished: sdm failed in fit-4C"):
        sweeps([failed])


def test_runs_of_one_value_are_no_sweep(add_run):
    with pytest.raises(EchobenchError, match="two values of strength or fraction here: nothing was swept"):
        sweeps([add_run("sdm", DICE), add_run("real", DICE)])


def test_the_figure_has_a_line_per_generator_a_band_of_seeds_and_a_level(add_cell, add_run, make_scores, small_texts):
    seeds = (-0.01, 0.0, 0.02)
    folders = [add_cell("sdm", value, make_scores(DICE, seeds=seeds)) for value in (0.0, 1.0, 3.0)]
    (sweep,) = sweeps([*folders, add_run("real", DICE, settings=UNDEFORMED)])
    figure = sweep_figure(sweep)
    (axes,) = figure.axes
    assert not small_texts(figure)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "1", "3"]
    (band,) = (
        one.get_paths()[0].vertices[:, 1] for one in axes.collections if isinstance(one, FillBetweenPolyCollection)
    )
    np.testing.assert_allclose([band.min(), band.max()], [79, 82], atol=1e-9)
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == pytest.approx([80])


def test_the_figure_of_fractions_counts_patients(add_cell):
    folders = [
        add_cell("sdm", value, axis="fraction", training_patients=patients) for value, patients in ((0.1, 40), (1, 400))
    ]
    (axes,) = sweep_figure(sweeps(folders)[0]).axes
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.1\n(40)", "1\n(400)"]
