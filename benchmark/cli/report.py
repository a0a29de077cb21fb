"""`echobench report`."""

from pathlib import Path

import click

from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import with_log


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR")
@click.option("--out", metavar="DIR", help="Writes report.html here.  [default: DIR]")
@with_log
def report(folder: Path, out: Path | None) -> None:
    """Write one page about the runs in a folder, report.html: the answer, and the record behind every number."""
    from echobench.benchmark.cells.compare import found_runs
    from echobench.results.evidence.comparison import Comparison
    from echobench.results.report.page import write_report

    click.echo(write_report(out or folder, Comparison.of(found_runs([folder]))))
