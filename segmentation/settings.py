"""Every setting of the segmentation harness: the network apart from the budget of its training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import Any

from torch import nn

from echobench.data.base.errors import require
from echobench.segmentation.augment import AugmentationSettings
from echobench.segmentation.networks import LEAST_LEVELS, OWN_SETTINGS, PAPER, build_network, require_network


@dataclass(frozen=True)
class UNetSettings:
    """Network, optimiser, budget and augmentation. Defaults are the paper's: arXiv 2305.05424v2 and its code,
    `echo_segmentations/runner.py` of github.com/david-stojanovski/echo_from_noise.

    channels: feature maps per level, top first; every level below the top halves the image once more.
    leaky_slope: slope of LeakyReLU for negative input.
    image_size_px: side of the square input image.
    batch_size: images per optimiser step; 1 in the paper's code.
    epochs, steps: the budget, in passes over the training frames (the paper) or in optimiser steps, which gives every
        generator the same training however many images it draws. Exactly one is set, the other is None.
    peak_learning_rate, final_learning_rate: Adam's rate falls between them along half a cosine over the whole budget.
    warmup_steps: steps over which the rate first climbs linearly to its peak; the paper has none.
    balance_power, balance_steps: see `class_weights`; the paper's loss, without weights, is 0 and 0.
    adam_betas: Adam's decay rates.
    validation_every_steps: steps between two looks at the validation frames; None looks once per epoch (the paper).
    augmentation: see `AugmentationSettings`.
    network: one of `NETWORKS`, which is built from channels and leaky_slope.
    """

    channels: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)
    leaky_slope: float = 0.1
    image_size_px: int = 256
    batch_size: int = 1
    epochs: int | None = 300
    steps: int | None = None
    peak_learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    warmup_steps: int = 0
    balance_power: float = 0.0
    balance_steps: int = 0
    adam_betas: tuple[float, float] = (0.9, 0.999)
    validation_every_steps: int | None = None
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    network: str = PAPER

    def __post_init__(self) -> None:
        require_network(self.network)
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(f"set either epochs or steps, not both or neither: {self.epochs=}, {self.steps=}")
        for name in ("batch_size", "epochs", "steps", "validation_every_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"UNetSettings.{name} must be at least 1, got {value}")
        for name in ("warmup_steps", "balance_power", "balance_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"UNetSettings.{name} must not be negative, got {getattr(self, name)}")
        require(self, channels=(1, inf), adam_betas=(0, 0.99999), leaky_slope=(0, 1))
        if not 0 < self.final_learning_rate <= self.peak_learning_rate:
            raise ValueError(
                "learning rates must satisfy 0 < final_learning_rate <= peak_learning_rate, got "
                f"{self.final_learning_rate} and {self.peak_learning_rate}"
            )
        if len(self.channels) < (least := LEAST_LEVELS.get(self.network, 1)):
            raise ValueError(f"network {self.network} needs {least} levels or more, got channels {self.channels}")
        factor = 2 ** (len(self.channels) - 1)
        # Instance normalisation of a single pixel is undefined, so two must be left at the bottom.
        if self.image_size_px % factor or self.image_size_px < 2 * factor:
            raise ValueError(
                f"{len(self.channels)} levels need an image side of {2 * factor} px or a larger multiple of "
                f"{factor} px, got {self.image_size_px}"
            )

    def as_dict(self) -> dict[str, Any]:
        """As files, records and hashes have the settings.

        The paper's network is not named there, so that files from before there was another stay valid.
        """
        return {name: value for name, value in asdict(self).items() if (name, value) != ("network", PAPER)}

    def build(self, seed: int) -> nn.Module:
        """The untrained network, see `build_network`."""
        return build_network(self.network, self.channels, self.leaky_slope, seed)

    def steps_per_epoch(self, n_frames: int) -> int:
        """Optimiser steps in one pass over `n_frames`; the last batch may be smaller."""
        return -(-n_frames // self.batch_size)

    def looks_every(self, n_frames: int) -> int:
        """Optimiser steps between two looks at the validation frames, of a training on `n_frames`."""
        return self.validation_every_steps or self.steps_per_epoch(n_frames)

    def total_steps(self, n_frames: int) -> int:
        """Optimiser steps of the whole training on `n_frames`."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None  # __post_init__
        return self.epochs * self.steps_per_epoch(n_frames)


# Departs from the paper [unet.steps, unet.batch_size, unet.peak_learning_rate, unet.warmup_steps, unet.balance_power,
# unet.validation_every_steps], whose 300 epochs at batch 1 are 239 400 steps on one view of CAMUS. A higher rate with a
# short climb and the fading class weights (see `class_weights`) find the atrium within some hundred steps; network,
# augmentation, final rate and final loss are the paper's. Budgets are steps, so that a generator which draws more
# images gets no more training.
_STANDARD = UNetSettings(
    batch_size=8,
    epochs=None,
    steps=8000,
    peak_learning_rate=5e-3,
    warmup_steps=100,
    balance_power=0.75,
    balance_steps=3000,
    validation_every_steps=250,
)

PRESETS: Mapping[str, UNetSettings] = MappingProxyType(
    {
        "paper": UNetSettings(),
        "standard": _STANDARD,
        "quick": replace(_STANDARD, batch_size=4, steps=3000, balance_steps=1500),
    }
)


def preset_of(name: str, network: str) -> UNetSettings:
    """A preset with a network's own settings."""
    return replace(PRESETS[name], network=network, **OWN_SETTINGS.get(network, {}))
