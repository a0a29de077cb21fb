"""The command line. A verb parses, makes one library call, and prints; heavy imports wait until a verb runs."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from echobench.benchmark.cli.compare import compare
from echobench.benchmark.cli.cross import cross
from echobench.benchmark.cli.data import data
from echobench.benchmark.cli.generate import generate
from echobench.benchmark.cli.generators import generators
from echobench.benchmark.cli.report import report
from echobench.benchmark.cli.run import run
from echobench.benchmark.cli.stress import stress
from echobench.benchmark.cli.sweep import sweep
from echobench.benchmark.cli.verify import verify
from echobench.benchmark.cli.weights import weights
from echobench.data.base.errors import EchobenchError, is_short_of_memory

VERBS: tuple[click.Command, ...] = (
    run, compare, sweep, stress, cross, report, verify, generate, data, generators, weights,
)  # fmt: skip

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""numpy's matrices are small here, and two threads of it beside a busy core wait for one another. It is read when numpy
is imported, which is when a verb runs."""

SHORT_OF_MEMORY = (
    "there was too little memory for this call: allow it more, or ask for less at once, such as smaller batches or "
    "images with --set. What was finished is kept; give the same command to go on"
)


UNFORESEEN = (
    "echobench has a fault: what happened was not foreseen. With --verbose, or in the file of --log, the same command "
    "says where. What was finished is kept"
)


class _Fault(click.ClickException):
    """An error that no user causes."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h


class _Group(click.Group):
    """Catches what a user can cause: its sentence on stderr, exit code 1, whatever was wrong; a fault of ours is 70."""

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:
        with _exit_code_1():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: click.Context) -> object:
        for stream in (sys.stdout, sys.stderr):  # "?" for a letter that the terminal lacks, rather than a traceback
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            with _exit_code_1():
                return super().invoke(ctx)
        except EchobenchError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Stopped. What was finished is kept; give the same command to go on.", err=True)
            ctx.exit(130)
        except Exception as error:
            if is_short_of_memory(error):
                raise click.ClickException(SHORT_OF_MEMORY) from error
            if isinstance(error, (BrokenPipeError, click.ClickException, click.exceptions.Exit, click.Abort)):
                raise
            if isinstance(error, (OSError, EOFError)):  # a full disk, a folder that may not be written
                raise click.ClickException(_sentence(error)) from error
            *_, last = ["", *str(error).split("\n")]  # of a worker's, whose text is a whole traceback
            raise _Fault(f"{UNFORESEEN} ({type(error).__name__}: {last})") from error


def _sentence(error: OSError | EOFError) -> str:
    """What the system says; without a file's name, which it does not always know, what is to be done."""
    reason = getattr(error, "strerror", None) or error
    if filename := getattr(error, "filename", None):
        return f"{filename} could not be read or written ({reason}); what was finished is kept"
    return f"a file could not be read or written in the folders of this call ({reason}); what was finished is kept"


@contextmanager
def _exit_code_1() -> Iterator[None]:
    """A wrong option counts as any other input that cannot be; click's own code for it is 2."""
    try:
        yield
    except click.UsageError as error:
        error.exit_code = 1  # type: ignore[misc]  # of this one error: the class is for every program in the process
        raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="echobench")
def main() -> None:
    """Which generator of synthetic echocardiograms can I trust, and what does it cost?"""


for verb in VERBS:
    main.add_command(verb)
