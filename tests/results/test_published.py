"""The published numbers: each with its source, and not what we measured."""

import pytest

from echobench.data.labels import REGIONS
from echobench.results.evidence.comparison import Comparison
from echobench.results.shown.published import paper_table, published

DICE = {f"p{i:02d}": 0.7 + 0.2 * (i % 2) for i in range(50)}
OTHER_FRAMES = {"training": "1" * 64, "testing": "1" * 64, "split": "c" * 64}
ALL = ("2C ED", "2C ES", "4C ED", "4C ES")


def test_every_published_number_has_a_source_and_a_known_region():
    numbers = published()
    assert numbers[["paper", "edition", "locator", "segmentation_network", "mean"]].notna().all(axis=None)
    assert set(numbers["region"]) <= {*REGIONS, "mean"}
    table_1 = numbers[numbers["locator"] == "Table 1"].set_index(["generator", "train_data", "region"])
    assert table_1.loc[("sdm", "4C ED", "mean"), "mean"] == 89.3
    assert table_1.loc[("real", "all", "mean"), "mean"] == 87.1


def papers(comparison):
    (groups,) = comparison.across_views()
    return paper_table(groups)


def test_the_papers_table_has_its_rows_in_its_order_and_its_numbers_beside_ours(add_run, make_scores):
    table = papers(Comparison.of([add_run("sdm", make_scores(DICE)), add_run("real", make_scores(DICE))]))
    rows = ["4C ED", "4C ES", "2C ED", "2C ES", "all frames", "CycleGAN", "all real"]
    assert table.frame["row"].tolist() == rows
    frame = table.frame.set_index("row")
    assert frame["mean published mean"].tolist() == [89.3, 89.5, 85.0, 89.3, 88.6, 79.7, 87.1]
    assert frame["mean published std"].isna().all(), "over regions, not over images"
    assert set(frame["edition"]) == {"arXiv:2305.05424v2"} and set(frame["table"]) == {"Table 1"}
    assert frame.loc["4C ED", "run"] == "sdm, 4C"
    assert frame.loc["4C ED", "LVendo mean"] == pytest.approx(80)
    assert frame.loc[["2C ED", "2C ES", "CycleGAN"], "LVendo mean"].isna().all(), "not run"
    assert "4C ED: trained on 4C ED, 4C ES, published: on 4C ED." in table.notes
    assert "real, 4C: unet.batch_size: 8, paper 1." in table.notes


def test_other_test_frames_are_a_difference_of_their_own(add_run, make_scores):
    """A run of 4C stands beside published rows of 4C ED, which it is scored on, and of both views, which it is not."""
    folders = [add_run(name, make_scores(DICE), deviations=[]) for name in ("sdm", "real")]
    table = papers(Comparison.of(folders))
    differs = table.frame.set_index("row")["differs"]
    assert differs[["4C ED", "4C ES"]].tolist() == ["training", "training"]
    assert differs[["all frames", "all real"]].tolist() == ["training, test frames"] * 2
    assert "all real: scored on 4C ED, 4C ES, published: on 2C ED, 2C ES, 4C ED, 4C ES." in table.notes
    assert not [note for note in table.notes if note.startswith("4C ED: scored")]


def test_a_row_that_was_run_as_published_bears_no_mark(add_run, make_scores):
    exact = make_scores(DICE, frames=ALL)
    table = papers(Comparison.of([add_run("real", exact, settings={"view": "all"}, deviations=[])]))
    row = table.frame.set_index("row").loc["all real"]
    assert (row["differs"], row["LA mean"]) == ("", pytest.approx(80))
    assert table.notes == ()


def test_the_nearest_run_stands_for_a_row(add_run, make_scores):
    one = {patient: dice + 0.05 for patient, dice in DICE.items()}
    folders = [
        add_run("sdm", make_scores(DICE, frames=ALL), name="all", settings={"view": "all"}, fingerprints=OTHER_FRAMES),
        add_run("sdm", make_scores(one, frames=ALL[2:]), name="4C"),
    ]
    frame = papers(Comparison.of(folders)).frame.set_index("row")
    assert frame.loc[["4C ED", "2C ED", "all frames"], "run"].tolist() == ["sdm, 4C", "sdm, all", "sdm, all"]
    assert frame.loc[["4C ED", "2C ED", "all frames"], "mean mean"].tolist() == pytest.approx([85, 80, 80])


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"deviations": ["unet.channels: (2, 4), paper (2, 4, 8)"]}, "network"),
        ({"deviations": ["scoring.absent: no Dice, paper a Dice of 0"]}, "scoring"),
        ({"deviations": ["data.frames: 4C ED, paper 4C ED and 4C ES", "scoring.patients: a, paper b"]}, ""),
        ({"split_origin": "derived, seed 0"}, "split"),
        ({"dataset": "phantom", "deviations": ["data: the built-in phantom, paper CAMUS"]}, "split"),
        ({"deviations": ["unet.steps: 8000, paper None", "unet.channels: 2, paper 4"]}, "network, training"),
    ],
)
def test_a_row_is_marked_for_what_differs(add_run, make_scores, changes, mark):
    exact = make_scores(DICE, frames=ALL)
    folder = add_run("real", exact, **{"settings": {"view": "all"}, "deviations": []} | changes)
    assert papers(Comparison.of([folder])).frame.set_index("row").loc["all real", "differs"] == mark


def test_a_published_unet_of_others_is_another_network(add_run, make_scores):
    folder = add_run("cyclegan", make_scores(DICE, frames=ALL), settings={"view": "all"}, deviations=[])
    table = papers(Comparison.of([folder]))
    assert table.frame.set_index("row").loc["CycleGAN", "differs"] == "network"
    assert table.notes == (
        "CycleGAN: U-Net of “Echo from noise”, published: as published by Gilbert 2021 (supplement).",
    )


def test_two_runs_of_one_row_both_stand(add_run, make_scores):
    exact = make_scores(DICE, frames=ALL)
    folders = [
        add_run("real", exact.assign(unet_seed=seed), name=str(seed), settings={"view": "all"}) for seed in (0, 1)
    ]
    frame = papers(Comparison.of(folders)).frame
    assert frame["row"].tolist()[-2:] == ["all real", "all real"]
    assert frame["run"].tolist()[-2:] == ["real (unet_seeds 0), all", "real (unet_seeds 1), all"]
