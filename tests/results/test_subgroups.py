"""Subgroups of patients: a planted difference is found, none is made up, sentences say no more than the rows."""

import numpy as np
import pandas as pd
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.subgroups import (
    BETTER_OFF,
    DICE,
    NOT_SHOWN,
    TOO_FEW,
    WORSE_OFF,
    described,
    read_traits,
    subgroups,
    worst_off,
)
from echobench.results.records.patients import PATIENTS
from echobench.results.records.run import read_record
from echobench.results.shown.formats import shown
from echobench.results.shown.subgroups import subgroup_tables
from echobench.results.shown.verdicts import ALIKE, BAD, FAIR, GOOD, for_whom, verdict_rows

NAMES = [f"p{i:02d}" for i in range(40)]


def who(**changes):
    """Forty patients in whom no trait goes with another."""
    i = np.arange(40)
    table = pd.DataFrame(
        {
            "patient": NAMES,
            "sex": np.where(i % 2, "F", "M"),
            "age_years": 40.0 + 45 * (i // 2 % 2),
            "quality_2C": "",
            "quality_4C": np.where(i // 4 % 2, "Good", "Poor"),
            "ef_percent": np.select([i // 8 % 3 == 0, i // 8 % 3 == 1], [40.0, 50.0], 60.0),
        }
    )
    return table.assign(**changes)


@pytest.fixture
def run_of(add_run, make_scores):
    """A run of forty patients: `run_of(Dice by patient, what is known of them)`."""

    def made(dice, known=None, name="sdm"):
        folder = add_run(name, make_scores(dict(zip(NAMES, dice, strict=True))))
        if known is not None:
            PATIENTS.write(folder, read_record(folder)[0].scores_sha256, known)
        return next(run for run in Comparison.of([folder]).groups[0].runs)

    return made


def noise(seed, scale=0.02):
    return 0.85 + np.random.default_rng(seed).normal(0, scale, 40)


def row_of(found, subgroup, measure=DICE.name):
    (row,) = found[(found["measure"] == measure) & (found["subgroup"] == subgroup)].to_dict("records")
    return row


def test_a_planted_difference_is_found_and_named_and_the_rest_is_not(run_of):
    known = who()
    run = run_of(noise(0) - 0.06 * (known["quality_4C"] == "Poor"), known)
    found = subgroups(run)
    poor, good = row_of(found, "poor"), row_of(found, "good")
    assert (poor["verdict"], good["verdict"]) == (WORSE_OFF, BETTER_OFF)
    assert poor["patients"] == 20 and poor["difference"] == pytest.approx(-6, abs=1.5)
    assert poor["difference low"] < poor["difference"] < poor["difference high"] < 0
    others = found[(found["measure"] == DICE.name) & (found["trait"] != "image quality")]
    assert set(others["verdict"]) == {NOT_SHOWN} and len(others) == 2 + 2 + 3
    assert worst_off(found)["subgroup"] == "poor"
    judged = for_whom(found)
    assert judged.words == "worse in patients with poor image quality" and judged.tone == FAIR
    assert f"Dice {poor['mean']:.1f} %" in judged.detail


def test_none_is_made_up_in_twenty_records_without_any(run_of, monkeypatch):
    monkeypatch.setattr("echobench.results.evidence.subgroups.RESAMPLES", 499)
    monkeypatch.setattr("echobench.results.evidence.subgroups.MEASURES", (DICE,))
    monkeypatch.setattr("echobench.results.evidence.subgroups.bootstrap_interval", lambda values: (0.0, 0.0))
    monkeypatch.setattr("echobench.results.evidence.subgroups.gap", lambda a, b, paired: (b.mean() - a.mean(), 0, 0))
    wrong = 0
    for seed in range(20):
        found = subgroups(run_of(noise(seed), who(), name=f"g{seed}"))
        wrong += set(found["verdict"]) != {NOT_SHOWN}
    assert wrong <= 4  # 1 of 20 is to be expected of a test at 5 %; more than 4 come in 1 of 390 such trials


def test_a_test_is_counted_once_though_both_halves_show_it(run_of):
    found = subgroups(run_of(noise(3), who()))
    women, men = row_of(found, "women"), row_of(found, "men")
    assert women["p"] == men["p"] and women["p Holm"] == men["p Holm"]
    assert women["difference"] == pytest.approx(-men["difference"])
    tests = found[found["measure"] == DICE.name].drop_duplicates("p")
    assert len(tests) == 1 + 1 + 1 + 3  # sex, age and quality have two groups each here, ejection fraction three
    lowest = tests["p"].idxmin()
    assert tests.loc[lowest, "p Holm"] == pytest.approx(min(1, 6 * tests.loc[lowest, "p"]))


def test_what_is_missed_and_what_is_few(run_of):
    known = who(sex=["F"] * 3 + ["M"] * 37)
    run = run_of(noise(1), known)
    found = subgroups(run)
    assert row_of(found, "women")["verdict"] == row_of(found, "men")["verdict"] == TOO_FEW
    assert set(found["measure"]) == {DICE.name, "structures missed (%)"}  # no ejection fraction was measured
    missed = found[found["measure"] == "structures missed (%)"]
    assert (missed["mean"] == 0).all() and set(missed["verdict"]) == {NOT_SHOWN, TOO_FEW}
    nobody = subgroups(
        run_of(noise(1), who(sex=["F"] * 2 + ["M"] * 38, age_years=np.nan, quality_4C="", ef_percent=np.nan), name="b")
    )
    assert for_whom(nobody).words == "too few patients to tell"


def test_traits_are_read_in_the_datasets_words_and_unknown_ones_are_nothing(run_of):
    known = who(quality_4C=["good ", "MEDIUM", "Poor", "unheard of"] * 10, sex=["F", "M", "", "x"] * 10)
    traits = read_traits(run_of(noise(0), known))
    assert traits["image quality"].head(4).tolist()[:3] == ["good", "medium", "poor"]
    assert traits["image quality"].isna().sum() == 10 and traits["sex"].isna().sum() == 20
    assert set(traits["age"]) == {"under 60", "75 and over"}
    assert traits["ejection fraction"].iloc[[0, 8, 16]].tolist() == [
        "at most 45 %", "between 45 and 55 %", "at least 55 %",
    ]  # fmt: skip


def test_with_both_views_the_worse_quality_counts(add_run, make_scores):
    folder = add_run("sdm", make_scores(dict.fromkeys(NAMES, 0.9)), settings={"view": "all"})
    known = who(quality_2C=["Good", "Poor", "", "Medium"] * 10, quality_4C=["Medium", "Good", "Good", "Medium"] * 10)
    PATIENTS.write(folder, read_record(folder)[0].scores_sha256, known)
    traits = read_traits(Comparison.of([folder]).groups[0].runs[0])
    assert traits["image quality"].head(2).tolist() == ["medium", "poor"]
    assert traits["image quality"].isna().sum() == 10


def test_a_table_has_a_row_per_subgroup_and_says_of_whom_nothing_is_known(run_of):
    known = run_of(noise(0), who())
    unknown = run_of(noise(1), name="warp")
    group = Comparison.of([known.folder, unknown.folder]).groups[0]
    (table,) = subgroup_tables(group)
    assert len(table.frame) == 2 * (2 + 2 + 2 + 3) and set(table.frame["trained on"]) == {"sdm"}
    assert table.notes == ("Nothing is known of the patients of warp.",)
    assert {"mean 95 %", "difference 95 %", "p Holm"} <= set(shown(table))
    assert subgroup_tables(Comparison.of([unknown.folder]).groups[0]) == []
    tones = {row.label: row.answers["for whom"] for row in verdict_rows(group)}
    assert tones["sdm"].words == ALIKE and tones["sdm"].tone == GOOD and BAD not in {one.tone for one in tones.values()}
    assert tones["warp"].words == "not measured"


def test_patients_of_other_scores_are_not_taken(run_of):
    run = run_of(noise(0), who())
    PATIENTS.write(run.folder, "0" * 64, who())
    assert read_traits(run) is None
    (run.folder / PATIENTS.name).write_text("patient\np00\n")
    with pytest.raises(EchobenchError, match=r"patients\.csv is damaged"):
        read_traits(run)


@pytest.mark.parametrize(("trait", "subgroup"), [("image quality", "poor"), ("sex", "women"), ("age", "under 60"),
                                                 ("ejection fraction", "at most 45 %")])  # fmt: skip
def test_every_trait_has_words(trait, subgroup):
    assert subgroup in described(trait, subgroup)
