"""`echobench compare`."""

from pathlib import Path
from typing import Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, names_in
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path


@click.command(cls=Verb)
@options.with_finished_runs
# What is compared
@click.option("--generators", metavar="A,B,…", help="[default: real,warp,sdm,cyclegan,paint; with paper Table 1's]")
@click.option("--views", metavar="4C,2C,all", help="Each a table of its own.  [default: 4C; with paper Table 1's]")
@click.option("--phases", metavar="ED,ES,all", help="Each a table of its own.  [default: all; with paper Table 1's]")
@options.with_data
# How much
@options.with_preset
@options.with_strength
@options.with_seed
@options.with_unet_seeds(3)
# Where
@click.option(
    "--inception",
    metavar="FILE|download",
    type=typed_path,
    help="Weights of InceptionV3, for FID.  [default: $ECHOBENCH_INCEPTION, else torch-fidelity's cache]",
)
@click.option(
    "--fid-images",
    metavar="N|all",
    default="all",
    help="Drawn images, and real frames, that FID takes at most.",
)
@options.with_device
@options.with_executor
@options.with_out("comparison")
def compare(
    folders: tuple[Path, ...], runs: tuple[Path, ...], generators: str | None, views: str | None, phases: str | None,
    inception: Path | None, fid_images: str, device: str, out: Path, **asked: Any,
) -> None:  # fmt: skip
    """Run what is missing of a comparison, and tabulate: Dice, evidence, realism, cost, figures, report.

    Finished runs are taken as they are, killed ones go on, a failed one is a row with its reason.

    \b
    Examples:
      echobench compare
      echobench compare --generators real,sdm --views 4C,2C --data CAMUS_public
      echobench compare --runs results/measured
    """
    from echobench.benchmark import calls
    from echobench.benchmark.cells.compare import COMPARISON
    from echobench.benchmark.cli.console import print_comparison, progress_bars

    with progress_bars() as report:
        comparison = calls.compare(
            runs=[*runs, *folders], generators=names_in(generators), views=names_in(views), phases=names_in(phases),
            inception=inception, fid_images=options.number_or_all(fid_images, "--fid-images"), device=device, out=out,
            report=report, **asked,
        )  # fmt: skip
    print_comparison(comparison)
    click.echo(f"all tables, figures and report.html: {out / COMPARISON}")
    if not comparison.groups:
        raise EchobenchError("none of the runs has finished")
