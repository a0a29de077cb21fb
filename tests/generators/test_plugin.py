"""The example package is installed as anyone's would be, and is found, listed and held to the contract."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parent.parent / "example_plugin"

CODE = """
from echobench.generators.registry import generator_class, listed, names
from echobench.generators.testing import check_generator, examples

assert names()[-1] == "example", names()
backend = generator_class("example")
check_generator(backend(backend.presets["quick"]), *examples(backend))
print(listed("example").summary)
"""


@pytest.fixture
def installed(tmp_path):
    """A folder that the example package is installed into; the build leaves nothing in the repository."""
    source, target = tmp_path / "source", tmp_path / "site"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--disable-pip-version-check", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_package_is_found_listed_and_keeps_the_contract(installed):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    for command, expected in (
        ([sys.executable, "-c", CODE], "noise whose brightness depends on the label"),
        ([sys.executable, "-c", "from echobench.benchmark.cli.entry import main; main(['generators'])"], "example  "),
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=installed.parent)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def test_the_example_is_short():
    assert sum(len(file.read_text().splitlines()) for file in PLUGIN.glob("*.*")) < 60
