"""Which segmentation networks there are, in one table."""

from importlib import import_module
from typing import Protocol, cast

import torch
from torch import nn

from echobench.data.base.errors import EchobenchError

NETWORKS = {
    "unet": "echobench.segmentation.unet",
}
"""Name → module, see `Network`, imported on use. The first is the paper's."""
PAPER = next(iter(NETWORKS))


class Network(Protocol):
    """What a module of `NETWORKS` has. It is given what concerns the network, and not the budget of its training."""

    def build(self, channels: tuple[int, ...], leaky_slope: float) -> nn.Module:
        """The untrained network: images (N, 1, S, S) float32, normalised, to logits (N, len(Label), S, S).

        channels: feature maps per level, top first; leaky_slope: of LeakyReLU. Weights are drawn from torch's random
        state, which the caller has seeded.
        """

    def encoder(self, network: nn.Module) -> nn.Module:
        """The layers of a network that `build` made down to those whose output (N, C, h, w), averaged over the image,
        are the features that realism is measured in."""


def require_network(name: str) -> None:
    """Raises EchobenchError, listing the known ones, for a name that is not there."""
    if name not in NETWORKS:
        raise EchobenchError(f"unknown segmentation network {name!r}; known: {', '.join(NETWORKS)}")


def network_module(name: str) -> Network:
    """The module behind a name. Raises EchobenchError, see `require_network`."""
    require_network(name)
    return cast(Network, import_module(NETWORKS[name]))


def build_network(name: str, channels: tuple[int, ...], leaky_slope: float, seed: int) -> nn.Module:
    """A network with weights drawn from `seed`; torch's global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network_module(name).build(channels, leaky_slope)
