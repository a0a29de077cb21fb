"""Records: raw scores, written whole or not at all, old ones still readable."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from echobench.benchmark.measure.verify import verify_folder
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.results.evidence.statistics import patient_means, seed_spread
from echobench.results.records.files import SEAL, is_unaltered, write_sealed
from echobench.results.records.run import CURVES, GENERATOR_CURVES, read_record, write_record
from echobench.results.shown.tables import _region_row, frame_groups

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"
REGIONS = ("LVendo", "LVepi", "LVmyo", "LA")


def rows(patient, phase, value, *, seed=0, n_pred=10, regions=REGIONS):
    return [
        {"patient": patient, "view": "4C", "phase": phase, "region": region, "metric": "dice", "unit": "1",
         "value": value, "n_ref": 10, "n_pred": n_pred, "unet_seed": seed}
        for region in regions
    ]  # fmt: skip


def test_a_record_is_read_as_it_was_written(add_run, make_scores):
    scores = make_scores({"a": 0.8, "b": 0.7})
    folder = add_run(
        "sdm", scores, settings={"scored_on": "validation"}, validation_patients=["a", "b"], test_patients=["c"],
        fingerprints={"training": "a" * 64, "validation": "b" * 64, "split": "c" * 64},
        notes=["what a reader must know"],
    )  # fmt: skip
    record, read = read_record(folder)
    assert (record.scored_on, record.scored_patients, record.test_patients) == ("validation", ["a", "b"], ["c"])
    assert record.notes == ["what a reader must know"]
    pd.testing.assert_frame_equal(read, scores)


@pytest.mark.parametrize("path", sorted(MEASURED.glob("**/run.json")), ids=lambda path: path.parent.name)
def test_records_of_before_there_was_a_choice_are_of_test_patients(path):
    record, scores = read_record(path.parent)
    if "scored_on" not in record.settings:
        assert (record.whom, record.scored_patients) == ("test patients", record.test_patients)
        assert record.test_patients == sorted(set(scores["patient"]))


def summary_of(scores):
    return pd.DataFrame.from_dict(
        {frames: _region_row(chosen, "dice") for frames, chosen in frame_groups(scores).items()}, orient="index"
    )


def test_patients_are_averaged_first_and_the_std_is_over_patients():
    scores = pd.DataFrame(
        rows("a", "ED", 0.8) + rows("a", "ES", 0.6) + rows("b", "ED", 0.9) + rows("b", "ES", 0.9) + rows("c", "ED", 0.5)
    )
    summary = summary_of(scores)
    assert list(summary.index) == ["all", "4C ED", "4C ES"]
    assert summary.loc["all", "LVendo mean"] == pytest.approx(np.mean([70, 90, 50]))
    assert summary.loc["all", "mean std"] == pytest.approx(np.std([70, 90, 50], ddof=1))
    assert summary.loc["all", "patients"] == 3
    assert summary.loc["4C ES", "LA mean"] == pytest.approx(75)


def test_a_missed_structure_counts_as_zero_and_is_counted():
    scores = pd.DataFrame(rows("a", "ED", 0.0, n_pred=0) + rows("b", "ED", 1.0))
    summary = summary_of(scores)
    assert summary.loc["all", "missed"] == 3  # cavity, wall and atrium; the whole ventricle is no fourth
    assert summary.loc["all", "LA mean"] == pytest.approx(50)


def test_an_absent_structure_counts_neither_for_nor_against():
    scores = pd.DataFrame(
        rows("a", "ED", math.nan, n_pred=0, regions=["LA"])
        + rows("a", "ED", 0.8, regions=REGIONS[:3])
        + rows("b", "ED", 0.6)
    )
    assert patient_means(scores, "dice")["LA"].dropna().tolist() == [0.6]


def test_seed_spread_is_over_seeds_of_the_mean_dice():
    scores = pd.DataFrame(rows("a", "ED", 0.8) + rows("a", "ED", 0.9, seed=1))
    assert seed_spread(scores) == pytest.approx(np.std([80, 90], ddof=1))


def test_a_record_holds_the_hash_of_every_file_and_is_not_read_beside_another(add_run):
    folder = add_run("real", {"a": 0.8, "b": 0.9})
    record, scores = read_record(folder)
    assert set(record.files_sha256) == {CURVES}
    curves = pd.DataFrame({"view": ["4C"], "step": [1]})
    write_record(folder, record, scores, pd.DataFrame({"step": [1]}), curves)
    assert set(read_record(folder)[0].files_sha256) == {CURVES, GENERATOR_CURVES}
    for name in (CURVES, GENERATOR_CURVES):
        before = (folder / name).read_text()
        (folder / name).write_text(before.replace("1", "2"))
        with pytest.raises(EchobenchError, match=rf"{name} is not what run\.json describes: it was cut or edited"):
            read_record(folder)
        (folder / name).write_text(before)
    read_record(folder)


@pytest.mark.parametrize("note", ["plain", "a, b", "two\nlines", 'says "so"', ""])
def test_a_seal_is_broken_by_any_edit_and_by_nothing_else(tmp_path, note):
    path = tmp_path / "table.csv"
    table = pd.DataFrame({"value": [0.1 + 0.2, np.nan], "note": [note, note]})
    write_sealed(path, table)
    assert is_unaltered(path) is True
    pd.testing.assert_frame_equal(
        pd.read_csv(path, keep_default_na=False, na_values={"value": [""]})[["note"]], table[["note"]]
    )
    text = path.read_text()
    for place in range(len(text)):
        if text[place].isalnum():
            path.write_text(text[:place] + ("7" if text[place] != "7" else "8") + text[place + 1 :])
            assert not is_unaltered(path), text[place - 5 : place + 5]
    table.to_csv(path, index=False)
    assert SEAL not in path.read_text() and is_unaltered(path) is None


def with_value(column, value):
    """Raw scores with one entry changed."""
    return lambda scores: scores.assign(**{column: [value, *scores[column][1:]]})


CHANGED_SCORES = {
    "have a Dice outside of 0 to 1": with_value("value", 5.0),
    "is no patient of the record": lambda scores: scores.replace({"patient": {"a": "z"}}),
    "has entries that are no numbers": with_value("n_ref", "x"),
    "count no whole number of pixels": with_value("n_pred", -1),
    "the columns are": lambda scores: scores.drop(columns="unit"),
    "lack rows": lambda scores: scores[::2][1:],
    "have no score": lambda scores: scores[: len(scores) // 2],
    "rows are there twice": lambda scores: pd.concat([scores, scores[:1]]),
    "have a distance that is none": lambda scores: scores.assign(
        value=scores["value"].where(scores["metric"] != "hd95_mm", math.inf)
    ),
}
CHANGED_RECORDS = {
    "its test patients are none": {"test_patients": []},
    "it has no fingerprint of split": {"fingerprints": {"training": "a", "testing": "b"}},
    "it.schema must be a whole number": {"schema": True},
    "it.machine lacks cores, device, processor": {"machine": {}},
    "it.versions must be a table": {"versions": [1]},
    "it.settings lacks data": {"settings": {}},
    "its stage unet-0 has a negative number": {"stages": [{"name": "unet-0", "seconds": -1, "peak_memory_mb": 1}]},
    "it.stages[0] lacks peak_memory_mb": {"stages": [{"name": "unet-0", "seconds": 1}]},
    "dice must be among them": {"metrics": []},
    "its regions are": {"regions": ["RV"]},
    "it.training_images must be a whole number": {"training_images": 10**30},
}


def rewritten(folder, scores, **fields):
    """What an editor leaves who knows the hashes."""
    document = json.loads((folder / "run.json").read_text()) | fields
    scores.to_csv(folder / "scores.csv", index=False)
    (folder / "run.json").write_text(json.dumps(document | {"scores_sha256": file_sha256(folder / "scores.csv")}))


@pytest.mark.parametrize("says", [*CHANGED_SCORES, *CHANGED_RECORDS])
def test_what_no_run_writes_is_refused_and_verify_says_so(add_run, make_scores, says):
    scores = make_scores({"a": 0.8, "b": 0.7})
    folder = add_run("sdm", scores)
    rewritten(folder, CHANGED_SCORES.get(says, lambda same: same)(scores), **CHANGED_RECORDS.get(says, {}))
    with pytest.raises(EchobenchError, match=f"is damaged.*{re.escape(says)}.*; run it again with --force"):
        read_record(folder)
    assert verify_folder(folder, "run").wrong
