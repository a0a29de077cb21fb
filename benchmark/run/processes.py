"""A run that torchrun has started as several processes: they train the generators together, the first does the rest."""

import os
from collections.abc import Sequence

import torch

from echobench.generators.training.parallel import fabric_of, own_device, processes


def is_first() -> bool:
    """Whether this process reads, draws, trains the U-Net, scores and writes; so does the only one."""
    return processes() == 1 or int(os.environ["RANK"]) == 0


def agreed(views: Sequence[str], device: str) -> list[str]:
    """What the first process says, in all of them: the others wait here for it."""
    if processes() == 1:
        return list(views)
    return fabric_of(own_device(device), "32-true").broadcast(list(views))


def part() -> None:
    """Let the others go: from here on nobody waits for anybody."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
