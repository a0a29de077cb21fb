"""`echobench run`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.benchmark import RUNS
from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import Screen, with_output
from echobench.benchmark.cli.values import GENERATOR_HELP

if TYPE_CHECKING:
    from echobench.benchmark.cells.execute import Executor
    from echobench.benchmark.run.settings import RunSettings

log = logging.getLogger(__name__)


@click.command(cls=Verb)
# What is compared
@click.option("--generator", metavar="NAME", required=True, help=GENERATOR_HELP)
@options.with_view
@click.option(
    "--phase", metavar="ED|ES|all", default="all", help="Trains and scores the U-Net on frames of this phase."
)
@options.with_data
# How much
@options.with_preset
@options.with_strength
@options.with_seed
@options.with_images
@options.with_mix
@click.option(
    "--fraction", type=float, default=1.0, help="Takes this share of the training patients: 0.5 is half of them."
)
@click.option(
    "--patients",
    metavar="N",
    type=int,
    help="Takes N patients in all: a fifth selects weights, the rest is trained on.",
)
@click.option("--patient-draw", metavar="K", type=int, default=0, help="Takes draw K of so many patients, from 0.")
@options.with_unet_seeds(1)
@options.with_network
@options.with_assignments
@options.with_scored_on("testing")
# Where
@click.option(
    "--generator-from",
    metavar="RUN",
    help="Takes the trained generator of this run, and trains none.",
)
@options.with_device
@options.with_executor
@click.option("--out", metavar="DIR", help="Writes the run here.  [default: a folder in runs/, named by the settings]")
@options.with_force
@options.with_plan
@with_output
def run(
    generator_from: Path | None, device: str, executor: "Executor", out: Path | None, force: bool, dry_run: bool,
    screen: Screen, **asked: Any,
) -> None:  # fmt: skip
    """Train one identical U-Net on what a generator drew, and score it on the locked test patients.

    With --on validation, validation patients are scored instead: while there is something to choose, nobody looks at
    test patients. A run that was killed goes on where it was when you give the same command again. On a processor, the
    same command gives the same scores, bit for bit, if the kind of processor, the package versions and the number of
    threads (--threads) are the same. Another number of threads gives other weights.

    \b
    Examples:
      echobench run --generator sdm --view 4C
      echobench run --generator real --view 4C --data CAMUS_public
      echobench run --generator sdm --set generator.sampling.steps=50 --generator-from runs/phantom-sdm-4C-…
      echobench run --generator sdm --dry-run
    """
    from echobench.benchmark.run.place import place_of
    from echobench.benchmark.run.settings import resolve, resolve_device

    settings, device = resolve(**asked), resolve_device(device)
    folder = out or place_of(settings, RUNS)
    if dry_run:
        from echobench.benchmark.cells.cell import Cell
        from echobench.benchmark.cli.dry_run import show_runs

        cell = Cell(settings, folder, "", generator_from, force=force)
        return show_runs(_plan(settings, device, folder, generator_from), [cell], executor, device)

    from echobench.benchmark import calls
    from echobench.results.report.ends import run_end

    with screen.progress() as report:
        record, _ = calls.run(
            out=folder, device=device, force=force, generator_from=generator_from, executor=executor, report=report,
            **asked,
        )  # fmt: skip
    screen.show(run_end(folder))
    if len(threads := record.machine.get("torch_threads_used", ())) > 1:
        numbers = " and ".join(map(str, threads))
        log.warning("It ran on %s threads: the same command in one go gives other scores.", numbers)


def _plan(settings: "RunSettings", device: str, folder: Path, generator_from: Path | None) -> dict[str, Any]:
    """Every resolved setting, where its default is from, and how the run departs from the paper."""
    from echobench.benchmark.run.trained import training_of
    from echobench.generators.settings import sources

    plan = settings.as_dict() | {"device": device, "out": str(folder)}
    if generator_from is not None:
        training_of(generator_from)  # there has to be one
        plan["generator_from"] = str(generator_from)
    departures = settings.departures()
    plan["sources"] = {
        "generator_settings": sources(settings.generator_settings),
        "deviations": {departure.key: departure.source for departure in departures},
    }
    plan["deviations"] = [departure.sentence for departure in departures]
    return plan
