"""`echobench run`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.benchmark import RUNS
from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb
from echobench.data.base.files import typed_path

if TYPE_CHECKING:
    from echobench.benchmark.cells.execute import Executor
    from echobench.benchmark.run.settings import RunSettings


@click.command(cls=Verb)
# What is compared
@click.option("--generator", metavar="NAME", required=True, help="Who draws the training images: real, sdm, …")
@options.with_view
@click.option("--phase", metavar="ED|ES|all", default="all", help="Frames that the U-Net trains on and is scored on.")
@options.with_data
# How much
@options.with_preset
@options.with_strength
@options.with_seed
@click.option("--images", metavar="N", type=int, help="Training images in all.  [default: what the preset says]")
@options.with_mix
@click.option("--fraction", type=float, default=1.0, help="Of the training patients, of generator and maps.")
@click.option("--patients", metavar="N", type=int, help="How many there are in all: a fifth selects, the rest trains.")
@click.option("--patient-draw", metavar="K", type=int, default=0, help="Which draw of so many patients, from 0.")
@options.with_unet_seeds(1)
@options.with_assignments
@options.with_scored_on("testing")
# Where
@click.option(
    "--generator-from", metavar="RUN", type=typed_path, help="A run's folder: take its generator, train none."
)
@options.with_device
@options.with_executor
@click.option(
    "--out", metavar="DIR", type=typed_path, help="Folder of the run.  [default: runs/, named by the settings]"
)
@options.with_force
@click.option("--dry-run", is_flag=True, help="Print every resolved setting and stop.")
def run(
    generator_from: Path | None, device: str, executor: "Executor", out: Path | None, force: bool, dry_run: bool,
    **asked: Any,
) -> None:  # fmt: skip
    """Train one identical U-Net on what a generator drew and score it on the locked test patients.

    With --on validation it is scored on the validation patients instead: as long as there is something to choose,
    test patients are not looked at. A run that was killed goes on where it was when the same command is given again.
    On a processor the same command gives the same scores, bit for bit, on the same kind of processor, package versions
    and number of threads (--threads). On another number of threads it trains other weights.

    \b
    Examples:
      echobench run --generator sdm --view 4C
      echobench run --generator real --view 4C --data CAMUS_public
      echobench run --generator sdm --set generator.sampling.steps=50 --generator-from runs/phantom-sdm-4C-…
    """
    from echobench.benchmark.run.place import place_of
    from echobench.benchmark.run.settings import resolve, resolve_device

    settings, device = resolve(**asked), resolve_device(device)
    folder = out or place_of(settings, RUNS)
    if dry_run:
        click.echo(json.dumps(_plan(settings, device, folder, generator_from), indent=1, ensure_ascii=False))
        return

    from echobench.benchmark import calls
    from echobench.benchmark.cli.console import print_runs, progress_bars
    from echobench.results.evidence.comparison import group_beside

    with progress_bars() as report:
        record, _ = calls.run(
            out=folder, device=device, force=force, generator_from=generator_from, executor=executor, report=report,
            **asked,
        )  # fmt: skip
    print_runs(group_beside(folder))
    click.echo(f"split: {record.split_origin}; {record.whom}: {len(record.scored_patients)}")
    click.echo(f"record and pictures: {folder}")
    if len(threads := record.machine.get("torch_threads_used", ())) > 1:
        numbers = " and ".join(map(str, threads))
        click.echo(f"It ran on {numbers} threads: the same command in one go gives other scores.", err=True)


def _plan(settings: "RunSettings", device: str, folder: Path, generator_from: Path | None) -> dict[str, Any]:
    """Every resolved setting, where its default is from, and how the run departs from the paper."""
    from echobench.benchmark.run.trained import training_of
    from echobench.data.datasets.registry import layout_of
    from echobench.generators.settings import sources

    if settings.data is not None:
        layout_of(Path(settings.data))  # there has to be one
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
