"""`echobench stress`: both measures against generators whose answer is known, and the verb from end to end."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from echobench.benchmark.cli.entry import main
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.stress import judge, outcome
from echobench.benchmark.stress.asked import asked, measured, undeformed
from echobench.benchmark.stress.judge import divided, judge_frames, ladder_fingerprint
from echobench.benchmark.stress.settings import cells, resolve_stress
from echobench.benchmark.stress.stress import stress
from echobench.data.base.errors import EchobenchError
from echobench.data.labels import Label
from echobench.data.ladder.ladder import STRESSES
from echobench.generators.paint import Paint
from echobench.generators.testing import examples
from echobench.generators.warp import Warp, WarpSettings
from echobench.results.evidence.adherence import DOUBT, FOLLOWS, IDEAL, LOST, UNDEFORMED, decay
from echobench.results.records.stress import read_stress

GREYS = np.array([120, 30, 200, 60, 0], dtype=np.uint8)  # background, cavity, wall, atrium; outside the sector


def read(images):
    """The label of the nearest grey."""
    nearest = np.abs(images[..., None].astype(int) - GREYS).argmin(-1)
    return np.where(nearest == 4, 0, nearest).astype(np.uint8)


READER = SimpleNamespace(predict=read)
"""A judge that knows the greys."""


def from_map(maps):
    """What a perfect generator draws."""
    return GREYS[maps.labels]


def from_nothing(maps):
    """What one draws that ignores its map: somebody else's heart."""
    return GREYS[np.roll(maps.source.labels, 1, axis=0)][maps.source_index]


def warped(maps):
    return Warp(WarpSettings()).sample(maps, np.zeros(len(maps), dtype=np.int64))


@pytest.fixture(scope="module")
def hearts():
    """A dozen phantom patients whose images are their maps in grey."""
    found = examples(Warp, size=96, patients=12)[0].where(phases=("ED",))
    return replace(found, images=np.where(found.sector, GREYS[found.labels], np.uint8(0)))


@pytest.fixture
def frames(hearts):
    return replace(hearts, labels=hearts.labels.copy())


def scores_of(frames, names, severities=(0.5, 1.0)):
    questions = [undeformed(frames), *(asked(frames, name, severities, seed=0) for name in names)]
    parts = []
    for label, draw in ((IDEAL, warped), ("perfect", from_map), ("blind", from_nothing)):
        before = draw(questions[0].maps)
        parts += [measured(q, q.maps, draw(q.maps), before, READER, label) for q in questions]
    return pd.concat(parts, ignore_index=True)


def test_both_measures_agree_on_the_ceiling_and_on_the_floor(frames):
    cells = decay(scores_of(frames, ["swirl", "small", "rotation"])).cells
    deformed = cells[cells["deformation"] != UNDEFORMED]
    for measure in ("dice", "contrast"):
        for label in (IDEAL, "perfect"):
            rows = deformed[deformed["generator"] == label]
            assert (rows[f"{measure} share"] > 0.9).all()
            assert set(rows[f"{measure} verdict"]) == {FOLLOWS}
        blind = cells[cells["generator"] == "blind"]
        assert blind.set_index("deformation").loc[UNDEFORMED, f"{measure} verdict"] == LOST
        assert (deformed.loc[deformed["generator"] == "blind", f"{measure} share"].dropna().abs() < 0.01).all()
    assert set(deformed.loc[deformed["generator"] == IDEAL, "verdict"]) == {FOLLOWS}


def test_a_local_change_counts_where_it_is(frames):
    """An image without the gap in the septum: the walls that stay where they were do not speak for it."""
    question = asked(frames, "septal-defect", [1.0], seed=0)
    parts = [
        measured(q, q.maps, images, frames.images, READER, label)
        for q in (undeformed(frames), question)
        for label, images in (("perfect", from_map(q.maps)), ("deaf", GREYS[frames.labels]), (IDEAL, from_map(q.maps)))
    ]
    cells = decay(pd.concat(parts)).cells.set_index(["generator", "deformation"])
    assert cells.loc[("perfect", "septal-defect"), "contrast verdict"] == FOLLOWS
    assert cells.loc[("deaf", "septal-defect"), "contrast verdict"] == LOST
    assert cells.loc[("deaf", "septal-defect"), "contrast kept"] < 0.7


def test_who_lacks_the_structure_is_a_skip_that_is_counted(frames):
    frames.labels[0][frames.labels[0] == Label.LA] = Label.BACKGROUND
    question = asked(frames, "missing-atrium", [0.5, 1.0], seed=0)
    assert question.severity.tolist() == [0.5] * 11 + [1.0] * 11
    assert [(severity, skip.patient) for severity, skip in question.skipped] == [
        (0.5, "patient0001"),
        (1.0, "patient0001"),
    ]
    assert "no left atrium" in question.skipped[0][1].reason
    frames.labels[frames.labels == Label.LA] = Label.BACKGROUND
    assert asked(frames, "missing-atrium", [1.0], seed=0).maps is None


def test_an_atrium_that_is_asked_for_by_nobody_and_seen_by_nobody_is_right(frames):
    question = asked(frames, "missing-atrium", [1.0], seed=0)
    rows = measured(question, question.maps, from_map(question.maps), frames.images, READER, "perfect")
    atrium = rows[rows["structure"] == "LA"].set_index("measure")
    assert (atrium.loc["dice", "value"] == 1).all() and (atrium.loc["dice", "ignored"] == 0).all()
    assert atrium.loc["contrast", "value"].isna().all()


def test_the_judge_learns_from_deformed_real_frames_of_other_patients(frames):
    training, selecting = divided(frames)
    assert not set(training.patient) & set(selecting.patient)
    learnt = judge_frames(training, repeats=2, seed=0)
    n = len(training)
    np.testing.assert_array_equal(learnt.images[:n], training.images)
    assert 2 * n < len(learnt) <= 4 * n
    assert (READER.predict(learnt.images[2 * n :]) == learnt.labels[2 * n :])[learnt.labels[2 * n :] > 0].mean() > 0.9
    np.testing.assert_array_equal(judge_frames(training, repeats=2, seed=0).images, learnt.images)


@pytest.fixture
def small(tiny, monkeypatch, tmp_path):
    """Everything tiny, and nothing in the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, ["stress", "--preset", "tiny", "--out", "out", *arguments])


@pytest.mark.usefixtures("whole_figures")
def test_the_verb_from_end_to_end_and_nothing_twice(small, monkeypatch):
    asked_for = ("--generators", "paint", "--deformations", "small,missing-atrium", "--severities", "0,1")
    done = call(*asked_for)
    assert done.exit_code == 0, done.output
    assert "paint may not follow ordinary maps, so it is not said to follow any: it has Dice" in done.output
    assert "The maps of one patient are too few to tell." in done.output and "nan" not in done.output
    record, scores = read_stress(small / "out")
    assert list(record.generators) == [IDEAL, "paint"]
    assert record.patients == ["patient0009"]  # a validation patient
    assert set(scores["deformation"]) == {UNDEFORMED, "small", "missing-atrium"}
    assert str(small) not in (small / "out" / "stress.json").read_text()
    assert "missing-atrium" in record.not_warped and "small" not in record.not_warped
    written = {path.name for path in (small / "out").rglob("*.*")}
    expected = {"stress.csv", "stress.md", "stress.tex", "ladder.md", "structures.csv", "ordinary.csv", "finding.txt"}
    expected |= {"decay-dice.png", "adherence-dice.png", "adherence-contrast.png"}
    assert expected | {"decay-contrast.png", "ladder.png", "severity-1.png", "severity-1-contours.png"} <= written

    marked = []
    with monkeypatch.context() as patched:
        called = {LOST: {("paint", "small", 1.0), ("paint", "swirl", 1.0)}, DOUBT: {("paint", "missing-atrium", 1.0)}}
        patched.setattr(outcome, "lost_maps", lambda found, verdict: called[verdict])
        patched.setattr(
            outcome, "picture",
            lambda rows, *a, **n: marked.append({r.deformation: (r.lost, r.doubtful) for r in rows}) or Figure(),
        )  # fmt: skip
        outcome.write_outcome(small / "out")
    assert marked == [{"small": ({"paint"}, set()), "missing-atrium": (set(), {"paint"})}] * 2  # as the table says

    (cell,) = (small / "out" / "stages").glob("small paint-*.stage.json")
    cell.unlink()  # as if killed there
    drawn = []
    sample = Paint.sample
    monkeypatch.setattr(
        Paint, "sample", lambda self, maps, *a, **n: drawn.append(len(maps)) or sample(self, maps, *a, **n)
    )
    assert call(*asked_for).exit_code == 0
    assert drawn == [1]
    pd.testing.assert_frame_equal(read_stress(small / "out")[1], scores)
    assert call(*asked_for, "--deformations", "small,swirl").exit_code == 0
    assert drawn == [1, 1]  # more can be asked for in the same folder


def test_generators_of_runs_that_are_named(small):
    assert call("--generators", "paint", "--deformations", "small").exit_code == 0
    (run,) = (small / "runs").iterdir()
    settings = resolve_stress(preset="tiny", deformations=["small"])
    copy = small / "again"
    (copy / "stages").mkdir(parents=True)
    for path in (run / "stages").iterdir():
        (copy / "stages" / path.name).write_bytes(path.read_bytes())
    record, _ = stress(settings, small / "out", runs=[run, copy])
    assert list(record.generators) == [IDEAL, f"paint ({run.name})", "paint (again)"]
    identity = copy / "stages" / "fit-4C.identity.json"
    identity.write_text(json.dumps(json.loads(identity.read_text()) | {"frames": "others"}))
    with pytest.raises(EchobenchError, match="has learnt from other frames than the training patients'"):
        stress(settings, small / "out", runs=[copy])


def test_a_judge_is_of_the_ladder_that_it_was_trained_on(small, monkeypatch):
    settings, first = resolve_stress(preset="tiny", deformations=["small"]), ladder_fingerprint()
    assert settings.identity()["judge"]["ladder"] == first
    stress(settings, small / "out")
    swirl, large = STRESSES["swirl"], STRESSES["large"]
    halved = replace(swirl, field=lambda heart, severity, seed: swirl.field(heart, severity / 2, seed))
    unseen = replace(large, cannot_warp="nobody could")
    ladders = [STRESSES | {"swirl": halved, "large": large}, STRESSES | {"more": swirl}, STRESSES | {"large": unseen}]
    changed = []
    for ladder in ladders:
        monkeypatch.setattr(judge, "STRESSES", ladder)
        changed.append(ladder_fingerprint())
    assert len({first, *changed}) == 4
    with pytest.raises(EchobenchError, match=rf"judge\.ladder: {first} then, {changed[-1]} now"):
        stress(resolve_stress(preset="tiny", deformations=["small"]), small / "out")
    monkeypatch.setattr(judge, "STRESSES", STRESSES | {"tear": replace(STRESSES["septal-defect"])})
    assert ladder_fingerprint() == first, "of which there are no images to learn from"

    path = small / "out" / "stages" / "settings.json"
    begun = json.loads(path.read_text())
    del begun["judge"]["ladder"]
    path.write_text(json.dumps(begun))
    with pytest.raises(EchobenchError, match=rf"judge\.ladder: \S+ then, {first} now"):
        stress(settings, small / "out")


def test_force_waits_for_whoever_is_at_work_and_a_failed_training_is_said(small, held_by_another, monkeypatch):
    settings = resolve_stress(preset="tiny", deformations=["small"])
    stress(settings, small / "out")
    with held_by_another(small / "out"), pytest.raises(EchobenchError, match="another echobench is at work in"):
        stress(settings, small / "out", force=True)
    assert read_stress(small / "out")[0].patients and (small / "out" / "stages" / "judge.pt").is_file()

    def broken(self, *arguments, **options):
        raise EchobenchError("the loss is not a number")

    monkeypatch.setattr(Paint, "fit", broken)
    (cell,) = cells(small / "runs", settings, ["paint"])
    with pytest.raises(EchobenchError, match="paint was not trained: the loss is not a number"):
        stress(settings, small / "out", missing=[cell])


def test_all_are_those_that_draw_deformed_maps(small):
    asked_for = [cell.settings.generator for cell in cells(small, resolve_stress(preset="quick"), ["all"])]
    assert asked_for == ["paint", "cyclegan", "spade", "flow", "inpaint", "sdm"]  # the ideal is there anyway
    with pytest.raises(EchobenchError, match="real draws no deformed maps"):
        cells(small, resolve_stress(preset="quick"), ["all", "real"])


def test_a_run_of_the_ideal_is_not_passed_over_in_silence(small):
    run(resolve(generator=IDEAL, view="4C", preset="tiny"), small / "ideal")
    done = call("--runs", "ideal", "--generators", "sdm", "--deformations", "small")
    assert done.exit_code == 1 and "ideal has warp, which is always shown beside the others" in done.output
    assert not (small / "runs").exists(), "before anything is trained"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--severities", "0,1.5"], "the severity of a stress lies between 0 (none) and 1, got 1.5"),
        (["--severities", "0"], "severity 0 deforms nothing"),
        (["--severities", "a lot"], "'a lot' is no list of numbers"),
        (["--deformations", "twist"], "unknown deformation 'twist'; known: swirl"),
        (["--generators", "gan"], "unknown generator 'gan'; known: real, warp"),
        (["--generators", "real"], "real draws no deformed maps"),
        (["--view", "all"], "unknown view 'all'; known: 2C, 4C"),
        (["--patients", "9"], "phantom has 1 validation patients with a 4C ED frame"),
        (["--patients", "0"], "the maps of at least one are needed"),
        (["--runs", "nowhere"], "there is no folder nowhere for --runs"),
        (["--view", "2C", "--deformations", "septal-defect"], "the view does not show it; 4C does"),
    ],
)
def test_bad_input_is_one_sentence(small, arguments, sentence):
    done = call(*(["--generators", "warp"] if arguments[0] not in ("--generators", "--runs") else []), *arguments)
    assert done.exit_code == 1
    assert sentence in done.output and "Traceback" not in done.output


def test_the_default_asks_for_all_that_the_view_shows():
    assert len(resolve_stress().deformations) == 17
    assert "septal-defect" not in resolve_stress(view="2C").deformations
    assert resolve_stress().severities == (0.25, 0.5, 0.75, 1.0)
    assert resolve_stress().slug() == resolve_stress(deformations=["swirl"]).slug() != resolve_stress(seed=1).slug()
