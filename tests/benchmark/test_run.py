"""`echobench run`: end to end, again, after a kill, and with bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.benchmark.run import pictures
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.data.datasets.medical_image import read_image, write_image
from echobench.data.store import read_manifest
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")


def settings_for(folder, generator="real", **changes):
    return resolve(generator=generator, view="4C", data=str(folder), preset="tiny", **changes)


def invoke(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def run_arguments(data, out, *more):
    return ("run", "--generator", "real", "--data", data, "--preset", "tiny", "--device", "cpu", "--out", out, *more)


@pytest.mark.usefixtures("whole_figures")
def test_a_run_leaves_a_whole_record(camus_folder, tmp_path):
    result = invoke(*run_arguments(camus_folder, tmp_path / "out", "--unet-seeds", 2))
    assert result.exit_code == 0, result.output
    assert "LVendo" in result.output
    record, scores = read_record(tmp_path / "out")
    # 1 test patient × 2 phases × 4 regions × 4 metrics × 2 U-Net seeds
    assert len(scores) == 64
    assert set(scores["unet_seed"]) == {0, 1}
    assert set(scores["patient"]) == {"patient0005"} == set(record.test_patients)
    assert {stage.name for stage in record.stages} == {"read", "fit-4C", "unet-0", "unet-1", "score"}
    assert record.settings["unet_settings"]["steps"] == 12
    assert record.split_origin == "official"
    assert any(line.startswith("unet.batch_size: 4, paper 1") for line in record.deviations)
    assert set(pd.read_csv(tmp_path / "out" / "curves.csv")["unet_seed"]) == {0, 1}
    assert (tmp_path / "out" / "pictures" / "predicted.png").stat().st_size > 10_000


@pytest.fixture
def on_threads():
    """Compute on so many threads, until the test ends."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("generator", "threads"), [("real", 1), ("warp", 1), ("paint", 1), ("sdm", 1), ("cyclegan", 1), ("real", 2)]
)
def test_the_same_command_on_as_many_threads_gives_the_same_bit_for_bit(
    camus_folder, tmp_path, on_threads, generator, threads
):
    on_threads(threads)
    records = [run(settings_for(camus_folder, generator), tmp_path / name)[0] for name in ("first", "second")]
    assert (tmp_path / "first" / "scores.csv").read_bytes() == (tmp_path / "second" / "scores.csv").read_bytes()
    assert records[0].weights_sha256 == records[1].weights_sha256
    assert all(record.machine["torch_threads_used"] == [threads] for record in records)


def test_readme_and_help_say_when_the_same_command_gives_the_same():
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    for text in (readme, invoke("run", "--help").output):
        said = " ".join(text.split())
        assert "bit for bit" in said
        assert "number of threads" in said.partition("bit for bit")[2][:120]


def test_a_finished_run_is_read_and_not_redone(camus_folder, tmp_path):
    run(settings_for(camus_folder), tmp_path / "out")
    written = (tmp_path / "out" / "run.json").stat().st_mtime_ns
    run(settings_for(camus_folder), tmp_path / "out")
    assert (tmp_path / "out" / "run.json").stat().st_mtime_ns == written
    run(settings_for(camus_folder), tmp_path / "out", force=True)
    assert (tmp_path / "out" / "run.json").stat().st_mtime_ns > written


def test_force_removes_nothing_before_the_data_can_be_read(camus_folder, tmp_path):
    run(settings_for(camus_folder), tmp_path / "out")
    written = (tmp_path / "out" / "run.json").read_bytes()
    with pytest.raises(EchobenchError, match="there is no folder"):
        run(settings_for(tmp_path / "nowhere"), tmp_path / "out", force=True)
    with pytest.raises(EchobenchError, match="cannot take its own generator"):
        run(settings_for(camus_folder), tmp_path / "out", force=True, generator_from=tmp_path / "out")
    assert (tmp_path / "out" / "run.json").read_bytes() == written


def test_force_leaves_alone_what_is_no_runs(camus_folder, tmp_path):
    mine = tmp_path / "mine" / "pictures" / "thesis.png"
    mine.parent.mkdir(parents=True)
    mine.touch()
    run(settings_for(camus_folder), tmp_path / "mine", force=True)
    assert mine.exists()


def test_a_view_without_frames_is_not_called_run(camus_folder, tmp_path):
    for view in ("all", "2C"):
        with pytest.raises(EchobenchError, match=r"(has no|there are no) 2C"):
            run(resolve(generator="real", view=view, data=str(camus_folder), preset="tiny"), tmp_path / view)


def test_another_process_is_kept_out_and_loses_nothing_by_force(camus_folder, tmp_path, held_by_another):
    run(settings_for(camus_folder), tmp_path / "out")
    written = (tmp_path / "out" / "run.json").read_bytes()
    with held_by_another(tmp_path / "out"):  # which shows, too, that a finished run lets go
        for force in (False, True):
            with pytest.raises(EchobenchError, match="another echobench is at work in"):
                run(settings_for(camus_folder, seed=1), tmp_path / "out", force=force)
        assert (tmp_path / "out" / "run.json").read_bytes() == written
        assert (tmp_path / "out" / "stages" / "unet-0.pt").is_file()
    run(settings_for(camus_folder), tmp_path / "out")


def test_the_settings_of_a_folder_are_written_once(camus_folder, tmp_path):
    path = tmp_path / "out" / "stages" / "settings.json"
    with pytest.raises(Killed):
        run(settings_for(camus_folder), tmp_path / "out", report=killed_in_the_unet)
    written = path.stat().st_mtime_ns
    run(settings_for(camus_folder), tmp_path / "out")
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_is_none_is_refused_at_once(camus_folder, seed):
    with pytest.raises(EchobenchError, match="seed is"):
        settings_for(camus_folder, seed=seed)


def test_force_draws_anew(camus_folder, tmp_path):
    first, _ = run(settings_for(camus_folder, "paint"), tmp_path)
    assert {stage.name: stage.items for stage in first.stages}["draw-training-4C"] == 6
    measured = ("realism.csv", "realism-curves.csv", "ejection.csv", "cross-2C.csv", "cross-2C.json")
    of_the_first = [tmp_path / name for name in measured]
    for path in of_the_first:
        path.touch()
    again, _ = run(settings_for(camus_folder, "paint"), tmp_path, force=True)
    assert {stage.name: stage.items for stage in again.stages}["draw-training-4C"] == 6
    assert not any(path.exists() for path in of_the_first)


def test_a_run_does_not_go_on_with_other_data(camus_folder, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(camus_folder, folder)
    run(settings_for(folder), tmp_path / "out")
    one, other = sorted(folder.rglob("patient*_4CH_E[DS]_gt.nii.gz"))[:2]
    one.write_bytes(other.read_bytes())
    with pytest.raises(EchobenchError, match="is of other data than there is now"):
        run(settings_for(folder), tmp_path / "out")
    (tmp_path / "out" / "run.json").unlink()
    with pytest.raises(EchobenchError, match=r"was begun with other data: the (training|validation|testing) frames"):
        run(settings_for(folder), tmp_path / "out")
    run(settings_for(folder), tmp_path / "out", force=True)


def test_a_finished_run_gets_more_unet_seeds_and_keeps_the_ones_it_has(camus_folder, tmp_path):
    _, one = run(settings_for(camus_folder), tmp_path / "out")
    trained = (tmp_path / "out" / "stages" / "unet-0.pt").stat().st_mtime_ns
    record, two = run(settings_for(camus_folder, unet_seeds=2), tmp_path / "out")
    assert (tmp_path / "out" / "stages" / "unet-0.pt").stat().st_mtime_ns == trained
    assert record.settings["unet_seeds"] == [0, 1]
    pd.testing.assert_frame_equal(two[two["unet_seed"] == 0].reset_index(drop=True), one)
    assert len(run(settings_for(camus_folder), tmp_path / "out")[1]) == len(two)


class Killed(BaseException):
    """Stands for a signal."""


def killed_in_the_unet(stage):
    def progress(done, total, figures=None):
        if stage == "unet-0":
            raise Killed

    return progress


def test_a_killed_run_goes_on_where_it_was_with_the_same_scores(camus_folder, tmp_path):
    settings = settings_for(camus_folder, unet_seeds=2)
    run(settings, tmp_path / "whole")
    reported = []

    def report_until_killed(stage):
        def progress(done, total, figures=None):
            reported.append(stage)
            if stage == "unet-1" and done >= 8:
                raise Killed

        return progress

    with pytest.raises(Killed):
        run(settings, tmp_path / "killed", report=report_until_killed)
    assert not (tmp_path / "killed" / "run.json").exists()
    stages_after = []

    def report_again(stage):
        stages_after.append(stage)
        return silent

    record, _ = run(settings, tmp_path / "killed", report=report_again)
    assert "unet-0" not in stages_after
    assert (tmp_path / "killed" / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()
    assert {s.name: s.attempts for s in record.stages}["unet-1"] == 2


def test_a_synthetic_row_draws_trains_and_resumes_with_the_same_scores(camus_folder, tmp_path, monkeypatch):
    settings = settings_for(camus_folder, "sdm")
    record, _ = run(settings, tmp_path / "whole")
    assert {"fit-4C", "draw-training-4C", "draw-validation-4C"} <= {stage.name for stage in record.stages}
    assert record.training_images == 6  # 3 patients × 2 phases × 1 map
    assert record.evaluations == 4
    assert record.parameters > 0
    manifest = read_manifest(tmp_path / "whole" / "synthetic" / "training-4C")
    assert {row.patient for row in manifest} == {"patient0001", "patient0002", "patient0003"}
    monkeypatch.setattr("echobench.benchmark.run.drawing.CHUNK", 2)
    for stage_to_kill, at in (("fit-4C", 4), ("draw-training-4C", 4)):

        def report(stage, stage_to_kill=stage_to_kill, at=at):
            def progress(done, total, figures=None):
                if stage == stage_to_kill and done >= at:
                    raise Killed

            return progress

        with pytest.raises(Killed):
            run(settings, tmp_path / "killed", report=report)
    assert 0 < len(read_manifest(tmp_path / "killed" / "synthetic" / "training-4C")) < 6
    run(settings, tmp_path / "killed")
    assert (tmp_path / "killed" / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


@pytest.mark.parametrize("generator", ["warp", "paint"])
def test_every_untrained_generator_runs_end_to_end(camus_folder, tmp_path, generator):
    record, scores = run(settings_for(camus_folder, generator), tmp_path / "out")
    assert record.generator == generator
    assert len(scores) == 32


def test_the_phantom_is_the_default_and_every_view_has_its_own_generator(tmp_path):
    settings = resolve(generator="paint", view="all", preset="tiny")
    record, scores = run(settings, tmp_path / "out")
    assert record.dataset == "phantom"
    assert set(scores["view"]) == {"2C", "4C"}
    assert {"fit-2C", "fit-4C", "draw-training-2C", "draw-training-4C"} <= {stage.name for stage in record.stages}
    assert record.training_images == 32  # 8 patients × 2 views × 2 phases


def test_a_folder_of_drawn_images_scores_as_the_generator_that_drew_them(camus_folder, tmp_path):
    run(settings_for(camus_folder, "paint"), tmp_path / "paint")
    drawn = tmp_path / "paint" / "synthetic"
    record, _ = run(settings_for(camus_folder, f"folder:{drawn}"), tmp_path / "folder")
    assert (tmp_path / "folder" / "scores.csv").read_bytes() == (tmp_path / "paint" / "scores.csv").read_bytes()
    assert record.generator == "folder:synthetic"
    assert str(tmp_path) not in (tmp_path / "folder" / "run.json").read_text()


def test_no_real_image_enters_the_training_or_selection_of_a_synthetic_row(camus_folder, tmp_path, monkeypatch):
    from echobench.benchmark.run import pipeline as pipeline

    seen = []
    train = pipeline.train

    def watched(training, validation, *arguments, **options):
        seen.extend([*training.images, *validation.images])
        return train(training, validation, *arguments, **options)

    monkeypatch.setattr(pipeline, "train", watched)
    settings = settings_for(camus_folder, "sdm")
    run(settings, tmp_path / "out")
    real = {image.tobytes() for image in load_dataset(settings).frames.images}
    assert len(seen) == 8
    assert not real & {image.tobytes() for image in seen}


def test_test_patients_are_not_read_before_the_end(camus_folder, tmp_path):
    """Blacken the test patients: training must not notice."""
    run(settings_for(camus_folder), tmp_path / "out")
    for path in (camus_folder / "database_nifti" / "patient0005").glob("*_gt.nii.gz"):
        partner = path.parents[1] / "patient0004" / path.name.replace("0005", "0004")
        path.write_bytes(partner.read_bytes())
    run(settings_for(camus_folder), tmp_path / "changed")
    curves = [pd.read_csv(tmp_path / name / "curves.csv") for name in ("out", "changed")]
    pd.testing.assert_frame_equal(*curves)


def test_validation_patients_can_be_scored_and_test_patients_are_in_no_number(camus_folder, tmp_path):
    arguments = run_arguments(camus_folder, tmp_path / "out", "--on", "validation")
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "over validation patients" in said and "validation patients: 1" in said
    record, scores = read_record(tmp_path / "out")
    assert set(scores["patient"]) == {"patient0004"} == set(record.scored_patients)
    assert (record.whom, record.test_patients) == ("validation patients", ["patient0005"])
    assert set(record.fingerprints) == {"training", "validation", "split"}
    assert record.notes == [
        "the U-Net's weights were selected on the very frames that are scored, so that its Dice flatters"
    ]
    assert "scores: of the validation patients, paper of the test patients" in record.deviations
    for path in (camus_folder / "database_nifti" / "patient0005").glob("*.nii.gz"):
        other = read_image(path)  # mirrored: another image, and no copy of a training patient's
        write_image(path, other.pixels[:, ::-1].astype(np.uint8), other.spacing_mm)
    changed = settings_for(camus_folder, scored_on="validation")
    assert run(changed, tmp_path / "out")[0].finished == record.finished, "the frames that it is about are the same"
    run(changed, tmp_path / "again")
    assert (tmp_path / "again" / "scores.csv").read_bytes() == (tmp_path / "out" / "scores.csv").read_bytes()


def test_pictures_show_the_frames_that_are_scored(camus_folder, tmp_path, monkeypatch):
    headings = []

    def keep(left, folder, dpi):
        headings.append({name: figure.get_suptitle() for name, figure in left.items()})

    monkeypatch.setattr(pictures, "write_figures", keep)
    run(settings_for(camus_folder, scored_on="validation"), tmp_path / "out")
    run(settings_for(camus_folder), tmp_path / "test")
    assert [one["predicted"] for one in headings] == ["frames of validation patients", "frames of test patients"]
    assert all("validation patients" in one["drawn"] for one in headings)


@pytest.mark.parametrize(
    ("generator", "seen"),
    [
        ("warp", "copies of the frames that are scored, deformed like its training images, so that its Dice flatters"),
        ("paint", "images drawn for the label maps of the patients who are scored; it saw none of their own images"),
    ],
)
def test_a_record_says_what_selected_the_weights(camus_folder, tmp_path, generator, seen):
    record, _ = run(settings_for(camus_folder, generator, scored_on="validation"), tmp_path / "out")
    assert record.notes == [f"the U-Net's weights were selected on {seen}"]


def test_who_is_scored_is_part_of_a_runs_identity_where_it_is_not_the_test_patients(camus_folder, tmp_path):
    """The digests are from the commit before there was a choice."""
    assert resolve(generator="real", view="4C").slug() == "phantom-real-4C-quick-1d44037d"
    assert resolve(generator="real", view="all", phase="ED", preset="standard").slug() == (
        "phantom-real-all-ED-standard-7052f83a"
    )
    other = resolve(generator="real", view="4C", scored_on="validation")
    assert other.identity()["scored_on"] == "validation" and other.slug() != "phantom-real-4C-quick-1d44037d"
    run(settings_for(camus_folder), tmp_path / "out")
    with pytest.raises(EchobenchError, match="begun with other settings"):
        run(settings_for(camus_folder, scored_on="validation"), tmp_path / "out")


def test_dry_run_prints_everything_and_writes_nothing(camus_folder, tmp_path):
    result = invoke(*run_arguments(camus_folder, tmp_path / "out", "--dry-run", "--format", "json"))
    assert result.exit_code == 0
    plan = json.loads(result.output)
    assert plan["unet_settings"]["adam_betas"] == [0.9, 0.999]
    assert plan["device"] == "cpu"
    assert "unet.steps: 12, paper 300 epochs" in plan["deviations"]
    assert list(plan["sources"]["deviations"]) == [line.partition(":")[0] for line in plan["deviations"]]
    assert not (tmp_path / "out").exists()


def test_a_derived_split_is_a_departure_before_the_run_and_in_its_record(camus_folder, tmp_path):
    shutil.rmtree(camus_folder / "database_split")
    departure = "data.split: derived, seed 0, paper the official one with its 50 test patients"
    assert departure in settings_for(camus_folder).deviations()
    assert departure in run(settings_for(camus_folder), tmp_path / "out")[0].deviations


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--generator", "folder"), "needs a path behind a colon"),
        (("--generator", "folder:nowhere"), "nowhere"),
        (("--generator", "gan"), "unknown generator 'gan'; known: real, "),
        (("--on", "training"), "unknown patients to score on 'training'; known: testing, validation"),
        (("--view", "5C"), "unknown view '5C'; known: 2C, 4C, all"),
        (("--preset", "huge"), "unknown preset 'huge'; known: quick, standard, paper"),
        (("--device", "tpu"), "unknown device 'tpu'; known: auto, cpu, cuda"),
        (("--generator", "warp", "--strength", "-1"), "strength is -1.0"),
        (("--unet-seeds", "0"), "at least one U-Net"),
        (("--view", "2C"), "there are no 2C frames"),
        (("--data", "nowhere"), "there is no folder"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_bad_input_gets_one_sentence_and_exit_code_1(camus_folder, tmp_path, arguments, sentence):
    result = invoke(*run_arguments(camus_folder, tmp_path / "out"), *arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_an_unwritable_out_is_refused(camus_folder, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    result = invoke(*run_arguments(camus_folder, tmp_path / "file" / "out"))
    assert result.exit_code == 1
    assert "cannot write to" in result.stderr
    assert "choose another --out" in result.stderr


def test_a_folder_of_other_settings_is_refused_with_the_difference(camus_folder, tmp_path):
    run(settings_for(camus_folder), tmp_path / "out")
    result = invoke(*run_arguments(camus_folder, tmp_path / "out", "--seed", 1))
    assert result.exit_code == 1
    assert "begun with other settings (seed: 0 then, 1 now)" in result.stderr


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda out: (out / "run.json").write_text('{"schema": 1, "gen'), "damaged or half-written"),
        (lambda out: (out / "run.json").write_text('{"schema": 99}'), "schema 99, newer than"),
        (lambda out: (out / "run.json").write_text('{"schema": 1}'), "it lacks commit"),
        (lambda out: (out / "scores.csv").unlink(), "no scores.csv"),
        (lambda out: (out / "scores.csv").write_text("patient,value\n"), "was cut or edited"),
        (lambda out: (out / "stages" / "settings.json").write_text("{"), "is damaged"),
    ],
)
def test_a_half_written_record_is_named_and_force_repairs_it(camus_folder, tmp_path, damage, sentence):
    out = tmp_path / "out"
    run(settings_for(camus_folder), out)
    damage(out)
    result = invoke(*run_arguments(camus_folder, out))
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert invoke(*run_arguments(camus_folder, out, "--force")).exit_code == 0


def test_data_check_exits_1_on_an_unsound_folder(camus_folder):
    assert invoke("data", "check", camus_folder).exit_code == 0
    (camus_folder / "database_nifti" / "patient0001" / "patient0001_4CH_ED_gt.nii.gz").unlink()
    result = invoke("data", "check", camus_folder)
    assert result.exit_code == 1
    assert "UNSOUND" in result.output
    assert "no ground truth" in result.output


def test_runs_of_other_generators_stand_beside_in_one_line(camus_folder, tmp_path, capsys):
    from echobench.benchmark.cli.console import print_end
    from echobench.results.evidence.comparison import group_beside
    from echobench.results.report.ends import run_end

    run(settings_for(camus_folder), tmp_path / "runs" / "real")
    run(settings_for(camus_folder, seed=1), tmp_path / "runs" / "other-seed")
    assert [one.folder.name for one in group_beside(tmp_path / "runs" / "other-seed").runs] == ["other-seed"]
    path = tmp_path / "runs" / "real" / "run.json"
    path.write_text(path.read_text().replace('"generator": "real"', '"generator": "fake"'))
    run(settings_for(camus_folder), tmp_path / "runs" / "again")
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / "run.json").write_text("{")
    group = group_beside(tmp_path / "runs" / "again")
    assert [one.label for one in group.runs] == ["real", "fake"]
    print_end(run_end(tmp_path / "runs" / "again"))
    printed = " ".join(capsys.readouterr().out.split())
    assert "not told apart from fake" in printed  # of one patient there is no interval
    assert " of 2 finished runs: " in printed, "of the damaged one nothing"
    assert f"{torch.get_num_threads()} thread" in printed and printed.count("trained on") == 0


def test_a_writer_that_was_killed_goes_on_after_the_last_whole_row(make_frames, tmp_path):
    from echobench.data.datasets.camus import find_frames
    from echobench.data.maps import label_maps
    from echobench.data.store import MANIFEST, FrameWriter

    maps = label_maps(make_frames(2), strength=1, repeats=2, seed=0)
    seeds, images = np.arange(8), np.random.default_rng(0).integers(1, 255, (8, 32, 32)).astype(np.uint8)
    writer = FrameWriter(tmp_path, maps, seeds)
    writer.append(images[:3])
    with (tmp_path / MANIFEST).open("a") as stream:
        stream.write("patient0001-1,toy,pat")  # a kill in the middle of a row
    writer = FrameWriter(tmp_path, maps, seeds)
    assert writer.written == 3
    writer.append(images[3:])
    np.testing.assert_array_equal(writer.images(), images)
    assert [row.sample_seed for row in read_manifest(tmp_path)] == list(range(8))
    assert len(find_frames(tmp_path)) == 8
