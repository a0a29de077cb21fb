"""`sweep`: one training for all strengths, what a kill or a failure leaves, fewer patients, and what is refused."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from echobench.benchmark.cells.sweep import carry_out, plan, tabulate
from echobench.benchmark.cli.entry import main
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.data.deform import VERSION
from echobench.data.store import read_manifest
from echobench.generators.sdm import SemanticDiffusion
from echobench.generators.warp import Warp
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")
BUDGET = ("unet.steps=1", "unet.validation_every_steps=1")


class Killed(BaseException):
    """Stands for a signal."""


@pytest.fixture
def cells_in(camus_folder, tmp_path):
    def cells(*generators, out=tmp_path / "runs", **changes):
        standard = {"data": str(camus_folder), "preset": "tiny", "unet_seeds": 1, "assignments": BUDGET}
        return plan(out, generators=generators, **(standard | changes))

    return cells


@pytest.fixture
def fits(monkeypatch):
    """Counts trainings of sdm."""
    counted, fit = [], SemanticDiffusion.fit

    def counting(self, frames, *arguments, **options):
        counted.append(len(frames))
        return fit(self, frames, *arguments, **options)

    monkeypatch.setattr(SemanticDiffusion, "fit", counting)
    return counted


def records(cells):
    return [json.loads((cell.folder / "run.json").read_text()) for cell in cells]


def test_all_generators_are_swept(cells_in):
    cells = cells_in("all", strengths=[0, 1], preset="quick", assignments=())
    assert [cell.settings.generator for cell in cells][:5] == ["real", "warp", "warp", "paint", "paint"]
    assert {"cyclegan", "spade", "flow", "inpaint", "sdm"} < {cell.settings.generator for cell in cells}


def test_one_training_serves_all_strengths_and_nothing_is_done_twice(cells_in, fits, tmp_path):
    cells = cells_in("real", "sdm", strengths=[1, 2])
    assert [(cell.settings.generator, cell.settings.strength) for cell in cells] == [
        ("real", 0),
        ("sdm", 1),
        ("sdm", 2),
    ]
    assert [cell.folder.name for cell in cells] == [cell.settings.slug() for cell in cells]
    carry_out(cells, "cpu")
    assert fits == [6]
    written = [(cell.folder / "run.json").stat().st_mtime_ns for cell in cells]
    carry_out(cells, "cpu")
    assert [(cell.folder / "run.json").stat().st_mtime_ns for cell in cells] == written
    carry_out(cells_in("sdm", strengths=[0.5, 1, 2]), "cpu")  # a new cell, and it comes first
    assert fits == [6]
    tabulate([cell.folder for cell in cells], tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    place = "CAMUS--4C--validation-patients--strength"
    tables = {f"tables/{place}/{t}.{e}" for t in ("dice", "best", "evidence") for e in ("csv", "md", "tex")}
    assert found == tables | {f"figures/{place}/dice.{kind}" for kind in ("png", "pdf")} | {".lock"}
    table = pd.read_csv(tmp_path / "out" / "tables" / place / "dice.csv")
    assert table["training patients"].tolist() == [3] * 3


@pytest.mark.parametrize("stage", ["sdm strength 0 fit-4C", "sdm strength 2 unet-0"])
def test_a_killed_sweep_goes_on_without_training_again(cells_in, fits, stage):
    def report(name):
        def progress(done, total, figures=None):
            if name == stage:
                raise Killed

        return progress

    cells = cells_in("sdm", strengths=[0, 2])
    with pytest.raises(Killed):
        carry_out(cells, "cpu", report)
    begun = len(fits)
    stages = []

    def report_again(name):
        stages.append(name)
        return silent

    carry_out(cells, "cpu", report_again)
    assert begun == 1 and len(fits) == (2 if "fit" in stage else 1)
    assert "sdm strength 2 fit-4C" not in stages
    assert {record["settings"]["strength"] for record in records(cells)} == {0, 2}


def test_a_cell_that_fails_is_a_row_with_its_reason(cells_in, tmp_path, monkeypatch):
    sample = Warp.sample

    def broken(self, maps, *arguments, **options):
        if (maps.deformation.strength == 1).any():
            raise EchobenchError("too far")
        return sample(self, maps, *arguments, **options)

    monkeypatch.setattr(Warp, "sample", broken)
    cells = cells_in("warp", strengths=[0, 1, 2])
    carry_out(cells, "cpu")
    table, *_ = tabulate([cell.folder for cell in cells], tmp_path / "out")
    reasons = table.frame.set_index("strength")["not finished"]
    assert "too far" in reasons[1] and reasons.drop(index=1).isna().all()


def test_a_failed_training_is_not_tried_again_by_every_cell(cells_in, monkeypatch):
    tried = []

    def fit(self, *arguments, **options):
        tried.append(1)
        raise EchobenchError("the loss is not a number")

    monkeypatch.setattr(SemanticDiffusion, "fit", fit)
    cells = cells_in("sdm", strengths=[0, 1, 2])
    carry_out(cells, "cpu")
    assert len(tried) == 1
    reasons = [json.loads((cell.folder / "failed.json").read_text())["error"] for cell in cells]
    assert reasons[0] == "the loss is not a number"
    assert all(f"{cells[0].folder.name} has not finished its stage fit-4C" in reason for reason in reasons[1:])


def test_a_generator_can_be_taken_from_an_earlier_run(cells_in, fits, camus_folder, tmp_path):
    earlier = tmp_path / "earlier"
    run(resolve(generator="sdm", view="4C", data=str(camus_folder), preset="tiny"), earlier)
    carry_out(cells_in("sdm", "warp", strengths=[0, 1]), "cpu", generator_from=[earlier])
    assert len(fits) == 1
    with pytest.raises(EchobenchError, match="earlier has the generator sdm, fraction 1, of which this sweep has no"):
        carry_out(cells_in("warp", strengths=[0, 1], out=tmp_path / "new"), "cpu", generator_from=[earlier])
    with pytest.raises(EchobenchError, match="nowhere holds no run"):
        carry_out(cells_in("sdm", strengths=[0, 1]), "cpu", generator_from=[tmp_path / "nowhere"])
    with pytest.raises(EchobenchError, match="both have the generator sdm, fraction 1: name one of them"):
        carry_out(cells_in("sdm", strengths=[0, 1]), "cpu", generator_from=[earlier, cells_in("sdm")[0].folder])


def test_a_generator_that_cannot_be_taken_is_refused_by_a_finished_sweep_too(cells_in, fits, camus_folder, tmp_path):
    cells = cells_in("sdm", "warp", strengths=[0, 1])
    carry_out(cells, "cpu")
    carry_out(cells, "cpu", generator_from=[cells[0].folder])
    untrained, other = cells[2].folder, tmp_path / "other"
    with pytest.raises(EchobenchError, match="has the generator warp, which learns no weights to take"):
        carry_out(cells, "cpu", generator_from=[untrained])
    run(resolve(generator="sdm", view="4C", data=str(camus_folder), preset="tiny", seed=1), other)
    with pytest.raises(EchobenchError, match=r"other has trained another generator: seed is 1, not 0"):
        carry_out(cells, "cpu", generator_from=[other])
    assert len(fits) == 2


def test_fewer_patients_train_and_as_many_images_are_drawn(cells_in, fits, tmp_path):
    cells = cells_in("real", "sdm", fractions=[0.34, 1], images=7)
    assert {cell.settings.strength for cell in cells} == {0, 1}
    carry_out(cells, "cpu")
    assert fits == [2, 6], "frames of one patient and of three, a training each"
    found = records(cells)
    assert [record["training_patients"] for record in found] == [1, 3] * 2
    assert [record["training_images"] for record in found] == [2, 6, 7, 7]
    assert "data.fraction: 0.34 of the training patients, paper all" in found[0]["deviations"]
    for name in ("split", "validation"):
        assert len({record["fingerprints"][name] for record in found}) == 1
    drawn = [{r.patient for r in read_manifest(cell.folder / "synthetic" / "training-4C")} for cell in cells[2:]]
    assert drawn[0] < drawn[1]
    validation = [{r.patient for r in read_manifest(cell.folder / "synthetic" / "validation-4C")} for cell in cells[2:]]
    assert validation == [{"patient0004"}] * 2
    folders = [cell.folder for cell in cells]
    assert len(Comparison.of(folders).groups) == 2, "a comparison does not mix fractions"
    table = tabulate(folders, tmp_path / "out")[0].frame
    assert table["fraction"].tolist() == [0.34, 1] * 2


def test_without_images_a_fraction_draws_what_all_patients_would(camus_folder, tmp_path):
    settings = [
        resolve(generator="warp", view="4C", data=str(camus_folder), preset="tiny", fraction=f, assignments=BUDGET)
        for f in (0.34, 1)
    ]
    assert [run(one, tmp_path / one.slug())[0].training_images for one in settings] == [6, 6]
    assert len(load_dataset(settings[0]).subset("training")) == 2


def test_runs_of_before_there_were_fractions_keep_their_identity():
    """The digest is of a run of the commit before fractions: standard, phantom, warp, undeformed."""
    settings = resolve(generator="warp", view="4C", preset="standard", strength=0)
    assert not {"fraction", "deformation"} & set(settings.identity())
    assert settings.slug() == "phantom-warp-4C-standard-a8ed79df"
    fewer = resolve(generator="warp", view="4C", preset="standard", fraction=0.5, strength=0)
    assert fewer.identity()["fraction"] == 0.5 and fewer.slug() != settings.slug()


def test_a_run_of_another_deformation_is_another_run():
    """The digest is of the same run at strength 1, before the deformation was the published one."""
    settings = resolve(generator="warp", view="4C", preset="standard")
    assert settings.identity()["deformation"] == settings.published()["deformation"] == VERSION
    assert settings.slug() != "phantom-warp-4C-standard-e4c98f5d"
    assert resolve(generator="real", view="4C", preset="standard").deformation is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--strengths", "0,-1"), "strength is -1.0; it must be at least 0"),
        (("--strengths", "0,nan"), "strength is nan"),
        (("--strengths", "0,much"), "'0,much' is no list of numbers"),
        (("--strengths", "1,1"), "a sweep has several strengths or several fractions"),
        (("--strengths", "1,2", "--fractions", "0.5,1"), "a sweep has several strengths or several fractions"),
        (("--fractions", "0,1"), "fraction is 0.0; it must be above 0 and at most 1"),
        (("--fractions", "0.5,1.1"), "fraction is 1.1; it must be above 0"),
        (("--generators", "warp,vae"), "unknown generator 'vae'"),
        (("--generators", "real"), "real cannot draw deformed maps"),
        (("--generators", "folder:{data}"), "folder:camus cannot draw deformed maps"),
        (("--generators", "folder:{data}", "--fractions", "0.5,1"), "was drawn elsewhere: a fraction of its patients"),
        (("--images", "0"), "images is 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_gets_one_sentence_before_anything_runs(camus_folder, tmp_path, arguments, sentence):
    out = tmp_path / "out"
    given = ["sweep", "--data", str(camus_folder), "--preset", "tiny", "--out", str(out)]
    result = CliRunner().invoke(main, [*given, *(a.format(data=camus_folder) for a in arguments)])
    assert result.exit_code == 1, result.output
    assert sentence in result.stderr and result.stderr.count("\n") == 1
    assert not out.exists()


def test_validation_patients_choose_and_test_patients_stay_locked(camus_folder, cells_in, tmp_path):
    cells = cells_in("real", "warp", strengths=[0, 1])
    for path in (camus_folder / "database_nifti" / "patient0005").glob("*_gt.nii.gz"):
        path.write_bytes((path.parents[1] / "patient0001" / path.name.replace("0005", "0001")).read_bytes())
    carry_out(cells, "cpu")
    for cell in cells:
        record, scores = read_record(cell.folder)
        assert set(scores["patient"]) == {"patient0004"} == set(record.scored_patients)
        assert "testing" not in record.fingerprints
    table, best, _ = tabulate([cell.folder for cell in cells], tmp_path / "out")
    assert "over validation patients" in table.caption and table.frame["validation patients"].tolist() == [1] * 3
    assert any(note.startswith("real: the U-Net's weights were selected on the very frames") for note in table.notes)
    assert best.notes[0].startswith("The best is chosen on the validation patients.")


def test_the_test_patients_are_opened_by_name_and_it_is_said_what_that_costs(camus_folder, tmp_path):
    given = ["sweep", "--data", str(camus_folder), "--preset", "tiny", "--generators", "warp", "--strengths", "0,1"]
    given += ["--unet-seeds", "1", "--set", BUDGET[0]]
    for name, more, patient in (("opened", ["--on", "testing"], "patient0005"), ("chosen", [], "patient0004")):
        result = CliRunner().invoke(main, [*given, *more, "--out", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        places = [path.parent for path in (tmp_path / name).glob("*/run.json")]
        assert [read_record(place)[0].scored_patients for place in places] == [[patient]] * 2
        assert ("who cannot judge the choice any more" in " ".join(result.output.split())) == (name == "opened")
    assert "cannot judge the choice any more" in " ".join(CliRunner().invoke(main, ["sweep", "--help"]).output.split())
    folders = [path.parent for path in tmp_path.glob("*/*/run.json")]
    tabulate(folders, tmp_path / "both")
    swept = {path.name for path in (tmp_path / "both" / "tables").iterdir()}
    assert swept == {"CAMUS--4C--strength", "CAMUS--4C--validation-patients--strength"}


def test_a_fraction_that_leaves_nobody_is_a_row_with_its_reason(cells_in, tmp_path):
    cells = cells_in("warp", fractions=[0.1, 1])
    carry_out(cells, "cpu")
    table = tabulate([cell.folder for cell in cells], tmp_path)[0].frame
    assert "fraction 0.1 of 3 training patients leaves none; 0.33 leaves one" in table["not finished"][0]


@pytest.mark.usefixtures("whole_figures")
def test_command_line_runs_and_tabulates(camus_folder, tmp_path):
    arguments = ["--data", str(camus_folder), "--preset", "tiny", "--unet-seeds", "1", "--set", BUDGET[0]]
    out = ["--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["sweep", "--generators", "warp", "--strengths", "0 1", *arguments, *out])
    assert result.exit_code == 0, result.output
    assert "best strength" in result.output
    again = CliRunner().invoke(main, ["sweep", "--runs", str(tmp_path / "out"), "--out", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    first, second = (sorted((tmp_path / name / "sweep").rglob("*.csv")) for name in ("out", "again"))
    assert [path.read_text() for path in first] == [path.read_text() for path in second] != []
