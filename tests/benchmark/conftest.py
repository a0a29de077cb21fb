"""A preset so small that a whole run takes a second."""

import pytest

from echobench.benchmark import settings
from echobench.benchmark.settings import Preset
from echobench.generators.registry import generator_class
from echobench.segmentation.unet import UNetSettings

TINY_UNET = UNetSettings(
    channels=(4, 8, 16), image_size_px=32, batch_size=4, epochs=None, steps=12, validation_every_steps=6
)


@pytest.fixture
def tiny(monkeypatch):
    """Makes `--preset tiny` known for `real`; other backends add their own."""
    monkeypatch.setattr(settings, "PRESETS", {**settings.PRESETS, "tiny": Preset(repeats=1, phantom_patients=10)})
    monkeypatch.setattr(settings, "UNET_PRESETS", {**settings.UNET_PRESETS, "tiny": TINY_UNET})
    real = generator_class("real")
    monkeypatch.setattr(real, "presets", {**real.presets, "tiny": real.presets["quick"]})
