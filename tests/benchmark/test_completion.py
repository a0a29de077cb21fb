"""What the shell completes, and that what options say they take is what they take."""

import os
import re
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from echobench.benchmark.choices import PRESETS
from echobench.benchmark.cli.entry import main
from echobench.benchmark.cli.values import GeneratorName, OneOf
from echobench.benchmark.run import settings
from echobench.benchmark.stress import settings as stress_settings


def completed(*words):
    """What is offered for the last of the words that are typed behind `echobench`."""
    *before, last = words
    return [item.value for item in ShellComplete(main, {}, "echobench", "_X").get_completions([*before], last)]


def kinds(*words):
    *before, last = words
    return [item.type for item in ShellComplete(main, {}, "echobench", "_X").get_completions([*before], last)]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["run", "--generator", "cy"], ["cyclegan"]),
        (["run", "--generator", "fo"], ["folder:"]),
        (["compare", "--generators", "real,w"], ["real,warp"]),
        (["run", "--view", ""], ["2C", "4C", "all"]),
        (["stress", "--view", ""], ["2C", "4C"]),
        (["compare", "--views", "4C,"], ["4C,2C", "4C,4C", "4C,all"]),
        (["run", "--phase", "E"], ["ED", "ES"]),
        (["run", "--preset", ""], ["quick", "standard", "paper"]),
        (["run", "--on", ""], ["testing", "validation"]),
        (["cross", "--on", ""], ["echonet", "camus", "view"]),
        (["run", "--device", "c"], ["cpu", "cuda"]),
        (["run", "--executor", "s"], ["serial", "slurm"]),
        (["generate", "--subset", "t"], ["training", "testing"]),
        (["stress", "--deformations", "swirl,sma"], ["swirl,small"]),
        (["data", "check", "--format", "e"], ["echonet"]),
        (["run", "--generator", "paint", "--set", "generator.spe"], ["generator.speckle_px="]),
        (["run", "--set", "unet.batch"], ["unet.batch_size="]),
        (["run", "--generator", "sdm", "--set", "generator.sampling.st"], ["generator.sampling.steps="]),
        (["run", "--generator", "nobody", "--set", "generator."], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_values_are_completed(words, offered):
    assert completed(*words) == offered


def test_runs_are_offered_beside_other_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("phantom-sdm", "phantom-real"):
        (tmp_path / "runs" / name / "stages").mkdir(parents=True)
        (tmp_path / "runs" / name / "stages" / "settings.json").touch()
    (tmp_path / "runs" / "comparison").mkdir()
    assert completed("generate", "--run", "runs/") == ["runs/", "runs/phantom-real", "runs/phantom-sdm"]
    assert completed("cross", "--from", "runs/phantom-s") == ["runs/phantom-s", "runs/phantom-sdm"]
    assert kinds("cross", "--from", "runs/phantom-s") == ["dir", "plain"], "the shell looks for folders first"


def test_files_and_folders_are_left_to_the_shell():
    assert kinds("run", "--generator", "my") == ["file"], "where no name begins so, it may be FILE.py:CLASS"
    assert kinds("compare", "--inception", "") == ["file"]
    assert kinds("run", "--generator", "real", "--data", "~/c") == ["dir"]


QUICK = """
import sys
from echobench.benchmark.cli.entry import main
try:
    main(prog_name="echobench")
except SystemExit:
    assert "torch" not in sys.modules
    raise
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("run --generator wa", "plain,warp\n"),
        ("run --view ", "plain,2C\nplain,4C\nplain,all\n"),
        ("run --preset q", "plain,quick\n"),
        ("run --generator real --executor r", "plain,ray\n"),
        ("stre", "plain,stress\n"),
    ],
)
def test_the_shell_is_answered_without_torch(typed, offered):
    words = ["echobench", *typed.split(" ")]
    asked = {"_ECHOBENCH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **asked}
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, env=environment)
    assert done.stdout == offered, done.stderr


def test_presets_have_their_settings():
    for table in (settings.PRESETS, settings.UNET_PRESETS, stress_settings.PRESETS):
        assert set(table) == set(PRESETS)


def parameters(command=main):
    """Every parameter of every verb."""
    yield from command.params
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from parameters(below)


def test_the_help_names_what_is_known():
    seen = 0
    for parameter in parameters():
        kind, shown = parameter.type, parameter.metavar or ""
        if isinstance(kind, OneOf) and not isinstance(kind, GeneratorName) and shown != "NAME" and "…" not in shown:
            assert set(re.split("[|,]", shown)) == set(kind.known()), parameter.name
            seen += 1
    assert seen > 20
