"""`echobench verify`."""

import sys
from pathlib import Path

import click

from echobench.benchmark.cli.options import Verb
from echobench.data.base.files import typed_path


@click.command(cls=Verb)
@click.argument("places", metavar="RUN...", nargs=-1, required=True, type=typed_path)
@click.option("--data", metavar="DIR", help="Reads the data of the runs there, if they were moved since.")
def verify(places: tuple[Path, ...], data: str | None) -> None:
    """Check records: is every file what its run wrote, and do the U-Nets that the run keeps give the same scores?

    RUN is the folder of a run or a stress, or a folder of them. A line each says what was verified, what is wrong, and
    what could not be verified. Exit code 1 if anything is wrong.

    \b
    Examples:
      echobench verify runs
      echobench verify results/measured
    """
    from echobench.benchmark.measure.verify import verify as verdicts

    wrong = 0
    for verdict in verdicts(places, data):
        click.echo(verdict.line)
        wrong += bool(verdict.wrong)
    if wrong:
        click.echo(f"{wrong} of these records {'is' if wrong == 1 else 'are'} not what the run wrote", err=True)
        sys.exit(1)
