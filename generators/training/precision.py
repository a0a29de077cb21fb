"""Half precision where it was asked for and the device has it."""

from functools import cache

import torch

from echobench.generators.settings import Precision


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context that a network of this precision computes in on this device."""
    return torch.autocast(device.type, torch.bfloat16, enabled=in_bf16(device, precision))


def in_bf16(device: torch.device, precision: Precision) -> bool:
    """Whether a network of this precision computes in bf16 on this device; float32 otherwise."""
    return precision == "bf16-mixed" and has_bf16(device.type)


@cache
def has_bf16(kind: str) -> bool:
    """Whether bf16 saves time on this kind of device: on a GPU, and on processors for which oneDNN has kernels.

    On others, such as those with AVX2 alone, PyTorch goes through bf16 number by number, far slower than in float32.
    """
    if kind != "cpu":
        return True
    ask = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # PyTorch has no public question
    return ask is not None and bool(ask())
