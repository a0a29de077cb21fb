"""`--config FILE` takes what `--dry-run --format toml` prints, and `--set` means the same in every verb."""

import json
import tomllib

import click
import pytest
from click.testing import CliRunner

from echobench.benchmark.cells import compare, sweep
from echobench.benchmark.cells.forecast import Forecast
from echobench.benchmark.cli.config import TYPED_ALONE, options_of
from echobench.benchmark.cli.entry import main
from echobench.benchmark.cli.options import with_finished_runs
from echobench.benchmark.run.settings import resolve, resolve_each
from echobench.benchmark.stress.settings import cells, resolve_stress
from echobench.data.base.errors import EchobenchError

COST = Forecast(60.0, 1e9, {}, 1, 1, "a machine")


@pytest.fixture(autouse=True)
def no_probe(tmp_path, monkeypatch):
    """Nothing is timed, and files are named from an empty folder."""
    monkeypatch.setattr("echobench.benchmark.cli.dry_run.forecast", lambda *of: COST)
    monkeypatch.setattr("echobench.benchmark.stress.forecast.forecast_stress", lambda *of, **named: COST)
    monkeypatch.delenv("ECHOBENCH_JOBS", raising=False)
    monkeypatch.chdir(tmp_path)


def printed(*words, form="json"):
    result = CliRunner().invoke(main, [*words, "--dry-run", "--format", form])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if form == "json" else result.stdout


def refusal(*words):
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    return result.stderr


CALLS = [
    ("run", "--generator", "sdm", "--set", "generator.sampling.steps=50", "--set", "unet.channels=[2, 4]"),
    ("run", "--generator", "real", "--view", "all", "--seed", "3", "--on", "validation", "--images", "9"),
    ("run", "--generator", "warp", "--strength", "0.5", "--out", 'a "b" ü', "--jobs", "2", "--device", "cpu"),
    ("compare",),
    ("compare", "--generators", "warp,sdm", "--views", "2C", "--set", "generator.training.steps=7", "--images", "5"),
    ("compare", "--preset", "paper", "--unet-seeds", "1"),
    ("compare", "--generators", "real", "--on", "validation", "--executor", "serial"),
    ("sweep",),
    ("sweep", "--fractions", "0.123456789,1", "--generators", "real", "--executor", "slurm", "--slurm", "time=9"),
    ("stress",),
    ("stress", "--generators", "paint", "--severities", "1", "--set", "unet.steps=7", "--patients", "2"),
    ("cross",),
    ("cross", "--generators", "real", "--set", "unet.steps=7", "--seed", "2", "--skip-broken"),
]


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_a_file_repeats_the_call_that_printed_it(words, tmp_path):
    file = tmp_path / "again.toml"
    file.write_text(printed(*words, form="toml"), encoding="utf-8")
    assert printed(words[0], "--config", str(file)) == printed(*words)
    assert printed(words[0], "--config", str(file), form="toml") == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [("compare",), ("sweep",), ("stress",), ("run", "--generator", "sdm")], ids=" ".join)
def test_what_was_left_open_is_said(words):
    options = tomllib.loads(printed(*words, form="toml"))[words[0]]
    assert options["preset"] == "quick" and "data" not in options
    expected = {"compare": compare.GENERATORS, "sweep": sweep.GENERATORS, "stress": ("sdm", "cyclegan", "paint")}
    assert options.get("generators", "").split(",") == [*expected.get(words[0], [""])]


def test_a_typed_option_wins_over_the_file(tmp_path):
    (tmp_path / "a.toml").write_text('[run]\ngenerator = "paint"\nseed = 3\nset = ["unet.steps=7"]\n')
    assert printed("run", "--config", "a.toml")["generator"] == "paint"
    changed = printed("run", "--config", "a.toml", "--seed", "0", "--set", "unet.steps=9")
    assert (changed["seed"], changed["unet_settings"]["steps"], changed["generator"]) == (0, 9, "paint")


def test_what_the_environment_says_is_not_written_and_wins_over_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ECHOBENCH_JOBS", "5")
    assert "jobs" not in tomllib.loads(printed("compare", form="toml"))["compare"]
    (tmp_path / "a.toml").write_text(printed("compare", "--jobs", "2", form="toml"))
    assert tomllib.loads((tmp_path / "a.toml").read_text())["compare"]["jobs"] == 2
    assert main.commands["compare"].make_context("compare", ["--config", "a.toml"]).params["jobs"] == 5


def test_what_would_change_nothing_is_refused_unless_it_holds_anyway(tmp_path):
    (tmp_path / "a.toml").write_text("[run]\nstrength = 1.0\n")
    assert printed("run", "--config", "a.toml", "--generator", "real")["strength"] == 0
    (tmp_path / "b.toml").write_text("[run]\nstrength = 2\n")
    said = refusal("run", "--config", "b.toml", "--generator", "real", "--dry-run")
    assert said == "Error: strength in b.toml would change nothing here: real draws no deformed maps; leave it out\n"
    (tmp_path / "c.toml").write_text('[compare]\npreset = ""\n')
    assert "preset in c.toml was given an empty text" in refusal("compare", "--config", "c.toml")


@pytest.mark.parametrize(
    ("verb", "text", "sentence"),
    [
        ("run", "[compare]\nseed = 1\n", "a.toml holds compare; `echobench run` takes one table, [run]"),
        ("run", "seed = 1\n", "a.toml holds seed; `echobench run` takes one table, [run]"),
        ("run", "", "a.toml holds nothing; "),
        ("run", "run = 3\n", "a.toml holds run; `echobench run` takes one table"),
        ("run", "[run]\n[sweep]\n", "a.toml holds run, sweep"),
        ("run", "[run]\nsed = 1\n", "a.toml sets sed, which is no option of run; known: generator, view, phase, data"),
        ("run", "[run]\nforce = true\n", "a.toml sets force, which is no option of run"),
        ("run", "[run]\nscored_on = 'testing'\n", "a.toml sets scored_on, which is no option of run"),
        ("run", "[run]\nseed = 'one'\n", "seed in a.toml must be a whole number, as --seed takes it: INTEGER"),
        ("run", "[run]\nseed = true\n", "seed in a.toml must be a whole number"),
        ("run", "[run]\nstrength = '1'\n", "strength in a.toml must be a number"),
        ("run", "[run]\nview = 4\n", "view in a.toml must be a text, as --view takes it: "),
        ("run", "[run]\nset = 'unet.steps=1'\n", "set in a.toml must be a list, as --set takes it: KEY=VALUE"),
        ("cross", "[cross]\nskip-broken = 1\n", "skip-broken in a.toml must be true or false"),
        ("run", "[run]\nseed = \n", "a.toml is not TOML: "),
        ("run", None, "a.toml cannot be read: there is none"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(tmp_path, verb, text, sentence):
    if text is not None:
        (tmp_path / "a.toml").write_text(text)
    assert sentence in refusal(verb, "--config", "a.toml")


@pytest.mark.parametrize("verb", ["run", "compare", "sweep", "stress", "cross"])
def test_the_shared_options_are_in_every_verb(verb):
    command = main.commands[verb]
    names = {parameter.name for parameter in command.params}
    assert {"assignments", "seed", "jobs", *TYPED_ALONE} - {"force"} <= names
    assert ("images" in names) == (verb != "stress")  # no U-Net trains on what a stress draws, as its help says
    assert set(options_of(command)).isdisjoint({"config", "dry-run", "format", "force"})


def test_an_option_of_the_same_name_means_the_same():
    """Default and words apart: its type, and whether it may come several times."""
    kinds = {}
    for verb in ("run", "compare", "sweep", "stress", "cross"):
        for name in ("assignments", "images", "seed", "jobs", "config", "dry_run", "form", "data", "preset", "device"):
            found = [p for p in main.commands[verb].params if p.name == name]
            kinds.setdefault(name, set()).update((p.opts[0], p.type.name, p.multiple, p.help) for p in found)
    assert all(len(kind) == 1 for kind in kinds.values()), kinds


def test_arguments_are_no_options_of_a_file():
    command = click.command("name")(with_finished_runs(lambda folders, runs: None))
    assert list(options_of(command)) == ["runs"]


ASKED = [{"generator": name, "view": "4C"} for name in ("real", "warp", "sdm", "cyclegan")]


def test_a_setting_of_several_generators_is_changed_in_those_that_have_it():
    usual = resolve_each(ASKED)
    assert usual == [resolve(**one) for one in ASKED]
    changed = resolve_each(ASKED, ["unet.steps=7", "generator.training.steps=9", "generator.sampling.steps=3"])
    assert [one.unet_settings.steps for one in changed] == [7] * 4
    real, warp, sdm, cyclegan = (one.generator_settings for one in changed)
    assert (real, warp) == (usual[0].generator_settings, usual[1].generator_settings)
    assert (sdm.training.steps, sdm.sampling.steps, cyclegan.training.steps) == (9, 3, 9)


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("generator.sampling.step=3", "generator.sampling has the settings sampler, steps, eta, batch"),
        ("generator.magic=3", "generator has the settings"),
        ("generator.sampling.steps=x", "the value must be a whole number"),
        ("optimiser.steps=3", "a setting starts with generator"),
    ],
)
def test_a_setting_that_none_has_is_refused_with_those_that_there_are(assignment, sentence):
    with pytest.raises(EchobenchError, match=sentence):
        resolve_each(ASKED, [assignment])
    with pytest.raises(EchobenchError, match="no generator is trained here"):
        resolve_each([], ["generator.training.steps=3"])


def test_a_run_of_a_comparison_with_changes_is_that_of_run(tmp_path):
    asked = {"assignments": ["unet.steps=7", "generator.training.steps=9"], "images": 5, "scored_on": "validation"}
    planned = compare.plan(tmp_path, generators=["real", "sdm"], **asked)
    names = [cell.folder.name for cell in planned]
    own = resolve(generator="sdm", view="4C", unet_seeds=3, **asked)
    assert names[1] == own.slug() and planned[0].settings.images is None
    assert names != [cell.folder.name for cell in compare.plan(tmp_path, generators=["real", "sdm"])]


def test_a_stress_with_changes_is_another_one_and_trains_other_generators(tmp_path):
    usual, changes = resolve_stress(), ["unet.steps=7", "generator.training.steps=9"]
    changed = resolve_stress(assignments=changes)
    assert changed.judge.unet.steps == 7 and changed.slug() != usual.slug()
    (sdm, paint) = cells(tmp_path, changed, ["sdm", "paint"], changes)
    assert sdm.folder.name == resolve(generator="sdm", view="4C", assignments=changes).slug()
    assert paint.settings.unet_settings.steps == 7
