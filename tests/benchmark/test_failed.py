"""A run that fails says why in its folder, until it has gone on and finished."""

import pytest

from echobench.benchmark.run import pipeline as pipeline
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.results.records.run import FailedRun, read_failed, write_failed

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def settings(camus_folder):
    return resolve(generator="paint", view="4C", data=str(camus_folder), preset="tiny")


def stop_with(error):
    def report(stage):
        def progress(done, total, figures=None):
            if stage == "unet-0":
                raise error

        return progress

    return report


def test_the_reason_stands_in_the_folder_until_the_run_is_finished(settings, tmp_path):
    for attempts in (1, 2):
        with pytest.raises(EchobenchError, match="no more light"):
            run(settings, tmp_path, report=stop_with(EchobenchError("there is no more light")))
        failed = read_failed(tmp_path)
        assert failed is not None
        assert (failed.generator, failed.view, failed.preset) == ("paint", "4C", "tiny")
        assert (failed.stage, failed.attempts, failed.error) == ("unet-0", attempts, "there is no more light")
        assert failed.settings["data"] == "camus"
    run(settings, tmp_path)
    assert read_failed(tmp_path) is None


def test_a_fault_of_the_program_is_named_with_its_kind(settings, tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(settings, tmp_path, report=stop_with(ZeroDivisionError("division by zero")))
    failed = read_failed(tmp_path)
    assert failed is not None and failed.error == "ZeroDivisionError: division by zero"


def test_the_reason_says_nothing_of_where_folders_lie(settings, camus_folder, tmp_path):
    path = camus_folder / "database_nifti" / "patient0001" / "patient0001_4CH_ED.nii.gz"
    path.write_bytes(b"")
    with pytest.raises(EchobenchError, match=str(path)):
        run(settings, tmp_path / "run")
    failed = read_failed(tmp_path / "run")
    assert failed is not None and failed.error.startswith("camus/database_nifti/patient0001/patient0001_4CH_ED.nii.gz")
    assert str(tmp_path) not in (tmp_path / "run" / "failed.json").read_text()


def test_between_stages(settings, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr(pipeline.pictures, "save", full)
    with pytest.raises(OSError):
        run(settings, tmp_path)
    failed = read_failed(tmp_path)
    assert failed is not None and failed.stage is None


def test_who_stops_a_run_has_not_failed(settings, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path, report=stop_with(KeyboardInterrupt()))
    assert read_failed(tmp_path) is None


def test_another_runs_folder_is_left_alone(settings, camus_folder, tmp_path):
    run(settings, tmp_path / "out")
    other = resolve(generator="paint", view="4C", data=str(camus_folder), preset="tiny", seed=1)
    with pytest.raises(EchobenchError, match="begun with other settings"):
        run(other, tmp_path / "out")
    assert read_failed(tmp_path / "out") is None


def test_force_removes_it(settings, tmp_path):
    with pytest.raises(EchobenchError):
        run(settings, tmp_path, report=stop_with(EchobenchError("no")))
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path, report=stop_with(KeyboardInterrupt()), force=True)
    assert read_failed(tmp_path) is None


def test_a_damaged_file_is_named(tmp_path):
    failed = FailedRun("sdm", "4C", "quick", resolve(generator="sdm", view="4C").published(), None, 1, "why", "now")
    write_failed(tmp_path, failed)
    assert read_failed(tmp_path) == failed
    (tmp_path / "failed.json").write_text('{"generator": "sdm"')
    with pytest.raises(EchobenchError, match=r"failed\.json is damaged or half-written"):
        read_failed(tmp_path)
