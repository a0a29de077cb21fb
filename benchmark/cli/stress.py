"""`echobench stress`."""

from typing import Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, names_in, numbers_in
from echobench.data.base.files import typed_path


@click.command(cls=Verb)
@click.option(
    "--runs", metavar="DIR", multiple=True, type=typed_path, help="Take the generator of this run. Repeatable."
)
# What is drawn
@click.option("--generators", metavar="A,B,…|all", help="Of runs/, trained if need be.  [default: sdm,cyclegan,paint]")
@click.option("--view", metavar="2C|4C", default="4C", help="Apical two-chamber or four-chamber.")
@options.with_data
@click.option("--deformations", metavar="A,B,…", help="[default: all that the view shows]")
@click.option("--severities", metavar="X,Y,…", default="0,0.25,0.5,0.75,1", help="From 0, none, to 1, the extreme.")
# How much
@options.with_preset
@click.option("--patients", metavar="N", type=int, help="Validation patients whose maps are deformed.")
@options.with_seed
# Where
@options.with_device
@options.with_executor
@click.option("--out", metavar="DIR", type=typed_path, help="[default: runs/, named by the settings]")
@options.with_force
def stress(generators: str | None, deformations: str | None, severities: str, **asked: Any) -> None:
    """Draw label maps that no training set holds, and find where each generator stops following them.

    The maps are those of validation patients. warp, the real frame deformed, stands beside all as the ideal. A stress
    that was killed goes on where it was when the same command is given again.

    \b
    Examples:
      echobench stress
      echobench stress --generators sdm --deformations swirl,small --severities 0.5,1
      echobench stress --runs runs/camus-sdm-4C-… --data CAMUS_public
    """
    from echobench.benchmark import calls
    from echobench.benchmark.cli.console import print_table, progress_bars

    with progress_bars() as report:
        outcome = calls.stress(
            generators=names_in(generators), deformations=names_in(deformations), severities=numbers_in(severities),
            report=report, **asked,
        )  # fmt: skip
    print_table(outcome.ladder)
    for sentence in outcome.finding:
        click.echo(sentence)
    click.echo(f"tables, figures and pictures: {outcome.folder}")
