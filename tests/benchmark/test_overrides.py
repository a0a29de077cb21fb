"""`--set KEY=VALUE`: one setting of the generator or the U-Net changed, in its own type."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.benchmark.run.overrides import overridden
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.generators.sdm import PAPER, STANDARD
from echobench.generators.translation.network import TranslatorSettings
from echobench.segmentation.settings import PRESETS

UNET = PRESETS["standard"]
PARTS = {"generator": STANDARD, "unet": UNET}


def test_nested_settings_are_rebuilt_and_the_others_left():
    changed = overridden(PARTS, ["generator.sampling.steps=50", "generator.sampling.sampler=dpm++", "unet.steps=4000"])
    sampling = replace(STANDARD.sampling, steps=50, sampler="dpm++")
    assert changed == {"generator": replace(STANDARD, sampling=sampling), "unet": replace(UNET, steps=4000)}
    assert overridden(PARTS, []) == PARTS


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("unet.warmup_steps=7", 7),
        ("unet.peak_learning_rate=1e-2", 0.01),
        ("unet.leaky_slope=1", 1.0),
        ("unet.channels=[2, 4, 8]", (2, 4, 8)),
        ("unet.adam_betas=[0.5, 0]", (0.5, 0.0)),
        ("unet.validation_every_steps=null", None),
        ("unet.augmentation.scale_range=[1, 1]", (1.0, 1.0)),
    ],
)
def test_a_value_has_the_type_of_its_field(assignment, value):
    found = overridden(PARTS, [assignment])["unet"]
    for name in assignment.partition("=")[0].split(".")[1:]:
        found = getattr(found, name)
    assert found == value and type(found) is type(value)


def test_flags_and_choices():
    paper = overridden({"generator": PAPER}, ["generator.training.gradient_checkpointing=false"])["generator"]
    assert paper.training.gradient_checkpointing is False
    assert overridden({"g": TranslatorSettings()}, ["g.padding=zeros"])["g"].padding == "zeros"


def test_settings_that_belong_together_are_changed_together():
    assert overridden(PARTS, ["unet.epochs=3", "unet.steps=null"])["unet"].epochs == 3


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("unet.steps", "--set unet.steps must be KEY=VALUE"),
        ("steps=3", "--set steps: a setting starts with generator. or unet."),
        ("generator.sampling.step=3", "generator.sampling has the settings sampler, steps, eta, batch"),
        ("generator.sampling=3", "generator.sampling has the settings sampler, steps, eta, batch"),
        ("unet.steps.most=3", "--set unet.steps is a single value"),
        ("unet.steps=many", "--set unet.steps=many: the value must be a whole number or null"),
        ("unet.batch_size=1.5", "the value must be a whole number"),
        ("unet.batch_size=true", "the value must be a whole number"),
        ("unet.leaky_slope=null", "the value must be a number"),
        ("unet.channels=8", r"a list like \[1, 2\], each a whole number"),
        ("unet.adam_betas=[0.5]", "2 of them, each a number"),
        ("generator.network.attention=[0, 1]", "each true or false"),
        ("unet.batch_size=0", "--set unet.batch_size: UNetSettings.batch_size must be at least 1"),
        ("unet.channels=" + "[" * 100_000, "the value must be a list like"),
        ("generator.sampling.eta=" + "9" * 5000, "the value must be a number"),
        ("unet.channels=[]", r"channels is \(\); it must be at least 1"),
        ("unet.adam_betas=[2, 2]", r"adam_betas is \(2.0, 2.0\); it must be from 0 to"),
        ("generator.training.steps=-5", "steps is -5; it must be at least 1"),
        ("generator.training.learning_rate=NaN", "learning_rate=NaN: the value must be a number"),
        ("generator.training.ema_decay=7", "ema_decay is 7.0; it must be from 0 to 1"),
        ("generator.training.precision=16-mixed", "bf16-mixed.*32-true"),
        ("generator.sampling.batch=0", "batch is 0; it must be at least 1"),
        ("generator.schedule.shift=-1", "shift is -1.0; it must be from"),
        ("generator.network.channels=[]", r"channels is \(\)"),
    ],
)
def test_what_does_not_fit_is_a_sentence(assignment, sentence):
    with pytest.raises(EchobenchError, match=sentence):
        overridden(PARTS, [assignment])


def test_a_choice_is_named():
    with pytest.raises(EchobenchError, match="must be one of reflect, zeros"):
        overridden({"g": TranslatorSettings()}, ["g.padding=mirror"])


def test_generators_without_settings(tmp_path):
    with pytest.raises(EchobenchError, match=r"generator has the settings \(none\)"):
        resolve(generator="real", view="4C", assignments=["generator.steps=3"])
    with pytest.raises(EchobenchError, match=r"a setting starts with unet\.$"):
        resolve(generator=f"folder:{tmp_path}", view="4C", assignments=["generator.sha256=no"])


def test_guidance_without_a_training_for_it_is_refused_before_anything_is_read():
    arguments = [
        "run",
        "--generator",
        "sdm",
        "--preset",
        "paper",
        "--set",
        "generator.sampling.guidance=1",
        "--dry-run",
        "--format",
        "json",
    ]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: sampling.guidance is 1, but the network never sees an empty map")
    trained = CliRunner().invoke(main, [*arguments, "--set", "generator.training.map_dropout=0.1"])
    assert "sdm.sampling.guidance: 1.0, paper none" in json.loads(trained.output)["deviations"]


def test_the_run_has_the_changed_settings_and_another_folder():
    arguments = ["run", "--generator", "sdm", "--set", "generator.sampling.steps=50", "--set", "unet.steps=9000"]
    plan = json.loads(CliRunner().invoke(main, [*arguments, "--dry-run", "--format", "json"]).output)
    assert plan["generator_settings"]["sampling"]["steps"] == 50
    assert plan["unet_settings"]["steps"] == 9000
    assert "unet.steps: 9000, paper 300 epochs" in plan["deviations"]
    preset, changed = (resolve(generator="sdm", view="4C", assignments=a) for a in ((), ("unet.steps=9000",)))
    assert preset.slug() != changed.slug()
