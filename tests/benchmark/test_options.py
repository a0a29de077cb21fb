"""Every option of every verb: typed, it changes what the verb does, or it is refused. None is ignored.

Who adds an option adds a line to `EFFECTS`, and one to `IDLE` in benchmark/cli/options.py where it has no meaning.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.benchmark.cli.options import IDLE
from echobench.benchmark.measure.verify import Verdict
from echobench.data.base.errors import EchobenchError
from echobench.results.report.ends import End

LEAST: dict[str | tuple[str, str], list[str]] = {
    "": ["generators"],
    "run": ["run", "--generator", "warp"],
    ("run", "--generator-from"): ["run", "--generator", "sdm"],
    ("run", "--patient-draw"): ["run", "--generator", "warp", "--patients", "9"],
    ("sweep", "--patient-draws"): ["sweep", "--patients", "5,9"],
    ("cross", "--data-camus"): ["cross", "--on", "camus"],
    ("run", "--format"): ["run", "--generator", "warp", "--dry-run"],
    **{(verb, "--format"): [verb, "--dry-run"] for verb in ("compare", "sweep", "stress", "cross")},
    ("run", "--address"): ["run", "--generator", "warp", "--executor", "ray"],
    ("run", "--slurm"): ["run", "--generator", "warp", "--executor", "slurm"],
    **{(verb, "--address"): [verb, "--executor", "ray"] for verb in ("compare", "sweep", "stress", "cross")},
    **{(verb, "--slurm"): [verb, "--executor", "slurm"] for verb in ("compare", "sweep", "stress", "cross")},
    "report": ["report", "a"],
    "verify": ["verify", "a"],
    "generate": ["generate", "--run", "a", "--maps", "b", "--out", "c"],
    "data check": ["data", "check", "a"],
    "data phantom": ["data", "phantom", "a"],
}
"""The shortest call of a verb that needs more than its name, or of an option that needs another one."""

PLANNED = ("run", "compare", "sweep", "stress", "cross")
"""The verbs that look ahead, and take a file of options."""
TOLD = ("run", "compare", "sweep", "stress", "cross", "generate", "verify", "generators", "data check")
ONE_LINE = ("report", "data phantom")
"""Verbs with a result, and those that print where they wrote one."""

EFFECTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "--version"): ("--version",),
    ("run", "--generator"): ("--generator", "paint"),
    ("run", "--view"): ("--view", "2C"),
    ("run", "--phase"): ("--phase", "ED"),
    ("run", "--data"): ("--data", "d"),
    ("run", "--preset"): ("--preset", "standard"),
    ("run", "--strength"): ("--strength", "2"),
    ("run", "--seed"): ("--seed", "1"),
    ("run", "--images"): ("--images", "5"),
    ("run", "--mix"): ("--mix", "4"),
    ("run", "--fraction"): ("--fraction", "0.5"),
    ("run", "--patients"): ("--patients", "9"),
    ("run", "--patient-draw"): ("--patient-draw", "1"),
    ("run", "--unet-seeds"): ("--unet-seeds", "2"),
    ("run", "--network"): ("--network", "unet-deep"),
    ("run", "--set"): ("--set", "unet.steps=1"),
    ("run", "--on"): ("--on", "validation"),
    ("run", "--generator-from"): ("--generator-from", "e"),
    ("run", "--device"): ("--device", "cpu"),
    ("run", "--executor"): ("--executor", "serial"),
    ("run", "--jobs"): ("--jobs", "2"),
    ("run", "--threads"): ("--threads", "3"),
    ("run", "--address"): ("--address", "auto"),
    ("run", "--slurm"): ("--slurm", "time=9"),
    ("run", "--out"): ("--out", "o"),
    ("run", "--force"): ("--force",),
    **{(verb, "--dry-run"): ("--dry-run",) for verb in PLANNED},
    **{(verb, "--format"): ("--format", "json") for verb in PLANNED},
    **{(verb, "--config"): ("--config", f"{verb}.toml") for verb in PLANNED},
    ("compare", "folders"): ("r",),
    ("compare", "--runs"): ("--runs", "r"),
    ("compare", "--generators"): ("--generators", "real"),
    ("compare", "--views"): ("--views", "2C"),
    ("compare", "--phases"): ("--phases", "ED"),
    ("compare", "--data"): ("--data", "d"),
    ("compare", "--preset"): ("--preset", "standard"),
    ("compare", "--strength"): ("--strength", "2"),
    ("compare", "--mix"): ("--mix", "4"),
    ("compare", "--seed"): ("--seed", "1"),
    ("compare", "--images"): ("--images", "5"),
    ("compare", "--unet-seeds"): ("--unet-seeds", "2"),
    ("compare", "--networks"): ("--networks", "unet,unet-deep"),
    ("compare", "--set"): ("--set", "unet.steps=1"),
    ("compare", "--on"): ("--on", "validation"),
    ("compare", "--inception"): ("--inception", "w.pth"),
    ("compare", "--fid-images"): ("--fid-images", "9"),
    ("compare", "--device"): ("--device", "cpu"),
    ("compare", "--executor"): ("--executor", "serial"),
    ("compare", "--jobs"): ("--jobs", "2"),
    ("compare", "--threads"): ("--threads", "3"),
    ("compare", "--address"): ("--address", "auto"),
    ("compare", "--slurm"): ("--slurm", "time=9"),
    ("compare", "--out"): ("--out", "o"),
    ("sweep", "folders"): ("r",),
    ("sweep", "--runs"): ("--runs", "r"),
    ("sweep", "--generators"): ("--generators", "warp"),
    ("sweep", "--strengths"): ("--strengths", "0,1"),
    ("sweep", "--fractions"): ("--fractions", "0.5,1"),
    ("sweep", "--patients"): ("--patients", "5,9"),
    ("sweep", "--patient-draws"): ("--patient-draws", "2"),
    ("sweep", "--mixes"): ("--mixes", "0,4"),
    ("sweep", "--view"): ("--view", "2C"),
    ("sweep", "--data"): ("--data", "d"),
    ("sweep", "--preset"): ("--preset", "standard"),
    ("sweep", "--seed"): ("--seed", "1"),
    ("sweep", "--images"): ("--images", "5"),
    ("sweep", "--unet-seeds"): ("--unet-seeds", "2"),
    ("sweep", "--network"): ("--network", "unet-deep"),
    ("sweep", "--set"): ("--set", "unet.steps=1"),
    ("sweep", "--on"): ("--on", "testing"),
    ("sweep", "--generator-from"): ("--generator-from", "e"),
    ("sweep", "--device"): ("--device", "cpu"),
    ("sweep", "--executor"): ("--executor", "serial"),
    ("sweep", "--jobs"): ("--jobs", "2"),
    ("sweep", "--threads"): ("--threads", "3"),
    ("sweep", "--address"): ("--address", "auto"),
    ("sweep", "--slurm"): ("--slurm", "time=9"),
    ("sweep", "--out"): ("--out", "o"),
    ("stress", "--runs"): ("--runs", "r"),
    ("stress", "--generators"): ("--generators", "paint"),
    ("stress", "--view"): ("--view", "2C"),
    ("stress", "--data"): ("--data", "d"),
    ("stress", "--deformations"): ("--deformations", "swirl"),
    ("stress", "--severities"): ("--severities", "1"),
    ("stress", "--preset"): ("--preset", "standard"),
    ("stress", "--patients"): ("--patients", "3"),
    ("stress", "--seed"): ("--seed", "1"),
    ("stress", "--set"): ("--set", "unet.steps=1"),
    ("stress", "--device"): ("--device", "cpu"),
    ("stress", "--executor"): ("--executor", "serial"),
    ("stress", "--jobs"): ("--jobs", "2"),
    ("stress", "--threads"): ("--threads", "3"),
    ("stress", "--address"): ("--address", "auto"),
    ("stress", "--slurm"): ("--slurm", "time=9"),
    ("stress", "--out"): ("--out", "o"),
    ("stress", "--force"): ("--force",),
    ("cross", "--from"): ("--from", "r"),
    ("cross", "--generators"): ("--generators", "real"),
    ("cross", "--data"): ("--data", "d"),
    ("cross", "--preset"): ("--preset", "standard"),
    ("cross", "--seed"): ("--seed", "1"),
    ("cross", "--images"): ("--images", "5"),
    ("cross", "--unet-seeds"): ("--unet-seeds", "2"),
    ("cross", "--networks"): ("--networks", "unet-deep"),
    ("cross", "--set"): ("--set", "unet.steps=1"),
    ("cross", "--on"): ("--on", "view"),
    ("cross", "--data-echonet"): ("--data-echonet", "e"),
    ("cross", "--data-camus"): ("--data-camus", "c"),
    ("cross", "--skip-broken"): ("--skip-broken",),
    ("cross", "--device"): ("--device", "cpu"),
    ("cross", "--executor"): ("--executor", "serial"),
    ("cross", "--jobs"): ("--jobs", "2"),
    ("cross", "--threads"): ("--threads", "3"),
    ("cross", "--address"): ("--address", "auto"),
    ("cross", "--slurm"): ("--slurm", "time=9"),
    ("cross", "--out"): ("--out", "o"),
    ("report", "folder"): ("report", "b"),
    ("report", "--out"): ("--out", "o"),
    ("verify", "places"): ("verify", "b"),
    ("verify", "--data"): ("--data", "d"),
    ("generate", "--run"): ("--run", "d"),
    ("generate", "--checkpoint"): ("generate", "--checkpoint", "w.pth", "--maps", "b", "--out", "c"),
    ("generate", "--view"): ("--view", "2C"),
    ("generate", "--maps"): ("--maps", "d"),
    ("generate", "--out"): ("--out", "z"),
    ("generate", "--layout"): ("--layout", "nnunet"),
    ("generate", "--repeats"): ("--repeats", "2"),
    ("generate", "--strength"): ("--strength", "2"),
    ("generate", "--seed"): ("--seed", "1"),
    ("generate", "--subset"): ("--subset", "training"),
    ("generate", "--device"): ("--device", "cpu"),
    ("data check", "folder"): ("data", "check", "b"),
    ("data check", "--format"): ("--format", "echonet"),
    ("data check", "--drawn-for"): ("--drawn-for", "d"),
    ("data phantom", "folder"): ("data", "phantom", "b"),
    ("data phantom", "--patients"): ("--patients", "5"),
    ("data phantom", "--seed"): ("--seed", "1"),
    ("data phantom", "--format"): ("--format", "echonet"),
    ("generators", "--preset"): ("--preset", "quick"),
    **{(verb, option): (option,) for verb in TOLD for option in ("--json", "--quiet", "--verbose")},
    **{(verb, "--verbose"): ("--verbose",) for verb in ONE_LINE},
    **{(verb, "--log"): ("--log", "heard.log") for verb in (*TOLD, *ONE_LINE)},
    ("weights", "--get"): ("--get", "inception"),
}
"""By verb and option what is typed: the libraries are then called otherwise, or another text is printed.

What begins with the verb stands in place of the shortest call, for arguments; everything else behind it.
"""

BESIDE_RUNS = [(verb, beside) for verb in ("compare", "sweep") for beside in (["--runs", "r"], ["r"])]
KEPT = ("folders", "--runs", "--out", "--json", "--quiet", "--verbose", "--log")

REFUSED: list[tuple[list[str], str, str]] = [
    (["run", "--generator", "real", "--strength", "1"], "--strength", "real draws no deformed maps"),
    (["run", "--generator", "folder:drawn", "--strength", "0"], "--strength", "folder:drawn draws no deformed maps"),
    (["run", "--generator", "folder:drawn", "--fraction", "1"], "--fraction", "folder:drawn was drawn elsewhere"),
    (["run", "--generator", "warp", "--generator-from", "x"], "--generator-from", "warp learns no weights to take"),
    (["run", "--generator", "paint", "--generator-from", "x"], "--generator-from", "paint learns no weights to take"),
    (["run", "--generator", "sdm", "--format", "json"], "--format", "it is how --dry-run prints"),
    *(([verb, "--format", "text"], "--format", "it is how --dry-run prints") for verb in PLANNED[1:]),
    (["compare", "--generators", "real", "--images", "9"], "--images", "none of the generators draws deformed maps"),
    (["run", "--generator", "sdm", "--patient-draw", "0"], "--patient-draw", "all patients are taken"),
    (["run", "--generator", "sdm", "--mix", "0", "--strength", "1"], "--strength", "mix 0 is real frames alone"),
    (["run", "--generator", "sdm", "--mix", "0", "--generator-from", "x"], "--generator-from", "mix 0 is real frames"),
    (
        ["compare", "--generators", "real", "--strength", "1"],
        "--strength",
        "none of the generators draws deformed maps",
    ),
    (["compare", "--generators", "sdm,warp", "--inception", "w.pth"], "--inception", "where real is among the gen"),
    (["compare", "--generators", "sdm", "--fid-images", "all"], "--fid-images", "where real is among the generators"),
    (
        ["generate", "--checkpoint", "w.pth", "--maps", "b", "--out", "c", "--view", "4C"],
        "--view",
        "a checkpoint draws the views that it has learnt",
    ),
    (["sweep", "--generators", "real", "--fractions", "0.5,1", "--images", "9"], "--images", "none of the generators"),
    (["sweep", "--generators", "real", "--fractions", "0.5,1", "--strengths", "1"], "--strengths", "none of the gener"),
    (["sweep", "--patient-draws", "3"], "--patient-draws", "all patients are taken"),
    (["cross", "--from", "r", "--generators", "real,sdm"], "--generators", "the runs of --from are finished"),
    (["cross", "--from", "r", "--data", "d"], "--data", "the runs of --from are finished"),
    (["cross", "--from", "r", "--preset", "quick"], "--preset", "the runs of --from are finished"),
    (["cross", "--from", "r", "--seed", "0"], "--seed", "the runs of --from are finished"),
    (["cross", "--from", "r", "--images", "9"], "--images", "the runs of --from are finished"),
    (["cross", "--from", "r", "--set", "unet.steps=1"], "--set", "the runs of --from are finished"),
    (["cross", "--generators", "real", "--images", "9"], "--images", "none of the generators draws deformed maps"),
    (["cross", "--from", "r", "--unet-seeds", "1"], "--unet-seeds", "the runs of --from are finished"),
    (["cross", "--from", "r", "--executor", "processes"], "--executor", "the runs of --from are finished"),
    (["cross", "--from", "r", "--jobs", "1"], "--jobs", "the runs of --from are finished"),
    (["cross", "--from", "r", "--threads", "1"], "--threads", "the runs of --from are finished"),
    (["cross", "--from", "r", "--slurm", "time=1"], "--slurm", "the runs of --from are finished"),
    (["cross", "--from", "r", "--address", "auto"], "--address", "the runs of --from are finished"),
    (["cross", "--on", "view", "--data-echonet", "e"], "--data-echonet", "--on view reads no videos"),
    (["cross", "--on", "camus", "--data-camus", "c", "--skip-broken"], "--skip-broken", "--on camus reads no videos"),
    (["cross", "--data-camus", "c"], "--data-camus", "it is for --on camus, and this is --on echonet"),
]
"""A call, the option that can do nothing in it, and why; some have the value of the default."""


def verbs(command: click.Command = main, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the tree, groups included, by the words behind `echobench`."""
    yield name, command
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from verbs(below, f"{name} {word}".strip())


def options(command: click.Command) -> list[str]:
    """The options of a verb, and its arguments by their names."""
    return [parameter.opts[0] for parameter in command.params]


class Library:
    """Stands in for what verbs call: what is asked of it is kept, and nothing is done."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def stand_in(self, name: str, result: object) -> Callable[..., object]:
        def called(*arguments, **named):
            told = [f"{key}={value!r}" for key, value in [*enumerate(arguments), *named.items()] if not callable(value)]
            self.calls.append(f"{name}({', '.join(told)})")
            if "progress" in named:
                named["progress"](1, 1)
            return result

        return called


class Cost(SimpleNamespace):
    """Stands for a `Forecast`."""

    def followed_by(self, work, left_out=()):
        return self


COST = Cost(sentences=["two hours"], as_dict=lambda: {"hours": 2})
REPORT = SimpleNamespace(counts=pd.DataFrame({"frames": [4]}), split_origin="", findings=[], sound=True)
RECORD = SimpleNamespace(machine={}, split_origin="official", scored_patients=[], whom="")
ASKED: dict[str, object] = {
    "benchmark.calls.run": (RECORD, "scores"),
    "benchmark.cli.dry_run.Probe": None,
    "benchmark.cli.dry_run.forecast": COST,
    "benchmark.stress.forecast.forecast_stress": COST,
    "benchmark.cells.forecast.Probe": None,  # once the modules that import it have the real one
    "benchmark.run.trained.training_of": ("sdm", 1.0),
    "benchmark.cells.compare.carry_out": None,
    "benchmark.cells.compare.draw_pictures": {},
    "benchmark.cells.compare.compare": SimpleNamespace(groups=["one"]),
    "benchmark.cells.compare.found_runs": [],
    "benchmark.cells.sweep.carry_out": None,
    "benchmark.cells.sweep.tabulate": [],
    "benchmark.stress.stress.stress": None,
    "benchmark.stress.outcome.write_outcome": SimpleNamespace(folder=None, title="", short=[], tables=[]),
    "benchmark.measure.cross.targets": lambda run: None,
    "benchmark.measure.cross.cross_runs": [],
    "benchmark.generate.generate": 1,
    "benchmark.measure.verify.verify": [Verdict("run", ("all",), (), ())],
    "benchmark.measure.realism.weights.get_inception": None,
    "results.report.page.write_report": "report.html",
    "data.datasets.registry.check_dataset": REPORT,
    "data.datasets.registry.check_drawn": REPORT,
    "data.phantom.dataset.write_phantom": "phantom",
    "data.phantom.echonet.write_phantom_echonet": "phantom",
}
"""The functions that verbs call for their work, and what they give back."""
ENDS = ("run_end", "compare_end", "sweep_end", "stress_end", "cross_end")
END = End((), {"folder": Path("f")}, ("a sentence",))
LOOKED_UP = (
    "benchmark.cells.compare.panel_of",
    "results.evidence.comparison.Comparison.of",
    "benchmark.measure.cross.refuse_phantom",
    "benchmark.calls.require_data",
)


@pytest.fixture
def library(monkeypatch, tmp_path, make_camus, make_frames):
    """Verbs without the libraries behind them; with a GPU, so that --device cpu is another device than auto."""
    found = Library()
    monkeypatch.chdir(tmp_path)
    make_camus(tmp_path / "drawn", make_frames(3), None)
    for name in "abcderx":
        (tmp_path / name).mkdir()
    (tmp_path / "w.pth").touch()
    for verb in PLANNED:
        (tmp_path / f"{verb}.toml").write_text(f"[{verb}]\nseed = 1\n")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for name, result in ASKED.items():
        monkeypatch.setattr(f"echobench.{name}", found.stand_in(name, result))
    for name in LOOKED_UP:
        monkeypatch.setattr(f"echobench.{name}", lambda *of, **named: None)
    monkeypatch.setattr("echobench.benchmark.run.machine.describe_machine", lambda device: {"device": device})
    for name in ENDS:
        monkeypatch.setattr(f"echobench.results.report.ends.{name}", lambda *of: END)
    return found


def effect(library: Library, words: list[str]) -> tuple[list[str], str, str, list[str]]:
    """What a call asks of the libraries, what it prints, and the files that there are then."""
    library.calls.clear()
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return list(library.calls), result.stdout, result.stderr, sorted(path.name for path in Path().iterdir())


def refusal(library: Library, words: list[str]) -> str:
    """The sentence that a call is refused with, before anything is asked of the libraries."""
    library.calls.clear()
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, library.calls, result.stdout) == (1, [], "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_every_verb_and_every_option_is_in_the_table():
    assert set(EFFECTS) == {(name, option) for name, command in verbs() for option in options(command)}


@pytest.mark.parametrize(("verb", "option"), EFFECTS, ids=map(" ".join, EFFECTS))
def test_an_option_changes_what_is_done(library, verb, option):
    least, typed = LEAST.get((verb, option), LEAST.get(verb, verb.split())), [*EFFECTS[verb, option]]
    without = effect(library, least)
    assert without == effect(library, least), "nothing else changes it"
    whole = typed[: len(verb.split())] == verb.split()
    assert effect(library, typed if whole else [*least, *typed]) != without


@pytest.mark.parametrize(("verb", "beside"), BESIDE_RUNS, ids=str)
def test_beside_finished_runs_nothing_but_a_folder_for_the_tables_is_taken(library, verb, beside):
    command = dict(verbs())[verb]
    for option in options(command):
        words = [verb, *beside, *EFFECTS[verb, option]]
        if (verb, option) == ("compare", "--data"):
            continue  # which says who the patients are: tests/benchmark/test_patients.py
        if option in KEPT:
            effect(library, words)
        else:
            said = f"seed in {verb}.toml" if option == "--config" else option
            assert f"{said} would change nothing here: runs that are named are only" in refusal(library, words)


@pytest.mark.parametrize(("words", "option", "why"), REFUSED, ids=[" ".join(words) for words, *_ in REFUSED])
def test_an_option_that_can_do_nothing_is_refused(library, words, option, why):
    sentence = refusal(library, words)
    assert sentence.startswith(f"Error: {option} would change nothing here: ") and why in sentence
    place = words.index(option)
    values = 0 if option in ("--force", "--skip-broken") else 1
    effect(library, words[:place] + words[place + values + 1 :])  # without it, the call is a good one


def test_every_rule_is_tried():
    tried = {(words[0], option) for words, option, _ in REFUSED}
    parameters = {(verb, p.name): p.opts[0] for verb, command in verbs() for p in command.params}
    for verb, rules in IDLE.items():
        named = [(verb, parameters[verb, name]) for rule in rules for name in rule.options]
        assert set(named) <= tried, "and a rule names parameters that are there"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--generator", "sdm", "--data", ""], "--data was given an empty text"),
        (["sweep", "--strengths", ""], "--strengths was given an empty text"),
        (["stress", "--severities", ","], "',' is no list of numbers like 0,0.5,1"),
        (
            ["run", "--generator", "real", "--set", "unet.steps=1", "--set", "unet.steps=2"],
            "--set unet.steps is there twice",
        ),
        (["generate", "--maps", "b", "--out", "c"], "give either --run DIR, the folder of a run, or --checkpoint FILE"),
        (
            ["generate", "--run", "a", "--checkpoint", "w.pth", "--maps", "b", "--out", "c"],
            "give either --run DIR, the folder of a run, or --checkpoint FILE",
        ),
        (["generators", "--preset", "huge"], "unknown preset 'huge'; known: quick, standard, paper"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_that_says_nothing_is_refused(library, words, sentence):
    assert sentence in refusal(library, words)


def test_a_dry_run_names_the_run_whose_generator_would_be_taken(library, monkeypatch):
    def none_there(run):
        raise EchobenchError(f"{run} holds no run")

    words = ["run", "--generator", "sdm", "--dry-run", "--format", "json", "--generator-from", "e"]
    assert '"generator_from": "e"' in effect(library, words)[1]
    monkeypatch.setattr("echobench.benchmark.run.trained.training_of", none_there)
    assert "e holds no run" in refusal(library, words)
