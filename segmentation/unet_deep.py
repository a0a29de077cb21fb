"""A larger U-Net with deep supervision, as nnU-Net trains (Isensee et al. 2021, arXiv 1809.10486): MONAI's `DynUNet`.

Two convolutions and instance normalisation per level, where the paper's network has one convolution. Such networks of
about 2 M weights equal nnU-Net on CAMUS (arXiv 2509.03631).
"""

from monai.networks.nets.dynunet import DynUNet
from torch import channels_last, nn

from echobench.data.labels import Label


def build(channels: tuple[int, ...], leaky_slope: float) -> nn.Module:
    """The untrained network, of four levels at least.

    In training mode its logits are (N, K, len(Label), S, S): those of the output, then those of the levels below it,
    which MONAI enlarges (nearest). As in nnU-Net the lowest two levels have none: the bottom, and the first on the way
    up, whose loss has weight 0 there. Its weights lie channels-last, as those of `unet`.
    """
    levels = len(channels)
    network = DynUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=len(Label),
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(channels),
        act_name=("leakyrelu", {"negative_slope": leaky_slope, "inplace": True}),
        deep_supervision=True,
        deep_supr_num=levels - 3,
    )
    return network.to(memory_format=channels_last)


def encoder(network: nn.Module) -> nn.Module:
    """The way down to the bottom's last convolution. It ends before the instance normalisation, after which every
    channel's mean is its bias, whatever the image."""
    bottom = network.get_submodule("bottleneck")
    last = [bottom.get_submodule(name) for name in ("conv1", "norm1", "lrelu", "conv2")]
    return nn.Sequential(network.get_submodule("input_block"), *network.get_submodule("downsamples").children(), *last)
