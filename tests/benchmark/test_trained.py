"""Trained generators: taken from an earlier run, or refused; their training curves in the record."""

import json
import shutil

import pandas as pd
import pytest

from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.generators.diffusion.paper import PaperSamplingSettings, PaperTrainingSettings
from echobench.generators.diffusion.paper_network import PaperNetworkSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.sdm import SdmSettings, SemanticDiffusion

pytestmark = pytest.mark.usefixtures("tiny")


def settings_for(folder, generator="sdm", *assignments, **changes):
    return resolve(generator=generator, view="4C", data=str(folder), preset="tiny", assignments=assignments, **changes)


@pytest.fixture
def earlier(camus_folder, tmp_path, tmp_path_factory):
    """A finished run, on the data of `camus_folder`; carried out once for all tests."""
    kept = tmp_path_factory.getbasetemp() / "earlier"
    if not kept.exists():
        run(settings_for(camus_folder), kept)
    return shutil.copytree(kept, tmp_path / "earlier")


@pytest.fixture
def no_training(monkeypatch):
    def fit(self, *arguments, **options):
        raise AssertionError("trained anew")

    monkeypatch.setattr(SemanticDiffusion, "fit", fit)


def test_taken_weights_draw_what_trained_ones_draw(earlier, camus_folder, tmp_path, no_training):
    run(settings_for(camus_folder), tmp_path / "again", generator_from=earlier)
    assert (tmp_path / "again" / "scores.csv").read_bytes() == (earlier / "scores.csv").read_bytes()
    fits = [json.loads((folder / "run.json").read_text())["stages"] for folder in (earlier, tmp_path / "again")]
    assert fits[1][1] == fits[0][1] | {"taken": True} and fits[0][1]["name"] == "fit-4C"


def test_what_concerns_drawing_alone_may_differ(earlier, camus_folder, tmp_path, no_training):
    settings = settings_for(
        camus_folder, "sdm", "generator.sampling.steps=2", "unet.steps=6", images=4, strength=0.5, unet_seeds=2
    )
    record, _ = run(settings, tmp_path / "other", generator_from=earlier)
    assert (record.evaluations, record.training_images) == (2, 4)
    stored = SemanticDiffusion.load(tmp_path / "other" / "stages" / "generator-4C.pt")
    assert stored.settings == settings.generator_settings
    # A run that was begun that way goes on without its source.
    shutil.rmtree(earlier)
    (tmp_path / "other" / "run.json").unlink()
    assert run(settings, tmp_path / "other")[0].evaluations == 2


@pytest.mark.parametrize(
    ("generator", "assignments", "changes", "sentence"),
    [
        ("sdm", ("generator.training.steps=13",), {}, r"training\.steps is 12, not 13"),
        ("sdm", ("generator.network.blocks=2",), {}, r"network\.blocks is 1, not 2"),
        ("sdm", (), {"seed": 1}, "seed is 0, not 1"),
        ("paint", (), {}, "generator is 'sdm', not 'paint'"),
        ("sdm", ("unet.image_size_px=64",), {}, "frames is "),
    ],
)
def test_another_training_is_refused(earlier, camus_folder, tmp_path, generator, assignments, changes, sentence):
    with pytest.raises(EchobenchError, match=sentence) as raised:
        run(settings_for(camus_folder, generator, *assignments, **changes), tmp_path / "out", generator_from=earlier)
    assert str(earlier) in str(raised.value)


def test_inpaint_takes_the_weights_of_a_flow_and_a_flow_those_of_nobody_else(camus_folder, tmp_path):
    run(settings_for(camus_folder, "flow"), tmp_path / "flow")
    record, _ = run(settings_for(camus_folder, "inpaint"), tmp_path / "inpaint", generator_from=tmp_path / "flow")
    fit = next(stage for stage in record.stages if stage.name == "fit-4C")
    assert record.generator == "inpaint" and fit.taken
    for other, teacher in (("flow", "inpaint"), ("sdm", "flow"), ("inpaint", "sdm")):
        if other == "inpaint":
            run(settings_for(camus_folder, "sdm"), tmp_path / "sdm")
        with pytest.raises(EchobenchError, match=f"generator is '{teacher}', not '{other}'"):
            run(settings_for(camus_folder, other), tmp_path / f"not-{other}", generator_from=tmp_path / teacher)


@pytest.fixture
def published(monkeypatch):
    """Makes the tiny `sdm` one of the published kind."""
    network = PaperNetworkSettings(
        channels=8, multipliers=(1, 2), blocks=1, attention=(False, True), head_channels=8, spade_channels=4, groups=4
    )
    settings = SdmSettings(
        ScheduleSettings(shift=1.0),
        network,
        PaperTrainingSettings(steps=1, batch=2, precision="32-true"),
        PaperSamplingSettings(steps=2),
    )
    monkeypatch.setattr(SemanticDiffusion, "presets", {**SemanticDiffusion.presets, "tiny": settings})


def test_guidance_is_refused_for_weights_that_never_saw_an_empty_map(published, camus_folder, tmp_path):
    run(settings_for(camus_folder), tmp_path / "earlier")
    guided = ("generator.sampling.guidance=1", "generator.training.map_dropout=0.5")
    with pytest.raises(EchobenchError, match="never sees an empty map"):
        settings_for(camus_folder, "sdm", guided[0])
    settings = settings_for(camus_folder, "sdm", *guided)
    with pytest.raises(EchobenchError, match=r"training\.map_dropout is 0\.0, not 0\.5"):
        run(settings, tmp_path / "taken", generator_from=tmp_path / "earlier")
    run(settings_for(camus_folder, "sdm", guided[1]), tmp_path / "dropped")
    assert run(settings, tmp_path / "guided", generator_from=tmp_path / "dropped")[0].evaluations == 4


def test_a_run_without_a_trained_generator_is_refused(camus_folder, tmp_path):
    with pytest.raises(EchobenchError, match="nowhere holds no run"):
        run(settings_for(camus_folder), tmp_path / "out", generator_from=tmp_path / "nowhere")


def test_a_finished_run_refuses_what_it_could_not_have_taken(earlier, camus_folder, tmp_path, no_training):
    settings = settings_for(camus_folder, "sdm", "generator.sampling.steps=2")
    run(settings, tmp_path / "out", generator_from=earlier)
    assert run(settings, tmp_path / "out", generator_from=earlier)[0].evaluations == 2
    with pytest.raises(EchobenchError, match="nowhere holds no run"):
        run(settings, tmp_path / "out", generator_from=tmp_path / "nowhere")
    identity = earlier / "stages" / "fit-4C.identity.json"
    identity.write_text(json.dumps(json.loads(identity.read_text()) | {"seed": 7}))
    (tmp_path / "out" / "run.json").unlink()  # or is not finished, but has taken one
    with pytest.raises(EchobenchError, match="seed is 7, not 0"):
        run(settings, tmp_path / "out", generator_from=earlier)


def test_an_unfinished_run_will_do(earlier, camus_folder, tmp_path, no_training):
    (earlier / "run.json").unlink()
    run(settings_for(camus_folder), tmp_path / "out", generator_from=earlier)


def test_a_run_of_before_identities_were_kept_is_known_by_its_record(earlier, camus_folder, tmp_path, no_training):
    (earlier / "stages" / "fit-4C.identity.json").unlink()
    with pytest.raises(EchobenchError, match="seed is 0, not 1"):
        run(settings_for(camus_folder, seed=1), tmp_path / "seed", generator_from=earlier)
    with pytest.raises(EchobenchError, match="frames is "):
        run(settings_for(camus_folder, "sdm", "unet.image_size_px=64"), tmp_path / "size", generator_from=earlier)
    run(settings_for(camus_folder), tmp_path / "same", generator_from=earlier)


def test_training_curves_survive_resuming_and_taking(camus_folder, tmp_path):
    written = []
    for name, earlier in (("first", None), ("first", None), ("taken", tmp_path / "first")):
        for file in ("run.json", "generator-curves.csv"):
            (tmp_path / name / file).unlink(missing_ok=True)
        run(settings_for(camus_folder), tmp_path / name, generator_from=earlier)
        written.append((tmp_path / name / "generator-curves.csv").read_bytes())
    assert written[0] == written[1] == written[2]
    curves = pd.read_csv(tmp_path / "taken" / "generator-curves.csv")
    assert list(curves.columns) == ["view", "step", "seconds", "loss"]
    assert curves["view"].tolist() == ["4C", "4C"] and curves["step"].tolist() == [10, 12]


def test_every_view_has_its_curve(tmp_path):
    run(resolve(generator="sdm", view="all", preset="tiny"), tmp_path)
    curves = pd.read_csv(tmp_path / "generator-curves.csv")
    assert curves.groupby("view")["step"].agg(list).to_dict() == {"2C": [10, 12], "4C": [10, 12]}


def test_who_is_not_trained_has_no_curve(camus_folder, tmp_path):
    run(settings_for(camus_folder, "paint"), tmp_path)
    assert not (tmp_path / "generator-curves.csv").exists()
