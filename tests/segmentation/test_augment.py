"""Augmentation: identity, image and label together, deterministic, and in the stated directions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from echobench.data.labels import Label
from echobench.segmentation.augment import NO_AUGMENTATION, AugmentationSettings, apply_gamma, augment

SIDE_PX = 64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blocks(n: int = 6) -> tuple[Tensor, Tensor]:
    """Off-centre blocks, one per label, each of a grey value of its own (80 x code)."""
    labels = torch.zeros(n, SIDE_PX, SIDE_PX, dtype=torch.uint8)
    labels[:, 16:32, 20:44] = Label.LV_ENDO
    labels[:, 32:40, 20:44] = Label.LV_MYO
    labels[:, 40:52, 12:30] = Label.LA
    return labels * 80, labels


def centroid(mask: Tensor) -> tuple[float, float]:
    """Mean row and column of a mask (S, S)."""
    return tuple(mask.nonzero().double().mean(dim=0).tolist())


def test_identity_settings_leave_image_and_label() -> None:
    images = torch.randint(0, 256, (4, SIDE_PX, SIDE_PX), dtype=torch.uint8, generator=seeded())
    labels = torch.randint(0, len(Label), images.shape, dtype=torch.uint8, generator=seeded())
    moved, codes = augment(images, labels, NO_AUGMENTATION, seeded())
    torch.testing.assert_close(moved[:, 0], images / 255, atol=1e-3, rtol=0)
    assert torch.equal(codes, labels.long())


def test_image_and_label_move_together_and_labels_stay_codes() -> None:
    images, labels = blocks(32)
    settings = replace(AugmentationSettings(), gamma_range=(1.0, 1.0))
    moved, codes = augment(images, labels, settings, seeded())
    assert not torch.equal(codes, labels.long())
    assert set(codes.unique().tolist()) <= {int(label) for label in Label}
    # Away from edges, where the image is interpolated and the label is not, grey value still tells the code.
    mismatch = (moved[:, 0] * 255 / 80 - codes).abs() > 0.5
    assert mismatch.float().mean() < 0.02


def test_shapes_and_types_suit_the_network_and_the_loss() -> None:
    moved, codes = augment(*blocks(3), AugmentationSettings(), seeded())
    assert (moved.shape, moved.dtype) == ((3, 1, SIDE_PX, SIDE_PX), torch.float32)
    assert (codes.shape, codes.dtype) == ((3, SIDE_PX, SIDE_PX), torch.int64)
    assert moved.min() >= 0
    assert moved.max() <= 1 + 1e-6


def test_the_generator_decides_and_each_image_differs() -> None:
    images, labels = blocks()
    first, again, other = (augment(images, labels, AugmentationSettings(), seeded(s))[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_flip_mirrors_left_and_right() -> None:
    images, labels = blocks(1)
    _, codes = augment(images, labels, replace(NO_AUGMENTATION, flip_probability=1.0), seeded())
    assert torch.equal(codes, labels.flip(2).long())


def test_half_of_many_images_are_flipped() -> None:
    images, labels = blocks(200)
    _, codes = augment(images, labels, replace(NO_AUGMENTATION, flip_probability=0.5), seeded())
    flipped = (codes == labels.flip(2)).flatten(1).all(dim=1)
    assert 70 < flipped.sum() < 130


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_scale_above_one_magnifies(scale: float) -> None:
    images, labels = blocks(1)
    _, codes = augment(images, labels, replace(NO_AUGMENTATION, scale_range=(scale, scale)), seeded())
    assert (codes > 0).sum() / (labels > 0).sum() == pytest.approx(scale**2, rel=0.08)


def test_translation_shifts_by_up_to_the_fraction() -> None:
    images, labels = blocks(200)
    _, codes = augment(images, labels, replace(NO_AUGMENTATION, translation_fraction=0.1), seeded())
    start = np.array(centroid(labels[0] == Label.LV_ENDO))
    shifts = np.array([centroid(c == Label.LV_ENDO) for c in codes]) - start
    limit_px = 0.1 * SIDE_PX
    assert 0.9 * limit_px < np.abs(shifts).max() < limit_px + 0.5
    assert (shifts.min(axis=0) < 0).all()


def test_rotation_turns_about_the_centre_by_up_to_the_limit() -> None:
    images, labels = blocks(200)
    _, codes = augment(images, labels, replace(NO_AUGMENTATION, rotation_degrees=10), seeded())
    middle = (SIDE_PX - 1) / 2
    before = np.array(centroid(labels[0] == Label.LA)) - middle
    after = np.array([centroid(c == Label.LA) for c in codes]) - middle
    np.testing.assert_allclose(np.hypot(*after.T), np.hypot(*before), atol=0.5)
    turns = np.degrees(np.arctan2(*after.T) - np.arctan2(*before))
    assert -11 < turns.min() < -8
    assert 8 < turns.max() < 11


def test_gamma_above_one_darkens_and_keeps_black_and_white() -> None:
    images = torch.tensor([0, 64, 255], dtype=torch.uint8).repeat(3, 1)[:, None]
    out = apply_gamma(images, torch.tensor([0.5, 1.0, 3.0]))[:, 0]
    assert torch.equal(out[:, 0], torch.zeros(3))
    assert torch.equal(out[:, 2], torch.ones(3))
    torch.testing.assert_close(out[:, 1], (64 / 255) ** torch.tensor([0.5, 1.0, 3.0]))


def test_gamma_is_uniform_over_its_range() -> None:
    images = torch.full((400, 8, 8), 128, dtype=torch.uint8)
    settings = replace(NO_AUGMENTATION, gamma_range=(0.5, 3.0))
    moved, _ = augment(images, torch.zeros_like(images), settings, seeded())
    gamma = moved[:, 0, 4, 4].log() / np.log(128 / 255)
    assert gamma.min() > 0.49
    assert gamma.max() < 3.01
    assert gamma.mean() == pytest.approx(1.75, abs=0.15)


def test_the_global_random_state_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    augment(*blocks(), AugmentationSettings(), seeded())
    assert torch.equal(torch.random.get_rng_state(), before)
