"""The verdicts at the top of the report: their tones, and the grammar of what is made of them in every combination."""

import re
from itertools import pairwise, product
from math import nan

import pytest

from echobench.results.evidence.adherence import DOUBT, FOLLOWS, IDEAL, LOST, UNDEFORMED
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.statistics import BETTER, EQUAL, UNDECIDED, WORSE
from echobench.results.evidence.stressed import stresses_beside
from echobench.results.evidence.subgroups import described
from echobench.results.report.answer import beyond_dice, held_against, standing
from echobench.results.shown.verdicts import (
    ALIKE,
    BAD,
    FAIR,
    GOOD,
    NOT_MEASURED,
    OPEN,
    TONES,
    WORSE_IN,
    Judged,
    Verdict,
    adherence,
    elsewhere,
    use,
    verdict_rows,
)

VERDICTS = (BETTER, WORSE, EQUAL, UNDECIDED)
ROW = {"Dice": 88.04, "Dice low": 86.0, "Dice high": 89.96}
LABELS = ("warp", "sdm (images 400)", "paint", "cyclegan")


def check(sentence):
    """What every sentence of the page has: one full stop, at its end, and no word or comma twice."""
    assert sentence.endswith(".") and not re.search(r"\.\s|\s[.,;:]|,,|;;|  ", sentence), sentence
    words = re.findall(r"[^\s,.;:()]+", sentence)
    assert len(words) <= 35, sentence
    assert not any(one == other for one, other in pairwise(words)), sentence
    assert not re.search(r"\b(and|or|is|it|from|than),? (and|or|is|it|than)\b", sentence.replace(", and is", "")), (
        sentence
    )
    assert "nan" not in words and "None" not in words and "{" not in sentence, sentence


def check_predicate(sentence, subjects=("It", "Its")):
    check(sentence)
    assert sentence.split()[0] in subjects, sentence
    assert re.search(r"\b(?:is|are|does|cannot|may|follows?|loses|gains)\b", sentence), sentence


@pytest.mark.parametrize("number", range(len(LABELS) + 1))
def test_every_combination_of_verdicts_makes_sentences(number):
    for verdicts in product(VERDICTS, repeat=number):
        said = standing("leader", ROW, dict(zip(LABELS, verdicts, strict=False)))
        for sentence in said:
            check(sentence)
        for label in LABELS[:number]:
            assert sum(sentence.count(label) for sentence in said) == 1
        assert ("is the best of" in said[0]) == (number > 0 and set(verdicts) == {BETTER})
        assert ("No generator is shown" in said[0]) == (number > 0 and BETTER not in verdicts)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_real_frames_are_held_against_in_a_sentence(verdict):
    check_predicate(f"It {held_against(verdict, ['the U-Net trained on real frames (real, 90.0 %)'])}.")


def test_without_an_interval_there_is_none():
    (said,) = standing("sdm", {"Dice": 88.04, "Dice low": nan, "Dice high": nan}, {})
    assert said == "sdm is the only generator here: its mean Dice is 88.0 %."


STEPS = ({}, {"swirl": FOLLOWS}, {"swirl": "0.5", "shear": "0.5"}, {"swirl": "0.25?", "shear": "1", "rim": FOLLOWS},
         {"swirl": "0.25?"})  # fmt: skip


def answers(**changed):
    usual = {"weakest part": Judged("LA in ES", "Dice 80.0 %")}
    usual |= dict.fromkeys(("for whom", "realism", "copies"), Judged(NOT_MEASURED))
    return usual | {
        "follows its map": Judged("no stress was run"), "other data": Judged("not tried"),
        "uses real images": Judged("no"),
    } | changed  # fmt: skip


def test_what_is_known_beyond_dice_makes_sentences_in_every_combination():
    realism = [Judged(NOT_MEASURED), *(Judged(f"{words} as other patients' frames are") for words in (
        "as near to real frames", "3.4 times as far from real frames"))]  # fmt: skip
    copies = [Judged(NOT_MEASURED), Judged("not flagged"), Judged("flagged by features and by pixels")]
    maps = [Judged("no stress was run"), Judged("the ideal: a frame with its own map")]
    maps += [adherence(ordinary, steps) for ordinary in (FOLLOWS, LOST, DOUBT) for steps in STEPS]
    others = [Judged("not tried"), *(elsewhere("echonet", *gap, 80.0) for gap in (
        (-5.0, -7.0, -3.0), (1.0, -1.0, 3.0), (5.0, 3.0, 7.0), (1.0, nan, nan)))]  # fmt: skip
    real = [Judged("no"), Judged("yes: it shows real frames"), Judged("not known")]
    whom = [Judged(words, "Dice 80.0 %, −5.0 points") for words in (
        NOT_MEASURED, ALIKE, *(f"{WORSE_IN}{described(trait, name)}" for trait, name in (
            ("image quality", "poor"), ("sex", "women"), ("age", "75 and over"),
            ("ejection fraction", "between 45 and 55 %"))))]  # fmt: skip
    names = ("for whom", "realism", "copies", "follows its map", "other data", "uses real images")
    for chosen in product(whom, realism, copies, maps, others, real):
        assert {one.tone for one in chosen} <= set(TONES)
        for sentence in beyond_dice(Verdict("sdm", answers(**dict(zip(names, chosen, strict=True))))):
            check_predicate(sentence.replace(";", ","), ("It", "Its"))


@pytest.mark.parametrize(
    ("real", "warp", "words", "tone"),
    [
        (BETTER, BETTER, "above real frames and warp", GOOD),
        (EQUAL, BETTER, "not told apart from real frames, above warp", GOOD),
        (EQUAL, WORSE, "not told apart from real frames, below warp", BAD),
        (WORSE, EQUAL, "below real frames, not told apart from warp", FAIR),
        (WORSE, WORSE, "below real frames and warp", BAD),
        (WORSE, nan, "below real frames", FAIR),
        (UNDECIDED, WORSE, "undecided against real frames, below warp", OPEN),
        (nan, nan, "nothing to compare it with", OPEN),
    ],
)
def test_use_is_held_against_real_frames_and_warp(real, warp, words, tone):
    assert use({"vs real": real, "vs warp": warp}, "real frames", "Dice 80.0 %") == Judged(words, "Dice 80.0 %", tone)


def test_every_combination_for_use_has_a_tone():
    for real, warp in product((*VERDICTS, nan), repeat=2):
        assert use({"vs real": real, "vs warp": warp}, "real frames", "").tone in TONES


def test_the_first_deformation_that_is_lost_is_named():
    found = adherence(FOLLOWS, {"swirl": "1", "shear": "0.25", "small": "0.25", "rim": "0.5?", "edge": FOLLOWS})
    assert found.words == "follows ordinary maps; first loses shear and small, at severity 0.25"
    assert (found.tone, found.detail) == (FAIR, "1 of 5 deformations in doubt")
    assert adherence(FOLLOWS, {"edge": FOLLOWS}).tone == GOOD
    assert adherence(LOST, {"edge": "0"}) == Judged("does not follow ordinary maps", "", BAD)


def test_rows_are_of_generators_the_best_first_and_say_what_nobody_measured(group):
    first, second = verdict_rows(group)
    assert (first.label, second.label) == ("sdm", "paint")
    assert (
        first.answers["use"] == Judged("below real frames", "Dice 88.0 %", FAIR)
        or "Dice 8" in first.answers["use"].detail
    )
    assert first.answers["realism"].words == first.answers["copies"].words == NOT_MEASURED
    assert first.answers["follows its map"].words == "no stress was run"
    assert first.answers["cost"].words == "30 minutes of training, 0.1 s an image"
    assert first.answers["uses real images"] == Judged("no", tone=GOOD)


def test_images_of_elsewhere_may_be_anybodys(add_run):
    (row,) = verdict_rows(Comparison.of([add_run("folder:mine", {"a": 0.8})]).groups[0])
    assert row.answers["uses real images"].words == "not known" and row.answers["cost"].words.startswith("not known")


def test_who_uses_real_images_is_what_the_record_says(add_run):
    folders = [add_run("mine", {"a": 0.8}, needs_source_images=True), add_run("warp", {"a": 0.8}, parameters=0)]
    rows = verdict_rows(Comparison.of(folders).groups[0])
    assert {row.answers["uses real images"].words for row in rows} == {"yes: it shows real frames"}


@pytest.mark.parametrize(("changed", "number"), [({}, 1), ({"training": "1" * 64}, 0), ({"split": "1" * 64}, 0)])
def test_a_stress_of_the_same_training_frames_beside_the_runs_is_found(group, add_stress, changed, number):
    add_stress(changed)
    found = stresses_beside(group)
    assert len(found) == number
    for stress in found:
        assert stress.of_runs == {"sdm": "sdm"} and set(stress.found.cells["generator"]) == {IDEAL, "sdm"}
        row = verdict_rows(group, found)[0]
        assert row.answers["follows its map"].words != "no stress was run"
        assert UNDEFORMED in set(stress.scores["deformation"])


def test_a_stress_of_other_weights_is_another_generators(add_run, add_stress):
    add_stress({})
    folders = [add_run("sdm", {"a": 0.8}, weights_sha256={"sdm-4C.pt": "9" * 64})]
    assert stresses_beside(Comparison.of(folders).groups[0]) == []


def test_a_stress_that_cannot_be_read_does_not_stop_a_report(group, add_stress):
    (add_stress({}) / "stress.csv").write_text("damaged")
    assert stresses_beside(group) == []
