"""Who is told what: one JSON object or one line on stdout; progress, warnings and errors on stderr; the log."""

import json
import logging
import re
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.benchmark.cli.output import heard, logged
from echobench.benchmark.run.stages import WHOLE
from echobench.data.base.progress import silent
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import read_record
from echobench.results.shown.tables import summary_table

pytestmark = pytest.mark.usefixtures("tiny")
FILES = Path(__file__).resolve().parents[2] / "docs" / "reference" / "files.md"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING|ERROR) "


def invoke(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def documented(heading):
    """Keys that the table below a heading of the docs names."""
    section = FILES.read_text().partition(f"{heading}\n")[2].partition("\n#")[0]
    return {
        key for cell in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for key in re.findall(r"`([^`]+)`", cell)
    }


@pytest.fixture
def words(camus_folder, tmp_path):
    """A call of `run` that takes a second."""
    return [
        "run",
        "--generator",
        "warp",
        "--data",
        camus_folder,
        "--preset",
        "tiny",
        "--out",
        tmp_path / "runs" / "warp",
    ]


def test_json_is_one_object_and_nothing_else_on_stdout(words, tmp_path):
    done = invoke(*words, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert "all parts" in done.stderr, "progress"
    assert set(found) | set(found["parts"][0]) | {"caption", "rows"} == documented("## What `--json` prints")
    record, _ = read_record(tmp_path / "runs" / "warp")
    (stage,) = (row for row in found["parts"][0]["tables"]["stages"]["rows"] if row["name"] == "unet-0")
    assert stage["seconds"] == next(one.seconds for one in record.stages if one.name == "unet-0")
    (row,) = found["parts"][0]["tables"]["summary"]["rows"]
    frame = summary_table(Comparison.of([tmp_path / "runs" / "warp"]).groups[0]).frame
    assert row["Dice"] == frame["Dice"][0] and row["Dice low"] is None, "of one patient"


def test_quiet_is_one_line_and_no_progress(words):
    done = invoke(*words, "--quiet")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("warp: Dice ") and done.stderr == ""
    assert invoke(*words, "--quiet", "--phase", "EX").stderr.startswith("Error: unknown phase")
    both = invoke(*words, "--quiet", "--verbose")
    assert both.exit_code == 1 and "contradict each other" in both.stderr


def test_verbose_says_stages_settings_and_machine(words):
    done = invoke(*words, "--verbose")
    assert done.exit_code == 0, done.output
    for said in (" run, version", "generator=warp", "machine: system", '"strength": 1.0', "unet-0: 1 of 12"):
        assert said in done.stderr
    assert "all parts: 3 of 3" in done.stderr and "machine:" not in done.stdout
    assert "machine:" not in invoke(*words).stderr


def test_a_log_is_appended_to_and_has_times_warnings_and_errors(words, tmp_path, monkeypatch):
    log = tmp_path / "log.txt"
    log.write_text("before\n")
    assert invoke(*words, "--log", log).exit_code == 0
    lines = log.read_text().splitlines()
    assert lines[0] == "before" and all(re.match(STAMP, line) for line in lines[1:])
    assert lines[-1].endswith("INFO finished") and any("unet-0: 12 of 12" in line for line in lines)
    refused = invoke(*words, "--seed", "7", "--log", log)
    assert refused.exit_code == 1 and refused.stderr.count("\n") == 1
    added = log.read_text().splitlines()[len(lines) :]
    assert "was begun with other settings" in added[-1] and " ERROR " in added[-1]


def test_a_log_that_cannot_be_written_is_refused_before_anything_is_made(words, tmp_path):
    done = invoke(*words, "--log", tmp_path / "none" / "log.txt")
    assert done.exit_code == 1 and "cannot be written" in done.stderr and not (tmp_path / "runs").exists()


def test_what_others_warn_of_is_in_the_log_and_on_stderr(tmp_path, capsys):
    @main.command("warned")
    def warned():
        with heard(quiet=False, verbose=False, log_file=tmp_path / "log"):
            warnings.warn("a library is old", stacklevel=1)
            logging.getLogger("somebody.else").warning("and another one")
            logging.getLogger("echobench.data").info("this is fine")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            done = CliRunner().invoke(main, ["warned"], catch_exceptions=False)
    finally:
        del main.commands["warned"]
    assert "a library is old" in done.stderr and "and another one" in done.stderr and "this is fine" not in done.stderr
    said = (tmp_path / "log").read_text()
    assert "a library is old" in said and "WARNING and another one" in said and "INFO this is fine" in said
    assert not [one for one in logging.getLogger().handlers if type(one).__module__.startswith("echobench")]


def test_stages_are_logged_where_they_begin_and_end_and_the_whole_at_every_step(caplog):
    report = logged(lambda stage: silent)
    with caplog.at_level(logging.INFO, "echobench"):
        for done in (1, 2, 3):
            report(WHOLE)(done, 3)
        report(WHOLE)(3, 3)
        bar = report("sdm unet-0")
        for done in (1, 5, 9):
            bar(done, 9, {"loss": 0.5})
    assert caplog.messages == [
        "all parts: 1 of 3", "all parts: 2 of 3", "all parts: 3 of 3",
        "sdm unet-0: 1 of 9, loss 0.5", "sdm unet-0: 9 of 9, loss 0.5",
    ]  # fmt: skip


def test_a_fault_in_a_cell_is_in_the_log_with_its_place_and_on_stderr_without(words, tmp_path, monkeypatch):
    def broken(*arguments, **named):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("echobench.benchmark.run.pipeline.train", broken)
    done = invoke(*words, "--log", tmp_path / "log")
    assert done.exit_code == 1 and "RuntimeError: shapes do not fit" in done.stderr
    assert "Traceback" not in done.stderr and "in broken" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        (("data", "check", "{data}"), "### `data check`"),
        (("generators",), "### `generators`"),
        (("verify", "{run}"), "### `verify`"),
        (
            ("generate", "--checkpoint", "{run}/stages/generator-4C.pt", "--maps", "{data}", "--out", "{out}"),
            "### `generate`",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_json_of_the_other_verbs_has_the_keys_of_the_docs(words, heading, camus_folder, tmp_path):
    places = {"data": camus_folder, "run": tmp_path / "run", "out": tmp_path / "out"}
    if words[0] in ("verify", "generate"):
        made = ["run", "--generator", "sdm", "--data", camus_folder, "--preset", "tiny", "--out", places["run"]]
        assert invoke(*made).exit_code == 0
    if words[0] == "data":  # so that there is a finding
        next(camus_folder.glob("*/*/*_gt.nii.gz")).unlink()
    done = invoke(*(word.format(**places) for word in words), "--json")
    found = json.loads(done.stdout)
    inner = {key for value in found.values() if isinstance(value, list) for row in value[:1] for key in row}
    assert set(found) | inner == documented(heading)


def test_json_of_an_unsound_folder_says_so_and_the_exit_code_is_1(camus_folder):
    (camus_folder / "database_nifti" / "patient0001" / "patient0001_4CH_ED_gt.nii.gz").unlink()
    done = invoke("data", "check", camus_folder, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1 and found["sound"] is False
    assert any(finding["unsound"] and "no ground truth" in finding["text"] for finding in found["findings"])
    quiet = invoke("data", "check", camus_folder, "--quiet")
    assert quiet.stdout == "unsound\n" and "no ground truth" in quiet.stderr
