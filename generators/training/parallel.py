"""One training on several devices or machines: whatever torchrun (or `fabric run`, which calls it) has started."""

import os
from collections.abc import Sequence

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import precision as plugins
from torch import Tensor

from echobench.data.base.errors import EchobenchError
from echobench.generators.settings import Precision


def processes() -> int:
    """How many processes train together; 1 without a launcher, which some clusters name a WORLD_SIZE for as well."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def own_device(name: str) -> torch.device:
    """The device of this process: with "cuda" and a launcher, one GPU for each process of a machine."""
    device = torch.device(name)
    if device.type == "cuda" and device.index is None and processes() > 1:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def fabric_of(device: torch.device, precision: Precision) -> Fabric:
    """Fabric on one device, or on this process's of many. The precision goes in as an object, for its name makes
    Fabric print a line."""
    plugin = plugins.MixedPrecision("bf16-mixed", device.type) if precision == "bf16-mixed" else plugins.Precision()
    if processes() == 1:
        devices: int | list[int] = [device.index or 0] if device.type == "cuda" else 1
        return Fabric(accelerator=device.type, devices=devices, plugins=plugin)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", processes()))
    fabric = Fabric(
        accelerator=device.type, devices=local, num_nodes=processes() // local, strategy="ddp", plugins=plugin
    )
    fabric.launch()
    return fabric


def share(batch: Sequence[Tensor], fabric: Fabric) -> tuple[Tensor, ...]:
    """This process's rows of a batch that every process has drawn alike; gradients are averaged over the processes,
    so that all of them together learn what one would from the whole batch."""
    if len(batch[0]) % fabric.world_size:
        raise EchobenchError(
            f"a batch of {len(batch[0])} frames cannot be divided among {fabric.world_size} processes; "
            "start a number of them that divides it"
        )
    return tuple(part[fabric.global_rank :: fabric.world_size] for part in batch)
