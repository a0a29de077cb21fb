"""`--mix` and `--patients`: who trains a U-Net and its generator, who selects its weights, and what is trained once."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from echobench.benchmark.cells.compare import plan as plan_comparison
from echobench.benchmark.cells.sweep import carry_out, plan, tabulate, with_teachers
from echobench.benchmark.cli.entry import main
from echobench.benchmark.run import pipeline
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.data.store import read_manifest
from echobench.generators.sdm import SemanticDiffusion
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")
BUDGET = ("unet.steps=1", "unet.validation_every_steps=1")


class Killed(BaseException):
    """Stands for a signal."""


@pytest.fixture
def ten(tmp_path, make_camus, make_frames):
    """Ten patients, split 6 / 2 / 2."""
    return make_camus(tmp_path / "ten", make_frames(10), (6, 2, 2))


@pytest.fixture
def settings_of(ten):
    def settings(generator, **changes):
        standard = {"view": "4C", "data": str(ten), "preset": "tiny", "assignments": BUDGET}
        return resolve(generator=generator, **standard | changes)

    return settings


@pytest.fixture
def seen(monkeypatch):
    """What every U-Net trained on and was selected on."""
    noted, train = [], pipeline.train

    def noting(training, validation, *arguments, **options):
        noted.append((training, validation))
        return train(training, validation, *arguments, **options)

    monkeypatch.setattr(pipeline, "train", noting)
    return noted


@pytest.fixture
def fits(monkeypatch):
    """From which patients every sdm has learnt."""
    noted, fit = [], SemanticDiffusion.fit

    def noting(self, frames, *arguments, **options):
        noted.append(set(frames.patient.tolist()))
        return fit(self, frames, *arguments, **options)

    monkeypatch.setattr(SemanticDiffusion, "fit", noting)
    return noted


def of(frames):
    return set(frames.patient.tolist())


TRAINING = {f"patient{i:04d}" for i in range(1, 7)}
VALIDATION, TESTING = {"patient0007", "patient0008"}, {"patient0009", "patient0010"}


class TestMix:
    def test_real_frames_train_and_select_beside_so_many_drawn_ones(self, settings_of, seen, fits, tmp_path):
        record, scores = run(settings_of("sdm", mix=1.5), tmp_path / "run")
        (training, selecting), *_ = seen
        real = pipeline.load_dataset(settings_of("real"))
        assert len(training) == record.training_images == 12 + 18
        assert np.array_equal(training.images[:12], real.subset("training").images)
        drawn = {image.tobytes() for image in training.images[12:]}
        assert not drawn & {image.tobytes() for image in real.frames.images}
        assert selecting.fingerprint() == real.subset("validation").fingerprint()
        assert of(training) == TRAINING == fits[0] and set(scores["patient"]) == TESTING
        assert record.training_patients == 6 and record.notes[0].startswith("the U-Net trained on the real frames too")

    def test_without_it_no_real_frame_trains(self, settings_of, seen, tmp_path):
        run(settings_of("sdm"), tmp_path / "run")
        real = {image.tobytes() for image in pipeline.load_dataset(settings_of("real")).frames.images}
        assert not real & {image.tobytes() for frames in seen[0] for image in frames.images}

    def test_zero_is_the_run_of_real_and_real_has_no_mix(self, settings_of):
        alone = settings_of("real")
        assert settings_of("sdm", mix=0) == settings_of("warp", mix=0) == settings_of("real", mix=4) == alone
        assert settings_of("sdm", mix=0, assignments=(*BUDGET, "generator.sampling.steps=2")) == alone

    def test_runs_of_before_keep_their_identity(self):
        """The digest is of a run of before there were mixes."""
        settings = resolve(generator="warp", view="4C", preset="standard", strength=0)
        assert not {"mix", "patients", "patient_draw"} & set(settings.identity())
        assert settings.slug() == "phantom-warp-4C-standard-a8ed79df"
        changed = [{"mix": 4}, {"patients": 10}, {"patients": 10, "patient_draw": 1}]
        slugs = {resolve(generator="warp", view="4C", preset="standard", strength=0, **one).slug() for one in changed}
        assert len(slugs | {settings.slug()}) == 4

    def test_images_of_a_smaller_mix_are_among_those_of_a_larger_one(self, settings_of, seen, tmp_path):
        for mix in (0.5, 2):
            run(settings_of("warp", mix=mix), tmp_path / f"{mix}")
        few, many = ([image.tobytes() for image in training.images] for training, _ in seen)
        assert len(few) == 18 and len(many) == 36 and set(few) <= set(many)

    def test_a_comparison_has_it(self, ten, tmp_path):
        cells = plan_comparison(tmp_path, generators=["real", "sdm"], data=str(ten), preset="tiny", mix=4)
        assert [cell.settings.mix for cell in cells] == [None, 4.0]
        (alone,) = plan_comparison(tmp_path, generators=["warp", "sdm"], data=str(ten), preset="tiny", mix=0)
        assert alone.settings.generator == "real", "and is run once"

    def test_drawn_elsewhere_they_must_be_of_training_patients(
        self, settings_of, seen, make_camus, make_frames, tmp_path
    ):
        drawn = make_camus(tmp_path / "drawn", make_frames(8, seed=3), None)
        record, _ = run(settings_of(f"folder:{drawn}", mix=1), tmp_path / "run")
        training, selecting = seen[0]
        assert len(training) == 24 and of(training) == TRAINING and of(selecting) == VALIDATION
        assert record.training_patients == 6
        more = settings_of(f"folder:{drawn}", mix=2)
        with pytest.raises(EchobenchError, match="mix 2 is 24 images, but folder:drawn has 12 training frames"):
            run(more, tmp_path / "more")
        strangers = make_camus(tmp_path / "strangers", make_frames(2, first=50), None)
        with pytest.raises(EchobenchError, match=r"folder:strangers holds images of patient0050, who is no training"):
            run(settings_of(f"folder:{strangers}", mix=1), tmp_path / "refused")


class TestPatients:
    @pytest.mark.parametrize("mix", [None, 2])
    def test_who_trains_who_selects_and_nobody_else(self, settings_of, seen, fits, mix, tmp_path):
        settings = settings_of("sdm", mix=mix, patients=4, patient_draw=1, scored_on="validation")
        record, scores = run(settings, tmp_path / "run")
        training, selecting = seen[0]
        assert of(training) == fits[0] and len(fits[0]) == 3
        assert len(of(selecting)) == 1 and of(selecting) | of(training) < TRAINING and not of(selecting) & of(training)
        assert set(scores["patient"]) == VALIDATION == set(record.scored_patients)
        real = {image.tobytes() for image in pipeline.load_dataset(settings).subset("selection").images}
        assert ({image.tobytes() for image in selecting.images} == real) == (mix is not None)
        assert "it took 4 patients in all (draw 1): 1 selected the U-Net's weights, 3 trained" in record.notes
        assert not any("flatters" in note for note in record.notes)
        assert record.settings["unet_seeds"] == [1], "a draw has U-Net seeds of its own"
        shown = {r.patient for r in read_manifest(tmp_path / "run" / "synthetic" / "validation-4C")}
        assert shown == of(selecting)

    def test_drawn_images_are_as_many_as_with_all_patients(self, settings_of, seen, tmp_path):
        for patients in (None, 2, 4):
            run(settings_of("warp", patients=patients), tmp_path / f"{patients}")
        assert [len(training) for training, _ in seen] == [12] * 3

    def test_real_frames_of_few_patients(self, settings_of, seen, tmp_path):
        record, scores = run(settings_of("real", patients=2), tmp_path / "run")
        training, selecting = seen[0]
        assert len(training) == len(selecting) == 2 and not of(training) & of(selecting)
        assert set(scores["patient"]) == TESTING and record.training_patients == 1
        assert any(line.startswith("data.patients: 2 training patients in all") for line in record.deviations)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"patients": 1}, "patients is 1; there must be two at least: one trains, and one selects"),
            ({"patients": 4, "fraction": 0.5}, "patients 4 and fraction 0.5 both say who trains; leave one out"),
            ({"patients": 4, "patient_draw": -1}, "patient-draw is -1; the first draw is 0"),
            ({"mix": -1}, "mix is -1; it must be at least 0"),
            ({"mix": float("nan")}, "mix is nan"),
            ({"mix": 4, "images": 9}, "mix 4 and images 9 both say how many images are drawn; leave one out"),
            ({"mix": 4, "preset": "paper", "assignments": ()}, "need a U-Net that counts optimiser steps"),
            ({"patients": 4, "preset": "paper", "assignments": ()}, "need a U-Net that counts optimiser steps"),
        ],
    )
    def test_what_cannot_be_is_refused_with_a_sentence(self, settings_of, changes, sentence):
        with pytest.raises(EchobenchError, match=sentence):
            settings_of("warp", **changes)

    def test_of_a_folder_they_cannot_be_chosen(self, settings_of, ten):
        with pytest.raises(EchobenchError, match="was drawn elsewhere: the number of its patients cannot be chosen"):
            settings_of(f"folder:{ten}", patients=4)

    def test_more_than_there_are_is_refused(self, settings_of, tmp_path):
        with pytest.raises(EchobenchError, match="patients is 7, but there are 6 training patients; ask for as many"):
            run(settings_of("real", patients=7), tmp_path / "run")


@pytest.fixture
def cells_in(ten, tmp_path):
    def cells(*generators, out=tmp_path / "runs", **changes):
        standard = {"data": str(ten), "preset": "tiny", "unet_seeds": 1, "assignments": BUDGET}
        return plan(out, generators=generators, **standard | changes)

    return cells


class TestSweep:
    def test_one_generator_serves_the_mixes_of_a_draw_and_real_is_run_once(self, cells_in, fits, tmp_path):
        cells = cells_in("warp", "sdm", patients=[2, "all"], patient_draws=2, mixes=[0, 1, 2])
        made = [(c.settings.generator, c.settings.patients, c.settings.patient_draw, c.settings.mix) for c in cells]
        assert len(made) == len(set(made)) == 2 * 2 * 5
        assert [one[:3] for one in made if one[3] is None] == [("real", n, d) for d in range(2) for n in (2, 6)]
        teachers = {cell.teacher for cell in with_teachers(cells)} - {None}
        assert len(teachers) == 4
        chosen = [c for c in cells if c.settings.generator != "warp" and c.settings.patient_draw == 0]
        carry_out(chosen, "cpu")
        assert sorted(map(len, fits)) == [1, 4], "a training for each number of patients"
        written = [(cell.folder / "run.json").stat().st_mtime_ns for cell in chosen]
        carry_out(chosen, "cpu")
        assert [(cell.folder / "run.json").stat().st_mtime_ns for cell in chosen] == written
        (table,) = tabulate([cell.folder for cell in chosen], tmp_path / "out")
        assert table.frame["trained on"].tolist() == ["real"] * 2 + ["sdm (mix 1)"] * 2 + ["sdm (mix 2)"] * 2
        assert table.frame["patients"].tolist() == [2, 6] * 3
        assert sum(note.startswith("With ") for note in table.notes) == 4
        records = [read_record(cell.folder)[0] for cell in chosen]
        assert len({record.fingerprints["split"] for record in records}) == 1

    @pytest.mark.parametrize("stage", ["sdm strength 1 mix 1 patients 2 draw 0 fit-4C", "unet-0"])
    def test_a_killed_one_goes_on_to_the_same_scores(self, cells_in, stage, tmp_path):
        def killing(name):
            def progress(done, total, figures=None):
                if name.endswith(stage) and "mix 1" in name:
                    raise Killed

            return progress

        scores = []
        for place, report in (("whole", lambda name: silent), ("killed", killing)):
            cells = cells_in("sdm", patients=[2, 4], patient_draws=1, mixes=[1], out=tmp_path / place)
            if place == "killed":
                with pytest.raises(Killed):
                    carry_out(cells, "cpu", report)
            carry_out(cells, "cpu")
            scores.append([pd.read_csv(cell.folder / "scores.csv") for cell in cells])
        for whole, killed in zip(*scores, strict=True):
            pd.testing.assert_frame_equal(whole, killed)

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--patients", "1,4"), "patients is 1; there must be two at least"),
            (("--patients", "2,2.5"), "'2,2.5' is no list of whole numbers, or all, like 2,5,10,all"),
            (("--patients", "2,50"), "patients is 50, but there are 6 training patients"),
            (("--patients", "4"), "a sweep has several strengths or several fractions or several numbers of patients"),
            (("--patients", "2,4", "--fractions", "0.5,1"), "both say who trains; leave one out"),
            (("--patients", "2,4", "--strengths", "1,2"), "a sweep has several strengths or several fractions or"),
            (("--patients", "2,4", "--patient-draws", "0"), "patient-draws is 0; there must be one at least"),
            (("--patients", "2,4", "--mixes", "0,-1"), "mix is -1.0; it must be at least 0"),
            (("--patient-draws", "2"), "--patient-draws would change nothing here: all patients are taken; leave it"),
        ],
    )
    def test_bad_input_gets_one_sentence_before_anything_runs(self, ten, tmp_path, arguments, sentence):
        given = ["sweep", "--data", str(ten), "--preset", "tiny", "--out", str(tmp_path / "out"), *arguments]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 1, result.output
        assert sentence in result.stderr and result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()

    @pytest.mark.usefixtures("whole_figures")
    def test_the_command_line_says_what_it_is_worth(self, ten, tmp_path):
        given = ["sweep", "--data", str(ten), "--preset", "tiny", "--generators", "warp", "--patients", "2,all"]
        given += ["--mixes", "0,1", "--patient-draws", "1", "--unet-seeds", "1", "--set", BUDGET[0]]
        result = CliRunner().invoke(main, [*given, "--out", str(tmp_path / "out")])
        assert result.exit_code == 0, result.output
        said = " ".join(result.output.split())
        assert "With 2 patients, adding 1 image of warp per frame is worth" in said
        settings = [json.loads(p.read_text())["settings"] for p in (tmp_path / "out").glob("*/run.json")]
        assert {(one["patients"], one["patient_draw"]) for one in settings} == {(2, 0), (6, 0)}
        again = CliRunner().invoke(main, ["sweep", "--runs", str(tmp_path / "out"), "--out", str(tmp_path / "again")])
        assert again.exit_code == 0, again.output
        first, second = (next((tmp_path / name / "sweep").rglob("worth.csv")) for name in ("out", "again"))
        assert first.read_text() == second.read_text()
