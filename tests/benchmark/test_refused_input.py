"""What names something that is not there is refused before anything is made, and mostly before torch is imported."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

import echobench
from echobench.benchmark.cli.entry import VERBS, main

AT_ONCE: list[tuple[list[str], str]] = [
    (["run", "--generator", "nobody"], "unknown generator 'nobody'; known: real"),
    (["run", "--generator", "folder:/nope"], "generator folder:/nope: there is no folder /nope"),
    (["run", "--generator", "/nope/my.py:Mine"], "generator my.py:Mine: /nope/my.py cannot be read (No such file"),
    (["run", "--generator", "real", "--data", "/nope"], "there is no folder /nope for --data"),
    (["run", "--generator", "real", "--view", "3C"], "unknown view '3C'; known: 2C, 4C, all"),
    (["run", "--generator", "real", "--phase", "mid"], "unknown phase 'mid'; known: ED, ES, all"),
    (["run", "--generator", "real", "--preset", "huge"], "unknown preset 'huge'; known: quick, standard, paper"),
    (["run", "--generator", "real", "--on", "training"], "unknown patients to score on 'training'; known: testing"),
    (["run", "--generator", "real", "--device", "tpu"], "unknown device 'tpu'; known: auto, cpu, cuda"),
    (["run", "--generator", "real", "--executor", "cloud"], "unknown executor 'cloud'; known: serial, processes"),
    (["run", "--generator", "sdm", "--generator-from", "/nope"], "there is no folder /nope for --generator-from"),
    (["compare", "--generators", "real,nobody"], "unknown generator 'nobody'; known: real"),
    (["compare", "--views", "4C,3C"], "unknown view '3C'"),
    (["compare", "--phases", "ED,mid"], "unknown phase 'mid'"),
    (["compare", "--data", "/nope"], "there is no folder /nope for --data"),
    (["compare", "--runs", "/nope"], "there is no folder /nope for --runs"),
    (["compare", "/nope"], "Error: there is no folder /nope\n"),
    (["compare", "--inception", "/nope"], "there is no file /nope for --inception"),
    (["compare", "--inception", "/"], "/ is no file for --inception\n"),
    (["sweep", "--generators", "warp,nobody"], "unknown generator 'nobody'"),
    (["sweep", "--data", "/nope"], "there is no folder /nope for --data"),
    (["sweep", "--runs", "/nope"], "there is no folder /nope for --runs"),
    (["stress", "--runs", "/nope"], "there is no folder /nope for --runs"),
    (["stress", "--view", "all"], "unknown view 'all'; known: 2C, 4C"),
    (["stress", "--deformations", "swirl,nothing"], "unknown deformation 'nothing'; known: "),
    (["stress", "--data", "/nope"], "there is no folder /nope for --data"),
    (["cross", "--from", "/nope"], "there is no folder /nope for --from"),
    (["cross", "--on", "mars"], "unknown data to score on 'mars'; known: echonet, camus, view"),
    (["cross", "--on", "camus", "--data-camus", "/nope"], "there is no folder /nope for --data-camus"),
    (["cross", "--data-echonet", "/nope"], "there is no folder /nope for --data-echonet"),
    (["report", "/nope"], "Error: there is no folder /nope\n"),
    (["verify", "/nope"], "Error: there is no folder /nope\n"),
    (["generate", "--run", "/nope", "--maps", "/", "--out", "drawn"], "there is no folder /nope for --run"),
    (["generate", "--run", __file__, "--maps", "/", "--out", "drawn"], "a generator's file goes to --checkpoint"),
    (["generate", "--checkpoint", "/", "--maps", "/", "--out", "drawn"], "a run's folder goes to --run"),
    (["generate", "--run", "/", "--maps", "/nope", "--out", "drawn"], "there is no folder /nope for --maps"),
    (["generate", "--run", "/", "--maps", "/", "--out", "d", "--subset", "some"], "unknown subset 'some'; known: tr"),
    (["data", "check", "/nope"], "Error: there is no folder /nope\n"),
    (["data", "check", "/", "--format", "zip"], "unknown layout of datasets 'zip'; known: echonet, camus, folder"),
    (["data", "phantom", "drawn", "--patients", "2"], "2 is not in the range x>=3"),
    (["weights", "--get", "all"], "unknown weights 'all'; inception can be downloaded"),
    (["generators", "--preset", "huge"], "unknown preset 'huge'; known: quick, standard, paper"),
]
"""Calls that are refused without torch, and with what."""

LATER: list[tuple[list[str], str]] = [
    (["run", "--generator", "real", "--set", "unet.stops=1"], "--set unet.stops: unet has the settings"),
    (["run", "--generator", "real", "--images", "0"], "images is 0"),
    (["run", "--generator", "real", "--data", "empty"], "no dataset of a known layout in"),
    (["run", "--generator", "sdm", "--generator-from", "empty"], "empty holds no run"),
    (["compare", "--runs", "empty"], "there is no run in empty"),
    (["compare", "--data", "empty"], "no dataset of a known layout in"),
    (["sweep", "--generators", "real"], "cannot draw deformed maps"),
    (["sweep", "--data", "empty"], "no dataset of a known layout in"),
    (["stress", "--runs", "empty"], "empty holds no run"),
    (["stress", "--data", "empty"], "no dataset of a known layout in"),
    (["cross", "--from", "empty"], "there is no run in empty"),
    (["cross", "--data", "empty"], "no dataset of a known layout in"),
    (["cross", "--on", "camus", "--data-camus", "empty"], "there is no CAMUS dataset in empty"),
    (["report", "empty"], "there is no run in empty"),
    (["verify", "empty"], "there is no record in empty"),
    (["generate", "--run", "empty", "--maps", "empty", "--out", "drawn"], "no CAMUS frames in empty"),
]
"""Calls that are refused once what is named was looked at. In the folder there is one that is empty."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, and a cache that nobody has made yet."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("ECHOBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def left(here):
    """Everything that is there now, but for the folder that a test has made."""
    return [path for path in here.rglob("*") if path.name not in ("here", "empty")]


def test_every_verb_is_tried():
    assert {words[0] for words, _ in AT_ONCE} == {verb.name for verb in VERBS}


@pytest.mark.parametrize(("words", "sentence"), AT_ONCE, ids=[" ".join(words) for words, _ in AT_ONCE])
def test_what_is_not_there_is_refused_and_nothing_is_left(here, words, sentence):
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (1, "") and sentence in result.stderr
    assert not left(here)


@pytest.mark.parametrize(("words", "sentence"), LATER, ids=[" ".join(words) for words, _ in LATER])
def test_what_does_not_do_is_refused_and_nothing_is_left(here, words, sentence):
    (here / "here" / "empty").mkdir()
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (1, "") and sentence in " ".join(result.stderr.split())
    assert not left(here)


NO_TORCH = """
import contextlib, io, json, sys
from echobench.benchmark.cli.entry import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        main(words, prog_name="echobench")
        raise AssertionError(words)
    assert "torch" not in sys.modules, words
"""


def test_no_refusal_waits_for_torch(here):
    calls = json.dumps([words for words, _ in AT_ONCE])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", NO_TORCH, calls], check=True, env=environment)


@pytest.mark.parametrize(
    "call",
    [
        lambda: echobench.run(generator="real", data="/nope"),
        lambda: echobench.run(generator="sdm", generator_from="/nope"),
        lambda: echobench.compare(generators=["real"], data="/nope"),
        lambda: echobench.sweep(generators=["warp"], data="/nope"),
        lambda: echobench.sweep(generators=["sdm"], generator_from=["/nope"]),
        lambda: echobench.stress(data="/nope"),
        lambda: echobench.stress(runs=["/nope"]),
        lambda: echobench.cross(data="/nope"),
        lambda: echobench.cross(runs=["/nope"]),
        lambda: echobench.cross(on="camus", data_camus="/nope"),
        lambda: echobench.cross(data_echonet="/nope"),
    ],
)
def test_a_notebook_leaves_nothing_either(here, call):
    with pytest.raises(echobench.EchobenchError, match="/nope"):
        call()
    assert not left(here)


@pytest.mark.parametrize("verb", ["compare", "sweep", "cross", "stress"])
def test_a_variable_that_names_no_folder_leaves_nothing(here, verb, monkeypatch):
    monkeypatch.setenv("ECHOBENCH_CAMUS", "/nope")
    result = CliRunner().invoke(main, [verb])
    assert result.exit_code == 1 and "there is no folder /nope" in result.stderr
    assert not left(here)
