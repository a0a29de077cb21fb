"""A segmentation network in ten lines: what CONTRIBUTING shows as the example of a new one."""

from torch import nn

from echobench.data.labels import Label


def build(channels: tuple[int, ...], leaky_slope: float) -> nn.Module:
    encoder = nn.Sequential(nn.Conv2d(1, channels[0], 7, padding=3), nn.LeakyReLU(leaky_slope))
    return nn.Sequential(encoder, nn.Conv2d(channels[0], len(Label), 7, padding=3))


def encoder(network: nn.Module) -> nn.Module:
    return network[0]
