"""The README: its tables are those of the records, its commands and options exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from echobench.benchmark.cli.main import main
from echobench.benchmark.cli.options import refuse_idle
from echobench.benchmark.commands import commands
from echobench.results.shown.readme import with_tables

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_tables_are_those_of_the_measured_records():
    assert with_tables(README, ROOT / "results" / "measured", commands) == README


def test_a_table_without_its_record_would_be_noticed(tmp_path):
    assert with_tables(README, tmp_path, commands) != README


def readme_commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == "echobench"]


@pytest.mark.parametrize("words", readme_commands(), ids=" ".join)
def test_every_command_of_the_readme_parses_and_has_no_option_in_vain(words):
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words[0]]
        words = words[1:]
    refuse_idle(command.make_context("echobench", words))


def test_every_option_of_run_is_in_the_readme_and_the_other_way_round():
    options = {option for parameter in main.commands["run"].params for option in parameter.opts}
    table = README.partition("| option of `run` | |")[2].partition("\n\n")[0]
    assert options - {"--data"} == set(re.findall(r"`(--[\w-]+)`", table))


@pytest.mark.parametrize("target", ["demo", "test", "readme", "speed"])
def test_make_knows_what_the_readme_names(target):
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
