"""The network of "Echo from noise": the U-Net of Dhariwal & Nichol 2021 (arXiv 2105.05233) with SPADE in its decoder.

SPADE (Park et al. 2019, arXiv 1903.07291) modulates the middle and the way up, as in "Semantic Image Synthesis via
Diffusion Models" (Wang et al. 2022, arXiv 2207.00050). Called in two parts like `SpadeUNet`: `condition` reads the
label maps once, the network runs at every step.

With `PaperNetworkSettings()` it has 652,198,918 weights; the authors' count is 652.2 million. Layer by layer their
published network (github.com/david-stojanovski/echo_from_noise, guided_diffusion/unet.py and config.py) is the same:
gamma and beta of a layer are two convolutions there and the two halves of one here, which changes no number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from echobench.generators.diffusion.network import Attention, Layer, modulate, time_embedding, zeroed


@dataclass(frozen=True)
class PaperNetworkSettings:
    """Shape of the U-Net. Sources: the authors' config.py where no paper is named."""

    classes: int = 5
    """Channels of the condition: cavity, myocardium, atrium, background of the sector, outside of the sector."""
    image_channels: int = 3
    """The authors draw grey images as RGB: three equal channels. The output has twice as many, for the variance."""
    channels: int = 256
    """Width of the first level."""
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    """Width of each level in units of `channels`: what the authors' script_util.py takes for 256 pixels."""
    blocks: int = 2
    """Residual blocks per level on the way down; one more on the way up."""
    attention: tuple[bool, ...] = (False, False, False, True, True, True)
    """Whether the blocks of a level are followed by self-attention: at 32, 16 and 8 of 256 pixels."""
    head_channels: int = 64
    """Per attention head (authors' config.py; Dhariwal & Nichol 2021, arXiv 2105.05233)."""
    spade_channels: int = 128
    """Hidden channels of each SPADE layer (authors' unet.py; SPADE is Park et al. 2019, arXiv 1903.07291)."""
    groups: int = 32
    """Of every GroupNorm (authors' unet.py)."""

    @property
    def divisor(self) -> int:
        """What the sides of an image must be divisible by."""
        return 1 << (len(self.multipliers) - 1)


class PaperModulation(NamedTuple):
    """What the network needs to know of B label maps. classes: (B, classes, H, W), one-hot, or all 0 for no map.

    layers: one per SPADE layer; None where memory did not allow it, and the layer reads `classes` at every step.
    """

    classes: Tensor
    layers: tuple[Layer | None, ...]

    @property
    def layer_bytes(self) -> int:
        """Memory of the layers."""
        return sum(part.nbytes for layer in self.layers if layer is not None for part in layer)


def _owned(layer: Layer) -> Layer:
    """The same numbers without the convolution's result, of which beta is a view."""
    scale, beta = layer
    return scale, beta.clone()


class Spade(nn.Module):
    """GroupNorm whose scale and offset come from the label map: two 3×3 convolutions with a ReLU between.

    index: of the layer in `PaperModulation`. stride: pixels of the label map per position.
    """

    def __init__(self, settings: PaperNetworkSettings, channels: int, index: int, stride: int) -> None:
        super().__init__()
        self.channels, self.index, self.stride = channels, index, stride
        self.norm = nn.GroupNorm(settings.groups, channels, affine=False)
        self.embed = nn.Conv2d(settings.classes, settings.spade_channels, 3, padding=1)
        self.gamma_beta = nn.Conv2d(settings.spade_channels, 2 * channels, 3, padding=1)

    def layer(self, classes: Tensor) -> Layer:
        """(1 + gamma, beta) of one-hot label maps, which are thinned out to the nearest neighbour."""
        hidden = functional.relu(self.embed(classes[..., :: self.stride, :: self.stride]))
        gamma, beta = self.gamma_beta(hidden).chunk(2, dim=1)
        return 1 + gamma, beta

    def numbers(self, classes: Tensor) -> int:
        """How many numbers `layer` holds."""
        return 2 * self.channels * classes[:, 0, :: self.stride, :: self.stride].numel()

    def forward(self, h: Tensor, modulation: PaperModulation) -> Tensor:
        """h: (B, channels, H/stride, W/stride), and so is the result."""
        cached = modulation.layers[self.index]
        return modulate(self.norm(h), self.layer(modulation.classes) if cached is None else cached)


class PaperBlock(nn.Module):
    """norm, SiLU, 3×3 convolution, twice, beside a shortcut; time scales and shifts the second norm.

    resample: -1 halves the resolution before the first convolution, 1 doubles it. spades: both norms, or none.
    """

    def __init__(
        self, settings: PaperNetworkSettings, inputs: int, outputs: int, spades: Sequence[Spade] = (), resample: int = 0
    ) -> None:
        super().__init__()
        self.resample = resample
        plain = (nn.GroupNorm(settings.groups, channels) for channels in (inputs, outputs))
        self.norm_in: nn.Module
        self.norm_out: nn.Module
        self.norm_in, self.norm_out = spades or plain
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(4 * settings.channels, 2 * outputs)
        self.conv_out = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, time: Tensor, modulation: PaperModulation) -> Tensor:
        """x: (B, inputs, h, w); time: (B, 4 · channels)."""
        h = self._resampled(functional.silu(_normalise(self.norm_in, x, modulation)))
        h = _normalise(self.norm_out, self.conv_in(h), modulation)
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_out(functional.silu(modulate(h, (1 + scale, shift))))
        result: Tensor = self.shortcut(self._resampled(x)) + h
        return result

    def _resampled(self, h: Tensor) -> Tensor:
        if self.resample < 0:
            return functional.avg_pool2d(h, 2)
        return functional.interpolate(h, scale_factor=2.0, mode="nearest") if self.resample else h


def _normalise(norm: nn.Module, h: Tensor, modulation: PaperModulation) -> Tensor:
    result: Tensor = norm(h, modulation) if isinstance(norm, Spade) else norm(h)
    return result


class Stage(nn.ModuleList):
    """Blocks and attention between two skip connections."""

    def forward(self, h: Tensor, time: Tensor, modulation: PaperModulation) -> Tensor:
        for part in self:
            h = part(h) if isinstance(part, Attention) else part(h, time, modulation)
        return h


class PaperUNet(nn.Module):
    """U-Net of a noisy image, a time and a `PaperModulation`; predicts the noise and the variance.

    Every layer treats the images of a batch separately. checkpointing: whether training keeps no activations inside
    the stages and computes them again for the gradient.
    """

    def __init__(self, settings: PaperNetworkSettings) -> None:
        super().__init__()
        self.settings, self.checkpointing = settings, False
        self._spades: list[Spade] = []
        widths = [settings.channels * multiplier for multiplier in settings.multipliers]
        time = 4 * settings.channels
        self.time = nn.Sequential(nn.Linear(settings.channels, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.stem = nn.Conv2d(settings.image_channels, widths[0], 3, padding=1)
        self.down, skips = self._way_down(widths)
        bottom = len(widths) - 1
        middle = [self._spade_block(widths[-1], widths[-1], bottom) for _ in range(2)]
        self.middle = Stage([middle[0], self._attention(widths[-1]), middle[1]])
        self.up = self._way_up(widths, skips)
        self.norm = nn.GroupNorm(settings.groups, widths[0])
        self.out = zeroed(nn.Conv2d(widths[0], 2 * settings.image_channels, 3, padding=1))

    def condition(self, classes: Tensor, budget_bytes: float = float("inf")) -> PaperModulation:
        """Read label maps: (B, classes, H, W). Layers are computed once as far as their memory fits the budget."""
        device = classes.device.type
        bytes_each = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else classes.dtype
        layers: list[Layer | None] = []
        for spade in self._spades:
            size = spade.numbers(classes) * bytes_each.itemsize
            fits = size <= budget_bytes
            layers.append(_owned(spade.layer(classes)) if fits else None)
            budget_bytes -= size if fits else 0
        return PaperModulation(classes, tuple(layers))

    def forward(self, x: Tensor, t: Tensor, modulation: PaperModulation) -> Tensor:
        """x: (B, C, H, W); t: (B,) time step; the result is (B, 2 C, H, W), float32: noise, then the variance."""
        time = self.time(time_embedding(t, self.settings.channels))
        h = self.stem(x)
        skips = [h]
        for stage in self.down:
            h = self._run(stage, h, time, modulation)
            skips.append(h)
        h = self._run(self.middle, h, time, modulation)
        for stage in self.up:
            h = self._run(stage, torch.cat([h, skips.pop()], dim=1), time, modulation)
        with torch.autocast(x.device.type, enabled=False):  # the noise must be more exact than bf16
            result: Tensor = self.out(functional.silu(self.norm(h.float())))
        return result

    def _run(self, stage: nn.Module, h: Tensor, time: Tensor, modulation: PaperModulation) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return cast(Tensor, checkpoint(stage, h, time, modulation, use_reentrant=False))
        return cast(Tensor, stage(h, time, modulation))

    def _way_down(self, widths: list[int]) -> tuple[nn.ModuleList, list[int]]:
        """The stages of the encoder, and the widths of what the decoder is handed."""
        settings, stages, skips, width = self.settings, nn.ModuleList(), [widths[0]], widths[0]
        for level, outputs in enumerate(widths):
            for _ in range(settings.blocks):
                stage = Stage([PaperBlock(settings, width, outputs)])
                if settings.attention[level]:
                    stage.append(self._attention(outputs))
                stages.append(stage)
                skips.append(width := outputs)
            if level < len(widths) - 1:
                stages.append(Stage([PaperBlock(settings, width, width, resample=-1)]))
                skips.append(width)
        return stages, skips

    def _way_up(self, widths: list[int], skips: list[int]) -> nn.ModuleList:
        stages, width, left = nn.ModuleList(), widths[-1], list(skips)
        for level in reversed(range(len(widths))):
            for block in range(self.settings.blocks + 1):
                stage = Stage([self._spade_block(width + left.pop(), widths[level], level)])
                width = widths[level]
                if self.settings.attention[level]:
                    stage.append(self._attention(width))
                if level and block == self.settings.blocks:
                    stage.append(self._spade_block(width, width, level, resample=1))
                stages.append(stage)
        return stages

    def _spade_block(self, inputs: int, outputs: int, level: int, resample: int = 0) -> PaperBlock:
        spades = []
        for channels, at in ((inputs, level), (outputs, level - resample)):
            spades.append(Spade(self.settings, channels, len(self._spades), 1 << at))
            self._spades.append(spades[-1])
        return PaperBlock(self.settings, inputs, outputs, spades, resample)

    def _attention(self, channels: int) -> Attention:
        return Attention(channels, self.settings.head_channels, self.settings.groups)
