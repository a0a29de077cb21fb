"""`echobench generate`."""

from pathlib import Path
from typing import Any

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import Screen, with_output
from echobench.data.base.errors import EchobenchError


@click.command(cls=Verb)
@click.option("--run", metavar="RUN", help="Draws with the generators of this run, a folder in runs/.")
@click.option(
    "--checkpoint", metavar="FILE", help="Draws with this trained generator, in place of a run's: generator-4C.pt."
)
@click.option("--view", metavar="2C|4C", help="Draws this one of the run's views.  [default: all that it has]")
@click.option("--maps", metavar="DIR", required=True, help="A CAMUS folder, or PNGs of label codes.")
@click.option("--out", metavar="DIR", required=True, help="Gets the images.")
@click.option(
    "--layout",
    metavar="camus|nnunet",
    default="camus",
    help="Writes a CAMUS folder, or a dataset of nnU-Net v2; --out then ends like Dataset501_Echo.",
)
@click.option("--repeats", type=int, default=1, help="Images per map, each of a map deformed anew.")
@options.with_strength
@click.option("--seed", type=int, default=0, help="Of deformation and drawing.")
@click.option(
    "--subset",
    "subsets",
    metavar="NAME",
    multiple=True,
    help="Only these patients' maps: training, validation, testing. Repeatable.",
)
@options.with_device
@with_output
def generate(
    run: Path | None, checkpoint: Path | None, maps: Path, out: Path, device: str, screen: Screen, **asked: Any
) -> None:
    """Draw images for label maps with the generator of a run, as many as the disk holds.

    --run takes any generator that draws, and --checkpoint the file of a trained one. warp changes real images, and
    needs a CAMUS folder that has them. A call that was killed goes on at the first missing image when it is given
    again. PNGs are called like patient0001_4CH_ED.png; their values are 0 background, 1 cavity, 2 wall, 3 atrium,
    255 outside the sector.
    """
    from echobench.benchmark.generate import generate as draw
    from echobench.benchmark.run.settings import resolve_device

    source = run or checkpoint
    if source is None or (run and checkpoint):
        raise EchobenchError("give either --run DIR, the folder of a run, or --checkpoint FILE, a generator's own")
    with screen.progress() as report:
        number = draw(source, maps, out, device=resolve_device(device), progress=report("draw"), **asked)
    screen.say(f"{number} images: {out}", images=number, folder=str(out))
