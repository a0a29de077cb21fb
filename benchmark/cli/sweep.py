"""`echobench sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, counts_in, names_in, numbers_in
from echobench.benchmark.cli.output import Screen, with_output

if TYPE_CHECKING:
    from echobench.benchmark.cells.execute import Executor


@click.command(cls=Verb)
@options.with_finished_runs
# What is swept
@click.option("--generators", metavar="A,B,…|all", help="Sweeps these generators.  [default: real,warp,sdm]")
@click.option(
    "--strengths",
    metavar="X,Y,…",
    help="Deforms label maps this strongly; 1 is the paper's.  [default: 0,0.5,1,1.5,2,3; 1 if other values are swept]",
)
@click.option(
    "--fractions",
    metavar="X,Y,…",
    help="Takes these shares of the training patients, instead of several strengths.  [default: 1]",
)
@click.option(
    "--patients",
    metavar="N,M,…,all",
    help="Takes N patients in all, instead of several strengths: a fifth selects weights, the rest is trained on.",
)
@click.option(
    "--patient-draws",
    metavar="K",
    type=int,
    default=3,
    help="Draws each number K times; small draws are part of larger ones.",
)
@click.option(
    "--mixes",
    metavar="R,S,…",
    help="Trains U-Nets on the real frames too, with R drawn images for each; 0 is real frames alone.  "
    "[default: drawn images alone]",
)
@options.with_view
@options.with_data
# How much
@options.with_preset
@options.with_seed
@options.with_images
@options.with_unet_seeds(3)
@options.with_network
@options.with_assignments
@options.with_scored_on("validation")
# Where
@click.option(
    "--generator-from",
    metavar="RUN",
    multiple=True,
    help="Takes the trained generator of this run, and trains none. Repeatable.",
)
@options.with_device
@options.with_executor
@options.with_out("sweep")
@options.with_plan
@with_output
def sweep(
    folders: tuple[Path, ...], runs: tuple[Path, ...], generators: str | None, strengths: str | None,
    fractions: str | None, patients: str | None, mixes: str | None, generator_from: tuple[Path, ...], device: str,
    executor: "Executor", out: Path, dry_run: bool, screen: Screen, **asked: Any,
) -> None:  # fmt: skip
    """Sweep one setting: run what is missing, then tabulate Dice against it.

    The setting is the strength of deformation, or the number of real patients to learn from. With --patients, the table
    says how many patients each generator is worth. Validation patients are scored, because a sweep is there to choose;
    `echobench run` scores the test patients after the choice. A generator is trained once for all strengths. With fewer
    patients it draws as many images as with all of them, unless --mixes says how many for each real frame; real has
    only its frames. Finished runs are taken as they are, and killed ones go on. A failed run is a row with its reason.

    \b
    Examples:
      echobench sweep
      echobench sweep --generators warp,sdm --strengths 0,1,2 --data CAMUS_public
      echobench sweep --fractions 0.05,0.1,0.25,0.5,1
      echobench sweep --patients 2,5,10,20,50,all --mixes 0,4 --generators warp,sdm
      echobench sweep --runs runs
    """
    from echobench.benchmark.cells.sweep import SWEEP, plan, with_teachers

    asked |= {
        "generators": names_in(generators),
        "strengths": numbers_in(strengths) if strengths else None,
        "fractions": numbers_in(fractions) if fractions else None,
        "patients": counts_in(patients) if patients else None,
        "mixes": numbers_in(mixes) if mixes else None,
    }
    if dry_run:
        from echobench.benchmark.cli.dry_run import joined, shared, show_runs

        cells = with_teachers(plan(out, **asked), generator_from)
        swept = {
            "generators": joined(cell.settings.generator for cell in cells),
            "strengths": joined(cell.settings.strength for cell in cells if cell.settings.backend.deforms),
            "fractions": joined(cell.settings.fraction for cell in cells),
            "patients": joined(cell.settings.patients for cell in cells if cell.settings.patients is not None),
            "mixes": joined(cell.settings.mix or 0 for cell in cells) if asked["mixes"] else None,
        }
        return show_runs({"out": str(out), **shared(cells)}, cells, executor, device, left_open=swept)

    from echobench.benchmark import calls
    from echobench.results.report.ends import sweep_end

    with screen.progress() as report:
        tables = calls.sweep(
            runs=[*runs, *folders], generator_from=generator_from, device=device, executor=executor, out=out,
            report=report, **asked,
        )  # fmt: skip
    screen.show(sweep_end(tables, out / SWEEP))
