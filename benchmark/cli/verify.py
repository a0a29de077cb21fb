"""`echobench verify`."""

import logging
import sys
from dataclasses import asdict
from pathlib import Path

import click

from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import Screen, with_output

log = logging.getLogger(__name__)


@click.command(cls=Verb)
@click.argument("places", metavar="RUN...", nargs=-1, required=True)
@click.option("--data", metavar="DIR", help="Reads the data of the runs here, if they were moved since.")
@with_output
def verify(places: tuple[Path, ...], data: str | None, screen: Screen) -> None:
    """Check records: is every file what its run wrote, and do the U-Nets that the run keeps give the same scores?

    RUN is the folder of a run or a stress, or a folder that holds several. One line for each says what was verified,
    what is wrong, and what could not be verified. The exit code is 1 if anything is wrong.

    \b
    Examples:
      echobench verify runs
      echobench verify results/measured
    """
    from echobench.benchmark.measure.verify import verify as verdicts

    found, wrong = [], 0
    for verdict in verdicts(places, data):
        found.append(verdict)
        wrong += bool(verdict.wrong)
        if not (screen.as_json or screen.quiet):
            click.echo(verdict.line)
        elif verdict.wrong and screen.quiet:
            log.error(verdict.line)
    if screen.as_json or screen.quiet:
        screen.say(f"{len(found)} records, {wrong or 'none'} of them wrong", records=list(map(asdict, found)))
    if wrong:
        log.error("%d of these records %s not what the run wrote", wrong, "is" if wrong == 1 else "are")
        sys.exit(1)
