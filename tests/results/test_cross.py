"""Scores on other data: pooled Dice and gaps against known values, what stands in one table, damaged files."""

import json
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.cross import gap, pooled_dice
from echobench.results.evidence.statistics import bootstrap_interval, patient_values
from echobench.results.records.cross import CrossRecord, read_cross, write_cross
from echobench.results.report.contents import group_figures
from echobench.results.report.page import write_report
from echobench.results.shown.cross import cross_figures, cross_tables
from echobench.results.shown.palette import look

OWN = {f"p{i}": 0.85 + 0.01 * i for i in range(8)}
THERE = {f"v{i}": 0.75 + 0.01 * i for i in range(8)}


def record(scores, **changes):
    usual = {
        "target": "phantom-echonet", "dataset": "the phantom's second scanner", "view": "4C", "regions": ["LVendo"],
        "frames": 2 * scores["patient"].nunique(), "patients": scores["patient"].nunique(), "unet_seeds": [0],
        "resize": "none", "fingerprint": "f" * 64, "skipped": [], "seconds": 1.0, "commit": None, "versions": {},
        "finished": "2026-01-01T00:00:00+00:00", "run_sha256": "",
    }  # fmt: skip
    return CrossRecord(**usual | changes)


@pytest.fixture
def add_crossed(add_run, make_scores):
    """A run that was scored on other data: `add_crossed(generator, Dice there by patient, fields of CrossRecord)`."""

    def add(generator, there, regions=("LVendo",), **changes):
        folder = add_run(generator, OWN)
        scores = make_scores(there)
        scores = scores[scores["region"].isin(regions)]
        of_run = {"run_sha256": file_sha256(folder / "scores.csv")} | changes
        write_cross(folder, record(scores, regions=list(regions), **of_run), scores)
        return folder

    return add


def pixels(rows):
    """Scores of LVendo from (patient, phase, n_ref, n_pred, n_both)."""
    return pd.DataFrame(
        {"patient": p, "view": "4C", "phase": phase, "region": "LVendo", "metric": "dice", "unit": "1", "unet_seed": 0,
         "value": 2 * both / (ref + pred), "n_ref": ref, "n_pred": pred}
        for p, phase, ref, pred, both in rows
    )  # fmt: skip


def test_pooled_dice_is_of_all_pixels_together():
    scores = pixels([("a", "ED", 1000, 1000, 900), ("a", "ES", 100, 100, 0), ("b", "ED", 500, 400, 300)])
    mean, low, high = pooled_dice(scores, "LVendo")
    assert mean == pytest.approx(100 * 2 * 1200 / 3100)
    assert 0 < low < mean < high <= 90
    assert patient_values(scores, region="LVendo").mean() != pytest.approx(mean)


def test_pooled_dice_of_several_seeds_is_their_mean():
    one, other = pixels([("a", "ED", 100, 100, 50)]), pixels([("a", "ED", 100, 300, 100)])
    assert pooled_dice(pd.concat([one, other.assign(unet_seed=1)]), "LVendo")[0] == pytest.approx(50)


def test_a_gap_is_paired_for_the_same_patients_and_not_for_others():
    values = pd.Series(np.linspace(60, 95, 30), index=[f"p{i}" for i in range(30)])
    mean, low, high = gap(values, values - 5, paired=True)
    assert (mean, low, high) == pytest.approx((-5, -5, -5))
    assert gap(values, (values - 5).iloc[1:], paired=True)[0] == pytest.approx(-5)  # one has no image there
    mean, low, high = gap(values, (values - 5).set_axis([f"v{i}" for i in range(30)]), paired=False)
    assert mean == pytest.approx(-5) and low < -8 and high > -2


def test_table_has_own_and_other_dice_side_by_side(add_crossed):
    folders = [add_crossed("real", THERE), add_crossed("sdm", {p: d - 0.1 for p, d in THERE.items()})]
    (group,) = Comparison.of(folders).groups
    table, evidence = cross_tables(group)
    assert table.name == "cross-phantom-echonet" and evidence.name == "cross-phantom-echonet-evidence"
    real = table.frame.set_index("trained on").loc["real"]
    assert (real["own mean"], real["there mean"], real["gap"]) == pytest.approx((88.5, 78.5, -10))
    assert real["ED mean"] == pytest.approx(78.5) and real["patients"] == 8 and real["missed"] == 0
    assert evidence.frame["difference"].item() == pytest.approx(10)
    assert list(cross_figures(group)) == ["cross-phantom-echonet"]


def test_the_figure_has_own_dice_against_the_other_with_both_intervals(add_crossed, small_texts):
    there = {
        "real": THERE,
        "sdm": {p: d - 0.1 for p, d in THERE.items()},
        "mine": {p: d - 0.3 for p, d in THERE.items()},
    }
    (group,) = Comparison.of([add_crossed(name, dice) for name, dice in there.items()]).groups
    (figure,) = cross_figures(group).values()
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_label() != "the same Dice on both"]
    for name, dice in there.items():
        own, other = ([100 * value for value in values.values()] for values in (OWN, dice))
        looks = look(name)
        (point,) = (line for line in lines if line.get_marker() == looks.marker and line.get_color() == looks.colour)
        assert (*point.get_xdata(), *point.get_ydata()) == pytest.approx((np.mean(own), np.mean(other)))
        bars = [line.get_xydata() for line in lines if line.get_color() == looks.colour and line is not point]
        low, high = bootstrap_interval(own)
        np.testing.assert_allclose(bars[0], [(low, np.mean(other)), (high, np.mean(other))])
        low, high = bootstrap_interval(other)
        np.testing.assert_allclose(bars[1], [(np.mean(own), low), (np.mean(own), high)])
    (diagonal,) = (line for line in axes.lines if line not in lines)
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert axes.get_xlim() == axes.get_ylim() == tuple(diagonal.get_xdata()) and axes.get_xlim()[1] <= 100
    np.testing.assert_array_equal(axes.get_xticks(), axes.get_yticks())
    assert {text.get_text() for text in axes.texts} == there.keys()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(box.overlaps(other) for box, other in combinations(boxes, 2))
    assert small_texts(figure) == []


def test_one_patient_is_a_point_without_bars(add_crossed):
    (group,) = Comparison.of([add_crossed("real", {"v0": 0.8})]).groups
    (figure,) = cross_figures(group).values()
    *_, point, _ = figure.axes[0].lines
    assert point.get_ydata() == pytest.approx([80])


def test_it_is_the_first_figure_of_a_comparison_and_of_its_page(add_crossed, tmp_path):
    comparison = Comparison.of([add_crossed("real", THERE), add_crossed("sdm", THERE)])
    assert next(iter(group_figures(comparison.groups[0]))) == "cross-phantom-echonet"
    page = write_report(tmp_path / "page", comparison).read_text()
    charts = re.findall(r"Chart of (\S+) for", page)
    assert charts[0] == "cross-phantom-echonet" and len(set(charts)) == len(charts)
    assert "the same U-Nets on other data" in page[page.index("Chart of") : page.index(f"Chart of {charts[1]}")]


def test_all_regions_give_their_mean(add_crossed):
    folder = add_crossed("real", OWN, regions=("LVendo", "LVepi", "LVmyo", "LA"), target="2C")
    (table,) = cross_tables(Comparison.of([folder]).groups[0])
    assert "mean of LVendo, LVepi, LA" in table.caption


def test_other_frames_are_another_table(add_crossed):
    folders = [add_crossed("real", THERE), add_crossed("sdm", THERE, fingerprint="e" * 64)]
    tables = cross_tables(Comparison.of(folders).groups[0])
    assert [list(table.frame["trained on"]) for table in tables] == [["real"], ["sdm"]]


def test_frames_of_one_target_that_differ_have_files_of_their_own(add_crossed):
    folders = [add_crossed("real", THERE), add_crossed("sdm", THERE, fingerprint="e" * 64)]
    group = Comparison.of(folders).groups[0]
    names = ["cross-phantom-echonet-1", "cross-phantom-echonet-2"]
    assert [table.name for table in cross_tables(group)] == names and list(cross_figures(group)) == names


def test_what_the_seconds_are_of_is_kept_and_not_asked_of_older_records(add_crossed):
    folder = add_crossed("real", THERE, machine={"processor": "P", "torch_threads": 2})
    assert read_cross(folder, "phantom-echonet")[0].machine == {"processor": "P", "torch_threads": 2}
    path = folder / "cross-phantom-echonet.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name != "machine"}
    path.write_text(json.dumps(older))
    assert read_cross(folder, "phantom-echonet")[0].machine is None


def test_scores_of_other_unets_are_passed_over(add_crossed):
    folders = [add_crossed("real", THERE), add_crossed("sdm", THERE, run_sha256="0" * 64)]
    (table,) = cross_tables(Comparison.of(folders).groups[0])
    assert list(table.frame["trained on"]) == ["real"]


def test_a_gap_is_of_the_phases_that_both_have(add_run, make_scores):
    folder = add_run("real", make_scores(OWN, frames=("4C ED",)))
    there = pd.concat(
        [make_scores(THERE, frames=("4C ED",)), make_scores({p: d - 0.2 for p, d in THERE.items()}, frames=("4C ES",))]
    )
    there = there[there["region"] == "LVendo"]
    write_cross(folder, record(there, run_sha256=file_sha256(folder / "scores.csv")), there)
    (table,) = cross_tables(Comparison.of([folder]).groups[0])
    assert table.frame["gap"].item() == pytest.approx(-10)


def test_one_patient_has_no_interval():
    one, many = pd.Series({"a": 80.0}), pd.Series({"b": 70.0, "c": 72.0})
    mean, *interval = gap(one, many, paired=False)
    assert mean == pytest.approx(-9) and np.isnan(interval).all()


def test_a_structure_that_one_seed_alone_invents_does_not_undo_pooled_dice():
    found = [(f"p{i}", "ED", 100, 100, 50) for i in range(20)]
    one, other = pixels([*found, ("b", "ED", 0, 2000, 0)]), pixels(found).assign(unet_seed=1)
    assert pooled_dice(pd.concat([one, other]), "LVendo")[0] == pytest.approx((100 / 3 + 50) / 2)


def test_published_numbers_and_skipped_videos_are_told(add_crossed):
    folder = add_crossed("real", THERE, target="echonet", skipped=["0XA.avi is cut"])
    notes = " ".join(cross_tables(Comparison.of([folder]).groups[0])[0].notes)
    assert "87.83 ± 7.21" in notes and "0.92" in notes and "1 left out as unreadable: 0XA.avi is cut" in notes


def test_the_report_has_them(add_crossed, tmp_path):
    folders = [add_crossed("real", THERE), add_crossed("sdm", THERE)]
    page = write_report(tmp_path / "page", Comparison.of(folders)).read_text()
    assert "Other data" in page and "second scanner" in page


@pytest.mark.parametrize("damage", ["json", "csv"])
def test_damaged_files_are_refused(add_crossed, damage):
    folder = add_crossed("real", THERE)
    path = folder / f"cross-phantom-echonet.{damage}"
    path.write_text(path.read_text()[: len(path.read_text()) // 2])
    with pytest.raises(EchobenchError, match=r"damaged.*; delete both and run `echobench cross` again"):
        read_cross(folder, "phantom-echonet")


def test_what_was_not_scored_is_none(add_run):
    assert read_cross(add_run("real", OWN), "echonet") is None
    folder = add_run("sdm", OWN)
    assert cross_tables(Comparison.of([folder]).groups[0]) == []


def test_the_record_is_plain(add_crossed):
    document = json.loads((add_crossed("real", THERE) / "cross-phantom-echonet.json").read_text())
    assert document["regions"] == ["LVendo"] and len(document["scores_sha256"]) == 64
