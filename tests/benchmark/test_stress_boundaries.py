"""Contrast along the walls: 1 for a perfect image, 0.5 for one that ignores its map, counted in millimetres."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echobench.benchmark.stress.boundaries import BOUNDARIES, boundary_contrast, roc_area
from echobench.data.base.errors import EchobenchError
from echobench.data.labels import Label

GREYS = np.array([120, 20, 150, 40], dtype=np.uint8)  # background, cavity, wall, atrium


@pytest.fixture
def frames(make_frames):
    return make_frames(6, size=96)


def painted(frames, greys=GREYS):
    return replace(frames, images=greys[frames.labels])


def one(frames, labels, image, sector=None, spacing_mm=(1.0, 1.0)):
    """A single frame of the given arrays."""
    size = labels.shape
    return replace(
        frames.select(slice(0, 1)),
        images=image[None].astype(np.uint8),
        labels=labels[None].astype(np.uint8),
        sector=np.ones((1, *size), dtype=bool) if sector is None else sector[None],
        spacing_mm=np.array([spacing_mm]),
    )


def test_an_image_that_is_its_map_is_perfect_and_its_negative_the_opposite(frames):
    for scores in boundary_contrast(painted(frames)).values():
        np.testing.assert_array_equal(scores, 1.0)
    negative = painted(frames, 255 - GREYS)
    for scores in boundary_contrast(negative).values():
        np.testing.assert_array_equal(scores, 0.0)


def test_noise_that_ignores_its_map_is_at_one_half(make_frames):
    frames = make_frames(10, size=128)
    noise = np.random.default_rng(0).integers(0, 256, frames.images.shape).astype(np.uint8)
    flat = np.full_like(frames.images, 77)
    for name in BOUNDARIES:
        assert boundary_contrast(replace(frames, images=noise))[name].mean() == pytest.approx(0.5, abs=0.02)
        np.testing.assert_array_equal(boundary_contrast(replace(frames, images=flat))[name], 0.5)


def test_an_image_of_another_map_falls_between(frames):
    own = boundary_contrast(painted(frames))
    moved = boundary_contrast(replace(painted(frames), labels=np.roll(frames.labels, 6, axis=2)))
    for name in BOUNDARIES:
        assert (moved[name] < own[name] - 0.1).all()


def test_the_band_is_in_millimetres_along_each_axis(frames):
    """A wall along rows and one along columns; pixels beyond the band are inverted and must not count."""
    labels = np.full((60, 60), Label.LV_MYO)
    labels[:, :30] = Label.LV_ENDO
    distance = np.abs(np.arange(60) - 29.5) * np.ones((60, 1))  # of centres from the border, in pixels
    near = distance < 4
    image = np.where((labels == Label.LV_MYO) == near, 200, 50)
    for turn, spacing_mm in ((False, (9.0, 0.5)), (True, (0.5, 9.0))):
        frame = one(frames, labels.T if turn else labels, image.T if turn else image, spacing_mm=spacing_mm)
        # Four pixels on each side have centres at most 2 mm from the nearest of the other side.
        assert boundary_contrast(frame, band_mm=2.0)["LVendo"] == [1.0]
        # A band of 4 mm has four inverted ones behind them.
        assert boundary_contrast(frame, band_mm=4.0)["LVendo"] == pytest.approx([0.5])


def test_what_lies_outside_the_sector_does_not_count(frames):
    labels = np.full((40, 40), Label.LV_MYO)
    labels[:, :20] = Label.LV_ENDO
    image = np.where(labels == Label.LV_MYO, 200, 50)
    image[20:] = 250 - image[20:]
    sector = np.indices(labels.shape)[0] < 20
    assert boundary_contrast(one(frames, labels, image, sector))["LVendo"] == [1.0]
    assert boundary_contrast(one(frames, labels, image))["LVendo"] == pytest.approx([0.5])


def test_the_valve_is_no_wall(frames):
    """Blood on both sides: what the image does between cavity and atrium changes nothing."""
    labels = np.full((60, 60), Label.BACKGROUND)
    labels[10:30, 10:50] = Label.LV_ENDO
    labels[5:30, 5:10] = labels[5:10, 5:55] = labels[5:30, 50:55] = Label.LV_MYO
    labels[30:50, 10:50] = Label.LA
    image = np.where(np.isin(labels, [Label.LV_ENDO, Label.LA]), 30, 160)
    scores = boundary_contrast(one(frames, labels, image))
    assert (scores["LVendo"], scores["LA"]) == ([1.0], [1.0])
    image[15:30, 15:45] = 255
    image[30:45, 15:45] = 0
    scores = boundary_contrast(one(frames, labels, image))
    assert (scores["LVendo"], scores["LA"]) == ([1.0], [1.0])


def test_a_structure_that_is_not_there_has_no_score(frames):
    without = replace(painted(frames), labels=np.where(frames.labels == Label.LA, np.uint8(0), frames.labels))
    scores = boundary_contrast(without)
    assert np.isnan(scores["LA"]).all()
    assert not np.isnan(scores["LVendo"]).any()
    far = np.full((60, 60), Label.BACKGROUND)
    far[:5], far[-5:] = Label.LV_ENDO, Label.LV_MYO
    assert np.isnan(boundary_contrast(one(frames, far, far))["LVendo"]).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(bright, dark):
    pairs = [(b > d) + 0.5 * (b == d) for b in bright for d in dark]
    assert roc_area(np.array(bright), np.array(dark)) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("band_mm", [0.0, -1.0, float("nan")])
def test_a_band_without_width_is_refused(frames, band_mm):
    with pytest.raises(EchobenchError, match="the band beside a wall must be wider than 0 mm, got"):
        boundary_contrast(frames, band_mm)


def test_only_walls_that_moved_count(frames):
    """A cavity that grew on one side, of which the image shows nothing: the wall there is lost, the others are not."""
    before = np.zeros((60, 60), dtype=np.uint8)
    before[10:50, 10:50] = Label.LV_MYO
    before[20:40, 20:40] = Label.LV_ENDO
    after = before.copy()
    after[20:40, 40:46] = Label.LV_ENDO
    frame = one(frames, after, GREYS[before])
    assert boundary_contrast(frame)["LVendo"][0] > 0.8
    assert boundary_contrast(frame, other=before[None])["LVendo"][0] < 0.6
    still = one(frames, before, GREYS[before])
    assert boundary_contrast(still, other=after[None])["LVendo"][0] == 1


def test_a_wall_that_hardly_moved_or_whose_outside_alone_changed_has_no_score(frames):
    before = np.zeros((60, 60), dtype=np.uint8)
    before[10:50, 10:50] = Label.LV_MYO
    before[20:40, 20:40] = Label.LV_ENDO
    thicker, crumb = before.copy(), before.copy()
    thicker[5:55, 5:55] = np.where(before[5:55, 5:55] == 0, Label.LV_MYO, before[5:55, 5:55])
    crumb[20, 40:50] = Label.LV_ENDO  # 10 mm²
    for after in (thicker, crumb):
        assert np.isnan(boundary_contrast(one(frames, after, GREYS[after]), other=before[None])["LVendo"][0])
