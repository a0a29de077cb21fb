"""Files of finished stages: hashed when written, held against that when taken; what a kill left beside them goes."""

import json
import shutil

import pytest

from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.stages import StageFolder
from echobench.data.base.errors import EchobenchError

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def settings(tmp_path_factory, make_camus, make_frames):
    data = tmp_path_factory.getbasetemp() / "stage-files-data"
    if not data.exists():
        make_camus(data, make_frames(patients=6), (4, 1, 1))
    return resolve(generator="sdm", view="4C", data=str(data), preset="tiny")


@pytest.fixture
def finished(settings, tmp_path, tmp_path_factory):
    """A finished run without its record; carried out once for all tests."""
    kept = tmp_path_factory.getbasetemp() / "stage-files"
    if not kept.exists():
        run(settings, kept)
        (kept / "run.json").unlink()
    return shutil.copytree(kept, tmp_path / "finished")


def flip(path, share):
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 1
    path.write_bytes(data)


NAMES = ("unet-0.pt", "unet-0.csv", "generator-4C.pt", "fit-4C/curve.csv")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_one_bit_is_noticed(finished, settings, name, share):
    flip(finished / "stages" / name, share)
    with pytest.raises(EchobenchError, match=f"stages/{name} is damaged"):
        run(settings, finished)


@pytest.mark.parametrize("name", ["generator-4C.pt", "fit-4C/curve.csv"])
def test_a_damaged_generator_is_not_taken(finished, settings, tmp_path, name):
    flip(finished / "stages" / name, 0.5)
    with pytest.raises(EchobenchError, match=f"stages/{name} is damaged"):
        run(settings, tmp_path / "other", generator_from=finished)


def test_a_missing_file_is_named(finished, settings):
    (finished / "stages" / "unet-0.csv").unlink()
    with pytest.raises(EchobenchError, match=r"unet-0\.csv is missing"):
        run(settings, finished)


def test_a_taken_stage_is_hashed_anew(finished, settings, tmp_path):
    run(settings, tmp_path / "other", generator_from=finished)
    (tmp_path / "other" / "run.json").unlink()
    flip(tmp_path / "other" / "stages" / "generator-4C.pt", 0.5)
    with pytest.raises(EchobenchError, match=r"generator-4C\.pt is damaged"):
        run(settings, tmp_path / "other")


def test_stages_of_before_hashes_were_kept_go_on(finished, settings):
    scores = (finished / "scores.csv").read_bytes()
    for path in (finished / "stages").glob("*.stage.json"):
        content = json.loads(path.read_text())
        del content["files"]
        path.write_text(json.dumps(content))
    run(settings, finished)
    assert (finished / "scores.csv").read_bytes() == scores


@pytest.mark.parametrize("text", ["[]", "{", '{"name": "x", "extra": 1}', "[" * 100_000, "\xff"])
def test_a_damaged_stage_is_named(tmp_path, text):
    stages = StageFolder(tmp_path, "cpu")
    with stages.opened({}), stages.measured("read"):
        pass
    path = tmp_path / "stages" / "read.stage.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(EchobenchError, match=r"read\.stage\.json is damaged"):
        stages.stages()


@pytest.mark.parametrize("text", ["1\x001|", "nan\n1|2|", "-inf|", "\xff|1|", "9" * 5000 + "|"])
def test_damaged_notes_of_attempts_are_passed_over_or_named(tmp_path, text):
    stages = StageFolder(tmp_path, "cpu")
    with stages.opened({}), stages.measured("read"):
        pass
    (tmp_path / "stages" / "read.attempts").write_text(text, encoding="latin-1")
    try:
        assert set(stages.threads()) <= {1, 2}
    except EchobenchError as error:
        assert "read.attempts" in str(error)


@pytest.mark.parametrize("text", ["{}", '{"generator": 5}', "[" * 100_000, '{"generator": "\\ud800"}'])
def test_damaged_settings_of_a_run_are_named(tmp_path, text):
    stages = StageFolder(tmp_path, "cpu")
    with stages.opened({}):
        (tmp_path / "stages" / "settings.json").write_text(text)
        with pytest.raises(EchobenchError, match=r"settings\.json is damaged"):
            stages.begun_with()


def test_what_a_kill_left_half_written_goes(tmp_path):
    stages = StageFolder(tmp_path, "cpu")
    left = [
        tmp_path / "run.json.7.partial",
        *(tmp_path / "stages" / n for n in ("a.pt.8.partial", "fit/b.pt.9.partial")),
        tmp_path / "pictures" / "drawn.png.9.partial",
        tmp_path / "synthetic" / "training-4C" / "manifest.csv.9.partial",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with stages.opened({}):
        assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("anew", [False, True])
def test_a_folder_that_was_removed_under_way_is_noticed_at_the_end_of_a_stage(tmp_path, anew):
    with StageFolder(other := tmp_path / "other", "cpu").opened({}):
        pass
    stages = StageFolder(tmp_path / "run", "cpu")
    removed = pytest.raises(EchobenchError, match="was removed or emptied while it was worked in")
    with stages.opened({}), removed, stages.measured("read"):
        shutil.rmtree(tmp_path / "run")
        if anew:
            shutil.copytree(other, tmp_path / "run")
    assert not (tmp_path / "run" / "stages" / "read.stage.json").exists()
    with removed, StageFolder(tmp_path / "run", "cpu").opened({}):
        shutil.rmtree(tmp_path / "run")
        (tmp_path / "run" / "unet.pt").touch()
    with StageFolder(tmp_path / "run", "cpu").opened({}):
        pass


def test_a_stage_of_negative_seconds_is_damaged(tmp_path):
    stages = StageFolder(tmp_path, "cpu")
    with stages.opened({}), stages.measured("read"):
        pass
    path = tmp_path / "stages" / "read.stage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": -1.0}))
    with pytest.raises(EchobenchError, match=r"read\.stage\.json is damaged \(its stage read has a negative number\)"):
        stages.stages()
