"""`echobench compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, names_in
from echobench.benchmark.cli.output import Screen, with_output
from echobench.data.base.errors import EchobenchError

if TYPE_CHECKING:
    from echobench.benchmark.cells.execute import Executor


@click.command(cls=Verb)
@options.with_finished_runs
# What is compared
@click.option(
    "--generators",
    metavar="A,B,…|all",
    help="Compares these generators.  [default: real,warp,sdm,cyclegan,paint; Table 1's with preset paper]",
)
@click.option(
    "--views",
    metavar="4C,2C,all",
    help="Makes a table for each of these views.  [default: 4C; Table 1's with preset paper]",
)
@click.option(
    "--phases",
    metavar="ED,ES,all",
    help="Makes a table for each of these phases.  [default: all; Table 1's with preset paper]",
)
@options.with_networks
@options.with_data
# How much
@options.with_preset
@options.with_strength
@options.with_mix
@options.with_seed
@options.with_images
@options.with_unet_seeds(3)
@options.with_assignments
@options.with_scored_on("testing")
# Where
@click.option(
    "--inception",
    metavar="FILE|download",
    help="Reads the weights of InceptionV3, which FID needs, from this file, or downloads them.  "
    "[default: $ECHOBENCH_INCEPTION, else torch-fidelity's cache]",
)
@click.option(
    "--fid-images",
    metavar="N|all",
    default="all",
    help="Measures FID on at most N drawn images and N real frames.",
)
@options.with_device
@options.with_executor
@options.with_out("comparison")
@options.with_plan
@with_output
def compare(
    folders: tuple[Path, ...], runs: tuple[Path, ...], generators: str | None, views: str | None, phases: str | None,
    networks: str | None, inception: Path | None, fid_images: str, device: str, executor: "Executor", out: Path,
    dry_run: bool, screen: Screen, **asked: Any,
) -> None:  # fmt: skip
    """Compare generators: run what is missing, then write tables, figures and a report.

    The tables show Dice, the evidence, realism and cost. Finished runs are taken as they are, and killed ones go on. A
    failed run is a row with its reason. With --runs, --data names the dataset of runs that have no patients.csv yet:
    what it says of their patients (sex, age, image quality) is then added.

    \b
    Examples:
      echobench compare
      echobench compare --generators all
      echobench compare --generators real,sdm --views 4C,2C --data CAMUS_public
      echobench compare --networks unet,unet-deep
      echobench compare --runs results/measured
      echobench compare --preset standard --dry-run
    """
    from echobench.benchmark.cells.compare import COMPARISON, plan

    asked |= {"generators": names_in(generators), "views": names_in(views), "phases": names_in(phases)}
    asked["networks"] = names_in(networks)
    if dry_run:
        from echobench.benchmark.cli.dry_run import shared, show_runs

        cells = plan(out, **asked)
        return show_runs({"out": str(out), **shared(cells)}, cells, executor, device)

    from echobench.benchmark import calls
    from echobench.benchmark.cells.compare import panel_of
    from echobench.results.report.ends import compare_end
    from echobench.results.report.page import REPORT

    with screen.progress() as report:
        comparison = calls.compare(
            runs=[*runs, *folders], inception=inception, fid_images=options.number_or_all(fid_images, "--fid-images"),
            device=device, executor=executor, out=out, report=report, **asked,
        )  # fmt: skip
    folder = out / COMPARISON
    picture = None if runs or folders else panel_of(comparison, folder)
    drawn = {} if picture is None else {"picture": picture}
    screen.show(compare_end(comparison, {"report": folder / REPORT} | drawn | {"all tables and figures": folder}))
    if not comparison.groups:
        raise EchobenchError("none of the runs has finished")
