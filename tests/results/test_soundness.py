"""Tables of raw scores that cannot be what they say."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from echobench.data.labels import REGIONS, Label
from echobench.results.records.soundness import COLUMNS, altered_scores, curve_faults, run_faults, score_faults
from echobench.segmentation.scores import METRICS, score

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def sound(make_frames) -> pd.DataFrame:
    """Raw scores of two U-Nets that see the maps a pixel lower and two to the right; a region that nobody sees."""
    frames = make_frames(2)
    seen = [np.roll(frames.labels, shift, axis) for shift, axis in ((1, 1), (2, 2))]
    seen[1][0][seen[1][0] == 3] = 0
    certain = [np.stack([labels == label for label in Label], axis=1).astype(np.float32) for labels in seen]
    both = enumerate(zip(seen, certain, strict=True))
    tables = [score(frames, *forecast).assign(unet_seed=seed) for seed, forecast in both]
    return pd.concat(tables, ignore_index=True)


def faults(scores: pd.DataFrame) -> list[str]:
    return score_faults(scores, regions=REGIONS, seeds=[0, 1], frames=4, metrics=METRICS.values())


def first(scores: pd.DataFrame, **values: object) -> int:
    return int((scores[list(values)] == pd.Series(values)).all(axis=1).idxmax())


def with_value(column: str, value: object, **where: object) -> Change:
    """One cell changed, in the first row that has these values."""

    def change(scores: pd.DataFrame) -> pd.DataFrame:
        changed = scores.copy()
        changed.loc[first(scores, **where), column] = value
        return changed

    return change


def test_the_scorers_own_tables_are_sound(sound):
    assert tuple(sound.columns) == COLUMNS
    assert faults(sound) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda scores: scores.drop(columns="n_ref"), "the columns are"),
        (lambda scores: scores.assign(value="good"), "value has entries that are no numbers"),
        (lambda scores: scores.drop(index=5), "1 of 4 frames lack rows, the first patient0001 4C ED"),
        (lambda scores: scores[scores["phase"] == "ED"], "2 frames are there, the run scored 4"),
        (lambda scores: scores[scores["unet_seed"] == 0], "unet_seed is 0, not 0, 1"),
        (lambda scores: scores.replace({"region": {"LA": "RA"}}), "region is LVendo, LVepi, LVmyo, RA, not"),
        (with_value("unit", "mm", metric="dice"), "1 rows have another unit, the first patient0001 4C ED"),
        (with_value("value", 1.2, metric="dice"), "1 rows have a Dice outside of 0 to 1"),
        (with_value("value", -0.1, metric="dice"), "1 rows have a Dice outside of 0 to 1"),
        (with_value("value", np.nan, metric="dice"), "1 rows lack a Dice"),
        (with_value("value", -1.0, metric="assd_mm"), "1 rows have a distance that is none"),
        (with_value("value", np.inf, metric="hd95_mm"), "1 rows have a distance that is none"),
        (with_value("value", 0.5, metric="dice", n_pred=0), "1 rows have a Dice that no overlap of so many pixels"),
        (with_value("n_ref", -4, metric="dice"), "1 rows count no whole number of pixels"),
        (with_value("n_ref", 7, metric="dice"), "n_ref of 1 masks differs from row to row"),
        (with_value("n_pred", 7, metric="dice"), "n_pred of 1 masks differs from row to row"),
    ],
)
def test_what_cannot_be_is_named(sound, change, sentence):
    found = faults(change(sound))
    assert any(fault.startswith(sentence) for fault in found), found


def test_a_row_that_stands_there_twice_is_named(sound):
    twice = pd.concat([sound, sound.iloc[[7]]], ignore_index=True)
    assert any(fault.startswith("1 rows are there twice") for fault in faults(twice))


@pytest.mark.parametrize("digit", range(2, 12))
def test_an_edited_digit_of_a_dice_is_named(sound, digit):
    row = int(((sound["metric"] == "dice") & sound["value"].between(0.01, 0.89)).idxmax())
    sound.loc[row, "value"] += 10.0**-digit
    assert any("have a Dice that no overlap of so many pixels gives" in fault for fault in faults(sound))


def test_counts_that_do_not_add_up_over_the_regions_are_named(sound):
    sound.loc[sound["region"] == "LVmyo", ["n_ref", "n_pred"]] += 1
    assert any(fault.startswith("n_ref of LVepi is not that of LVendo and LVmyo") for fault in faults(sound))
    assert any(fault.startswith("n_pred of LVepi is not that of LVendo and LVmyo") for fault in faults(sound))


def record(**changes):
    standard = {
        "settings": {"unet_seeds": [0, 1]}, "stages": [SimpleNamespace(name="score", items=8)], "view": "4C",
        "scored_patients": ["patient0001", "patient0002"], "metrics": list(METRICS.values()), "regions": list(REGIONS),
    }  # fmt: skip
    found = standard | changes
    return SimpleNamespace(views=(found["view"],), **found)


def test_patients_and_frames_are_those_of_the_record(sound):
    assert run_faults(record(), sound) == []
    assert run_faults(record(stages=[]), sound) == []  # a record that does not say how many frames
    assert run_faults(record(scored_patients=["patient0001"]), sound) == ["patient0002 is no patient of the record"]
    three = ["patient0001", "patient0002", "patient0003"]
    assert run_faults(record(scored_patients=three), sound) == [
        "1 patients of the record have no score, the first patient0003"
    ]
    fewer = [SimpleNamespace(name="score", items=12)]
    assert run_faults(record(stages=fewer), sound) == ["4 frames are there, the run scored 6"]


def test_curves_are_of_the_records_u_nets_and_views():
    of_unets, of_views = pd.DataFrame({"unet_seed": [0, 1]}), pd.DataFrame({"view": ["4C"]})
    assert curve_faults(record(), of_unets, of_views) == [] == curve_faults(record(), of_unets, None)
    assert curve_faults(record(), of_unets[:1], of_views) == ["curves: unet_seed is 0, not 0, 1"]
    assert curve_faults(record(view="2C"), of_unets, of_views) == ["generator curves: view is 4C, not 2C"]


def test_scores_made_again_are_held_to_the_text_or_to_a_tolerance(sound):
    recorded = sound.astype(str)
    assert altered_scores(recorded, recorded, None).empty
    assert altered_scores(recorded, recorded.sample(frac=1, random_state=0), None).empty
    other, row = recorded.copy(), first(sound, metric="assd_mm")
    other.loc[row, "value"] = str(sound.loc[row, "value"] + 0.01)
    assert len(altered_scores(recorded, other, None)) == 1
    tolerance = {"dice": 0.0, "hd95_mm": 0.0, "ece": 0.0}
    assert altered_scores(recorded, other, tolerance | {"assd_mm": 0.011}).empty
    assert len(altered_scores(recorded, other, tolerance | {"assd_mm": 0.009})) == 1
    assert len(altered_scores(recorded[1:], recorded, None)) == 1 == len(altered_scores(recorded, recorded[1:], None))
    other.loc[row, "n_ref"] = "1"
    assert len(altered_scores(recorded, other, tolerance | {"assd_mm": 1.0})) == 1
