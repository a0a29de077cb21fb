"""The command line. A verb parses, makes one library call, and prints; heavy imports wait until a verb runs."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from echobench.benchmark.cli.options import Verb, names_in, numbers_in
from echobench.data.base.errors import EchobenchError

RUNS = Path("runs")
click.UsageError.exit_code = 1  # as for any other input that cannot be


class _Group(click.Group):
    """Catches the one exception that a user can cause: its sentence on stderr, exit code 1."""

    command_class, group_class = Verb, type

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EchobenchError as error:
            raise click.ClickException(str(error)) from error
        except (OSError, EOFError) as error:  # a full disk, a folder that may not be written
            if isinstance(error, BrokenPipeError):
                raise
            raise click.ClickException(f"{getattr(error, 'filename', None) or 'a file'}: {error}") from error
        except KeyboardInterrupt:
            click.echo("Stopped. What was finished is kept; give the same command to go on.", err=True)
            ctx.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="echobench")
@click.pass_context
def main(context: click.Context) -> None:
    """Which generator of synthetic echocardiograms can I trust, and what does it cost?"""
    if "LOCAL_RANK" in os.environ and context.invoked_subcommand != "run":
        from echobench.generators.training.parallel import processes

        if processes() > 1:
            raise EchobenchError(
                f"torchrun can start `echobench run` alone, not {context.invoked_subcommand}: give it without torchrun"
            )


@main.command()
# What is compared
@click.option("--generator", metavar="NAME", required=True, help="Who draws the training images: real, sdm, …")
@click.option("--view", metavar="2C|4C|all", default="4C", help="Apical two-chamber, four-chamber, or both.")
@click.option("--phase", metavar="ED|ES|all", default="all", help="Frames that the U-Net trains on and is scored on.")
@click.option("--data", metavar="DIR", help="A CAMUS folder.  [default: $ECHOBENCH_CAMUS, else the phantom]")
# How much
@click.option(
    "--preset", metavar="quick|standard|paper", help="Budgets.  [default: quick on the phantom, standard with data]"
)
@click.option("--strength", type=float, default=1.0, help="Deformation of the label maps; 1 is the paper's, 0 none.")
@click.option("--seed", type=int, default=0, help="Of all that is drawn and trained, and of a derived split.")
@click.option("--images", metavar="N", type=int, help="Training images in all.  [default: what the preset says]")
@click.option("--fraction", type=float, default=1.0, help="Of the training patients, of generator and maps.")
@click.option("--unet-seeds", type=int, default=1, help="How many U-Nets are trained on the same images.")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="A setting to change: unet.steps=4000. Repeatable."
)
@click.option("--on", "scored_on", metavar="testing|validation", default="testing", help="Patients who are scored.")
# Where
@click.option("--generator-from", metavar="RUN", type=Path, help="A run's folder: take its generator, train none.")
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the networks run.")
@click.option("--out", metavar="DIR", type=Path, help="Folder of the run.  [default: runs/, named by the settings]")
@click.option("--force", is_flag=True, help="Start over, whatever the folder holds of an earlier run.")
@click.option("--dry-run", is_flag=True, help="Print every resolved setting and stop.")
def run(
    generator: str, view: str, phase: str, data: str | None, preset: str | None, strength: float, seed: int,
    images: int | None, fraction: float, unet_seeds: int, assignments: tuple[str, ...], scored_on: str,
    generator_from: Path | None, device: str, out: Path | None, force: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Train one identical U-Net on what a generator drew and score it on the locked test patients.

    With --on validation it is scored on the validation patients instead: as long as there is something to choose,
    test patients are not looked at. A run that was killed goes on where it was when the same command is given again.

    \b
    Examples:
      echobench run --generator sdm --view 4C
      echobench run --generator real --view 4C --data CAMUS_public
      echobench run --generator sdm --set generator.sampling.steps=50 --generator-from runs/phantom-sdm-4C-…
    """
    from echobench.benchmark.run.settings import resolve, resolve_device

    settings = resolve(
        generator=generator, view=view, phase=phase, data=data, preset=preset,
        strength=strength, seed=seed, unet_seeds=unet_seeds, images=images, fraction=fraction, scored_on=scored_on,
        assignments=assignments,
    )  # fmt: skip
    resolved_device = resolve_device(device)
    folder = out or RUNS / settings.slug()
    if dry_run:
        from echobench.generators.settings import sources

        plan = settings.as_dict() | {"device": resolved_device, "out": str(folder)}
        if generator_from is not None:
            from echobench.benchmark.run.trained import training_of

            training_of(generator_from)  # there has to be one
            plan["generator_from"] = str(generator_from)
        departures = settings.departures()
        plan["sources"] = {
            "generator_settings": sources(settings.generator_settings),
            "deviations": {departure.key: departure.source for departure in departures},
        }
        plan["deviations"] = [departure.sentence for departure in departures]
        click.echo(json.dumps(plan, indent=1, ensure_ascii=False))
        return

    from echobench.benchmark.run.processes import is_first
    from echobench.benchmark.run.trained import assist

    if not is_first():
        assist(settings, folder, resolved_device)
        return

    from echobench.benchmark.cli.console import print_runs, progress_bars
    from echobench.benchmark.run.pipeline import run as run_once
    from echobench.results.evidence.comparison import group_beside

    with progress_bars() as report:
        run_once(settings, folder, device=resolved_device, force=force, generator_from=generator_from, report=report)
    print_runs(group_beside(folder))
    click.echo(f"record and pictures: {folder}")


@main.command()
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=Path)
@click.option("--runs", metavar="DIR", multiple=True, type=Path, help="Only tabulate these runs, or those in them.")
# What is compared
@click.option("--generators", metavar="A,B,…", help="[default: real,warp,sdm,cyclegan,paint; with paper Table 1's]")
@click.option("--views", metavar="4C,2C,all", help="Each a table of its own.  [default: 4C; with paper Table 1's]")
@click.option("--phases", metavar="ED,ES,all", help="Each a table of its own.  [default: all; with paper Table 1's]")
@click.option("--data", metavar="DIR", help="A CAMUS folder.  [default: $ECHOBENCH_CAMUS, else the phantom]")
# How much
@click.option(
    "--preset", metavar="quick|standard|paper", help="Budgets.  [default: quick on the phantom, standard with data]"
)
@click.option("--strength", type=float, default=1.0, help="Deformation of the label maps; 1 is the paper's, 0 none.")
@click.option("--seed", type=int, default=0, help="Of all that is drawn and trained, and of a derived split.")
@click.option("--unet-seeds", type=int, default=3, help="How many U-Nets are trained on the same images.")
# Where
@click.option(
    "--inception", metavar="FILE", type=Path, help="Weights of InceptionV3.  [default: torch-fidelity's cache]"
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the networks run.")
@click.option("--out", metavar="DIR", type=Path, default=RUNS, help="Gets the runs, and a folder `comparison`.")
def compare(
    folders: tuple[Path, ...], runs: tuple[Path, ...], generators: str | None, views: str | None, phases: str | None,
    data: str | None, preset: str | None, strength: float, seed: int, unet_seeds: int, inception: Path | None,
    device: str, out: Path,
) -> None:  # fmt: skip
    """Run what is missing of a comparison, and tabulate: Dice, evidence, realism, cost, figures, report.

    Finished runs are taken as they are, killed ones go on, a failed one is a row with its reason.

    \b
    Examples:
      echobench compare
      echobench compare --generators real,sdm --views 4C,2C --data CAMUS_public
      echobench compare --runs results/measured
    """
    from echobench.benchmark.cells.compare import COMPARISON, carry_out, draw_pictures, found_runs, plan
    from echobench.benchmark.cells.compare import compare as tabulate
    from echobench.benchmark.cli.console import print_comparison, progress_bars
    from echobench.benchmark.run.settings import resolve_device

    pictures: Mapping[str, Path] = {}
    if places := [*runs, *folders]:
        compared = found_runs(places)
    else:
        cells = plan(
            out, generators=names_in(generators), views=names_in(views), phases=names_in(phases), data=data,
            preset=preset, strength=strength, seed=seed, unet_seeds=unet_seeds,
        )  # fmt: skip
        resolved_device = resolve_device(device)
        with progress_bars() as report:
            carry_out(cells, resolved_device, report, inception)
        compared = [cell.folder for cell in cells]
        pictures = draw_pictures(cells, out / COMPARISON, resolved_device)
    comparison = tabulate(compared, out / COMPARISON, pictures)
    print_comparison(comparison)
    click.echo(f"all tables, figures and report.html: {out / COMPARISON}")
    if not comparison.groups:
        raise EchobenchError("none of the runs has finished")


@main.command()
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=Path)
@click.option("--runs", metavar="DIR", multiple=True, type=Path, help="Only tabulate these runs, or those in them.")
# What is swept
@click.option("--generators", metavar="A,B,…", help="[default: real,warp,sdm]")
@click.option("--strengths", metavar="X,Y,…", help="Of deformation.  [default: 0,0.5,1,1.5,2,3; 1 with --fractions]")
@click.option("--fractions", metavar="X,Y,…", help="Of the training patients, in place of strengths.  [default: 1]")
@click.option("--view", metavar="2C|4C|all", default="4C", help="Apical two-chamber, four-chamber, or both.")
@click.option("--data", metavar="DIR", help="A CAMUS folder.  [default: $ECHOBENCH_CAMUS, else the phantom]")
# How much
@click.option(
    "--preset", metavar="quick|standard|paper", help="Budgets.  [default: quick on the phantom, standard with data]"
)
@click.option("--seed", type=int, default=0, help="Of patients, deformation, generators and drawing.")
@click.option("--images", metavar="N", type=int, help="Training images of who draws.  [default: what the preset says]")
@click.option("--unet-seeds", type=int, default=3, help="How many U-Nets are trained on the same images.")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="A setting to change: unet.steps=4000. Repeatable."
)
@click.option(
    "--on",
    "scored_on",
    metavar="testing|validation",
    default="validation",
    help="Patients who are scored. Test patients who were looked at to choose cannot judge the choice any more.",
)
# Where
@click.option(
    "--generator-from", metavar="RUN", multiple=True, type=Path, help="A run whose generator is taken. Repeatable."
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the networks run.")
@click.option("--out", metavar="DIR", type=Path, default=RUNS, help="Gets the runs, and a folder `sweep`.")
def sweep(
    folders: tuple[Path, ...], runs: tuple[Path, ...], generators: str | None, strengths: str | None,
    fractions: str | None, view: str, data: str | None, preset: str | None, seed: int, images: int | None,
    unet_seeds: int, assignments: tuple[str, ...], scored_on: str, generator_from: tuple[Path, ...], device: str,
    out: Path,
) -> None:  # fmt: skip
    """Run what is missing of a sweep, and tabulate: Dice against the strength of deformation, or against how many real
    patients there are to learn from.

    Validation patients are scored, as there is something to choose; `echobench run` opens the test patients once the
    choice stands. A generator is trained once for all strengths. With fewer patients it draws as many images as with
    all of them; real has its frames. Finished runs are taken as they are, killed ones go on, a failed one is a row with
    its reason.

    \b
    Examples:
      echobench sweep
      echobench sweep --generators warp,sdm --strengths 0,1,2 --data CAMUS_public
      echobench sweep --fractions 0.05,0.1,0.25,0.5,1
      echobench sweep --runs runs
    """
    from echobench.benchmark.cells.compare import found_runs
    from echobench.benchmark.cells.sweep import SWEEP, carry_out, plan, tabulate
    from echobench.benchmark.cli.console import print_table, progress_bars
    from echobench.benchmark.run.settings import resolve_device

    if places := [*runs, *folders]:
        swept = found_runs(places)
    else:
        cells = plan(
            out, generators=names_in(generators), strengths=numbers_in(strengths) if strengths else None,
            fractions=numbers_in(fractions) if fractions else None, view=view, data=data, preset=preset, seed=seed,
            unet_seeds=unet_seeds, images=images, scored_on=scored_on, assignments=assignments,
        )  # fmt: skip
        resolved_device = resolve_device(device)
        with progress_bars() as report:
            carry_out(cells, resolved_device, report, generator_from)
        swept = [cell.folder for cell in cells]
    for table in tabulate(swept, out / SWEEP):
        print_table(table)
    click.echo(f"tables and figure: {out / SWEEP}")


@main.command()
@click.option("--runs", metavar="DIR", multiple=True, type=Path, help="Take the generator of this run. Repeatable.")
# What is drawn
@click.option("--generators", metavar="A,B,…", help="Of runs/, trained if need be.  [default: sdm,cyclegan,paint]")
@click.option("--view", metavar="2C|4C", default="4C", help="Apical two-chamber or four-chamber.")
@click.option("--data", metavar="DIR", help="A CAMUS folder.  [default: $ECHOBENCH_CAMUS, else the phantom]")
@click.option("--deformations", metavar="A,B,…", help="[default: all that the view shows]")
@click.option("--severities", metavar="X,Y,…", default="0,0.25,0.5,0.75,1", help="From 0, none, to 1, the extreme.")
# How much
@click.option(
    "--preset", metavar="quick|standard|paper", help="Budgets.  [default: quick on the phantom, standard with data]"
)
@click.option("--patients", metavar="N", type=int, help="Validation patients whose maps are deformed.")
@click.option("--seed", type=int, default=0, help="Of deformation, generators, drawing and judge.")
# Where
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the networks run.")
@click.option("--out", metavar="DIR", type=Path, help="[default: runs/, named by the settings]")
@click.option("--force", is_flag=True, help="Start over, whatever the folder holds of an earlier stress.")
def stress(
    runs: tuple[Path, ...], generators: str | None, view: str, data: str | None, deformations: str | None,
    severities: str, preset: str | None, patients: int | None, seed: int, device: str, out: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Draw label maps that no training set holds, and find where each generator stops following them.

    The maps are those of validation patients. warp, the real frame deformed, stands beside all as the ideal. A stress
    that was killed goes on where it was when the same command is given again.

    \b
    Examples:
      echobench stress
      echobench stress --generators sdm --deformations swirl,small --severities 0.5,1
      echobench stress --runs runs/camus-sdm-4C-… --data CAMUS_public
    """
    from echobench.benchmark.cli.console import print_table, progress_bars
    from echobench.benchmark.run.settings import resolve_device
    from echobench.benchmark.stress.outcome import write_outcome
    from echobench.benchmark.stress.settings import GENERATORS, cells, resolve_stress
    from echobench.benchmark.stress.stress import stress as put_to_test

    settings = resolve_stress(
        view=view, data=data, preset=preset, deformations=names_in(deformations), severities=numbers_in(severities),
        patients=patients, seed=seed,
    )  # fmt: skip
    missing = cells(RUNS, settings, names_in(generators) or ([] if runs else GENERATORS))
    folder, resolved_device = out or RUNS / settings.slug(), resolve_device(device)
    with progress_bars() as report:
        put_to_test(settings, folder, missing=missing, runs=runs, device=resolved_device, force=force, report=report)
    outcome = write_outcome(folder)
    print_table(outcome.ladder)
    for sentence in outcome.finding:
        click.echo(sentence)
    click.echo(f"tables, figures and pictures: {folder}")


@main.command()
# What is scored
@click.option("--from", "runs", metavar="RUN", multiple=True, type=Path, help="A finished run, or a folder of them.")
@click.option("--generators", metavar="A,B,…", default="real,sdm", help="Without --from: runs, made if missing.")
@click.option(
    "--data", metavar="DIR", help="Of these runs: a CAMUS folder.  [default: $ECHOBENCH_CAMUS, else the phantom]"
)
@click.option("--preset", metavar="quick|standard|paper", help="Of these runs.  [default: as for `run`]")
@click.option("--unet-seeds", type=int, default=1, help="Of these runs.")
# On what
@click.option("--on", metavar="echonet|camus|view", default="echonet", help="Another dataset, or the other view.")
@click.option("--data-echonet", metavar="DIR", help="[default: $ECHOBENCH_ECHONET, else the phantom's second scanner]")
@click.option("--data-camus", metavar="DIR", type=Path, help="With --on camus: a CAMUS folder.")
@click.option("--skip-broken", is_flag=True, help="Leave out videos that cannot be read; the record says which.")
# Where
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the networks run.")
@click.option("--out", metavar="DIR", type=Path, default=RUNS, help="Gets the runs, and a folder `cross`.")
def cross(
    runs: tuple[Path, ...], generators: str, data: str | None, preset: str | None, unet_seeds: int, on: str,
    data_echonet: str | None, data_camus: Path | None, skip_broken: bool, device: str, out: Path,
) -> None:  # fmt: skip
    """Score the U-Nets of finished runs on data of another kind, and tabulate the gap to their own test patients.

    EchoNet-Dynamic is scored on its test videos, where experts traced the cavity (LVendo) alone.

    \b
    Examples:
      echobench cross                                        # phantom, then the phantom's second scanner
      echobench cross --from runs --data-echonet EchoNet-Dynamic
      echobench cross --from runs/camus-sdm-4C-… --on view   # trained on 4C, tested on 2C
    """
    from echobench.benchmark.cells.compare import carry_out, found_runs, plan
    from echobench.benchmark.cli.console import print_table, progress_bars
    from echobench.benchmark.measure.cross import CROSS, cross_runs, refuse_phantom, targets
    from echobench.benchmark.run.settings import resolve_device

    resolved_device = resolve_device(device)
    with progress_bars() as report:
        target_of = targets(
            on, echonet=data_echonet, camus=data_camus, skip_broken=skip_broken, progress=report("read videos")
        )
        if runs:
            folders = found_runs(runs)
        else:
            cells = plan(out, generators=names_in(generators), data=data, preset=preset, unet_seeds=unet_seeds)
            for cell in cells if on == "echonet" else ():  # before hours of training
                refuse_phantom(target_of(cell.folder), cell.folder.name, on_phantom=cell.settings.data is None)
            carry_out(cells, resolved_device, report)
            folders = [cell.folder for cell in cells]
        tables = cross_runs(folders, target_of, out / CROSS, resolved_device)
    for table in tables:
        print_table(table)
    click.echo(f"tables and figures: {out / CROSS}")


@main.command()
@click.argument("folder", metavar="DIR", type=Path)
@click.option("--out", metavar="DIR", type=Path, help="Gets report.html.  [default: DIR]")
def report(folder: Path, out: Path | None) -> None:
    """Write one page, report.html, of the runs in a folder: the answer, and the record behind every number."""
    from echobench.benchmark.cells.compare import found_runs
    from echobench.results.evidence.comparison import Comparison
    from echobench.results.report.page import write_report

    click.echo(write_report(out or folder, Comparison.of(found_runs([folder])), folder.resolve().name))


@main.command()
@click.option(
    "--checkpoint", metavar="FILE", type=Path, required=True, help="Of a generator: generator-4C.pt of a run."
)
@click.option("--maps", metavar="DIR", type=Path, required=True, help="A CAMUS folder, or PNGs of label codes.")
@click.option("--out", metavar="DIR", type=Path, required=True, help="Gets the images, as a CAMUS folder.")
@click.option("--repeats", type=int, default=1, help="Images per map, each of a map deformed anew.")
@click.option("--strength", type=float, default=1.0, help="Deformation of the label maps; 1 is the paper's, 0 none.")
@click.option("--seed", type=int, default=0, help="Of deformation and drawing.")
@click.option(
    "--subset",
    "subsets",
    metavar="NAME",
    multiple=True,
    help="Only these patients' maps: training, validation, testing. Repeatable.",
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the network runs.")
def generate(
    checkpoint: Path, maps: Path, out: Path, repeats: int, strength: float, seed: int, subsets: tuple[str, ...],
    device: str,
) -> None:  # fmt: skip
    """Draw images for label maps with a trained generator, as many as the disk holds.

    A call that was killed goes on at the first missing image when it is given again. PNGs are called like
    patient0001_4CH_ED.png; their values are 0 background, 1 cavity, 2 wall, 3 atrium, 255 outside the sector.
    """
    from echobench.benchmark.cli.console import progress_bars
    from echobench.benchmark.generate import generate as draw
    from echobench.benchmark.run.settings import resolve_device

    with progress_bars() as report:
        number = draw(
            checkpoint, maps, out, repeats=repeats, strength=strength, seed=seed, subsets=subsets,
            device=resolve_device(device), progress=report("draw"),
        )  # fmt: skip
    click.echo(f"{number} images: {out}")


@main.group()
def data() -> None:
    """Look at datasets."""


@data.command()
@click.argument("folder", metavar="DIR", type=Path)
@click.option(
    "--format", "layout", metavar="camus|echonet|…", help="A layout of datasets. [default: the first that DIR has]"
)
def check(folder: Path, layout: str | None) -> None:
    """List what a dataset's folder holds and what is wrong with it; exit 1 if a run would be unsound."""
    from echobench.data.datasets.registry import check_dataset

    report = check_dataset(folder, layout)
    click.echo(report.counts.to_string(index=False))
    click.echo(f"split: {report.split_origin}")
    for finding in report.findings:
        click.echo(f"{'UNSOUND' if finding.unsound else 'note'}: {finding.text}")
    if not report.sound:
        click.echo(f"{sum(f.unsound for f in report.findings)} problems: a run on {folder} would be unsound", err=True)
        sys.exit(1)
    click.echo("sound")


@data.command()
@click.argument("folder", metavar="DIR", type=Path)
@click.option("--patients", type=click.IntRange(3), default=120, help="Divided 80 / 10 / 10 per cent, or 75 / 12 / 12.")
@click.option("--seed", type=int, default=0, help="Of the patients.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["camus", "echonet"]),
    default="camus",
    help="echonet: other patients, filmed with another scanner, as EchoNet-Dynamic publishes its videos.",
)
def phantom(folder: Path, patients: int, seed: int, layout: str) -> None:
    """Write the built-in phantom as a CAMUS or EchoNet-Dynamic folder, to look at or to train on elsewhere."""
    from echobench.data.phantom.dataset import write_phantom
    from echobench.data.phantom.echonet import write_phantom_echonet

    write = write_phantom if layout == "camus" else write_phantom_echonet
    click.echo(write(folder, patients, seed))


@main.command()
@click.option("--preset", metavar="quick|standard|paper", default="standard", help="Whose parameters are counted.")
def generators(preset: str) -> None:
    """List every generator there is, those of installed packages included."""
    from echobench.generators.registry import generator_class, listed, names

    known = dict.fromkeys(known for name in names() for known in generator_class(name).presets)
    if preset not in known:
        raise EchobenchError(f"unknown preset {preset!r}; known: {', '.join(known)}")
    for name in names():
        entry = listed(name, preset)
        size = "not trained"
        if entry.trained:
            counted = (
                f"no preset {preset}" if entry.parameters is None else f"{entry.parameters:,} parameters ({preset})"
            )
            size = f"trained, {counted}"
        click.echo(f"{entry.name:<12}{entry.summary}")
        click.echo(f"{'':<12}{size}{f'; {entry.paper}' if entry.paper else ''}")
