"""README and docs/: what is generated is that of the records, what is typed exists, the site builds strictly."""

import html
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from echobench.benchmark.cli.entry import main
from echobench.benchmark.cli.options import refuse_idle
from echobench.benchmark.commands import commands
from echobench.benchmark.readme import MAKERS, pages, written
from echobench.results.shown.readme import with_tables

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "results" / "measured"
README = ROOT / "README.md"
PAGES = [README, *pages([ROOT / "docs"])]
GENERATED = [page for page in PAGES if "<!-- end -->" in page.read_text()]
WORDS = 35
KIB = 1024
COLUMNS = "80"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", GENERATED, ids=name)
def test_what_is_generated_is_that_of_the_records(page):
    assert written(page, MEASURED) == page.read_text(), "give `make readme`"


@pytest.mark.parametrize("page", [page for page in GENERATED if "table: " in page.read_text()], ids=name)
def test_a_table_without_its_record_would_be_noticed(page, tmp_path):
    assert with_tables(page.read_text(), tmp_path, commands, MAKERS) != page.read_text()


def typed_commands() -> Iterator[tuple[str, ...]]:
    """The words of every command of echobench that a page tells to type."""
    for page in PAGES:
        for kind, block in re.findall(r"```(sh|console)\n(.*?)```", page.read_text(), re.DOTALL):
            lines = block.splitlines() if kind == "sh" else [block.splitlines()[0].removeprefix("$ ")]
            words = [shlex.split(line, comments=True) for line in lines]
            yield from (tuple(line[1:]) for line in words if line and line[0] == "echobench")


@pytest.mark.parametrize("words", dict.fromkeys(typed_commands()), ids=" ".join)
def test_every_command_parses_and_has_no_option_in_vain(words):
    command: click.Command = main
    above: click.Context | None = None
    while isinstance(command, click.Group):
        above = click.Context(command, parent=above, **command.context_settings)
        command, words = command.commands[words[0]], words[1:]
    refuse_idle(command.make_context("echobench", list(words), parent=above))


@pytest.mark.parametrize("target", ["demo", "test", "docs", "speed"])
def test_make_knows_what_the_readme_names(target):
    assert f"make {target}" in "".join(page.read_text() for page in PAGES)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 150


def sentences(text: str) -> Iterator[str]:
    """Those of prose: no code, no table, no comment, no target of a link; an item of a list ends a sentence."""
    text = re.sub(r"```.*?```|<!--.*?-->", "\n\n", text, flags=re.DOTALL)
    text = re.sub(r"^(?:    |\||#|:::).*$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for paragraph in re.split(r"\n\s*\n|^\s*(?:-|\d+\.) ", text, flags=re.MULTILINE):
        yield from re.split(r"(?<=[.!?])\s+(?=\W*[A-Z]|[`*])", " ".join(paragraph.split()))


def hand_written(page: Path) -> str:
    """README with everything; of the other pages, what no record wrote."""
    text = page.read_text()
    return text if page == README else re.sub(r"(<!-- \w+: .*? -->).*?<!-- end -->", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_sentence_is_longer_than_one_breath(page):
    long = [one for one in sentences(hand_written(page)) if len(re.findall(r"[^\W_][\w'’-]*", one)) > WORDS]
    assert not long


def test_sentences_are_found():
    text = "# Head\n\nOne two\nthree. Four `five`: six!\n\n```sh\nno\n```\n- seven\n- [eight](no/no.md)\n\n| no |\n"
    assert [one for one in sentences(text) if one] == [
        "One two three.", "Four `five`: six!", "seven", "[eight]",
    ]  # fmt: skip


def test_pictures_are_small():
    large = {p.name: p.stat().st_size for p in (ROOT / "docs").rglob("*.png") if p.stat().st_size > 300 * KIB}
    assert not large


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The pages as `make docs` builds them: any warning, such as of a link that leads nowhere, is an error."""
    built = tmp_path_factory.mktemp("site")
    for command in (["make", "layout"], [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", built]):
        wide = {**os.environ, "COLUMNS": COLUMNS}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=wide)
        assert done.returncode == 0, done.stdout + done.stderr
    return built


def test_the_readme_is_the_first_page_and_its_pictures_are_in_the_site(site):
    page = (site / "index.html").read_text()
    assert "Which generator of synthetic echocardiograms can I trust" in page
    pictures = [source for source in re.findall(r'<img[^>]*src="([^"]+)"', page) if not source.startswith("data:")]
    assert pictures and all((site / source).is_file() for source in pictures)


def test_the_site_asks_no_other_machine_for_anything(site):
    """So that it can be read without a network, and nobody is told who reads it."""
    for page in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|link|img|iframe)[^>]*\b(?:src|href)="(https?:[^"]+)"', page.read_text())
        assert not fetched, page


def verbs(command: click.Command, *words: str) -> Iterator[tuple[str, ...]]:
    """A command and all below it, by what is typed behind `echobench`."""
    yield words
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from verbs(below, *words, name)


@pytest.mark.parametrize("words", list(verbs(main)), ids=" ".join)
def test_the_reference_of_the_command_line_is_the_help(site, words):
    """Usage and options to the letter; the description word by word, as the page breaks its lines elsewhere."""
    text = html.unescape(re.sub(r"<[^>]+>", "", (site / "reference" / "cli.html").read_text()))
    command = [sys.executable, "-m", "echobench", *words, "--help"]  # as the site is made: in a process of its own
    told = subprocess.run(command, env={**os.environ, "COLUMNS": COLUMNS}, capture_output=True, text=True, check=True)
    parts = re.match(r"Usage: ((?:.+\n)+)\n((?:.*\n)*?)(Options:\n(?:  .*\n)+)", told.stdout)
    usage, description, options = parts.groups()
    assert usage.strip() in text and options.rstrip() in text
    known = " ".join(text.split())
    missing = [part for part in description.split("\n\n") if " ".join(part.replace("`", "").split()) not in known]
    assert not missing


def test_the_reference_of_python_has_every_name(site):
    import echobench

    page = (site / "reference" / "api.html").read_text()
    missing = [one for one in echobench.__all__ if f'id="echobench.{one}"' not in page]
    assert missing == ["__version__"]


def test_the_notebook_runs(camus_folder, tmp_path, monkeypatch):
    """With tiny trainings, on a handful of frames: the cell with the tag `parameters` is exchanged."""
    from nbclient import NotebookClient
    from nbformat import read
    from nbformat.v4 import new_code_cell

    notebook = read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    (place,) = (i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    tiny = ["unet.channels=[4,8]", "unet.image_size_px=32", "unet.batch_size=4", "unet.steps=2"]
    changes = [*tiny, "unet.validation_every_steps=1"]
    notebook.cells[place] = new_code_cell(f"data = {json.dumps(str(camus_folder))}\nchanges = {json.dumps(changes)}")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    ran = {path.name.split("-")[1] for path in (tmp_path / "runs").iterdir()}
    assert ran == {"real", "warp", "paint", "flat"}
