"""Locales that are not UTF-8, and ~ in the paths that a person types or sets."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.main import main
from echobench.benchmark.generate import ORIGIN, _claim
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.generators.folder import folder_of

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmark", "generators", "segmentation", "results", "data")
BINARY = ("gzip.open", "av.open", "Image.open")


def opens_by_locale(call):
    """Whether a call reads or writes text in whatever encoding the machine has."""
    name = ast.unparse(call.func)
    if (not name.endswith((".read_text", ".write_text", ".open")) and name != "open") or name in BINARY:
        return False
    given = [ast.unparse(one) for one in call.args]
    named = any(word.arg == "encoding" for word in call.keywords) or any("utf-8" in one for one in given)
    return not named and not any(one in ("'rb'", "'wb'") for one in given)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_is_opened_with_its_encoding(folder):
    found = []
    for path in (ROOT / folder).rglob("*.py"):
        if "datasets" in path.parts:
            continue
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        found += [f"{path.relative_to(ROOT)}:{call.lineno}" for call in calls if opens_by_locale(call)]
    assert not found


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_home_folder_is_known_in_settings(home, monkeypatch):
    assert resolve(generator="real", view="4C", data="~/camus").data == str(home / "camus")
    monkeypatch.setenv("ECHOBENCH_CAMUS", "~/other")
    assert resolve(generator="real", view="4C").data == str(home / "other")
    assert folder_of("folder:~/drawn") == home / "drawn"


@pytest.mark.parametrize(
    "call", [["report", "~/none"], ["verify", "~/none"], ["data", "check", "~/none"], ["compare", "--runs", "~/none"]]
)
def test_the_home_folder_is_known_to_verbs(home, call):
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 1 and str(home / "none") in done.output.replace("\n", "")


@pytest.mark.parametrize("text", ["", "{", "3", "[" * 100_000])
def test_a_torn_origin_is_named(tmp_path, text):
    (tmp_path / ORIGIN).write_text(text)
    with pytest.raises(EchobenchError, match="is damaged"):
        _claim(tmp_path, {"seed": 0})


NOBODY = """
import pwd
def unknown(uid): raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
import echobench.segmentation.scores  # MONAI asks for the user's name
from echobench.data.base.cache import cache_folder
assert cache_folder().is_dir()
"""


def test_a_user_whom_the_machine_does_not_know_needs_no_home(tmp_path):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", NOBODY]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Set ECHOBENCH_CACHE to a folder" in done.stderr
    assert not list(tmp_path.iterdir())
