"""What is printed, whatever a name holds and whatever the stream can show."""

import subprocess
import sys

from echobench.benchmark.cli.console import progress_bars

ASCII = """
import sys, click
from echobench.benchmark.cli import main
@click.command()
def shout(): print("mean ± std – µ"); print("é", file=sys.stderr)
main.main.add_command(shout)
main.main(["shout"])
"""


def test_a_stage_may_be_called_like_markup(capsys):
    with progress_bars() as report:
        report("[/bold]x")(1, 2)
    assert "[/bold]x" in capsys.readouterr().err


def test_an_ascii_stream_gets_question_marks():
    command = [sys.executable, "-c", ASCII]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path),
                          "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "mean ? std ? ?\n", "?\n")
