"""What is printed, whatever a name holds and whatever the stream can show."""

import io
import re
import subprocess
import sys

import pandas as pd
import pytest
from rich.console import Console
from rich.progress import Progress

from echobench.benchmark.cli import console
from echobench.benchmark.cli.console import print_table, progress_bars
from echobench.benchmark.run.stages import WHOLE
from echobench.results.shown.formats import Table, shown

ASCII = """
import sys, click
from echobench.benchmark.cli import main
@click.command()
def shout(): print("mean ± std – µ"); print("é", file=sys.stderr)
main.add_command(shout)
main(["shout"])
"""


def test_a_stage_may_be_called_like_markup(capsys):
    with progress_bars() as report:
        report("[/bold]x")(1, 2)
    assert "[/bold]x" in capsys.readouterr().err


def test_bars_of_hundreds_of_stages_go_and_one_that_reports_again_comes_back(monkeypatch):
    shown = []
    monkeypatch.setattr(console, "Progress", lambda *columns, **named: shown.append(Progress(*columns)) or shown[0])
    with progress_bars() as report:
        first, running = report("first"), report("running")
        first(1, 1)
        running(1, 2)
        for number in range(300):
            report(f"stage {number}")(5, 5)
        assert len(shown[0].tasks) < 20 and "running" in [task.description for task in shown[0].tasks]
        first(1, 3)
        assert [(task.completed, task.total) for task in shown[0].tasks if task.description == "first"] == [(1, 3)]


def lines_of(text):
    """What a terminal was given, line by line, without the codes that move its cursor."""
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\n\r]", text)]


def test_bars_are_whole_at_80_columns_and_that_of_the_whole_is_first():
    stream = io.StringIO()
    with progress_bars(Console(width=80, force_terminal=True, file=stream, color_system=None)) as report:
        report(WHOLE)(5, 12)
        report("sdm strength 1.5 fraction 0.25 draw-training-4C")(12000, 12000)
        report("cyclegan 4C unet-2")(4001, 12000, {"loss": 0.0123456, "dice": 0.891234})
        report(WHOLE)(6, 12)
    lines = lines_of(stream.getvalue())
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    last = lines[-[line.startswith(WHOLE) for line in lines][::-1].index(True) - 1 :]
    assert "6/12" in last[0] and "left" in last[0], "and there is one of it"
    told = " ".join(" ".join(last).split())
    for words in ("sdm strength 1.5 fraction", "0.25 draw-training-4C", "4001/12000", "loss 0.01235", "dice 0.8912"):
        assert words in told


def test_the_whole_is_expected_to_go_on_as_fast_as_it_went(monkeypatch):
    now, stream = [0.0], io.StringIO()
    console = Console(width=80, force_terminal=True, file=stream, color_system=None, get_time=lambda: now[0])
    made = Progress
    monkeypatch.setattr(
        "echobench.benchmark.cli.console.Progress", lambda *of, **named: made(*of, get_time=lambda: now[0], **named)
    )
    with progress_bars(console) as report:
        report(WHOLE)(4, 12)  # four of them are of an earlier call
        assert not stream.getvalue(), "nothing is under way"
        report("read")(1, 2)
        now[0] = 600.0
        report(WHOLE)(6, 12)
    assert "0:30:00 left" in [line for line in lines_of(stream.getvalue()) if line.startswith(WHOLE)][-1]


WIDE = Table(
    "wide",
    "Numbers with their words.",
    pd.DataFrame(
        {
            "trained on": ["folder:drawn-elsewhere", "sdm (steps 5,000, sampling steps 20)"],
            "Dice mean": [91.234, 8.1],
            "Dice std": [12.345, 1.0],
            "gap low": [-12.345, 1.0],
            "gap high": [-1.0, 2.0],
            "not told apart from": ["real, warp and cyclegan", "undecided: one U-Net seed"],
            "images per hour": [1234567.0, 1.0],
        }
    ),
    {"Dice": ".1f", "gap 95 %": "+.1f", "images per hour": ",.0f"},
)


@pytest.mark.parametrize("columns", [120, 80, 73, 40])
def test_a_table_is_no_wider_than_the_terminal_and_no_number_is_cut(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table(WIDE)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    texts = shown(WIDE)
    for name in ("Dice", "gap 95 %", "images per hour"):
        assert all(any(number in line for line in lines) for number in texts[name]), "a pair on one line as well"
    words = " ".join(lines).split()
    for text in (*texts.columns, *texts["trained on"], *texts["not told apart from"]):
        assert all(any(word in one for one in words) for word in text.split())
    assert any(line.startswith("trained on: folder:drawn-elsewhere") for line in lines) == (columns < 73)


def test_an_ascii_stream_gets_question_marks():
    command = [sys.executable, "-c", ASCII]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path),
                          "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "mean ? std ? ?\n", "?\n")
