"""Tables: what stands in which cell, known from the records that were made for it."""

import math

import pytest

from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.cost import cost
from echobench.results.evidence.statistics import RULE
from echobench.results.records.run import Stage
from echobench.results.shown.tables import (
    WHO,
    WHY,
    cost_table,
    evidence_table,
    missed_table,
    region_table,
    summary_table,
)

DICE = {"a": 0.8, "b": 0.6}


def row(table, who, frames=None):
    frame = table.frame
    chosen = frame[(frame[WHO] == who) & ((frame["frames"] == frames) if frames else True)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_a_metric_stands_per_region_and_group_of_frames(add_run):
    (group,) = Comparison.of([add_run("real", DICE)]).groups
    dice, hd95, assd = (region_table(group, metric) for metric in ("dice", "hd95_mm", "assd_mm"))
    assert dice.frame["frames"].tolist() == ["all", "4C ED", "4C ES"]
    assert row(dice, "real", "4C ED")["LA mean"] == pytest.approx(70)
    assert row(dice, "real", "all")["mean std"] == pytest.approx(math.sqrt(200))
    assert row(hd95, "real", "all")["LVmyo mean"] == pytest.approx(30)
    assert row(assd, "real", "all")["LVendo std"] == pytest.approx(math.sqrt(200) / 3)
    assert "in mm" in hd95.caption and "in %" in dice.caption
    assert [table.name for table in (dice, hd95, assd)] == ["dice", "hd95", "assd"]


def test_a_failed_run_is_a_row_with_its_reason_in_every_table_of_runs(add_run, add_failure):
    (group,) = Comparison.of([add_run("real", DICE), add_failure("sdm", "the disk is full")]).groups
    for make in (region_table, summary_table, missed_table, cost_table):
        table = make(group)
        assert row(table, "sdm")[WHY] == "failed in fit-4C, attempt 2: the disk is full"
        assert table.frame[table.frame[WHO] == "real"][WHY].isna().all()
        numbers = table.frame.drop(columns=[WHO, WHY, "frames"], errors="ignore")
        assert numbers.iloc[-1].isna().all()


def test_missed_and_invented_structures_are_counted_per_region(add_run, make_scores):
    scores = make_scores(DICE)
    atria = (scores["region"] == "LA") & (scores["metric"] == "dice")
    scores.loc[atria & (scores["patient"] == "a"), ["n_pred", "value"]] = [0, 0.0]
    scores.loc[atria & (scores["patient"] == "b") & (scores["phase"] == "ED"), ["n_ref", "value"]] = [0, 0.0]
    (group,) = Comparison.of([add_run("real", scores)]).groups
    found = row(missed_table(group), "real")
    assert (found["LA missed"], found["LA invented"], found["LVendo missed"], found["predicted maps"]) == (2, 1, 0, 4)
    assert row(region_table(group), "real", "all")["missed"] == 2
    assert row(region_table(group), "real", "all")["LA mean"] == pytest.approx((0 + 30) / 2), "never dropped"


def test_the_spread_of_seeds_stands_beside_that_of_patients(add_run, make_scores):
    (group,) = Comparison.of([add_run("real", make_scores(DICE, seeds=(-0.01, 0, 0.01)))]).groups
    found = row(summary_table(group), "real")
    assert found["Dice"] == pytest.approx(70)
    assert found["patient std"] == pytest.approx(math.sqrt(200))
    assert found["seed std"] == pytest.approx(1)
    assert (found["Dice low"], found["Dice high"]) == pytest.approx((60, 80))


def test_every_row_has_its_verdict_against_warp_and_real(planted):
    group = planted(real=0.90, warp=0.85, sdm=0.88, cyclegan=0.8505, paint=0.6)
    frame = summary_table(group).frame.set_index(WHO)
    assert frame["vs warp"].dropna().to_dict() == {
        "sdm": "better", "cyclegan": "not distinguishable", "paint": "worse"
    }  # fmt: skip
    assert frame["vs real"].dropna().to_dict() == dict.fromkeys(["warp", "sdm", "cyclegan", "paint"], "worse")


def test_the_verdicts_are_those_of_the_evidence(group):
    frame = summary_table(group).frame.set_index(WHO)
    pairs = evidence_table(group).frame.set_index(["first", "second"])
    assert (pairs.loc[("real", "sdm"), "verdict"], frame.loc["sdm", "vs real"]) == ("better", "worse")
    assert frame["vs warp"].isna().all(), "not among them"


def test_one_unet_seed_decides_nothing_and_the_row_says_so(planted, add_run, make_scores):
    group = planted(real=0.90, sdm=0.88)
    one = add_run("paint", make_scores({f"p{i:02d}": 0.5 + 0.001 * i for i in range(12)}))
    group = Comparison.of([*(run.folder for run in group.runs), one]).groups[0]
    found = row(summary_table(group), "paint")
    assert (found["vs real"], found["limits"]) == ("undecided: one U-Net seed", "one U-Net seed")


def test_of_several_warps_the_one_for_the_same_maps_is_the_opponent(add_run, make_scores):
    folders = [
        add_run(name, make_scores({f"p{i}": dice for i in range(9)}, seeds=(0, 0)), name=f"{name}{strength}",
                settings={"strength": strength})
        for name, strength, dice in (("warp", 0.0, 0.9), ("warp", 1.0, 0.7), ("sdm", 1.0, 0.8), ("paint", 2.0, 0.8))
    ]  # fmt: skip
    frame = summary_table(Comparison.of(folders).groups[0]).frame.set_index(WHO)
    assert frame["vs warp"].dropna().to_dict() == {"sdm": "better"}


def test_cost_is_taken_from_the_generators_stages(add_run):
    untrained = {"parameters": 0, "evaluations": 0}
    folders = [
        add_run("sdm", DICE),
        add_run("real", DICE, stages=[Stage("fit-4C", 0.1, 500), Stage("unet-0", 300, 3000)], **untrained),
        add_run("folder:mine", DICE, stages=[Stage("draw-training-4C", 1, 900, items=10)], **untrained),
    ]
    (group,) = Comparison.of(folders).groups
    table = cost_table(group)
    sdm = row(table, "sdm")
    assert (sdm["training s"], sdm["s per image"], sdm["images per hour"]) == pytest.approx((1800, 0.1, 36000))
    assert (sdm["NFE"], sdm["parameters"], sdm["memory MB"], sdm["whole run s"]) == (20, 5_000_000, 2100, 2200)
    assert math.isnan(row(table, "real")["s per image"]) and math.isnan(row(table, "real")["NFE"])
    assert row(table, "folder:mine")[["training s", "s per image", "memory MB"]].isna().all(), "drawn elsewhere"
    assert "A processor, 2 cores" in table.caption


def test_gpu_memory_and_interruptions_are_told(add_run):
    stages = [
        Stage("fit-4C", 60, 2000, peak_gpu_memory_mb=7000, attempts=3), Stage("draw-training-4C", 10, 1000, items=5),
        Stage("unet-0", 200, 3000, 9000), Stage("unet-1", 400, 3000, 9000),
    ]  # fmt: skip
    (group,) = Comparison.of([add_run("sdm", DICE, stages=stages)]).groups
    spent = cost(group.runs[0].record)
    assert (spent.peak_gpu_memory_mb, spent.unet_seconds, spent.interrupted) == (7000, 300, ("fit-4C",))
    assert "sdm was interrupted in fit-4C: those seconds are of the last attempt." in cost_table(group).notes


def test_what_an_earlier_run_has_done_is_told(add_run):
    (group,) = Comparison.of([add_run("sdm", DICE, stages=[Stage("fit-4C", 60, 2000, taken=True)])]).groups
    assert "sdm took fit-4C from an earlier run, with what it cost there." in cost_table(group).notes


def test_energy_is_told_where_the_machine_did(add_run):
    stages = [
        Stage("fit-4C", 60, 2000, energy_joules=7200), Stage("draw-training-4C", 10, 1000, items=4, energy_joules=60),
        Stage("draw-validation-4C", 10, 1000, items=1, energy_joules=15),
    ]  # fmt: skip
    (group,) = Comparison.of([add_run("sdm", DICE, stages=stages), add_run("paint", DICE)]).groups
    table = cost_table(group)
    assert (row(table, "sdm")["training Wh"], row(table, "sdm")["J per image"]) == (2, 15)
    assert row(table, "paint")[["training Wh", "J per image"]].isna().all()


def test_evidence_has_a_row_per_pair_and_the_rule_below_it(group):
    table = evidence_table(group)
    assert table.frame[["first", "second", "verdict"]].to_numpy().tolist() == [
        ["real", "paint", "better"], ["real", "sdm", "better"], ["paint", "sdm", "worse"],
    ]  # fmt: skip
    assert RULE in table.notes
