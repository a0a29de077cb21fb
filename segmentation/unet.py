"""The segmentation network of "Echo from noise" (arXiv 2305.05424v2): MONAI's `UNet`, as its code has it."""

from monai.networks.blocks.convolutions import Convolution
from monai.networks.nets.unet import UNet
from torch import channels_last, nn

from echobench.data.labels import Label


def build(channels: tuple[int, ...], leaky_slope: float) -> nn.Module:
    """The network with the paper's options, untrained.

    Its weights lie channels-last: the same function; on a CPU the transposed convolution at the top, most of the work
    of a training step, takes half the time.
    """
    network = UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=len(Label),
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        num_res_units=0,
        act=("LeakyReLU", {"negative_slope": leaky_slope, "inplace": True}),
    )
    return network.to(memory_format=channels_last)


def encoder(network: nn.Module) -> nn.Module:
    """The way down to the bottom's convolution: the blocks that do not transpose, in their order. It ends before the
    instance normalisation, after which every channel's mean is 0."""
    blocks = [m for m in network.modules() if isinstance(m, Convolution) and isinstance(m.conv, nn.Conv2d)]
    return nn.Sequential(*blocks[:-1], blocks[-1].get_submodule("conv"))
