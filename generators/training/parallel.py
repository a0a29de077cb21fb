"""Several devices or machines as one: the processes that torchrun (or `fabric run`, which calls it) has started.

The first process does what was asked; the others wait in `in_company` for their part of a training or a drawing.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from echobench.data.base.errors import EchobenchError
from echobench.generators.settings import Precision
from echobench.generators.training.precision import in_bf16

if TYPE_CHECKING:  # two seconds of imports, which a worker that trains U-Nets has no use for
    from lightning.fabric import Fabric

Task = Callable[[], None]
"""What the other processes do beside the first, which does the same; it travels pickled."""
_CPU = torch.device("cpu")
_PATIENCE = timedelta(weeks=5)
"""How long a process waits for the others: the first may train a U-Net alone for hours. torchrun ends all of them
where one is lost."""


def processes() -> int:
    """How many processes train together: 1 if no launcher started this one, even where a cluster sets WORLD_SIZE."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def own_device(name: str) -> torch.device:
    """The device of this process: with "cuda" and a launcher, one GPU for each process of a machine."""
    device = torch.device(name)
    if device.type == "cuda" and device.index is None and processes() > 1:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def fabric_of(device: torch.device, precision: Precision) -> "Fabric":
    """Fabric on one device, or on this process's of many. The precision goes in as an object, for its name makes
    Fabric print a line."""
    from lightning.fabric import Fabric
    from lightning.fabric.plugins import precision as plugins
    from lightning.fabric.strategies.ddp import DDPStrategy

    half = in_bf16(device, precision)
    plugin = plugins.MixedPrecision("bf16-mixed", device.type) if half else plugins.Precision()
    if processes() == 1:
        devices: int | list[int] = [device.index or 0] if device.type == "cuda" else 1
        return Fabric(accelerator=device.type, devices=devices, plugins=plugin)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", processes()))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"  # tasks and images travel over gloo
    strategy = DDPStrategy(process_group_backend=backend, timeout=_PATIENCE)
    fabric = Fabric(
        accelerator=device.type, devices=local, num_nodes=processes() // local, strategy=strategy, plugins=plugin
    )
    fabric.launch()
    return fabric


@contextmanager
def in_company(device: str) -> Iterator[bool]:
    """Whether this process is the one that does what was asked: the only one, or the first of a launcher's.

    The others have done what it told them when they get here, and are done. device: as `own_device` takes it.
    """
    if processes() == 1:
        yield True
        return
    is_first = fabric_of(own_device(device), "32-true").is_global_zero
    try:
        if is_first:
            yield True
        else:
            while (task := _told(None)) is not None:
                task()
            yield False
    finally:
        if is_first:
            _told(None)
        torch.distributed.destroy_process_group()


def together(task: Task) -> None:
    """Have the other processes begin with a task, where there are any; this one does its own part next."""
    if company() > 1:
        _told(task)


def company() -> int:
    """How many processes there are in `in_company`, this one with them."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def own_parts(parts: Sequence[slice]) -> Sequence[slice]:
    """This process's of the parts of a work that all processes share."""
    return parts[torch.distributed.get_rank() :: company()] if company() > 1 else parts


def joined(images: Tensor) -> Tensor:
    """What all processes have drawn, where each has left the others' images black."""
    if company() > 1:
        torch.distributed.all_reduce(images)
    return images


def _told(task: Task | None) -> Task | None:
    """What the first process says, in all of them: the others wait here for it."""
    told = [task]
    torch.distributed.broadcast_object_list(told, device=_CPU)
    return told[0]


def share(batch: Sequence[Tensor], fabric: "Fabric") -> tuple[Tensor, ...]:
    """This process's rows of a batch that every process has drawn alike; gradients are averaged over the processes,
    so that all of them together learn what one would from the whole batch."""
    if len(batch[0]) % fabric.world_size:
        raise EchobenchError(
            f"a batch of {len(batch[0])} frames cannot be divided among {fabric.world_size} processes; "
            "start a number of them that divides it"
        )
    return tuple(part[fabric.global_rank :: fabric.world_size] for part in batch)
