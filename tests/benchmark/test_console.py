"""What is printed, whatever a name holds and whatever the stream can show."""

import subprocess
import sys

from rich.progress import Progress

from echobench.benchmark.cli import console
from echobench.benchmark.cli.console import progress_bars

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


def test_an_ascii_stream_gets_question_marks():
    command = [sys.executable, "-c", ASCII]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path),
                          "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "mean ? std ? ?\n", "?\n")
