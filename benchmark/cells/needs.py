"""What a part of a cell reserves on a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from echobench.benchmark.cells.parts import GENERATOR, IMAGES, RECORD, Part

UNET = "unet"
KINDS = (GENERATOR, IMAGES, UNET, RECORD)


@dataclass(frozen=True)
class Needs:
    """Beside a processor for each thread. gpus: where the device is one."""

    gpus: int
    memory_gb: int


def _needs(**memory_gb: int) -> Mapping[str, Needs]:
    return MappingProxyType({kind: Needs(gpus=1, memory_gb=gb) for kind, gb in memory_gb.items()})


OWN = _needs(generator=4, images=4, unet=6, record=5)
"""By kind of part, for every preset but paper. A part that draws images may train their generator first."""
PAPER = _needs(generator=18, images=18, unet=9, record=9)
"""By kind of part, for the preset paper. Its measured run on a processor computed the gradient of one image at a time
(`generator.training.micro_batch`). More images at a time need more there; a GPU has memory of its own for them."""


def needs_of(part: Part) -> Needs:
    """Memory is above the highest peak of such parts in results/measured, as a test looks up."""
    return (PAPER if part.cell.settings.preset == "paper" else OWN)[kind_of(part)]


def kind_of(part: Part) -> str:
    """One of `KINDS`."""
    return UNET if part.seed is not None else part.step
