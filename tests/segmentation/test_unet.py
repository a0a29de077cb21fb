"""The network and its settings: the paper's defaults, the published function, refusals."""

import math
from dataclasses import replace

import pytest
import torch

from echobench.data.labels import Label
from echobench.segmentation.augment import AugmentationSettings
from echobench.segmentation.settings import PRESETS, UNetSettings


def test_the_defaults_are_the_papers() -> None:
    assert PRESETS["paper"] == UNetSettings(
        channels=(2, 4, 8, 16, 32, 64, 128, 256),
        leaky_slope=0.1,
        image_size_px=256,
        batch_size=1,
        epochs=300,
        steps=None,
        peak_learning_rate=1e-3,
        final_learning_rate=1e-4,
        warmup_steps=0,
        balance_power=0.0,
        balance_steps=0,
        adam_betas=(0.9, 0.999),
        validation_every_steps=None,
        augmentation=AugmentationSettings((0.5, 3.0), 0.5, 10.0, 0.2, (0.8, 1.2)),
    )


@pytest.mark.parametrize("preset", ["standard", "quick"])
def test_other_presets_keep_the_papers_network_and_augmentation(preset: str) -> None:
    paper, other = PRESETS["paper"], PRESETS[preset]
    for name in ("channels", "leaky_slope", "image_size_px", "final_learning_rate", "adam_betas", "augmentation"):
        assert getattr(other, name) == getattr(paper, name)
    assert other.epochs is None
    assert other.balance_steps < other.steps


def test_the_papers_network_has_its_number_of_parameters() -> None:
    channels = UNetSettings().channels
    down = sum(9 * a * b + b for a, b in zip((1, *channels), channels, strict=False))
    # Each step up reads the skip and what came from below; above the bottom pair that is twice the level's channels.
    read = [2 * c for c in channels[:-2]] + [channels[-2] + channels[-1]]
    up = sum(9 * a * b + b for a, b in zip(read, (len(Label), *channels[:-2]), strict=True))
    count = sum(p.numel() for p in UNetSettings().build(0).parameters())
    assert count == down + up == 664_282


def test_logits_have_one_plane_per_label() -> None:
    with torch.inference_mode():
        logits = UNetSettings().build(0)(torch.zeros(2, 1, 256, 256))
    assert logits.shape == (2, len(Label), 256, 256)


def test_the_seed_decides_the_weights_and_nothing_else_moves() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (UNetSettings().build(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_budget_in_epochs_follows_the_frames_and_one_in_steps_does_not() -> None:
    in_epochs = UNetSettings(batch_size=8, epochs=3)
    in_steps = replace(in_epochs, epochs=None, steps=50)
    assert [in_epochs.total_steps(n) for n in (80, 81, 800)] == [30, 33, 300]
    assert [in_steps.total_steps(n) for n in (80, 81, 800)] == [50, 50, 50]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 10}, "either epochs or steps"),
        ({"epochs": None}, "either epochs or steps"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"image_size_px": 250}, "8 levels need an image side of 256 px"),
        ({"image_size_px": 128}, "8 levels need an image side of 256 px"),
        ({"peak_learning_rate": math.nan}, "peak_learning_rate"),
        ({"warmup_steps": -1}, "warmup_steps"),
    ],
)
def test_settings_that_mean_nothing_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(UNetSettings(), **change)
