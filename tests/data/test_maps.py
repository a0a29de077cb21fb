"""Label maps: how many of which frame, and each a function of its frame and number alone."""

import numpy as np
import pytest

from echobench.data.maps import deformed_maps, label_maps, repeat_numbers, repeats_for


@pytest.mark.parametrize("images", [1, 5, 6, 7, 12, 20])
def test_every_frame_once_before_any_a_second_time(make_frames, images):
    repeats = repeats_for(make_frames(3), images, seed=0)
    assert repeats.sum() == images
    assert set(repeats) <= {images // 6, -(-images // 6)}


def test_maps_of_a_smaller_number_are_among_those_of_a_larger_one(make_frames):
    frames = make_frames(3)
    numbers = np.array([repeats_for(frames, images, seed=0) for images in range(1, 20)])
    assert (np.diff(numbers, axis=0) >= 0).all()
    few, many = (label_maps(frames, strength=1, repeats=repeats, seed=0) for repeats in numbers[[7, 14]])
    seeds = many.deformation.seed.tolist()
    assert len(set(seeds)) == 15
    for i, seed in enumerate(few.deformation.seed.tolist()):
        np.testing.assert_array_equal(few.labels[i], many.labels[seeds.index(seed)])


def test_the_order_is_the_seeds_and_not_that_of_the_frames(make_frames):
    frames = make_frames(20)
    first = repeats_for(frames, 10, seed=0)
    assert (first != repeats_for(frames, 10, seed=1)).any()
    assert np.flatnonzero(first).tolist() != list(range(10))
    backwards = frames.select(np.arange(len(frames))[::-1])
    np.testing.assert_array_equal(repeats_for(backwards, 10, seed=0)[::-1], first)


def test_repeats_may_differ_between_frames(make_frames):
    frames = make_frames(2)
    maps = label_maps(frames, strength=1, repeats=np.array([0, 2, 1, 3]), seed=0)
    assert maps.source_index.tolist() == [1, 1, 2, 3, 3, 3]
    assert repeat_numbers(maps.source_index).tolist() == [0, 1, 0, 0, 1, 2]
    all_of_them = label_maps(frames, strength=1, repeats=3, seed=0)
    np.testing.assert_array_equal(maps.labels, all_of_them.labels[[3, 4, 6, 9, 10, 11]])


def test_some_maps_are_those_of_all(make_frames):
    frames = make_frames(2)
    maps = deformed_maps(frames, np.array([2, 0]), np.array([1, 4]), strength=1, seed=5)
    np.testing.assert_array_equal(maps.labels, label_maps(frames, strength=1, repeats=5, seed=5).labels[[11, 4]])
