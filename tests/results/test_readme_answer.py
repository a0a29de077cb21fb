"""The answer in the README: what the verdicts of the records say, in short sentences."""

import re

import pytest

from echobench.results.records.run import Stage
from echobench.results.records.unsaid import FIRST_DEFORMATION
from echobench.results.shown.readme_answer import answer_markdown, best_alone

MACHINE = {"machine": {"processor": "A processor", "cores": 2, "device": "cpu", "torch_threads": 2}}


@pytest.fixture
def answered(planted):
    """The text under each question, of runs with a mean Dice each."""

    def of(changes=None, /, **dice):
        text = answer_markdown(planted(changes or {}, **dice))
        return dict(re.findall(r"- \*\*(.*?)\*\* (.*)\n", text))

    return of


def test_the_winner_is_named_with_those_whom_it_beats_and_those_whom_nothing_tells_apart(answered):
    said = answered(real=0.9, warp=0.85, sdm=0.8505, paint=0.5)["Who wins?"]
    assert said.startswith("On CAMUS (view 4C, 12 test patients), `sdm` has the highest mean Dice of 3 compared: 85.")
    assert "It is better than `paint` (5" in said
    assert "It cannot be told apart from `warp` (8" in said


def test_it_is_held_against_real_frames_where_they_were_run(answered):
    assert answered(real=0.9, warp=0.8)["Against real frames?"].startswith("It is worse than a U-Net trained on")


def test_where_no_real_frames_were_run_nothing_is_said_of_them(answered):
    assert "Against real frames?" not in answered(warp=0.8, paint=0.5)


def test_the_cost_is_that_of_the_winner_and_of_those_as_good(answered):
    stages = [Stage("fit-4C", 600, 2000), Stage("draw-training-4C", 20, 2000, items=200), Stage("unet-0", 300, 3000)]
    changes = {"sdm": {"stages": stages, "parameters": 5, **MACHINE}, "warp": {"parameters": 0, **MACHINE}}
    said = answered(changes, real=0.9, warp=0.85, sdm=0.8505, paint=0.5)["At what cost?"]
    assert "`sdm` trained for 10 minutes and draws an image in 0.1 s on 2 processor cores." in said
    assert "`warp` needs no training" in said and "paint" not in said


def test_who_draws_out_of_real_images_is_said(answered):
    said = answered(real=0.9, warp=0.85, paint=0.5)["From real images?"]
    assert said == (
        "Images of `warp` are changed real images: each of them shows a patient. "
        "Images of `paint` are drawn from a label map alone."
    )


def test_a_short_training_and_a_single_seed_are_limits(answered):
    short = {"settings": {"generator_settings": {"training": {"steps": 5000, "batch": 16}}}}
    said = answered({"sdm": short}, real=0.9, sdm=0.85)["With which limits?"]
    assert said == "`sdm` trained for 80,000 of the 600,000 published images."


def test_maps_that_were_deformed_otherwise_than_today_are_a_limit(answered):
    old = {"settings": {"deformation": FIRST_DEFORMATION}}
    said = answered({"warp": old, "paint": old}, real=0.9, warp=0.85, paint=0.5)["With which limits?"]
    assert said.startswith("Label maps were deformed as in version 0.1, more strongly than in the paper.")


def test_without_a_generator_there_is_no_answer(planted):
    assert answer_markdown(planted(real=0.9)) == ""


def test_the_best_that_images_reach_alone_is_held_against_real_frames(planted):
    said = best_alone(planted({}, real=0.9, sdm=0.9, flow=0.8))
    said = re.sub(r"\d\d\.\d", "…", said)
    assert said == (
        "With the strength and the number of images that validation patients chose, `sdm` reaches … % (not "
        "distinguishable from real frames) and `flow` reaches … % (worse than real frames). Real frames reach … %, "
        "with 3 U-Nets each."
    )


def test_nothing_is_said_of_the_best_without_real_frames_or_without_images(planted):
    assert best_alone(planted({}, real=0.9)) == best_alone(planted({}, sdm=0.8, flow=0.8)) == ""
