"""`echobench data check` and `echobench data phantom`."""

import logging
import sys
from dataclasses import asdict
from pathlib import Path

import click

from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import Screen, with_log, with_output
from echobench.data.base.errors import EchobenchError

log = logging.getLogger(__name__)


@click.group()
def data() -> None:
    """Check the folder of a dataset, or write the phantom into one."""


@data.command(cls=Verb)
@click.argument("folder", metavar="DIR")
@click.option(
    "--format", "layout", metavar="camus|echonet|…", help="Expects this layout.  [default: the first one that fits]"
)
@click.option(
    "--drawn-for",
    "dataset",
    metavar="DIR",
    help="Expects images that were drawn for the label maps of this dataset.",
)
@with_output
def check(folder: Path, layout: str | None, dataset: Path | None, screen: Screen) -> None:
    """List what a dataset's folder holds, and what is wrong with it.

    The exit code is 1 if a run on it would be unsound. With --drawn-for, the folder is checked as `run --generator
    folder:DIR` would: nothing in it may be of a test patient of that dataset, by name or by image.
    """
    from echobench.data.datasets.registry import check_dataset, check_drawn

    if layout is not None and dataset is not None:
        raise EchobenchError("--format would change nothing here: with --drawn-for it is drawn images; leave it out")
    report = check_dataset(folder, layout) if dataset is None else check_drawn(folder, dataset)
    said = [f"{'UNSOUND' if finding.unsound else 'note'}: {finding.text}" for finding in report.findings]
    found = [report.counts.to_string(index=False), f"split: {report.split_origin}", *said]
    verdict, reason = "sound" if report.sound else "unsound", "Only notes" if said else "No problems found"
    counted = [f"{reason}: {report.counts['frames'].sum()} frames can be used."] if report.sound else []
    screen.say(
        verdict if screen.quiet else "\n".join([*found, *counted]),
        folder=str(folder),
        counts=report.counts.to_dict("records"),
        split=report.split_origin,
        findings=list(map(asdict, report.findings)),
        sound=report.sound,
    )
    if not report.sound:
        for line in (one for one in said if screen.quiet and not one.startswith("note")):
            log.error(line)
        problems = sum(finding.unsound for finding in report.findings)
        log.error("%d problems: a run on %s would be unsound", problems, folder)
        sys.exit(1)


@data.command(cls=Verb)
@click.argument("folder", metavar="DIR")
@click.option(
    "--patients",
    metavar="N",
    type=click.IntRange(3),
    default=120,
    help="Writes N patients; 80, 10 and 10 % of them train, validate and test (echonet: 75, 12 and 12 %).",
)
@click.option("--seed", type=int, default=0, help="Seeds the patients.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["camus", "echonet"]),
    default="camus",
    help="Writes this layout; echonet has other patients and another scanner, in videos like EchoNet-Dynamic's.",
)
@with_log
def phantom(folder: Path, patients: int, seed: int, layout: str) -> None:
    """Write the built-in phantom as a CAMUS or EchoNet-Dynamic folder, to look at or to train on elsewhere."""
    from echobench.data.phantom.dataset import write_phantom
    from echobench.data.phantom.echonet import write_phantom_echonet

    write = write_phantom if layout == "camus" else write_phantom_echonet
    click.echo(write(folder, patients, seed))
