"""patients.csv of a run: written by a comparison, and added to a record that was passed on."""

import shutil

import pandas as pd
import pytest

from echobench.benchmark import calls
from echobench.benchmark.cells.compare import describe
from echobench.benchmark.measure.patients import describe_patients
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.results.records.patients import PATIENTS
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def camus_run(camus_folder, tmp_path):
    settings = resolve(generator="real", view="4C", preset="tiny", data=str(camus_folder))
    run(settings, tmp_path / "run")
    return settings, tmp_path / "run"


def test_what_a_dataset_says_of_its_patients_lies_beside_the_record(tmp_path):
    settings = resolve(generator="real", view="4C", preset="tiny")
    record, _ = run(settings, tmp_path)
    describe_patients(settings, tmp_path)
    rows = PATIENTS.read(tmp_path).set_index("patient")
    assert sorted(rows.index) == record.test_patients
    known = load_dataset(settings).clinical
    for patient, row in rows.iterrows():
        assert row["ef_percent"] == float(known.at[patient, "ef_percent"])
        assert (row["sex"], row["quality_4C"]) == (known.at[patient, "sex"], known.at[patient, "quality_4C"])
    before = (tmp_path / PATIENTS.name).stat().st_mtime_ns
    describe_patients(settings, tmp_path)
    assert (tmp_path / PATIENTS.name).stat().st_mtime_ns == before


def test_a_record_that_was_passed_on_is_told_where_the_dataset_lies(camus_run, camus_folder, tmp_path):
    _, folder = camus_run
    passed_on = tmp_path / "records" / "real"
    passed_on.mkdir(parents=True)
    for name in ("run.json", "scores.csv", "curves.csv"):
        shutil.copy(folder / name, passed_on)
    with pytest.raises(EchobenchError, match="says nothing of its patients"):
        calls.compare(runs=[passed_on.parent], data=str(camus_folder), out=tmp_path)
    for patient in (camus_folder / "database_nifti").iterdir():
        (patient / "Info_4CH.cfg").write_text("Sex: F\nAge: 61\nImageQuality: Poor\nEF: 40\n")
    calls.compare(runs=[passed_on.parent], data=str(camus_folder), out=tmp_path)
    assert sorted(PATIENTS.read(passed_on)["patient"]) == read_record(passed_on)[0].test_patients
    (table,) = (tmp_path / "comparison" / "tables").rglob("subgroups.csv")
    assert set(pd.read_csv(table)["trained on"]) == {"real"}


def test_another_dataset_is_refused(camus_run, camus_folder, tmp_path):
    _, folder = camus_run
    other = tmp_path / "other"
    shutil.copytree(camus_folder, other)
    test_patient = read_record(folder)[0].test_patients[0]
    one, another = sorted(other.rglob(f"{test_patient}*4CH*E[DS].nii.gz"))[:2]
    shutil.copy(one, another)
    with pytest.raises(EchobenchError, match="are not those that any of the runs was scored on"):
        describe([folder], other)
