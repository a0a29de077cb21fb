"""Which segmentation networks there are, in one table."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from echobench.data.base.errors import EchobenchError

if TYPE_CHECKING:  # names are looked up without torch, which takes seconds
    from torch import nn

NETWORKS = {
    "unet": "echobench.segmentation.unet",
    "unet-deep": "echobench.segmentation.unet_deep",
}
"""Name → module, see `Network`, imported on use. The first is the paper's."""
PAPER = next(iter(NETWORKS))

OWN_SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "unet-deep": {
            "channels": (16, 32, 64, 128, 128, 128),  # 2.1 M weights
            "leaky_slope": 0.01,  # nnU-Net's
            "peak_learning_rate": 1e-3,  # Adam's usual one; the presets' 5e-3 is for a network of some 10 channels
        },
    }
)
"""What a network has in place of what a preset says for the paper's; budget, loss and augmentation are the same."""
LEAST_LEVELS: Mapping[str, int] = MappingProxyType({"unet-deep": 4})
"""How many levels a network needs, where that is more than one."""


class Network(Protocol):
    """What a module of `NETWORKS` has. It is given what concerns the network, and not the budget of its training."""

    def build(self, channels: tuple[int, ...], leaky_slope: float) -> "nn.Module":
        """The untrained network: images (N, 1, S, S) float32, normalised, to logits (N, len(Label), S, S).

        In training mode it may give logits of K depths, (N, K, len(Label), S, S), the output's first; the loss weighs
        each half as much as the one before.

        channels: feature maps per level, top first; leaky_slope: of LeakyReLU. Weights are drawn from torch's random
        state, which the caller has seeded.
        """

    def encoder(self, network: "nn.Module") -> "nn.Module":
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


def build_network(name: str, channels: tuple[int, ...], leaky_slope: float, seed: int) -> "nn.Module":
    """A network with weights drawn from `seed`; torch's global random state stays as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network_module(name).build(channels, leaky_slope)
