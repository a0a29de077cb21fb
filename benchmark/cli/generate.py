"""`echobench generate`."""

from pathlib import Path

import click

from echobench.benchmark.cli import options
from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import Screen, with_output
from echobench.data.base.files import typed_path


@click.command(cls=Verb)
@click.option(
    "--checkpoint", metavar="FILE", type=typed_path, required=True, help="Of a generator: generator-4C.pt of a run."
)
@click.option("--maps", metavar="DIR", type=typed_path, required=True, help="A CAMUS folder, or PNGs of label codes.")
@click.option("--out", metavar="DIR", type=typed_path, required=True, help="Gets the images, as a CAMUS folder.")
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
    checkpoint: Path, maps: Path, out: Path, repeats: int, strength: float, seed: int, subsets: tuple[str, ...],
    device: str, screen: Screen,
) -> None:  # fmt: skip
    """Draw images for label maps with a trained generator, as many as the disk holds.

    A call that was killed goes on at the first missing image when it is given again. PNGs are called like
    patient0001_4CH_ED.png; their values are 0 background, 1 cavity, 2 wall, 3 atrium, 255 outside the sector.
    """
    from echobench.benchmark.generate import generate as draw
    from echobench.benchmark.run.settings import resolve_device

    with screen.progress() as report:
        number = draw(
            checkpoint, maps, out, repeats=repeats, strength=strength, seed=seed, subsets=subsets,
            device=resolve_device(device), progress=report("draw"),
        )  # fmt: skip
    screen.say(f"{number} images: {out}", images=number, folder=str(out))
