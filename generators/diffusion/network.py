"""A denoising U-Net that obeys a label map through spatially adaptive normalisation (SPADE).

As in "Semantic Image Synthesis via Diffusion Models" (Wang et al. 2022, arXiv 2207.00050) the map modulates
the middle and the decoder. Here it is read by its own small encoder, once per map: what comes out, a
`Modulation`, does not depend on time, so that a sampler computes it once and uses it in all its steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from echobench.data.base.errors import require

TIME_PERIOD = 10_000.0  # longest period of the sinusoids, as in "Attention is all you need" (arXiv 1706.03762)
GROUP_CHANNELS = 16  # per group of GroupNorm: fewer, and the backward pass on a processor takes 3 to 6 times as long
COORDINATES = 6  # planes of `positions`
HEAD_CHANNELS = 64  # per attention head, as in Dhariwal & Nichol 2021 (arXiv 2105.05233)


@dataclass(frozen=True)
class NetworkSettings:
    """Shape of the U-Net. The defaults are this project's own, chosen by measured short trainings.

    Departs from the paper [sdm.network]: the published network needs a GPU.
    """

    planes: int = 5
    """Channels of the condition: one-hot labels and the sector."""
    patch: int = 8
    """Side of the square of pixels that becomes one position of the first level (space-to-depth)."""
    channels: tuple[int, ...] = (128, 192)
    """Width of each level; each level has half the resolution of the one before."""
    blocks: int = 1
    """Residual blocks per level, on the way down and on the way up."""
    attention: tuple[bool, ...] = (False, True)
    """Whether the blocks of a level are followed by self-attention."""
    map_channels: int = 64
    """Width of the encoder of the label map."""
    placed: bool = False
    """Whether a square of pixels is known by its place. The encoder is told where it is, for the grain of speckle lies
    along arcs about the probe; and in squares on the sector's edge the mean is that of the pixels inside."""

    def __post_init__(self) -> None:
        require(self, planes=(1, inf), patch=(1, inf), channels=(1, inf), blocks=(1, inf), map_channels=(1, inf))

    @property
    def divisor(self) -> int:
        """What the sides of an image must be divisible by."""
        halvings = len(self.channels) - 1
        return self.patch << halvings


Layer = tuple[Tensor, Tensor]
"""What one SPADE layer does to normalised features: (1 + gamma, beta), each (B, C, h, w)."""


class Modulation(NamedTuple):
    """What a network needs to know of a batch of B label maps; independent of time.

    stem: (B, C, H/patch, W/patch), added to the embedded noisy image.
    levels: per level, from the finest, the layers of its SPADE blocks in the order of use; those of the middle
        come first in the last one.
    sector: (B, 1, H, W), the last of the planes.
    """

    stem: Tensor
    levels: tuple[tuple[Layer, ...], ...]
    sector: Tensor


def _norm(channels: int, affine: bool) -> nn.GroupNorm:
    return nn.GroupNorm(channels // math.gcd(GROUP_CHANNELS, channels), channels, affine=affine)


def zeroed(convolution: nn.Conv2d) -> nn.Conv2d:
    """A convolution that starts as zero, so that what it closes starts as the identity."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def modulate(h: Tensor, layer: Layer) -> Tensor:
    """Scale and shift features: h · layer[0] + layer[1], in the precision of h."""
    factor, offset = layer
    return torch.addcmul(offset.to(h.dtype), h, factor.to(h.dtype))


def time_embedding(t: Tensor, channels: int) -> Tensor:
    """Sinusoids of the time step: t (B,) in 0…999 -> (B, channels), float32."""
    half = channels // 2
    frequency = torch.exp(-math.log(TIME_PERIOD) / half * torch.arange(half, device=t.device, dtype=torch.float32))
    phase = t.float()[:, None] * frequency
    return torch.cat([phase.cos(), phase.sin()], dim=1)


class ResidualBlock(nn.Module):
    """norm, SiLU, 3×3 convolution, twice, beside a shortcut; time scales and shifts the second norm.

    With `spade`, both norms have no affine parameters of their own and are modulated by the label map.
    """

    def __init__(self, inputs: int, outputs: int, time_channels: int, spade: bool) -> None:
        super().__init__()
        self.spade_channels = (inputs, outputs) if spade else ()
        self.norm_in = _norm(inputs, affine=not spade)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time_channels, 2 * outputs)
        self.norm_out = _norm(outputs, affine=not spade)
        self.conv_out = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, time: Tensor, layers: Sequence[Layer] = ()) -> Tensor:
        """x: (B, inputs, h, w); time: (B, time_channels); layers: two with `spade`, else none."""
        h = self.norm_in(x)
        if layers:
            h = modulate(h, layers[0])
        h = self.norm_out(self.conv_in(functional.silu(h)))
        if layers:
            h = modulate(h, layers[1])
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_out(functional.silu(modulate(h, (1 + scale, shift))))
        result: Tensor = self.shortcut(x) + h
        return result


class Attention(nn.Module):
    """Self-attention over the positions of a feature map, beside a shortcut."""

    def __init__(self, channels: int, head_channels: int = HEAD_CHANNELS, groups: int | None = None) -> None:
        super().__init__()
        self.heads = max(1, channels // head_channels)
        self.norm = nn.GroupNorm(groups, channels) if groups else _norm(channels, affine=True)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, h, w), and so is the result."""
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).permute(0, 2, 3, 1).reshape(batch, height * width, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, h·w, C/heads)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        mixed = mixed.permute(0, 2, 1, 3).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        result: Tensor = x + self.out(mixed)
        return result


class Level(nn.Module):
    """The residual blocks of one resolution, each followed by attention where the settings say so."""

    def __init__(self, settings: NetworkSettings, level: int, inputs: int, time_channels: int, spade: bool) -> None:
        super().__init__()
        width = settings.channels[level]
        blocks = [
            ResidualBlock(width if block else inputs, width, time_channels, spade) for block in range(settings.blocks)
        ]
        self.spade_channels = [channels for block in blocks for channels in block.spade_channels]
        self.blocks = nn.ModuleList(blocks)
        self.attention = nn.ModuleList(Attention(width) if settings.attention[level] else nn.Identity() for _ in blocks)

    def forward(self, h: Tensor, time: Tensor, layers: Sequence[Layer] = ()) -> Tensor:
        """h: (B, inputs, h, w); layers: two per block with `spade`, else none."""
        for i, (block, attention) in enumerate(zip(self.blocks, self.attention, strict=True)):
            h = attention(block(h, time, layers[2 * i : 2 * i + 2]))
        return h


def positions(h: Tensor) -> Tensor:
    """Where each position of h (B, C, H, W) lies: (COORDINATES, H, W). Row and column from -1 to 1, and of π times each
    the sine and the cosine."""
    axes = (torch.linspace(-1, 1, side, device=h.device) for side in h.shape[-2:])
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return torch.cat([places, (math.pi * places).sin(), (math.pi * places).cos()])


class MapEncoder(nn.Module):
    """Reads label maps into a `Modulation`.

    One embedding per resolution, each made from the finer one, and ONE 1×1 convolution per resolution that
    yields gamma and beta of all its SPADE layers.

    In SPADE itself (Park et al. 2019, arXiv 1903.07291) every layer embeds the map anew with 3×3 convolutions: more
    than half the cost of a training step.
    """

    def __init__(self, settings: NetworkSettings, spade_channels: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.patch, self.placed = settings.patch, settings.placed
        self.spade_channels = spade_channels
        width = settings.map_channels
        inputs = settings.planes * settings.patch**2 + COORDINATES * settings.placed
        self.embed = nn.ModuleList(
            nn.Conv2d(width if level else inputs, width, 3, stride=2 if level else 1, padding=1)
            for level in range(len(settings.channels))
        )
        self.mix = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in settings.channels)
        self.heads = nn.ModuleList(nn.Conv2d(width, 2 * sum(channels), 1) for channels in spade_channels)
        self.stem = nn.Conv2d(width, settings.channels[0], 1)

    def forward(self, planes: Tensor) -> Modulation:
        """planes: (B, planes, H, W), 0 or 1."""
        h = functional.pixel_unshuffle(planes, self.patch)
        if self.placed:
            h = torch.cat([h, positions(h).expand(len(h), -1, -1, -1)], dim=1)
        levels: list[tuple[Layer, ...]] = []
        for embed, mix, head, channels in zip(self.embed, self.mix, self.heads, self.spade_channels, strict=True):
            h = functional.silu(embed(h))
            h = functional.silu(mix(h))
            if not levels:
                stem = self.stem(h)
            parts = head(h).split([c for c in channels for _ in range(2)], dim=1)
            levels.append(tuple((1 + gamma, beta) for gamma, beta in zip(parts[::2], parts[1::2], strict=True)))
        return Modulation(stem, tuple(levels), planes[:, -1:])


class SpadeUNet(nn.Module):
    """U-Net of a noisy image, a time and a `Modulation`. Called in two parts: `condition`, then the network.

    Every layer treats the images of a batch separately, so that an image does not depend on its neighbours.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        widths, time = settings.channels, 4 * settings.channels[0]
        self.time = nn.Sequential(nn.Linear(widths[0], time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.stem = nn.Conv2d(settings.patch**2, widths[0], 3, padding=1)
        self.down, self.halvings, self.doublings = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(Level(settings, level, width, time, spade=False))
            if level:
                self.halvings.append(nn.Conv2d(widths[level - 1], width, 3, stride=2, padding=1))
                self.doublings.append(nn.Conv2d(width, widths[level - 1], 3, padding=1))
        self.middle = ResidualBlock(widths[-1], widths[-1], time, spade=True)
        up = [Level(settings, level, 2 * width, time, spade=True) for level, width in enumerate(widths)]
        self.up = nn.ModuleList(up)
        self.norm = _norm(widths[0], affine=True)
        self.out = zeroed(nn.Conv2d(widths[0], settings.patch**2, 3, padding=1))
        spade_channels = [level.spade_channels for level in up]
        spade_channels[-1] = [*self.middle.spade_channels, *spade_channels[-1]]
        self.map_encoder = MapEncoder(settings, spade_channels)

    def condition(self, planes: Tensor) -> Modulation:
        """What the network needs of label maps: planes (B, planes, H, W), one-hot labels and sector, 0 or 1."""
        modulation: Modulation = self.map_encoder(planes)
        return modulation

    def forward(self, x: Tensor, t: Tensor, modulation: Modulation) -> Tensor:
        """x: (B, patch², h, w), a square of pixels per position; t: (B,) time step; the result has x's shape."""
        layers = list(modulation.levels)
        in_middle, layers[-1] = layers[-1][:2], layers[-1][2:]
        time = self.time(time_embedding(t, self.settings.channels[0]))
        h = self.stem(x) + modulation.stem
        skips = []
        for level, down in enumerate(self.down):
            h = self.halvings[level - 1](h) if level else h
            h = down(h, time)
            skips.append(h)
        h = self.middle(h, time, in_middle)
        for level in reversed(range(len(self.up))):
            h = self.up[level](torch.cat([h, skips[level]], dim=1), time, layers[level])
            if level:
                h = self.doublings[level - 1](functional.interpolate(h, scale_factor=2.0, mode="nearest"))
        result: Tensor = self.out(functional.silu(self.norm(h)))
        return result
