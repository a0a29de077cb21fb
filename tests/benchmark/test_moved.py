"""Runs and data that were moved: they go on where they lie now, if what was read is the same; no record says where."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import echobench
from echobench.benchmark.cells import compare as comparing
from echobench.benchmark.cli.entry import main
from echobench.benchmark.run.pipeline import opened, run, train_generators
from echobench.benchmark.run.place import place_of
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.stress.settings import resolve_stress
from echobench.benchmark.stress.stress import place_of_stress
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.data.datasets.medical_image import read_image, write_image
from echobench.data.frames import concatenate

pytestmark = pytest.mark.usefixtures("tiny")


def settings_for(data, generator="real"):
    return resolve(generator=generator, view="4C", data=str(data), preset="tiny")


def begun_data(folder):
    return json.loads((folder / "stages" / "settings.json").read_text())["data"]


@pytest.fixture
def moved(camus_folder, make_frames, tmp_path):
    """A finished run in the folder that its settings name, and its data, which lie elsewhere since."""
    place = tmp_path / "runs" / settings_for(camus_folder).slug()
    run(settings_for(camus_folder), place)
    shutil.move(camus_folder, tmp_path / "new")
    return place, tmp_path / "new"


def change(data):
    """Another image of a patient who trains."""
    path = data / "database_nifti" / "patient0001" / "patient0001_4CH_ED.nii.gz"
    read = read_image(path)
    write_image(path, np.ascontiguousarray(read.pixels[:, ::-1]), read.spacing_mm)


def test_a_finished_run_is_read_where_its_data_lie_now(moved):
    place, data = moved
    before = (place / "run.json").read_bytes()
    record, _ = run(settings_for(data), place)
    assert record.dataset == "CAMUS" and (place / "run.json").read_bytes() == before
    assert begun_data(place) == str(data), "it knows the new place from then on"


def test_a_finished_run_is_found_under_the_name_that_it_has(moved):
    place, data = moved
    runs = place.parent
    assert settings_for(data).slug() != place.name
    assert place_of(settings_for(data), runs) == place
    assert place_of(settings_for(data, "paint"), runs) == runs / settings_for(data, "paint").slug()
    run(settings_for(data), place)
    assert place_of(settings_for(data), runs) == place, "and again, once it knows the new place"
    place.rename(runs / "mine")
    assert place_of(settings_for(data), runs) != runs / "mine", "a folder that a person named is theirs"
    (runs / "mine").rename(place)
    (cell,) = comparing.plan(runs, generators=["real"], data=str(data), preset="tiny", unet_seeds=1)
    assert cell.folder == place


def test_other_data_at_the_new_place_are_refused(moved):
    place, data = moved
    change(data)
    assert place_of(settings_for(data), place.parent) == place.parent / settings_for(data).slug()
    with pytest.raises(EchobenchError, match="is of other data than there is now"):
        run(settings_for(data), place)
    assert begun_data(place) != str(data)


def test_a_run_that_was_not_finished_goes_on_with_the_same_data_alone(camus_folder, tmp_path):
    settings = settings_for(camus_folder, "paint")
    for name in ("same", "other"):
        with opened(settings, tmp_path / name):
            train_generators(settings, tmp_path / name, device="cpu", generator_from=None, report=lambda stage: silent)
    data = shutil.copytree(camus_folder, tmp_path / "new")
    run(settings_for(data, "paint"), tmp_path / "same")
    change(data)
    with pytest.raises(EchobenchError, match="the training frames have changed"):
        run(settings_for(data, "paint"), tmp_path / "other")
    (tmp_path / "other" / "stages" / "data.json").unlink()
    with pytest.raises(EchobenchError, match="begun with other settings"):  # nobody knows what the data were
        run(settings_for(camus_folder.parent / "new", "paint"), tmp_path / "other")


def test_a_stress_is_found_too(camus_folder, tmp_path, monkeypatch):
    settings = resolve_stress(data=str(camus_folder), preset="quick", patients=1)
    stages = tmp_path / "runs" / settings.slug() / "stages"
    stages.mkdir(parents=True)
    (stages / "settings.json").write_text(json.dumps(settings.identity()))
    data = shutil.copytree(camus_folder, tmp_path / "new")
    there = resolve_stress(data=str(data), preset="quick", patients=1)
    assert place_of_stress(there, tmp_path / "runs").name == there.slug() != settings.slug()
    from echobench.benchmark.run.trial import load_dataset
    from echobench.benchmark.stress.stress import _fingerprints

    (stages / "data.json").write_text(json.dumps(_fingerprints(settings, load_dataset(settings.ideal))))
    assert place_of_stress(there, tmp_path / "runs").name == settings.slug()


def test_cross_and_verify_take_the_new_place(make_camus, make_frames, tmp_path):
    data = make_camus(tmp_path / "old", concatenate([make_frames(5), make_frames(5, view="2C", seed=1)]), (3, 1, 1))
    place = tmp_path / "runs" / "real"
    run(settings_for(data), place)
    shutil.move(data, tmp_path / "new")
    asked = ["cross", "--from", str(place), "--on", "view", "--out", str(tmp_path / "out")]
    lost = CliRunner().invoke(main, asked)
    assert lost.exit_code == 1
    assert re.fullmatch(
        r"Error: there is no folder .*old with the data of .*real: say with --data DIR .*\n", lost.output
    )
    assert "say with --data DIR" in CliRunner().invoke(main, ["verify", str(place)]).output
    found = CliRunner().invoke(main, [*asked, "--data", str(tmp_path / "new")])
    assert found.exit_code == 0, found.output
    records = [path.read_text() for path in place.glob("*.*") if path.suffix in (".json", ".csv")]
    assert len(records) > 3 and not [text for text in records if str(tmp_path) in text]
    verified = CliRunner().invoke(main, ["verify", str(place), "--data", str(tmp_path / "new")])
    assert verified.exit_code == 0 and "re-made from 1 U-Net, all equal" in verified.output
    change(tmp_path / "new")
    other = CliRunner().invoke(main, [*asked, "--data", str(tmp_path / "new")])
    assert other.exit_code == 1 and "the training frames in" in other.output and "no longer those of" in other.output


def test_cross_takes_no_place_for_the_phantom_or_for_videos(tmp_path):
    run(resolve(generator="real", view="4C", preset="tiny"), tmp_path / "real")
    asked = ["cross", "--from", str(tmp_path / "real"), "--data", str(tmp_path), "--out", str(tmp_path)]
    assert "--data would change nothing here" in CliRunner().invoke(main, asked).output
    assert "is of the phantom" in CliRunner().invoke(main, [*asked, "--on", "view"]).output


def test_the_home_folder_in_every_path_of_a_notebook(camus_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    asked = {"view": "4C", "preset": "tiny"}
    assert len(echobench.load_dataset("~/camus", **asked).frames) == 10
    record, _ = echobench.run(generator="real", data="~/camus", out="~/runs/real", **asked)
    assert echobench.read_record("~/runs/real")[0] == record
    assert echobench.compare(runs=["~/runs"], out="~/out").groups
    assert (tmp_path / "out" / "comparison" / "report.html").is_file()
    with pytest.raises(
        EchobenchError, match=re.escape(f"{tmp_path}/runs/real was trained on both") + "|has no 2C frames|no 2C"
    ):
        echobench.cross(runs=["~/runs"], on="view", out="~/out")
    with pytest.raises(EchobenchError, match=re.escape(str(tmp_path / "runs" / "real"))):
        echobench.stress(runs=["~/runs/real"], data="~/camus", preset="quick", patients=1, out="~/stress")
    assert not (tmp_path / "~").exists()
