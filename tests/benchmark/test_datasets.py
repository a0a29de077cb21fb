"""A run on every layout of datasets: what is read, trained on and scored, and what the tables say of it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from skimage.io import imsave

from echobench.benchmark.cli.entry import main
from echobench.benchmark.measure.cross import camus_target, cross
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.stress.settings import resolve_stress
from echobench.benchmark.stress.stress import stress
from echobench.data.base.errors import EchobenchError
from echobench.data.datasets import registry
from echobench.data.phantom.echonet import write_phantom_echonet
from echobench.data.splits import SUBSETS
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.cross import read_cross
from echobench.results.records.run import read_record
from echobench.results.shown.tables import region_table

pytestmark = pytest.mark.usefixtures("tiny")


def invoke(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def echonet(tmp_path_factory):
    return write_phantom_echonet(tmp_path_factory.mktemp("echonet") / "EchoNet-Dynamic", 12, 0)


class TestEchonet:
    @pytest.mark.parametrize("generator", ["real", "warp", "sdm"])
    def test_generators_learn_from_it_and_their_unets_are_scored_on_it(self, echonet, tmp_path, generator):
        settings = resolve(generator=generator, view="4C", data=str(echonet), preset="tiny")
        record, scores = run(settings, tmp_path / "run")
        assert settings.slug().startswith(f"echonet-{generator}-4C")
        assert (record.dataset, record.split_origin) == ("phantom-echonet", "official")
        videos = pd.read_csv(echonet / "FileList.csv").set_index("FileName")
        assert set(videos.loc[sorted(set(scores["patient"])), "Split"]) == {"TEST"}
        assert record.training_images == 2 * (sum(videos["Split"] == "TRAIN") - 1), "one of them was not traced"
        assert set(scores["region"]) == {"LVendo"} and set(scores["metric"]) == {"dice", "ece"}
        assert scores["value"].notna().all()

    def test_its_unets_are_crossed_on_what_they_have_learnt(self, echonet, camus_folder, tmp_path):
        run(resolve(generator="real", view="4C", data=str(echonet), preset="tiny"), tmp_path / "run")
        cross(tmp_path / "run", camus_target(camus_folder, tmp_path / "run"), "cpu")
        record, scores = read_cross(tmp_path / "run", "camus")
        assert record.regions == ["LVendo"] and set(scores["metric"]) == {"dice", "hd95_mm", "assd_mm", "ece"}

    def test_stress_which_needs_every_structure_is_refused(self, echonet, tmp_path):
        with pytest.raises(EchobenchError, match="phantom-echonet has LVendo and no millimetres"):
            stress(resolve_stress(data=str(echonet), preset="quick"), tmp_path / "stress")

    def test_tables_show_what_there_is(self, echonet, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        invoke(
            "compare", "--data", echonet, "--views", "4C", "--preset", "tiny", "--unet-seeds", 1,
            "--generators", "real,warp", "--out", "out",
        )  # fmt: skip
        (dice,) = (tmp_path / "out").rglob("dice.csv")
        (report,) = tmp_path.rglob("report.html")
        frame, page = pd.read_csv(dice), report.read_text()
        assert frame["LVendo mean"].tolist() == frame["mean mean"].tolist()
        assert frame["LA mean"].isna().all()
        assert "mean: of LVendo." in page and "the mean of LVendo. seed std" in page


@pytest.fixture
def arrays(tmp_path, make_frames, monkeypatch):
    """A folder in the layout of `tiny_dataset`, whose line in the table a test adds."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setitem(registry.DATASETS, "arrays", "tiny_dataset:Arrays")
    frames = make_frames(6, size=40)
    for i, (patient, phase) in enumerate(zip(frames.patient, frames.phase, strict=True)):
        (tmp_path / "mine" / patient).mkdir(parents=True, exist_ok=True)
        np.savez(tmp_path / "mine" / patient / f"{phase}.npz", image=frames.images[i], labels=frames.labels[i])
    return tmp_path / "mine"


class TestAnother:
    """A dataset that costs a module and a line: everything else follows from what it says of itself."""

    def test_it_is_checked_trained_on_scored_and_shown(self, arrays, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert "derived, seed 0" in invoke("data", "check", arrays)
        for generator in ("real", "warp"):
            invoke("run", "--data", arrays, "--generator", generator, "--view", "4C", "--preset", "tiny")
        runs = sorted(Path("runs").glob("arrays-*"))
        (record, scores), _ = map(read_record, runs)
        assert (len(runs), record.dataset, record.training_images) == (2, "arrays", 8)
        assert set(scores["region"]) == {"LVendo", "LA"} and set(scores["metric"]) == {"dice", "ece"}
        (group,) = Comparison.of(runs).groups
        table = region_table(group)
        assert "mean: of LVendo, LA." in table.caption
        values = table.frame[["LVendo mean", "LA mean", "mean mean"]]
        np.testing.assert_allclose(values.iloc[:, :2].mean(axis=1), values["mean mean"])

    def test_an_unsound_one_is_said_to_be(self, arrays):
        next(arrays.iterdir()).joinpath("ED.npz").unlink()
        for patient in sorted(arrays.iterdir())[:5]:
            shutil.rmtree(patient)
        result = CliRunner().invoke(main, ["data", "check", str(arrays)])
        assert result.exit_code == 1 and "UNSOUND: 1 patients" in result.output


def test_a_folder_with_a_manifest_is_a_dataset_of_its_own(tmp_path, make_frames):
    frames = make_frames(6)
    lines = ["image,labels,patient,view,phase"]
    for i, (patient, phase) in enumerate(zip(frames.patient, frames.phase, strict=True)):
        for kind, pixels in (("image", frames.images[i]), ("map", frames.labels[i])):
            imsave(tmp_path / f"{kind}{i}.png", pixels, check_contrast=False)
        lines.append(f"image{i}.png,map{i}.png,{patient},4C,{phase}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    dataset = registry.read_dataset(tmp_path, size=(32, 32))
    assert registry.layout_of(tmp_path) == "folder"
    assert [len(dataset.split.patients(subset)) for subset in SUBSETS] == [4, 1, 1]
    np.testing.assert_array_equal(dataset.frames.images, frames.images)
