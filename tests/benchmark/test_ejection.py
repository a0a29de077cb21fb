"""ejection.csv of a run: what is in it, when it is measured anew, and when not at all."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from echobench.benchmark.measure.ejection import measure_ejection
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.results.records.ejection import EJECTION
from echobench.results.records.files import OF_SCORES, SEAL
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")


def settings_of(**changes):
    return resolve(**({"generator": "real", "view": "4C", "preset": "tiny"} | changes))


def measured(settings, folder):
    measure_ejection(settings, folder, "cpu")
    return pd.read_csv(folder / EJECTION.name)


def test_experts_u_nets_and_the_datasets_own(tmp_path):
    settings = settings_of(unet_seeds=2)
    record, _ = run(settings, tmp_path)
    table = measured(settings, tmp_path)
    assert tuple(table.columns) == (*EJECTION.columns, OF_SCORES, SEAL)
    assert sorted(set(table["patient"])) == record.test_patients
    assert table.groupby("masks")["unet_seed"].unique().map(np.size).to_dict() == {"expert": 1, "predicted": 2}
    assert set(table["planes"]) == {"4C"} and set(table["scores_sha256"]) == {record.scores_sha256}
    expert = table[table["masks"] == "expert"].set_index("patient")
    assert expert["unet_seed"].isna().all()
    truth = load_dataset(settings).ejection_fraction
    for patient in record.test_patients:
        assert expert.loc[patient, "dataset_ef_percent"] == truth[patient]
        assert expert.loc[patient, "ef_percent"] == pytest.approx(truth[patient], abs=25)
        volumes = expert.loc[patient, ["edv_ml", "esv_ml"]]
        assert expert.loc[patient, "ef_percent"] == pytest.approx(
            100 * (1 - volumes.iloc[1] / volumes.iloc[0]), abs=0.1
        )


def test_two_views_are_measured_biplane(tmp_path):
    settings = settings_of(view="all")
    run(settings, tmp_path)
    assert set(measured(settings, tmp_path)["planes"]) == {"2C+4C"}


def test_measured_once_and_anew_for_more_seeds(tmp_path):
    settings = settings_of()
    run(settings, tmp_path)
    measured(settings, tmp_path)
    before = (tmp_path / EJECTION.name).stat().st_mtime_ns
    measure_ejection(settings, tmp_path, "cpu")
    assert (tmp_path / EJECTION.name).stat().st_mtime_ns == before
    more = settings_of(unet_seeds=2)
    run(more, tmp_path)
    assert measured(settings, tmp_path)["unet_seed"].dropna().unique().tolist() == [0, 1]  # the record's, whoever asks
    assert set(pd.read_csv(tmp_path / EJECTION.name)["scores_sha256"]) == {read_record(tmp_path)[0].scores_sha256}


def test_nothing_where_a_phase_is_missing_or_the_frames_are_others(tmp_path):
    settings = settings_of()
    run(settings, tmp_path)
    for other in ({"phase": "ED"}, {"phantom_patients": 12}):
        measure_ejection(dataclasses.replace(settings, **other), tmp_path, "cpu")
    assert not (tmp_path / EJECTION.name).exists()
