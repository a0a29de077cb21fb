"""Frames whose spacing nobody knows: a pixel is no millimetre, and what needs millimetres says so."""

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from skimage.io import imsave

import echobench
from echobench.benchmark.cells.compare import compare
from echobench.benchmark.cli.entry import main
from echobench.benchmark.generate import generate
from echobench.benchmark.measure.cross import Target, cross_runs, view_target
from echobench.benchmark.measure.ejection import measure_ejection
from echobench.benchmark.measure.realism_of_runs import measure_realism
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.folder import read_folder
from echobench.data.frames import concatenate
from echobench.data.labels import REGIONS, Label
from echobench.results.records.ejection import EJECTION
from echobench.results.shown.formats import shown

pytestmark = pytest.mark.usefixtures("tiny")
WHY = "the scored frames state no spacing: there are no distances in mm and no ejection fractions"


def without_spacing(frames):
    return replace(frames, spacing_mm=np.full_like(frames.spacing_mm, np.nan))


@pytest.fixture
def data(make_camus, make_frames, tmp_path):
    both = concatenate([make_frames(5), make_frames(5, view="2C", seed=1)])
    return make_camus(tmp_path / "data", without_spacing(both), (3, 1, 1))


@pytest.mark.usefixtures("whole_figures")
def test_tables_have_no_millimetres_and_say_why(data, tmp_path):
    runs = [tmp_path / "runs" / name for name in ("real", "paint")]
    for place in runs:
        settings = resolve(generator=place.name, view="4C", data=str(data), preset="tiny")
        record, scores = run(settings, place)
        assert set(scores["metric"]) == {metric.name for metric in record.metrics} == {"dice", "ece"}
        measure_ejection(settings, place, "cpu")
        measure_realism(settings, place, runs[0], "cpu")
        assert not (place / EJECTION.name).exists()
    table, *_ = cross_runs(runs, view_target, tmp_path / "cross", "cpu")
    compare(runs, tmp_path / "out")
    texts = {path.name: path.read_text() for path in (tmp_path / "out").rglob("*.tex")}
    assert "dice.tex" in texts and "hd95.tex" not in texts
    assert WHY in table.notes and WHY in texts["summary.tex"] and WHY in texts["dice.tex"]
    assert WHY in (tmp_path / "out" / "report.html").read_text()
    assert not [name for name, text in texts.items() if re.search(r"\bnan\b", text)]
    verified = CliRunner().invoke(main, ["verify", str(tmp_path / "runs")])
    assert verified.exit_code == 0, verified.output


def test_a_stress_needs_them(data, tmp_path):
    with pytest.raises(EchobenchError, match="LA and no millimetres"):
        echobench.stress(data=str(data), generators=["paint"], preset="quick", out=tmp_path / "stress")


def test_maps_in_pictures_and_what_is_drawn_for_them(data, make_frames, tmp_path):
    """Pictures state no spacing, and neither do the files that `generate` writes."""
    maps, frames = tmp_path / "maps", make_frames(3)
    maps.mkdir()
    for i in range(len(frames)):
        labels = np.where(frames.sector[i], frames.labels[i], np.uint8(255))
        imsave(maps / f"{frames.patient[i]}_4CH_{frames.phase[i]}.png", labels, check_contrast=False)
    run(resolve(generator="sdm", view="4C", data=str(data), preset="tiny"), tmp_path / "sdm")
    assert generate(tmp_path / "sdm" / "stages" / "generator-4C.pt", maps, tmp_path / "drawn") == 6
    drawn = read_folder(tmp_path / "drawn", None, size=(32, 32)).frames
    assert np.isnan(drawn.spacing_mm).all() and len(drawn) == 6


def settings_of(data):
    return resolve(generator="real", view="4C", data=str(data), preset="tiny")


def test_a_structure_that_no_scored_frame_has_is_a_dash_with_its_reason(make_camus, make_frames, tmp_path):
    frames = make_frames(5)
    tested = (frames.patient == "patient0005")[:, None, None] & (frames.labels == Label.LA)
    data = make_camus(
        tmp_path / "data", replace(frames, labels=np.where(tested, np.uint8(0), frames.labels)), (3, 1, 1)
    )
    asked = ["run", "--generator", "real", "--data", str(data), "--preset", "tiny", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 0, result.output
    assert "nan" not in result.stdout
    assert "LA: no scored frame has it, so that it has no score" in " ".join(result.stdout.split())
    assert "mean: of LVendo, LVepi." in " ".join(result.stdout.split())
    assert "split: official; test patients: 1" in result.stdout
    run(resolve(generator="paint", view="4C", data=str(data), preset="tiny"), tmp_path / "paint")
    compare([tmp_path / "run", tmp_path / "paint"], tmp_path / "out")
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*.*") if path.suffix in (".md", ".tex", ".html")]
    assert len(texts) > 8 and not [text for text in texts if re.search(r"\bnan\b", text)]
    assert not [text for text in texts if str(tmp_path) in text], "for others, who need not know where folders lie"
    assert CliRunner().invoke(main, ["verify", str(tmp_path / "run")]).exit_code == 0
    target = Target("camus", "CAMUS", load_dataset(settings_of(data)).subset("testing"), tuple(REGIONS))
    gap, *_ = cross_runs([tmp_path / "run"], lambda place: target, tmp_path / "cross", "cpu")
    assert gap.caption.startswith("Dice (LVendo) in %")
    assert not shown(gap).map(lambda text: "nan" in text).any(axis=None)
