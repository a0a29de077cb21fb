"""`echobench sweep`."""

from pathlib import Path
from typing import Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, counts_in, names_in, numbers_in
from echobench.data.base.files import typed_path


@click.command(cls=Verb)
@options.with_finished_runs
# What is swept
@click.option("--generators", metavar="A,B,…", help="[default: real,warp,sdm]")
@click.option("--strengths", metavar="X,Y,…", help="Of deformation.  [default: 0,0.5,1,1.5,2,3; 1 with others]")
@click.option("--fractions", metavar="X,Y,…", help="Of the training patients, in place of strengths.  [default: 1]")
@click.option(
    "--patients",
    metavar="N,M,…,all",
    help="How many there are in all, in place of strengths: a fifth of them selects, the rest trains.",
)
@click.option("--patient-draws", metavar="K", type=int, default=3, help="How often so many patients are drawn.")
@click.option(
    "--mixes",
    metavar="R,S,…",
    help="The U-Net trains on the real frames too, with R drawn images for each; 0 is real frames alone.  "
    "[default: drawn images alone]",
)
@options.with_view
@options.with_data
# How much
@options.with_preset
@options.with_seed
@click.option("--images", metavar="N", type=int, help="Training images of who draws.  [default: what the preset says]")
@options.with_unet_seeds(3)
@options.with_assignments
@options.with_scored_on("validation")
# Where
@click.option(
    "--generator-from",
    metavar="RUN",
    multiple=True,
    type=typed_path,
    help="A run whose generator is taken. Repeatable.",
)
@options.with_device
@options.with_executor
@options.with_out("sweep")
def sweep(
    folders: tuple[Path, ...], runs: tuple[Path, ...], generators: str | None, strengths: str | None,
    fractions: str | None, patients: str | None, mixes: str | None, generator_from: tuple[Path, ...], device: str,
    out: Path, **asked: Any,
) -> None:  # fmt: skip
    """Run what is missing of a sweep, and tabulate: Dice against the strength of deformation, or against how many real
    patients there are to learn from. With --patients it says how many patients each generator is worth.

    Validation patients are scored, as there is something to choose; `echobench run` opens the test patients once the
    choice stands. A generator is trained once for all strengths. With fewer patients it draws as many images as with
    all of them; real has its frames. Finished runs are taken as they are, killed ones go on, a failed one is a row with
    its reason.

    \b
    Examples:
      echobench sweep
      echobench sweep --generators warp,sdm --strengths 0,1,2 --data CAMUS_public
      echobench sweep --fractions 0.05,0.1,0.25,0.5,1
      echobench sweep --patients 2,5,10,20,50,all --mixes 0,4 --generators warp,sdm
      echobench sweep --runs runs
    """
    from echobench.benchmark import calls
    from echobench.benchmark.cells.sweep import SWEEP
    from echobench.benchmark.cli.console import print_table, progress_bars

    with progress_bars() as report:
        tables = calls.sweep(
            runs=[*runs, *folders], generators=names_in(generators),
            strengths=numbers_in(strengths) if strengths else None,
            fractions=numbers_in(fractions) if fractions else None,
            patients=counts_in(patients) if patients else None, mixes=numbers_in(mixes) if mixes else None,
            generator_from=generator_from, device=device, out=out, report=report, **asked,
        )  # fmt: skip
    for table in tables:
        print_table(table)
    click.echo(f"tables and figure: {out / SWEEP}")
