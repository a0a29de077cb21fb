"""What verbs say at their end: the answer of the records, one table, and every number in full for JSON."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd

from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.sweep import sweeps
from echobench.results.report.answer import beside
from echobench.results.report.ends import ONE_SEED, compare_end, cross_end, run_end, sweep_end
from echobench.results.shown.formats import Table, ordinal, rows, shown
from echobench.results.shown.sweep import best_table, cell_table, evidence_table
from echobench.results.shown.tables import region_table, summary_table

PLACES = {"report": Path("out/report.html"), "all": Path("out")}


def written(end):
    """What JSON has of it; raises ValueError for a number that is none."""
    return json.loads(json.dumps(end.plain, allow_nan=False))


def test_a_run_says_its_own_dice_and_stands_beside_the_others_in_a_line(planted):
    group = planted(real=0.9, sdm=0.8, warp=0.8, paint=0.5)
    (sdm,) = (run for run in group.runs if run.label == "sdm")
    end = run_end(sdm.folder)
    (part,) = end.parts
    assert part.answer[0].startswith("sdm: Dice 80.2 % (95 % interval ")
    assert part.answer[1] in (
        f"By Dice it is {place} of 4 finished runs: above paint; below real; not told apart from warp."
        for place in ("2nd", "3rd")
    )
    assert set(shown(part.table)) == {"frames", "LVendo", "LVepi", "LVmyo", "LA", "mean", "missed"}
    assert end.places == {"record, scores and pictures": sdm.folder}
    assert end.line == f"{part.answer[0]} {sdm.folder}"


def test_a_run_alone_says_so_once(planted):
    (run,) = planted(warp=0.8).runs
    (part,) = run_end(run.folder).parts
    assert part.answer[1] == "There is no other finished run to compare it with."
    assert [note for note in part.notes if "only warp was run" in note] == list(part.notes)


def test_what_a_run_took_is_told_with_the_machine(planted):
    group = planted(real=0.9, sdm=0.8)
    for run in group.runs:
        took = run_end(run.folder).parts[0].answer[2]
        assert took.startswith("It took ") and "(A processor, 2 cores, 2 threads" in took and "nan" not in took


def test_a_comparison_has_one_table_and_the_best_is_first(planted, add_failure):
    group = planted(real=0.9, sdm=0.7, warp=0.8)
    folders = [*(run.folder for run in group.runs), add_failure("paint", "the disk is full")]
    end = compare_end(Comparison.of(folders), PLACES)
    (part,) = end.parts
    table = shown(part.table)
    assert table["trained on"].tolist() == ["real", "warp", "sdm"]
    assert part.table.caption.endswith("95 % interval. CAMUS, 4C."), "no word is explained that is not in the table"
    assert part.notes[:2] == ("Against warp: sdm is worse.", "Against real: sdm and warp are worse.")
    assert end.notes == ("paint is not in a table: failed in fit-4C, attempt 2: the disk is full",)
    assert end.line.startswith("warp is the best of 2 generators: its mean Dice is 80.2 %")
    assert end.line.endswith(". out/report.html") and "\n" not in end.line
    assert {"summary", "dice", "evidence", "cost"} <= {one.name for one in part.tables}


def test_it_is_said_what_undecided_means_and_only_then(add_run, make_scores, planted):
    (part,) = compare_end(Comparison.of(run.folder for run in planted(real=0.9, sdm=0.7).runs), PLACES).parts
    assert ONE_SEED not in part.answer
    dice = {name: {f"p{i:02d}": mean + 0.001 * i for i in range(12)} for name, mean in (("real", 0.9), ("sdm", 0.7))}
    folders = [add_run(name, make_scores(of), name=f"{name}-1") for name, of in dice.items()]
    (part,) = compare_end(Comparison.of(folders), PLACES).parts
    assert part.answer[-1] == ONE_SEED and part.notes[0] == "Against real: sdm is undecided."


def test_where_nothing_has_finished_reasons_are_all(add_failure):
    end = compare_end(Comparison.of([add_failure("paint", "the disk is full")]), PLACES)
    assert end.parts == () and "the disk is full" in end.notes[0] and end.line == "out/report.html"
    assert written(end)["parts"] == []


def test_json_has_every_number_in_full_and_null_where_there_is_none(planted):
    group = planted(real=0.9, sdm=0.1 + 0.2)
    comparison = Comparison.of(run.folder for run in group.runs)
    (part,) = written(compare_end(comparison, PLACES))["parts"]
    frame = summary_table(comparison.groups[0]).frame
    found = part["tables"]["summary"]["rows"]
    for row, kept in zip(frame.to_dict("records"), found, strict=True):
        assert list(kept) == list(frame)
        for name, value in row.items():
            assert kept[name] is None if pd.isna(value) else kept[name] == value
    assert any(value is None for row in found for value in row.values())
    assert part["tables"]["dice"]["caption"] == region_table(comparison.groups[0]).caption


def test_infinity_is_null_too_and_what_numpy_counts_is_a_number():
    frame = pd.DataFrame({"a": [float("inf"), float("nan"), 1 / 3], "n": [1, 2, 3], "s": ["x", None, "z"]})
    found = rows(Table("t", "", frame.astype({"s": object})))
    assert [row["a"] for row in found] == [None, None, 1 / 3] and [row["s"] for row in found] == ["x", None, "z"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_sweep_says_what_is_best_and_against_what(add_run, make_scores, add_failure, tmp_path):
    for strength, mean in ((0.0, 0.9), (1.0, 0.8), (2.0, 0.6)):
        dice = {f"p{i:02d}": mean + 0.001 * (i % 4) for i in range(12)}
        scores = make_scores(dice, seeds=(-0.001, 0.0, 0.001))
        add_run("warp", scores, name=f"warp-{strength}", settings={"strength": strength})
    add_failure("warp", "the disk is full", name="warp-3", settings={"strength": 3.0, "unet_seeds": [0, 1, 2]})
    (one,) = sweeps(sorted(tmp_path.iterdir()))
    tables = [replace(table, of=one.title) for table in (cell_table(one), best_table(one), evidence_table(one))]
    (part,) = sweep_end(tables, Path("out/sweep")).parts
    assert part.answer[0].startswith("warp: best strength 0, Dice 90.2 % (95 % interval ")
    assert part.answer[0].endswith("; better than 1, 2.")
    assert any("warp at strength 3 is not in the table: failed in fit-4C" in note for note in part.notes)
    assert shown(part.table)["strength"].tolist() == ["0", "1", "2"]


def test_a_cross_says_what_is_lost():
    row = {
        "own mean": 80.0,
        "own std": 1.0,
        "there mean": 70.0,
        "there std": 2.0,
        "there low": 69.0,
        "there high": 71.0,
    }
    row |= {"gap": -10.0, "gap low": -11.0, "gap high": -9.0, "missed": 0}
    better = row | {"trained on": "warp", "there mean": 75.0, "gap": -0.5, "gap low": -1.0, "gap high": 0.5}
    gap = Table("cross-2C", "Gap.", pd.DataFrame([row | {"trained on": "sdm"}, better]), of="phantom, 4C")
    evidence = Table(
        "cross-2C-evidence", "Pairs.", pd.DataFrame({"first": ["sdm"], "difference": [-5.0]}), of="phantom, 4C"
    )
    end = cross_end([gap, evidence, replace(gap, of="phantom, 2C")], Path("out/cross"))
    assert [[table.name for table in part.tables] for part in end.parts] == [
        ["cross-2C", "cross-2C-evidence"],
        ["cross-2C"],
    ]
    first, each = end.parts[0].answer
    assert first == "warp has the highest Dice on 2C: 75.0 % (95 % interval 69.0 to 71.0)."
    assert each == "sdm: loses 10.0 points on 2C; warp: no loss on 2C is shown."
    assert [part["title"] for part in written(end)["parts"]] == ["phantom, 4C", "phantom, 2C"]


def test_ordinals():
    known = ["1st", "2nd", "3rd", "4th", "10th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th", "112th"]
    assert [ordinal(int(text[:-2])) for text in known] == known


def test_sentences_of_a_standing_are_whole_whatever_the_verdicts(planted):
    """Over all orders of three runs: nobody is named twice, and everybody is."""
    for number, dice in enumerate(product((0.5, 0.7), repeat=2)):
        means = dict(zip(("paint", "sdm", "warp"), (0.6, *dice), strict=True))
        group = planted(**{f"{name}{'_' * number}": mean for name, mean in means.items()})
        for run in group.runs:
            said = beside(run.label, group)
            assert said.endswith(".") and said.count(" of 3 finished runs: ") == 1
            assert all(said.count(f" {other.label}") == (other is not run) for other in group.runs)
