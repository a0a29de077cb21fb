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
    "--checkpoint", metavar="FILE", help="Draws with the trained generator in this file, such as generator-4C.pt."
)
@click.option("--view", metavar="2C|4C", help="Draws only this view of the run.  [default: all that it has]")
@click.option(
    "--maps", metavar="DIR", required=True, help="Reads label maps here: a CAMUS folder, or PNGs of label codes."
)
@click.option("--out", metavar="DIR", required=True, help="Writes the images here.")
@click.option(
    "--layout",
    metavar="camus|nnunet",
    default="camus",
    help="Writes a CAMUS folder, or a dataset of nnU-Net v2; --out then ends like Dataset501_Echo.",
)
@click.option("--repeats", type=int, default=1, help="Draws this many images for each map, each deformed anew.")
@options.with_strength
@click.option("--seed", type=int, default=0, help="Seeds the deformation and the drawing.")
@click.option(
    "--subset",
    "subsets",
    metavar="NAME",
    multiple=True,
    help="Draws only for patients of this subset: training, validation or testing. Repeatable.",
)
@options.with_device
@with_output
def generate(
    run: Path | None, checkpoint: Path | None, maps: Path, out: Path, device: str, screen: Screen, **asked: Any
) -> None:
    """Draw any number of images for label maps, with the generator of a run.

    --run takes any generator that draws, and --checkpoint the file of a trained one. warp and
    inpaint change real images, so they need a CAMUS folder that has them. A call that was killed goes on at the first
    missing image when you give it again. PNGs have names like patient0001_4CH_ED.png. Their values are 0 background, 1
    cavity, 2 wall, 3 atrium and 255 outside the sector.
    """
    from echobench.benchmark.generate import generate as draw
    from echobench.benchmark.run.settings import resolve_device

    source = run or checkpoint
    if source is None or (run and checkpoint):
        raise EchobenchError("give either --run DIR, the folder of a run, or --checkpoint FILE, a generator's own")
    with screen.progress() as report:
        number = draw(source, maps, out, device=resolve_device(device), progress=report("draw"), **asked)
    screen.say(f"{number} images: {out}", images=number, folder=str(out))
