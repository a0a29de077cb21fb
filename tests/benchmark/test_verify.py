"""`echobench verify`: what was edited, replaced or moved is found or said, in records made here and committed ones."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.benchmark.measure import rescore
from echobench.benchmark.measure.cross import cross, view_target
from echobench.benchmark.measure.ejection import measure_ejection
from echobench.benchmark.measure.realism_of_runs import measure_realism
from echobench.benchmark.measure.verify import TOLERANCE, unhashed, verify_folder
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.results.records.run import RECORD, SCORES, read_record
from echobench.segmentation.scores import METRICS
from echobench.segmentation.segmenter import Segmenter

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"
pytestmark = pytest.mark.usefixtures("tiny")


def settings_for(data, generator="real", **changes):
    return resolve(generator=generator, view="4C", data=str(data), preset="tiny", **{"unet_seeds": 2} | changes)


@pytest.fixture
def finished(camus_folder, tmp_path):
    run(settings_for(camus_folder), tmp_path / "runs" / "real")
    return tmp_path / "runs" / "real"


def invoke(*places):
    return CliRunner().invoke(main, ["verify", *map(str, places)])


def edit_digit(path: Path, row: int, column: str) -> None:
    """Change the last digit of one value, and nothing else of the file."""
    header, *lines = path.read_text().splitlines()
    place = header.split(",").index(column)
    cells = lines[row].split(",")
    cells[place] = cells[place][:-1] + str((int(cells[place][-1]) + 1) % 10)
    lines[row] = ",".join(cells)
    path.write_text("\n".join([header, *lines]) + "\n")


def row_where(path: Path, **values) -> int:
    """The first row of raw scores with these values that has a value of its own."""
    scores = pd.read_csv(path)
    chosen = (scores[list(values)] == pd.Series(values)).all(axis=1) & (scores["value"] > 0) & (scores["value"] != 1)
    return int(chosen.idxmax())


def fix_up(folder: Path, **hashes) -> None:
    """What an editor who knows the format does: write the new hashes into run.json."""
    document = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(document | {"scores_sha256": file_sha256(folder / SCORES)} | hashes))


def test_a_run_is_what_its_record_says(finished):
    result = invoke(finished)
    assert result.exit_code == 0, result.output
    said = "hashes of 5 of 5 files, a sound table of 64 scores, 64 scores re-made from 2 U-Nets, all equal; "
    said += "not verified: what else run.json says, pictures (no hash on record)"
    assert result.output == f"real: {said}\n"


@pytest.mark.parametrize("generator", ["sdm", "paint"])
def test_every_file_of_a_drawn_run_has_a_hash_on_record(camus_folder, tmp_path, generator):
    run(settings_for(camus_folder, generator), tmp_path / "out")
    record, _ = read_record(tmp_path / "out")
    assert set(record.files_sha256) == {path.name for path in tmp_path.glob("out/*.csv")} - {SCORES}
    assert set(record.weights_sha256) == {"generator-4C.pt", "unet-0.pt", "unet-1.pt"}
    verdict = verify_folder(tmp_path / "out", "out")
    assert verdict.verified and not verdict.wrong and verdict.unverified == (unhashed(tmp_path / "out"),)


def test_an_edited_digit_of_the_scores_is_found(finished):
    edit_digit(finished / SCORES, 5, "value")
    result = invoke(finished.parent)
    assert result.exit_code == 1
    assert "WRONG: scores.csv is not the file on record" in result.output
    assert "1 of 64 scores are not those of the weights here" in result.output
    assert "1 of these records is not what the run wrote" in result.stderr


def test_a_digit_whose_hash_was_fixed_up_is_found_by_scoring_again(finished):
    edit_digit(finished / SCORES, row_where(finished / SCORES, metric="assd_mm"), "value")
    fix_up(finished)
    read_record(finished)  # to whoever only reads it, it is as good as any
    (sentence,) = verify_folder(finished, "out").wrong
    assert sentence.startswith("1 of 64 scores are not those of the weights here, the first patient0005 4C ")
    assert "assd_mm, U-Net seed" in sentence


def test_without_weights_the_counts_of_pixels_still_betray_a_dice(finished):
    edit_digit(finished / SCORES, row := row_where(finished / SCORES, metric="dice"), "n_pred")
    fix_up(finished)
    shutil.rmtree(finished / "stages")
    verdict = verify_folder(finished, "out")
    assert any("n_pred of 1 masks differs from row to row" in sentence for sentence in verdict.wrong), row
    assert "scores (no weights here)" in verdict.unverified


def test_replaced_weights_are_found_and_again_where_their_hash_was_fixed_up(finished):
    one, other = finished / "stages" / "unet-0.pt", finished / "stages" / "unet-1.pt"
    shutil.copy(other, one)
    assert "stages/unet-0.pt is not the file on record" in verify_folder(finished, "out").wrong
    record, _ = read_record(finished)
    fix_up(finished, weights_sha256=record.weights_sha256 | {"unet-0.pt": file_sha256(one)})
    (sentence,) = verify_folder(finished, "out").wrong
    assert "scores are not those of the weights here" in sentence
    unet = Segmenter.load(other)
    dataclasses.replace(unet, settings=dataclasses.replace(unet.settings, leaky_slope=0.2)).save(one)
    assert any("holds a U-Net of other settings" in sentence for sentence in verify_folder(finished, "out").wrong)
    one.write_bytes(b"no network")
    assert any("cannot be read: it is damaged" in sentence for sentence in verify_folder(finished, "out").wrong)


def test_data_that_moved_or_changed_is_said_and_no_fault(finished, camus_folder):
    frame, other = sorted(camus_folder.rglob("patient0005_4CH_*_gt.nii.gz"))
    frame.write_bytes(other.read_bytes())
    verdict = verify_folder(finished, "out")
    assert not verdict.wrong and "are no longer those of the record" in verdict.unverified[0]
    camus_folder.rename(camus_folder.with_name("elsewhere"))
    result = invoke(finished)
    assert result.exit_code == 0
    assert "a sound table of 64 scores; not verified: scores (there is no folder" in result.output


def test_the_scores_are_made_again_on_as_many_threads_as_the_record_says(camus_folder, tmp_path, monkeypatch):
    torch.set_num_threads(2)
    try:
        run(settings_for(camus_folder), tmp_path / "out")
    finally:
        torch.set_num_threads(1)
    seen = []
    score = rescore.known_scores
    monkeypatch.setattr(rescore, "known_scores", lambda *a: seen.append(torch.get_num_threads()) or score(*a))
    verdict = verify_folder(tmp_path / "out", "out")
    assert seen == [2, 2] and torch.get_num_threads() == 1
    assert verdict.verified[-1].endswith("all equal") and verdict.unverified == (unhashed(tmp_path / "out"),)


def test_a_run_that_went_on_on_another_number_of_threads_says_so(camus_folder, tmp_path):
    class Killed(BaseException):
        pass

    def kill_late(stage):
        def progress(done, total, figures=None):
            if stage == "unet-1" and done >= 8:
                raise Killed

        return progress

    torch.set_num_threads(2)
    try:
        with pytest.raises(Killed):
            run(settings_for(camus_folder), tmp_path / "out", report=kill_late)
    finally:
        torch.set_num_threads(1)
    record, _ = run(settings_for(camus_folder), tmp_path / "out")
    assert (record.machine["torch_threads"], record.machine["torch_threads_used"]) == (1, [1, 2])
    assert {stage.name: stage.attempts for stage in record.stages}["unet-1"] == 2
    verdict = verify_folder(tmp_path / "out", "out")
    assert not verdict.wrong
    assert verdict.unverified == (
        "that its command gives it again (it ran on 1 and 2 threads)",
        unhashed(tmp_path / "out"),
    )


def test_a_run_of_before_a_metric_is_verified_by_those_that_it_has_and_its_cross_by_today_s(tmp_path, monkeypatch):
    settings = resolve(generator="real", view="4C", preset="tiny")
    with monkeypatch.context() as before:
        before.delitem(METRICS, "ece")
        run(settings, tmp_path)
    cross(tmp_path, view_target(tmp_path), "cpu")
    own, crossed = (set(pd.read_csv(tmp_path / name)["metric"]) for name in (SCORES, "cross-2C.csv"))
    assert crossed - own == {"ece"}
    verdict = verify_folder(tmp_path, "out")
    assert not verdict.wrong and verdict.verified[-1].endswith("all equal")


@pytest.mark.parametrize(("share", "found"), [(0.9, 0), (1.1, 1)])
def test_scores_of_another_machine_are_held_to_the_stated_tolerance(finished, monkeypatch, share, found):
    here = rescore.describe_machine
    monkeypatch.setattr(rescore, "describe_machine", lambda device: here(device) | {"processor": "another"})
    scores = pd.read_csv(finished / SCORES)
    scores.loc[row_where(finished / SCORES, metric="hd95_mm"), "value"] += share * TOLERANCE["hd95_mm"]
    scores.to_csv(finished / SCORES, index=False)
    fix_up(finished)
    verdict = verify_folder(finished, "out")
    assert len(verdict.wrong) == found
    if not found:
        within = "dice ± 0.005, hd95_mm ± 1, assd_mm ± 0.1, ece ± 0.005"
        assert verdict.verified[-1].endswith(f"all within {within} (other processor)")


@pytest.fixture
def with_side_files(tmp_path):
    """A run of the phantom in one view, with everything that is measured beside a record."""
    folders = {name: tmp_path / "runs" / name for name in ("real", "paint")}
    settings = {name: resolve(generator=name, view="4C", preset="tiny", phase="all") for name in folders}
    for name, folder in folders.items():
        # Ten patients are too few for realism, so that its file says why; it is a file all the same.
        run(settings[name], folder)
    measure_realism(settings["paint"], folders["paint"], folders["real"], "cpu")
    measure_ejection(settings["paint"], folders["paint"], "cpu")
    cross(folders["paint"], view_target(folders["paint"]), "cpu")
    return folders["paint"]


def test_an_edited_digit_of_a_side_file_is_found_and_so_is_one_of_another_run(with_side_files):
    names = ("ejection.csv", "realism.csv", "cross-2C.csv", "curves.csv")
    verdict = verify_folder(with_side_files, "out")
    assert verdict.verified[0] == "hashes of 7 of 7 files" and not verdict.wrong
    assert verdict.unverified == (unhashed(with_side_files),)
    columns = ("edv_ml", "rows_sha256", "n_pred", "step")
    for name, column in zip(names, columns, strict=True):
        before = (with_side_files / name).read_text()
        if column == "rows_sha256":
            (with_side_files / name).write_text(before.replace("frames", "names", 1))
        else:
            edit_digit(with_side_files / name, 0, column)
        assert verify_folder(with_side_files, "out").wrong == (f"{name} is not the file on record",), name
        (with_side_files / name).write_text(before)
    fix_up(with_side_files, scores_sha256="0" * 64)
    wrong = verify_folder(with_side_files, "out").wrong
    assert "cross-2C.json is of other scores than the record's; `echobench cross` measures it anew" in wrong
    for name in ("ejection.csv", "realism.csv"):
        assert any(sentence.startswith(f"{name} is not of the run in the record; ") for sentence in wrong)


def test_an_edited_side_file_is_not_read(with_side_files):
    settings = resolve(generator="paint", view="4C", preset="tiny")
    edit_digit(with_side_files / "ejection.csv", 0, "esv_ml")
    with pytest.raises(EchobenchError, match=r"ejection\.csv is damaged"):
        measure_ejection(settings, with_side_files, "cpu")
    edit_digit(with_side_files / "curves.csv", 0, "step")
    with pytest.raises(EchobenchError, match=r"curves\.csv is not what run\.json describes"):
        read_record(with_side_files)


def test_files_that_are_gone_are_found_and_weights_that_are_gone_are_said(finished):
    (finished / "curves.csv").unlink()
    (finished / "stages" / "unet-1.pt").unlink()
    verdict = verify_folder(finished, "out")
    assert verdict.wrong == ("curves.csv is on record and not here",)
    assert verdict.unverified == (
        "unet-1.pt (not here)",
        "scores of U-Net seed 1 (no weights here)",
        unhashed(finished),
    )
    assert "32 scores re-made from 1 U-Net, all equal" in verdict.verified
    (finished / SCORES).unlink()
    assert "scores.csv is on record and not here" in verify_folder(finished, "out").wrong


def test_a_record_from_before_there_were_hashes_is_read_and_says_what_it_lacks(finished):
    document = json.loads((finished / RECORD).read_text())
    for name in ("files_sha256", "weights_sha256"):
        del document[name]
    del document["machine"]["torch_threads_used"]
    (finished / RECORD).write_text(json.dumps(document))
    read_record(finished)
    verdict = verify_folder(finished, "out")
    assert verdict.verified[0] == "hashes of 1 of 5 files" and not verdict.wrong
    assert "curves.csv, stages/generator-4C.pt, stages/unet-0.pt, stages/unet-1.pt (no hash on record)" in (
        verdict.unverified
    )


@pytest.mark.parametrize(("file", "row", "column"), [("stress.csv", 40, "value"), ("stress.csv", 9000, "ignored")])
def test_an_edited_digit_of_a_stress_is_found(tmp_path, file, row, column):
    shutil.copytree(MEASURED / "phantom-stress", tmp_path / "stress")
    assert invoke(tmp_path / "stress").exit_code == 0
    edit_digit(tmp_path / "stress" / file, row, column)
    result = invoke(tmp_path / "stress")
    assert result.exit_code == 1
    assert "stress.csv is not what stress.json describes" in result.output


def test_a_run_that_has_not_finished_is_said_and_a_folder_without_any_refused(finished, tmp_path):
    (tmp_path / "runs" / "sdm").mkdir()
    (tmp_path / "runs" / "sdm" / "failed.json").touch()
    result = invoke(tmp_path / "runs")
    assert result.exit_code == 0
    assert "sdm: not verified: all of it (the run has not finished)" in result.output
    result = invoke(tmp_path / "camus")
    assert result.exit_code == 1
    assert "there is no record in" in result.stderr


def test_the_committed_records_are_what_their_runs_wrote():
    result = invoke(MEASURED)
    assert result.exit_code == 0, result.output
    records = [*MEASURED.rglob("run.json"), *MEASURED.rglob("stress.json")]
    assert len(result.output.splitlines()) == len({path.resolve() for path in records}) > 30
    assert result.output.count("a sound table of") == len(result.output.splitlines())


def test_records_without_weights_are_verified_without_torch():
    code = (
        "import sys; from echobench.benchmark.cli.entry import main\n"
        f"main(['verify', {str(MEASURED / 'phantom-real-quick')!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a sound table of 1,152 scores" in done.stdout


@pytest.mark.parametrize("text", ["", 'patient,view\n"', "patient,view\na,b,c\n"])
def test_a_table_that_is_none_is_wrong(finished, text):
    for name in (SCORES, "curves.csv"):
        (finished / name).write_text(text)
        verdict = verify_folder(finished, "out")
        assert f"{name} is not the file on record" in verdict.wrong and len(verdict.wrong) > 1


def test_a_record_of_settings_that_this_version_does_not_know_is_said(finished):
    path = finished / "stages" / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "blue"}))
    verdict = verify_folder(finished, "out")
    assert not verdict.wrong and "settings that this version does not know" in verdict.unverified[0]
