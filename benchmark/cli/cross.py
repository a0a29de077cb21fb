"""`echobench cross`."""

from pathlib import Path
from typing import Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, names_in
from echobench.data.base.files import typed_path


@click.command(cls=Verb)
# What is scored
@click.option(
    "--from", "runs", metavar="RUN", multiple=True, type=typed_path, help="A finished run, or a folder of them."
)
@click.option("--generators", metavar="A,B,…|all", default="real,sdm", help="Without --from: runs, made if missing.")
@options.with_data
@options.with_preset
@options.with_unet_seeds(1)
# On what
@click.option("--on", metavar="echonet|camus|view", default="echonet", help="Another dataset, or the other view.")
@click.option("--data-echonet", metavar="DIR", help="[default: $ECHOBENCH_ECHONET, else the phantom's second scanner]")
@click.option("--data-camus", metavar="DIR", type=typed_path, help="With --on camus: a CAMUS folder.")
@click.option("--skip-broken", is_flag=True, help="Leave out videos that cannot be read; the record says which.")
# Where
@options.with_device
@options.with_executor
@options.with_out("cross")
def cross(generators: str, out: Path, **asked: Any) -> None:
    """Score the U-Nets of finished runs on data of another kind, and tabulate the gap to their own test patients.

    EchoNet-Dynamic is scored on its test videos, where experts traced the cavity (LVendo) alone.

    \b
    Examples:
      echobench cross                                        # phantom, then the phantom's second scanner
      echobench cross --from runs --data-echonet EchoNet-Dynamic
      echobench cross --from runs/camus-sdm-4C-… --on view   # trained on 4C, tested on 2C
    """
    from echobench.benchmark import calls
    from echobench.benchmark.cli.console import print_table, progress_bars
    from echobench.benchmark.measure.cross import CROSS

    with progress_bars() as report:
        tables = calls.cross(generators=names_in(generators), out=out, report=report, **asked)
    for table in tables:
        print_table(table)
    click.echo(f"tables and figures: {out / CROSS}")
