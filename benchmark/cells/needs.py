"""What a part of a cell reserves on a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from echobench.benchmark.cells.parts import GENERATOR, IMAGES, RECORD, Part


@dataclass(frozen=True)
class Needs:
    """Beside a processor for each thread. gpus: where the device is one."""

    gpus: int
    memory_gb: int


UNET = "unet"
NEEDS: Mapping[str, Needs] = MappingProxyType(
    {
        GENERATOR: Needs(gpus=1, memory_gb=5),
        IMAGES: Needs(gpus=1, memory_gb=6),
        UNET: Needs(gpus=1, memory_gb=6),
        RECORD: Needs(gpus=1, memory_gb=6),
    }
)
"""By kind of part. Memory is above the highest peak of its stages in results/measured, as a test looks up."""


def kind_of(part: Part) -> str:
    """A key of `NEEDS`."""
    return UNET if part.seed is not None else part.step
