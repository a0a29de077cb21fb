"""Which runs share a table, what they are called in it, and what is said about the others."""

import json
import math

import pandas as pd
import pytest
from matplotlib.text import Text

from echobench.data.base.differences import differing, flat
from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import Comparison, group_beside
from echobench.results.evidence.differences import told_apart
from echobench.results.records.run import Stage
from echobench.results.report.contents import group_figures, group_tables, paper_tables
from echobench.results.report.page import write_report
from echobench.results.shown.readme_tables import runs_markdown

DICE = {"a": 0.8, "b": 0.7, "c": 0.9}


def labels(group):
    return [run.label for run in group.runs]


def test_runs_of_one_dataset_split_view_and_unet_share_a_table_with_real_on_top(add_run):
    comparison = Comparison.of([add_run(name, DICE) for name in ("sdm", "paint", "real")])
    (group,) = comparison.groups
    assert labels(group) == ["real", "paint", "sdm"]
    assert group.title == "CAMUS, 4C"
    assert (group.notes, comparison.differences) == ((), ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fingerprints": {"training": "d" * 64, "testing": "b" * 64, "split": "c" * 64}},
         "training frames aaaaaaaa and dddddddd"),
        ({"fingerprints": {"training": "a" * 64, "testing": "d" * 64, "split": "c" * 64}},
         "scored frames bbbbbbbb and dddddddd"),
        ({"fingerprints": {"training": "a" * 64, "testing": "b" * 64, "split": "d" * 64}},
         "split cccccccc and dddddddd"),
        ({"test_patients": ["b", "c", "d", "e"]}, "scored patients 3 and 4, 2 of them in both"),
        ({"settings": {"view": "2C"}}, "view 2C and 4C"),
        ({"settings": {"unet_settings": {"steps": 4000, "batch_size": 8, "channels": [2, 4]}}},
         "unet.steps 8000 and 4000"),
        ({"dataset": "phantom"}, "data CAMUS and phantom"),
    ],
)  # fmt: skip
def test_runs_that_differ_in_data_or_unet_never_share_a_table(add_run, changes, says):
    dice = dict.fromkeys(changes.get("test_patients", DICE), 0.8)
    comparison = Comparison.of([add_run("real", DICE), add_run("sdm", dice, **changes)])
    assert sorted(map(labels, comparison.groups)) == [["real"], ["sdm"]]
    assert len({group.title for group in comparison.groups}) == 2
    (sentence,) = comparison.differences
    assert sentence.endswith(f"are tables of their own: {says}"), "and nothing else differs"


def old(add_run, generator, **changes):
    """A run from before records named their deformation."""
    folder = add_run(generator, DICE, name=f"old-{generator}", **changes)
    document = json.loads((folder / "run.json").read_text())
    del document["settings"]["deformation"]
    (folder / "run.json").write_text(json.dumps(document))
    return folder


def test_maps_deformed_otherwise_never_share_a_table_and_real_goes_with_both(add_run):
    folders = [add_run("real", DICE), old(add_run, "sdm"), add_run("warp", DICE), add_run("sdm", DICE)]
    comparison = Comparison.of(folders)
    assert [(group.title, labels(group)) for group in comparison.groups] == [
        ("CAMUS, 4C", ["real", "sdm", "warp"]),
        ("CAMUS, 4C, deformation of 0.1", ["real", "sdm"]),
    ]
    assert comparison.differences[0].endswith("are tables of their own: deformation 0.2 and 0.1")
    assert len(comparison.across_views()) == 2


def test_old_runs_of_undeformed_maps_are_like_new_ones(add_run):
    undeformed = {"strength": 0.0}
    folders = [old(add_run, "sdm", settings=undeformed), add_run("warp", DICE, settings=undeformed)]
    (group,) = Comparison.of([add_run("real", DICE), *folders]).groups
    assert (group.title, labels(group)) == ("CAMUS, 4C", ["real", "sdm", "warp"])


def test_no_answer_to_table_1_mixes_deformations(add_run):
    """Old 4C and new 2C belong to one split, and still never come together."""
    folders = [old(add_run, "sdm"), add_run("sdm", DICE, settings={"view": "2C"})]
    answers = Comparison.of(folders).across_views()
    assert [[group.title for group in groups] for groups in answers] == [
        ["CAMUS, 2C"], ["CAMUS, 4C, deformation of 0.1"]
    ]  # fmt: skip


def test_beside_a_run_stand_those_of_its_deformation(add_run):
    real, new, before = add_run("real", DICE), add_run("sdm", DICE), old(add_run, "warp")
    assert [labels(group_beside(folder)) for folder in (real, new, before)] == [
        ["real", "sdm"], ["real", "sdm"], ["real", "warp"]
    ]  # fmt: skip


ON_VALIDATION = {
    "settings": {"scored_on": "validation"},
    "fingerprints": {"training": "a" * 64, "validation": "e" * 64, "split": "c" * 64},
    "test_patients": ["x"],
    "validation_patients": ["d", "e"],
}


def test_runs_scored_on_other_patients_never_share_a_table(add_run, add_failure):
    folders = [add_run("real", DICE), add_run("sdm", {"d": 0.8, "e": 0.7}, **ON_VALIDATION, notes=["as it is"])]
    folders.append(add_failure("warp", "no", settings=ON_VALIDATION["settings"]))
    comparison = Comparison.of(folders)
    assert [(group.title, group.whom, labels(group)) for group in comparison.groups] == [
        ("CAMUS, 4C", "test patients", ["real"]),
        ("CAMUS, 4C, validation patients", "validation patients", ["sdm"]),
    ]
    assert [[failure.label for failure in group.failures] for group in comparison.groups] == [[], ["warp"]]
    assert "sdm: as it is" in comparison.groups[1].notes
    (sentence,) = comparison.differences
    assert sentence.endswith(
        "scored on test patients and validation patients; scored frames bbbbbbbb and eeeeeeee; "
        "scored patients 3 and 2, 0 of them in both"
    )


def test_tables_and_figures_of_validation_patients_say_so_and_table_1_has_none(add_run, tmp_path):
    other = {**ON_VALIDATION, "stages": [Stage("fit-4C", 60.0, 500), Stage("draw-training-4C", 9.0, 500, items=9)]}
    comparison = Comparison.of([add_run(name, {"d": 0.8, "e": 0.7}, **other) for name in ("real", "sdm")])
    (group,) = comparison.groups
    for table in group_tables(group):
        assert "validation patients" in table.caption and "test patients" not in table.caption
    assert "2 validation patients" in runs_markdown(group)
    drawn = group_figures(group)
    assert {"dice", "regions", "cost", "training"} <= set(drawn)
    for name, figure in drawn.items():
        words = [text.get_text() for text in figure.findobj(Text)]
        assert any("validation patients" in word for word in words), name
    page = write_report(tmp_path / "page", comparison).read_text()
    assert (
        "scored on the same real validation patients" in page and "<dt>validation patients</dt><dd>2: d, e</dd>" in page
    )
    assert "the test patients have not been used" in page
    assert paper_tables(comparison) == []


def test_a_failed_run_is_in_the_group_that_it_was_meant_for(add_run, add_failure):
    folders = [add_run("real", DICE), add_failure("sdm", "the disk is full")]
    comparison = Comparison.of([*folders, add_failure("gan", "no", settings={"view": "2C"})])
    (group,) = comparison.groups
    assert [(failure.label, failure.reason) for failure in group.failures] == [
        ("sdm", "failed in fit-4C, attempt 2: the disk is full")
    ]
    assert [failure.label for failure in comparison.failures] == ["gan"]


def test_a_finished_run_that_could_not_be_gone_on_with_counts_and_is_noted(add_run, add_failure):
    folder = add_run("real", DICE)
    add_failure("real", "the disk is full", name=folder.name)
    (group,) = Comparison.of([folder]).groups
    assert (labels(group), group.failures) == (["real"], ())
    assert "real was to be gone on with and failed in fit-4C, attempt 2: the disk is full" in group.notes


def test_runs_of_one_generator_are_told_apart_by_what_differs(add_run, add_failure):
    steps = {n: {"training": {"steps": 5000}, "sampling": {"steps": n}} for n in (20, 25)}
    folders = [add_run("sdm", DICE, name=f"sdm{n}", settings={"generator_settings": steps[n]}) for n in (20, 25)]
    (group,) = Comparison.of([*folders, add_run("real", DICE)]).groups
    assert labels(group) == ["real", "sdm (steps 20)", "sdm (steps 25)"]
    failed = add_failure("sdm", "no", name="third", settings={"generator_settings": steps[20], "images": 100})
    (group,) = Comparison.of([*folders, failed]).groups
    assert labels(group) == ["sdm", "sdm (steps 25)"], "what most have goes without saying"
    assert group.failures[0].label == "sdm (images 100)"
    assert group.notes == ("sdm has sampling.steps 20, images none where its label says nothing else",)


def test_what_differs_beyond_the_labels_is_noted(add_run):
    settings = [{"repeats": n, "strength": n / 2} for n in (1, 2)]
    folders = [add_run("sdm", DICE, name=str(i), settings=changes) for i, changes in enumerate(settings)]
    (group,) = Comparison.of(folders).groups
    assert labels(group) == ["sdm (repeats 1)", "sdm (repeats 2)"]
    assert group.notes == ("sdm (repeats 1) has strength 0.5; sdm (repeats 2) has strength 1.0",)


def test_a_phase_is_a_group_of_its_own_and_says_so(add_run):
    def frames(text):
        return {"training": text * 64, "testing": text * 64, "split": "c" * 64}

    comparison = Comparison.of(
        add_run("sdm", DICE, name=phase, settings={"phase": phase}, fingerprints=frames(str(i)))
        for i, phase in enumerate(("all", "ED"))
    )
    assert [group.title for group in comparison.groups] == ["CAMUS, 4C ED", "CAMUS, 4C"]
    assert [len(family) for family in comparison.across_views()] == [2]


def test_the_same_run_made_twice_is_told_apart_by_its_folder(add_run):
    (group,) = Comparison.of([add_run("sdm", DICE, name="monday"), add_run("sdm", DICE, name="tuesday")]).groups
    assert labels(group) == ["sdm (monday)", "sdm (tuesday)"]


def test_the_same_run_made_twice_in_folders_of_one_name_is_told_apart_by_their_parents(add_run, tmp_path):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    (group,) = Comparison.of([add_run("sdm", DICE, name=f"{place}/run") for place in ("here", "there")]).groups
    assert labels(group) == ["sdm (here/run)", "sdm (there/run)"] and len(group.scores) == 2


def test_generators_that_drew_for_other_maps_are_noted(add_run):
    folders = [
        add_run("sdm", DICE),
        add_run("warp", DICE, settings={"strength": 3.0, "seed": 7}),
        add_run("real", DICE),
    ]
    (group,) = Comparison.of(folders).groups
    notes = [note for note in group.notes if "same label maps" in note]
    assert [note.partition(": ")[2] for note in notes] == ["strength sdm 1.0, warp 3.0", "seed sdm 0, warp 7"]


def test_one_folder_named_twice_is_one_run_and_one_generator_alone_is_noted(add_run):
    folder = add_run("real", DICE)
    (group,) = Comparison.of([folder, folder / ".." / folder.name]).groups
    assert group.notes == ("only real was run: there is nothing to compare it with",)


def test_seconds_of_different_machines_are_noted(add_run):
    other = {"processor": "Another", "cores": 8, "device": "A card"}
    (group,) = Comparison.of([add_run("real", DICE), add_run("sdm", DICE, machine=other)]).groups
    assert group.notes == (
        "seconds and memory are of different machines or threads: A processor, 2 cores, 2 threads, instruction sets "
        "AVX-512, AVX2; Another, 8 cores, A card, threads not recorded, instruction sets not recorded",
    )


def test_views_of_one_split_come_together_for_the_papers_table(add_run):
    def frames(text):
        return {"training": text * 64, "testing": text * 64, "split": "c" * 64}

    folders = [
        add_run("real", DICE, name="4"),
        add_run("sdm", DICE, name="2", settings={"view": "2C"}, fingerprints=frames("1")),
        add_run("sdm", DICE, name="x", dataset="phantom"),
    ]
    titles = [[group.title for group in family] for family in Comparison.of(folders).across_views()]
    assert titles == [["CAMUS, 2C", "CAMUS, 4C"], ["phantom, 4C"]]
    folders.append(add_run("cyclegan", DICE, name="5", fingerprints=frames("2")))
    assert len(Comparison.of(folders).across_views()) == 3, "other 4C frames never share a table"


def test_no_run_at_all_is_an_error(tmp_path):
    with pytest.raises(EchobenchError, match="there are no runs to compare"):
        Comparison.of([])
    with pytest.raises(EchobenchError, match="not finished"):
        Comparison.of([tmp_path])


def test_a_record_that_is_cut_or_of_a_newer_schema_is_an_error(add_run):
    cut, newer = add_run("sdm", DICE), add_run("real", DICE)
    scores = cut / "scores.csv"
    scores.write_text(scores.read_text()[:-20])
    with pytest.raises(EchobenchError, match="cut or edited"):
        Comparison.of([cut])
    (newer / "run.json").write_text(json.dumps(json.loads((newer / "run.json").read_text()) | {"schema": 99}))
    with pytest.raises(EchobenchError, match="schema 99"):
        Comparison.of([newer])


def test_settings_are_told_apart_in_few_words():
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}
    facts = [{"rate": 1, "steps": 5, "size": 2}, {"rate": 1, "steps": 9, "size": 3}, {"rate": 1, "steps": 5, "size": 2}]
    assert differing(facts) == ["steps", "size"]
    assert told_apart(facts) == ["", "steps 9", ""], "two are the same, and usual"
    assert told_apart([{"a.n": 1, "b.n": 1}, {"a.n": 1, "b.n": 2}, {"a.n": 2, "b.n": 1}, {"a.n": 2, "b.n": 2}]) == [
        "a.n 1, b.n 1", "a.n 1, b.n 2", "a.n 2, b.n 1", "a.n 2, b.n 2",
    ]  # fmt: skip


def test_scores_are_by_label(add_run):
    (group,) = Comparison.of([add_run("real", DICE), add_run("sdm", DICE)]).groups
    assert list(group.scores) == ["real", "sdm"]
    assert isinstance(group.scores["sdm"], pd.DataFrame)
    assert not math.isnan(group.scores["sdm"]["value"].iloc[0])
