"""The two kinds of network of a CycleGAN (Zhu et al. 2017, arXiv 1703.10593)."""

import math
from dataclasses import dataclass
from typing import Literal

from monai.networks.nets.patchgan_discriminator import PatchDiscriminator
from torch import Tensor, nn
from torch.nn import functional

from echobench.generators.translation.rendering import CHANNELS


@dataclass(frozen=True)
class TranslatorSettings:
    """Shape of a translator and of the discriminator of what it draws."""

    patch: int = 1
    """Side of the square of pixels that becomes one position of the first layer (space-to-depth); 1: none."""
    channels: int = 64
    """Width of the first layer; doubles at every halving (Zhu et al., appendix 7.2)."""
    halvings: int = 2
    """How often the resolution is halved before the residual blocks."""
    blocks: int = 9
    """Residual blocks: nine for 256×256 pixels (Zhu et al., appendix 7.2)."""
    group_channels: int = 1
    """Channels that are normalised together: 1 is instance normalisation; a processor is faster with 16."""
    padding: Literal["reflect", "zeros"] = "reflect"
    """What convolutions see beyond the border; zeros cost nothing."""
    discriminator_channels: int = 64
    """Width of the discriminator's first layer; its patches are 70×70 pixels (Zhu et al., section 4)."""

    @property
    def divisor(self) -> int:
        """What the sides of an image must be divisible by."""
        return self.patch << self.halvings


class _Residual(nn.Module):
    """3×3 convolution and normalisation, twice, beside the identity."""

    def __init__(self, settings: TranslatorSettings, channels: int) -> None:
        super().__init__()

        def layers() -> tuple[nn.Module, nn.Module]:
            return _convolution(settings, channels, channels), _norm(settings, channels)

        self.body = nn.Sequential(*layers(), nn.ReLU(), *layers())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


class Translator(nn.Module):
    """Pictures of one domain into pictures of the other, at the same size.

    outputs: channels that are drawn; one is repeated to the three of a picture.
    """

    def __init__(self, settings: TranslatorSettings, outputs: int) -> None:
        super().__init__()
        self.patch = settings.patch
        squares, width = settings.patch**2, settings.channels
        reach = 3 if settings.patch == 1 else 1  # a 7×7 convolution on pixels, 3×3 on squares of them
        stem = _convolution(settings, CHANNELS * squares, width, reach)
        layers: list[nn.Module] = [stem, _norm(settings, width), nn.ReLU()]
        for _ in range(settings.halvings):
            down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
            layers += [down, _norm(settings, 2 * width), nn.ReLU()]
            width *= 2
        layers += [_Residual(settings, width) for _ in range(settings.blocks)]
        for _ in range(settings.halvings):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [up, _norm(settings, width // 2), nn.ReLU()]
            width //= 2
        layers.append(_convolution(settings, width, outputs * squares, reach))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, picture: Tensor) -> Tensor:
        """picture: (B, CHANNELS, H, W) in [-1, 1], and so is the result."""
        drawn = self.layers(functional.pixel_unshuffle(picture, self.patch))
        drawn = functional.pixel_shuffle(drawn, self.patch).float().tanh()
        return drawn.expand(-1, CHANNELS, -1, -1)


class Discriminator(nn.Module):
    """How real each patch of 70×70 pixels looks: towards 1 for real ones, towards 0 for drawn ones."""

    def __init__(self, settings: TranslatorSettings) -> None:
        super().__init__()
        self.patches = PatchDiscriminator(
            spatial_dims=2, channels=settings.discriminator_channels, in_channels=CHANNELS, norm="INSTANCE"
        )

    def forward(self, picture: Tensor) -> Tensor:
        """picture: (B, CHANNELS, H, W) -> (B, 1, h, w)."""
        verdict: Tensor = self.patches(picture)[-1]  # the layers before come first
        return verdict.float()


def _convolution(settings: TranslatorSettings, inputs: int, outputs: int, reach: int = 1) -> nn.Conv2d:
    """A convolution over 2 reach + 1 pixels that keeps the size."""
    return nn.Conv2d(inputs, outputs, 2 * reach + 1, padding=reach, padding_mode=settings.padding)


def _norm(settings: TranslatorSettings, channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // math.gcd(settings.group_channels, channels), channels, affine=False)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
        assert module.bias is not None
        nn.init.zeros_(module.bias)
