"""Tables of the README from what was measured."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.statistics import RULE, patient_values
from echobench.results.records.run import Stage
from echobench.results.shown.published import ROWS as ROWS_OF_THE_PAPER
from echobench.results.shown.readme import figures, places_of, with_tables
from echobench.results.shown.readme_tables import runs_markdown, scores_markdown, speed_markdown

MEASURED = Path(__file__).resolve().parent.parent.parent / "results" / "measured"

ROWS = pd.DataFrame(
    [
        ("ddim", 20, True, "bf16", 0.08, 4.0, 250.0),
        ("ancestral", 1000, False, "float32", 20.0, 20.0, 1.0),
        ("ancestral", 1000, True, "bf16", 4.0, 4.0, 5.0),
        ("ddim", 20, True, "bf16", 0.09, 4.5, 222.0),
        ("ddim", 20, False, "bf16", 0.16, 8.0, 125.0),
    ],
    columns=["sampler", "nfe", "cached", "precision", "seconds_per_image", "ms_per_step", "times_reference"],
).assign(
    preset="standard", weights=5_717_824, size_px=256, batch=16, device="cpu", threads=2,
    extrapolated_from_steps=[None, 20, 20, None, None],
)  # fmt: skip
DICE = {"a": 0.8, "b": 0.6}


def cells(text):
    """The cells of a Markdown table by row and column."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0]: dict(zip(lines[0], row, strict=True)) for row in lines[2:]}


def test_a_row_has_dice_its_evidence_and_the_generators_seconds(add_run, make_scores):
    scores = make_scores(DICE, seeds=(0, 0.01))
    (group,) = Comparison.of([add_run("warp", scores, training_images=1596)]).groups
    assert cells(runs_markdown(group))["`warp`"] == {
        "trained on": "`warp`", "Dice": "70.5", "Dice 95 %": "60.5 to 80.5", "seed std": "0.71",
        "LVendo / LVepi / LA": "70.5 / 70.5 / 70.5", "training s": "1,800", "s per image": "0.1",
    }  # fmt: skip


def test_what_all_rows_share_is_said_above_them_and_has_no_column(planted):
    text = runs_markdown(planted(real=0.9, warp=0.8))
    assert text.splitlines()[0] == (
        "CAMUS, 4C, 12 test patients, preset `standard`, 3 U-Net seeds (8,000 steps of 8 images), no structure missed, "
        "800 training images. Seconds: A processor, 2 cores, 2 threads, instruction sets AVX-512, AVX2."
    )
    assert not {"missed", "images", "threads", "NFE", "limits"} & set(cells(text)["`real`"])


def test_what_rows_do_not_share_has_a_column(planted):
    one_thread = {"machine": {"processor": "A processor", "cores": 2, "device": "cpu", "torch_threads": 1}}
    text = runs_markdown(planted({"warp": {"training_images": 1600, **one_thread}}, real=0.9, warp=0.8))
    columns = ("images", "threads", "instruction sets")
    found = {name: [row[column] for column in columns] for name, row in cells(text).items()}
    assert found == {"`real`": ["800", "2", "AVX-512, AVX2"], "`warp`": ["1,600", "1", "not recorded"]}
    assert "Seconds: A processor, 2 cores; threads in a column; instruction sets in a column." in text


def test_a_machine_of_which_an_older_record_says_little_is_said_so(planted):
    old = {"machine": {"processor": "A processor", "cores": 2, "device": "cpu"}}
    text = runs_markdown(planted({"real": old, "warp": old}, real=0.9, warp=0.8))
    assert "Seconds: A processor, 2 cores, threads not recorded, instruction sets not recorded." in text


def test_verdicts_and_limits_stand_in_the_row(planted):
    short = {"settings": {"generator_settings": {"training": {"steps": 5000, "batch": 16}}}}
    found = cells(runs_markdown(planted({"sdm": short}, real=0.9, warp=0.85, sdm=0.8505, paint=0.5)))
    said = {name: (row["vs `warp`"], row["vs `real`"], row["limits"]) for name, row in found.items()}
    assert said == {
        "`real`": ("–", "–", "–"),
        "`paint`": ("worse", "worse", "–"),
        "`sdm`": ("not distinguishable", "worse", "training: 80,000 of 600,000 images"),
        "`warp`": ("–", "worse", "–"),
    }


def test_which_runs_of_one_generator_are_told_apart_is_said_below(planted):
    changes = {f"sdm{'_' * i}": {"settings": {"generator_settings": {"training": {"steps": i + 1}}}} for i in range(3)}
    text = runs_markdown(planted(changes, real=0.9, sdm=0.8, sdm_=0.85, sdm__=0.8505))
    assert text.endswith(
        "\nDice: `sdm (steps 1)` is worse than `sdm (steps 2)` and `sdm (steps 3)`; nothing else tells the rows "
        "of `sdm` apart.\n"
    )
    assert "NFE" not in text


def test_rows_of_one_u_net_seed_are_undecided(add_run, make_scores):
    for i in range(2):
        dice = {f"p{n:02d}": 0.6 + 0.2 * i + 0.001 * n for n in range(12)}
        settings = {"generator_settings": {"training": {"steps": i + 1}}}
        folder = add_run("sdm", make_scores(dice), name=f"sdm-{i}", settings=settings)
    text = runs_markdown(Comparison.of(sorted(folder.parent.iterdir())).groups[0])
    assert text.endswith("\nDice: the rows of `sdm` are undecided with one U-Net seed.\n")


def test_rows_that_are_left_are_undecided_or_not_told_apart(add_run, make_scores):
    """Steps 1 and 2 are told apart, 2 and 3 are not, and 4 has one U-Net seed."""
    for steps, mean, seeds in ((1, 0.6, 3), (2, 0.8, 3), (3, 0.8005, 3), (4, 0.9, 1)):
        dice = {f"p{n:02d}": mean + 0.001 * n for n in range(12)}
        settings = {"generator_settings": {"training": {"steps": steps}}}
        offsets = (0.0, 0.001, -0.001)[:seeds]
        folder = add_run("sdm", make_scores(dice, seeds=offsets), name=f"sdm-{steps}", settings=settings)
    text = runs_markdown(Comparison.of(sorted(folder.parent.iterdir())).groups[0])
    assert text.endswith(
        "`sdm (steps 1)` is worse than `sdm (steps 2)` and `sdm (steps 3)`; other pairs of rows of `sdm` are undecided "
        "with one U-Net seed or not told apart.\n"
    )


def test_an_earlier_training_says_what_it_was_on(add_run, make_scores):
    fit = Stage("fit-4C", 1800.0, 2000, taken=True, processor="Q, 16 cores, A card", jobs=9)
    stages = [fit, Stage("draw-training-4C", 90.0, 2100, items=900), Stage("unet-0", 300.0, 3000)]
    (group,) = Comparison.of([add_run("sdm", make_scores(DICE), stages=stages)]).groups
    where = "Q, 16 cores, A card, up to 9 jobs at a time"
    assert f"its training s are what it cost there, on {where}." in runs_markdown(group)
    older = add_run("sdm", make_scores(DICE), name="old", stages=[replace(fit, processor=None)])
    (group,) = Comparison.of([older]).groups
    assert "its training s are what it cost there." in runs_markdown(group)
    both = [add_run(name, make_scores(DICE), name=f"{name}-both", stages=stages) for name in ("flow", "sdm")]
    said = f"took their generators from earlier runs; their training s are what it cost there, on {where}."
    assert f"`flow` and `sdm` {said}" in runs_markdown(Comparison.of(both).groups[0])


def test_evaluations_have_a_column_where_one_generator_draws_in_several_ways(planted):
    slow, fast = (
        {"evaluations": n, "settings": {"generator_settings": {"sampling": {"steps": n}}}} for n in (1000, 20)
    )
    text = runs_markdown(planted({"sdm": slow, "sdm_": fast}, sdm=0.8, sdm_=0.8))
    assert [row["NFE"] for row in cells(text).values()] == ["20", "1,000"]
    assert text.endswith("\nDice: nothing tells the rows of `sdm` apart.\n")


def test_the_threads_are_those_of_the_stages(planted):
    stages = [Stage("fit-4C", 60, 2000, threads=4), Stage("unet-0", 300, 3000, threads=4)]
    group = planted({"real": {"stages": stages}, "warp": {"stages": stages}}, real=0.9, warp=0.8)
    assert "2 cores, 4 threads," in runs_markdown(group)


def test_on_camus_the_committed_flow_is_not_told_apart_from_warp_and_worse_than_real():
    found = cells(with_tables("<!-- table: camus -->\n<!-- end -->\n", MEASURED))
    flow, paint = found["`flow`"], found["`paint`"]
    assert (flow["vs `warp`"], flow["vs `real`"]) == ("not distinguishable", "worse")
    assert (paint["vs `warp`"], paint["vs `real`"]) == ("worse", "worse")


def test_every_score_has_a_row_per_run_and_phase(planted):
    group = planted(real=0.9, warp=0.8)
    text = scores_markdown(group)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    frames = ["all", *sorted({f"4C {phase}" for phase in group.runs[0].scores["phase"]})]
    assert [row[:2] for row in rows] == [[f"`{name}`", of] for name in ("real", "warp") for of in frames]
    values = patient_values(group.runs[0].scores)
    assert rows[0][2] == f"{values.mean():.1f} ± {values.std():.1f}"
    assert "no structure missed" in text and "| missed |" not in text


def test_a_missed_structure_gets_its_column(planted):
    group = planted(real=0.9)
    scores = group.runs[0].scores
    scores.loc[(scores["patient"] == scores["patient"][0]) & (scores["region"] == "LA"), "n_pred"] = 0
    assert "| missed |" in scores_markdown(group) and "no structure missed" not in scores_markdown(group)


def test_on_camus_the_published_table_stands_beside_ours_with_what_differs():
    text = with_tables("<!-- published: camus -->\n<!-- end -->\n", MEASURED)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == [row.name for row in ROWS_OF_THE_PAPER]
    assert next(row for row in rows if row[0] == "2C ED")[1:6] == ["–"] * 5
    assert "91.3 ± 4.4" in next(row for row in rows if row[0] == "4C ED")
    assert "- 4C ED: trained on 4C ED, 4C ES, published: on 4C ED." in text


def test_the_rule_of_the_verdict_is_that_of_the_tables(tmp_path):
    assert with_tables("<!-- rule: verdict -->\n<!-- end -->\n", tmp_path) == (
        f"<!-- rule: verdict -->\n{RULE}\n<!-- end -->\n"
    )


@pytest.mark.parametrize(("number", "folded"), [(1, False), (2, False), (3, True)])
def test_commands_stand_below_a_table_and_many_are_folded_up(tmp_path, number, folded):
    ROWS.to_csv(tmp_path / "speed-standard.csv", index=False)
    lines = [f"echobench run --seed {i}" for i in range(number)]
    asked = []

    def commands(kind, places):
        asked.append((kind, places))
        return lines

    text = with_tables("<!-- speed: standard -->\n<!-- end -->\n", tmp_path, commands)
    assert asked == [("speed", [tmp_path / "speed-standard.csv"])]
    block = "\n".join(["", "```sh", *lines, "```", ""])
    assert block in text and text.index(block) > text.rindex("|\n")
    assert (f"<details><summary>Made by {number} commands</summary>" in text) == folded


def test_where_there_is_no_record_there_is_no_command(tmp_path):
    text = "<!-- table: camus -->\n<!-- end -->\n"
    assert with_tables(text, tmp_path, lambda kind, places: ["echobench compare"]) == text


def test_places_are_the_folders_of_finished_runs(tmp_path):
    for name in ("camus-b", "camus-a", "phantom-a"):
        (tmp_path / name).mkdir()
    (tmp_path / "camus-a" / "run.json").touch()
    assert places_of(tmp_path, "table", "camus") == [tmp_path / "camus-a"]


def test_speeds_say_on_what_they_were_measured():
    machine = {"processor": "P, 2 cores", "instruction_sets": "AVX-512 bf16, AVX2", "threads": 1}
    assert speed_markdown(ROWS.assign(**machine)).splitlines()[0] == (
        "`sdm`, preset `standard`, 5,717,824 weights, batches of 16, 256 × 256 pixels, longer loops extrapolated from "
        "20 steps, P, 2 cores, 1 thread, instruction sets AVX-512 bf16, AVX2."
    )


def test_speeds_of_before_say_what_they_do_not_know():
    assert "processor not recorded, 2 threads, instruction sets not recorded." in speed_markdown(ROWS)
    assert "threads not recorded" in speed_markdown(ROWS.drop(columns="threads"))


def test_speeds_are_those_of_the_file(tmp_path):
    ROWS.to_csv(tmp_path / "speed-standard.csv", index=False)
    text = with_tables("before\n<!-- speed: standard -->\nold\n<!-- end -->\nafter\n", tmp_path)
    assert text.startswith("before\n") and text.endswith("<!-- end -->\nafter\n") and "old" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3  # the reference both ways, the default once, a slower way of it not at all
    assert lines[2] == "| ddim | 20 | once | bf16 | 4.0 | 0.080 | 250 |"
    assert lines[3] == "| ancestral | 1,000 | at every step | float32 | 20.0 | 20.000 | 1 |"


def test_a_sweep_has_a_table_and_a_figure(tmp_path):
    shutil.copytree(MEASURED / "camus-sweep", tmp_path / "camus-sweep")
    text = with_tables("<!-- sweep: camus -->\n<!-- end -->\n", tmp_path)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows if row[0] == "| flow"] == ["0", "0.5", "1", "2", "3"]
    assert list(figures(tmp_path)) == [tmp_path / "camus-sweep" / "strength.png"]


def test_a_curve_has_a_table_and_a_figure(tmp_path):
    for strength in (0, 1):  # any two runs of a group will do for the table
        shutil.copytree(
            MEASURED / "camus-sweep" / f"sdm-strength-{strength}", tmp_path / "camus-minutes" / f"{strength}"
        )
    text = with_tables(
        "<!-- curve: camus-minutes -->\n<!-- end -->\n<!-- curve: camus-images -->\n<!-- end -->\n", tmp_path
    )
    assert text.count("| `sdm (strength ") == 2
    assert list(figures(tmp_path)) == [tmp_path / "camus-minutes" / "minutes.png"]
