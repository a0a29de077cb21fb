"""`cross`: a run's own U-Nets, at their own size, on other frames; every way to ask for it, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from skimage.transform import rescale

from echobench.benchmark.cli.entry import main
from echobench.benchmark.measure import cross as module
from echobench.benchmark.measure.cross import Target, camus_target, cross, cross_runs, scores_on, targets, view_target
from echobench.benchmark.run.machine import describe_machine
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trial import phantom_folder, reopen
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames, concatenate
from echobench.results.records.cross import read_cross
from echobench.results.records.run import read_record
from echobench.segmentation.segmenter import Segmenter

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def finished(tmp_path):
    settings = resolve(generator="real", view="4C", preset="tiny", unet_seeds=2)
    run(settings, tmp_path / "real")
    return settings, tmp_path / "real"


def own_frames(settings, folder) -> Frames:
    return reopen(settings, StageFolder(folder, "cpu"), "cpu").frames("testing")


def as_videos(frames, factor=2):
    """The same frames at another size, as EchoNet has them: cavity alone, spacing unknown."""
    grow = [lambda a: rescale(a, factor, order=0, preserve_range=True).astype(a.dtype)]
    images, labels, sector = (
        np.stack([grow[0](one) for one in stack]) for stack in (frames.images, frames.labels, frames.sector)
    )
    spacing = np.full((len(frames), 2), np.nan)
    names = vars(frames) | {"images": images, "labels": labels * (labels == 1), "sector": sector, "spacing_mm": spacing}
    return Frames(**names)


@pytest.fixture
def videos(finished, monkeypatch):
    """What `read_echonet` would give: the run's own test frames, twice as large."""
    target = Target("phantom-echonet", "the phantom's second scanner", as_videos(own_frames(*finished)), ("LVendo",))
    monkeypatch.setattr(module, "echonet_target", lambda folder, **named: target)
    return target


def test_frames_of_another_size_score_as_their_own(finished, videos):
    settings, folder = finished
    frames = own_frames(settings, folder)
    segmenter = Segmenter.load(folder / "stages" / "unet-0.pt")
    scores = scores_on(segmenter, videos)
    assert set(scores["metric"]) == {"dice", "ece"} and set(scores["region"]) == {"LVendo"}
    assert len(scores) == 2 * len(frames)
    own = scores_on(segmenter, Target("camus", "phantom", frames, ("LVendo", "LA")))
    assert set(own["metric"]) == {"dice", "hd95_mm", "assd_mm", "ece"} and set(own["region"]) == {"LVendo", "LA"}
    assert (own["region"] == "LVendo").sum() == 4 * len(frames)


def test_every_u_net_is_scored_once_and_again_when_there_are_more(finished, videos):
    _, folder = finished
    cross(folder, videos, "cpu")
    record, scores = read_cross(folder, "phantom-echonet")
    assert record.machine == describe_machine("cpu")
    assert record.unet_seeds == [0, 1] and set(scores["unet_seed"]) == {0, 1}
    assert "64 × 64 pixels are resized to the U-Net's 32 × 32" in record.resize
    written = (folder / "cross-phantom-echonet.csv").stat().st_mtime_ns
    cross(folder, videos, "cpu")
    assert (folder / "cross-phantom-echonet.csv").stat().st_mtime_ns == written
    run(resolve(generator="real", view="4C", preset="tiny", unet_seeds=3), folder)
    cross(folder, videos, "cpu")
    assert read_cross(folder, "phantom-echonet")[0].unet_seeds == [0, 1, 2]


def test_the_other_view(finished):
    _, folder = finished
    target = view_target(folder)
    assert set(target.frames.view) == {"2C"} and set(target.frames.patient) == set(own_frames(*finished).patient)
    cross(folder, target, "cpu")
    record, _ = read_cross(folder, "2C")
    assert (record.view, record.dataset, len(record.regions)) == ("2C", "phantom", 4)
    assert "are read at the U-Net's 32 × 32" in record.resize


def test_the_other_view_of_a_run_scored_on_validation_patients_opens_no_test_patient(tmp_path):
    run(resolve(generator="real", view="4C", preset="tiny", scored_on="validation"), tmp_path / "real")
    record, _ = read_record(tmp_path / "real")
    assert set(view_target(tmp_path / "real").frames.patient) == set(record.scored_patients)
    (table,) = cross_runs([tmp_path / "real"], view_target, tmp_path / "out", "cpu")
    assert "the runs' own validation patients" in table.caption


@pytest.mark.usefixtures("whole_figures")
def test_command_line_from_nothing(tmp_path, finished, videos):
    arguments = ["--generators", "real,paint", "--preset", "tiny", "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(main, ["cross", *arguments])
    assert result.exit_code == 0, result.output
    assert "the phantom's second scanner" in result.output and "paint" in result.output
    written = {path.name for path in (tmp_path / "runs" / "cross").rglob("*.*")}
    assert {"cross-phantom-echonet.csv", "cross-phantom-echonet.tex", "cross-phantom-echonet.png"} <= written


def test_command_line_takes_runs(finished):
    _, folder = finished
    result = CliRunner().invoke(main, ["cross", "--from", str(folder), "--on", "view", "--out", str(folder.parent)])
    assert result.exit_code == 0, result.output
    assert "phantom, 2C" in result.output


def test_another_camus_folder(finished, tmp_path):
    _, folder = finished
    target_of = targets("camus", camus=phantom_folder(10))
    (table,) = cross_runs([folder], target_of, tmp_path / "out", "cpu")
    row = table.frame.iloc[0]
    assert row["gap"] == pytest.approx(0) and row["own mean"] == pytest.approx(row["there mean"])  # it is its own data


def test_the_other_view_is_of_the_runs_own_test_patients(make_frames, make_camus, tmp_path):
    """A derived split of the other view has others, where a patient lacks that view."""
    four = make_frames(12)
    two = replace(four, view=np.full(len(four), "2C")).where(patients=sorted(set(four.patient))[:-1])
    data = make_camus(tmp_path / "data", concatenate([four, two]), None)
    run(resolve(generator="real", view="4C", data=str(data), preset="tiny"), tmp_path / "run")
    record, _ = read_record(tmp_path / "run")
    assert set(view_target(tmp_path / "run").frames.patient) <= set(record.test_patients)


def test_patients_from_whom_a_run_has_learnt_test_nothing(camus_folder, make_frames, make_camus, tmp_path):
    run(resolve(generator="real", view="4C", data=str(camus_folder), preset="tiny"), tmp_path / "run")
    other = make_camus(tmp_path / "other", make_frames(5), (1, 1, 3))
    with pytest.raises(EchobenchError, match=r"has learnt from frames of patient0003, .* \(2 such patients\)"):
        camus_target(other, tmp_path / "run")
    assert len(camus_target(camus_folder, tmp_path / "run").frames) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--on", "mars"], "unknown data to score on 'mars'; known: echonet, camus, view"),
        (["--on", "camus"], "--on camus needs a CAMUS folder: --data-camus DIR"),
        (["--on", "view", "--from", "nowhere"], "there is no folder nowhere for --from"),
    ],
)
def test_bad_requests(arguments, sentence, tmp_path):
    result = CliRunner().invoke(main, ["cross", *arguments, "--out", str(tmp_path)])
    assert result.exit_code == 1 and sentence in result.output
    assert result.output.strip().count("\n") == 0


def test_real_frames_are_not_trained_for_the_phantoms_scanner(videos, camus_folder, tmp_path, monkeypatch):
    """Said before anything is trained."""
    monkeypatch.setenv("ECHOBENCH_CAMUS", str(camus_folder))
    result = CliRunner().invoke(main, ["cross", "--preset", "tiny", "--out", str(tmp_path / "runs")])
    assert result.exit_code == 1 and "is of real frames; name real videos: --data-echonet DIR" in result.output
    assert not (tmp_path / "runs").exists()


def test_a_run_without_its_u_nets(finished, videos):
    _, folder = finished
    (folder / "stages" / "unet-1.pt").unlink()
    with pytest.raises(EchobenchError, match="keeps no U-Net of seed 1"):
        cross(folder, videos, "cpu")
    assert read_cross(folder, "phantom-echonet") is None


def test_a_u_net_of_two_chamber_frames_is_not_asked_for_four(tmp_path, videos):
    run(resolve(generator="real", view="2C", preset="tiny"), tmp_path / "2C")
    with pytest.raises(EchobenchError, match="was trained on 2C frames, and the phantom's second scanner has 4C"):
        cross(tmp_path / "2C", videos, "cpu")
