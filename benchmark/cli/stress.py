"""`echobench stress`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, names_in, numbers_in
from echobench.benchmark.cli.output import Screen, with_output

if TYPE_CHECKING:
    from echobench.benchmark.cells.execute import Executor


@click.command(cls=Verb)
@click.option("--runs", metavar="DIR", multiple=True, help="Tests the generator of this run. Repeatable.")
# What is drawn
@click.option(
    "--generators",
    metavar="A,B,…|all",
    help="Tests these of runs/, and trains those that are missing.  [default: sdm,cyclegan,paint; none with --runs]",
)
@click.option(
    "--view", metavar="2C|4C", default="4C", help="Takes frames of the apical two-chamber or four-chamber view."
)
@options.with_data
@click.option("--deformations", metavar="A,B,…", help="Tests these deformations.  [default: all that the view shows]")
@click.option(
    "--severities",
    metavar="X,Y,…",
    default="0,0.25,0.5,0.75,1",
    help="Deforms maps this far: 0 not at all, 1 to the extreme.",
)
# How much
@options.with_preset
@click.option(
    "--patients",
    metavar="N",
    type=int,
    help="Deforms the maps of N validation patients.  [default: what the preset says]",
)
@options.with_seed
@options.with_assignments
# Where
@options.with_device
@options.with_executor
@click.option("--out", metavar="DIR", help="Writes the stress here.  [default: a folder in runs/]")
@options.with_force
@options.with_plan
@with_output
def stress(
    runs: tuple[Path, ...], generators: str | None, deformations: str | None, severities: str, device: str,
    executor: "Executor", force: bool, dry_run: bool, screen: Screen, **asked: Any,
) -> None:  # fmt: skip
    """Ask for images of extreme label maps, and find where each generator stops following its map.

    The maps are those of validation patients, deformed beyond what a training set holds. warp, the deformed real frame,
    is shown beside all generators as the ideal. A stress that was killed goes on where it was when you give the same
    command again. There is no --images, because no U-Net trains on what is drawn. In --set, unet.… is about the U-Net
    that judges.

    \b
    Examples:
      echobench stress
      echobench stress --generators sdm --deformations swirl,small --severities 0.5,1
      echobench stress --runs runs/camus-sdm-4C-… --data CAMUS_public
    """
    from echobench.benchmark import calls
    from echobench.results.report.ends import stress_end

    asked |= {"generators": names_in(generators), "deformations": names_in(deformations)}
    asked |= {"severities": numbers_in(severities), "runs": runs}
    if dry_run:
        from echobench.benchmark.cells.forecast import Probe
        from echobench.benchmark.cli.dry_run import joined, shared, show
        from echobench.benchmark.run.settings import resolve_device
        from echobench.benchmark.stress.forecast import forecast_stress

        (settings, cells, folder), device = calls.plan_stress(**asked), resolve_device(device)
        facts = settings.identity() | {"deformations": settings.deformations, "device": device, "out": str(folder)}
        cost = forecast_stress(settings, cells, executor, Probe(device), others=len(runs))
        usual = {"data": settings.ideal.data, "preset": settings.ideal.preset, "patients": settings.patients}
        usual |= {"deformations": joined(settings.deformations)}
        usual |= {"generators": joined(cell.settings.generator for cell in cells)}
        return show(facts | {"runs": shared(cells)["runs"]}, cells, cost, usual)

    with screen.progress() as report:
        outcome = calls.stress(device=device, executor=executor, force=force, report=report, **asked)
    screen.show(stress_end(outcome.title, outcome.short, outcome.tables, outcome.folder))
