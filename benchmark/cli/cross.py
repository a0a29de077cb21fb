"""`echobench cross`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb, names_in
from echobench.benchmark.cli.output import Screen, with_output

if TYPE_CHECKING:
    from echobench.benchmark.cells.execute import Executor


@click.command(cls=Verb)
# What is scored
@click.option(
    "--from",
    "runs",
    metavar="RUN",
    multiple=True,
    help="Scores this finished run, or the runs in a folder. Repeatable.",
)
@click.option(
    "--generators",
    metavar="A,B,…|all",
    default="real,sdm",
    help="Without --from: scores runs of these generators, and makes those that are missing.",
)
@options.with_data
@options.with_preset
@options.with_seed
@options.with_images
@options.with_unet_seeds(1)
@options.with_networks
@options.with_assignments
# On what
@click.option(
    "--on", metavar="echonet|camus|view", default="echonet", help="Scores on another dataset, or on the other view."
)
@click.option(
    "--data-echonet",
    metavar="DIR",
    help="With --on echonet: reads this folder.  [default: $ECHOBENCH_ECHONET, else the phantom's second scanner]",
)
@click.option("--data-camus", metavar="DIR", help="With --on camus: reads this folder.")
@click.option("--skip-broken", is_flag=True, help="Leaves out videos that cannot be read; the record says which.")
# Where
@options.with_device
@options.with_executor
@options.with_out("cross")
@options.with_plan
@with_output
def cross(
    runs: tuple[Path, ...], generators: str, networks: str | None, device: str, executor: "Executor", out: Path,
    dry_run: bool, on: str, data_echonet: str | None, data_camus: Path | None, skip_broken: bool,
    screen: Screen, **asked: Any,
) -> None:  # fmt: skip
    """Score the U-Nets of finished runs on other data, and tabulate the gap to their own test patients.

    Of EchoNet-Dynamic, the test videos are scored. Experts have traced only the cavity (LVendo) there.

    \b
    Examples:
      echobench cross                                        # phantom, then the phantom's second scanner
      echobench cross --from runs --data-echonet EchoNet-Dynamic
      echobench cross --from runs/camus-sdm-4C-… --on view   # trained on 4C, tested on 2C
    """
    asked |= {"generators": names_in(generators), "networks": names_in(networks)}
    if dry_run:
        from echobench.benchmark.cells.compare import found_runs, plan
        from echobench.benchmark.cli.dry_run import shared, show_runs

        cells = [] if runs else plan(out, **asked)
        scored = found_runs(runs) if runs else [cell.folder for cell in cells]
        facts = {"out": str(out), "on": on, "scored": [*map(str, scored)], **shared(cells)}
        return show_runs(facts, cells, executor, device, left_out=["scoring on the other data"])

    from echobench.benchmark import calls
    from echobench.benchmark.measure.cross import CROSS
    from echobench.results.report.ends import cross_end

    with screen.progress() as report:
        tables = calls.cross(
            runs=runs, on=on, data_echonet=data_echonet, data_camus=data_camus, skip_broken=skip_broken,
            device=device, executor=executor, out=out, report=report, **asked,
        )  # fmt: skip
    screen.show(cross_end(tables, out / CROSS))
