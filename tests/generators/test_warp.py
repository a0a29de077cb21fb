"""`warp`: the image goes where the map goes."""

from dataclasses import replace

import numpy as np

from echobench.data.labels import Label
from echobench.data.maps import label_maps, undeformed_maps
from echobench.generators.warp import Warp, WarpSettings

SEEDS = np.arange(100)


def warped(maps):
    return Warp(WarpSettings()).sample(maps, SEEDS[: len(maps)])


def test_undeformed_maps_get_their_frames_back(make_frames):
    frames = make_frames(3, size=40)
    np.testing.assert_array_equal(warped(undeformed_maps(frames)), frames.images)
    np.testing.assert_array_equal(warped(label_maps(frames, strength=0, repeats=1, seed=0)), frames.images)


def test_the_image_follows_its_map(make_frames):
    """An image that is nothing but its label map, in grey, is still that after warping, but for the borders."""
    frames = make_frames(3, size=96)
    greys = np.array([40, 100, 160, 220], dtype=np.uint8)
    frames = replace(frames, images=np.where(frames.sector, greys[frames.labels], np.uint8(0)))
    maps = label_maps(frames, strength=1, repeats=2, seed=0)
    images = warped(maps)
    for i, labels in enumerate(maps.labels):
        for label in (Label.LV_ENDO, Label.LA):
            here = labels == label
            assert (np.abs(images[i][here].astype(int) - greys[label]) < 10).mean() > 0.8


def test_nothing_is_lit_that_came_from_outside_the_source_sector(make_frames):
    frames = make_frames(2, size=48)
    frames = replace(frames, images=np.full_like(frames.images, 200))
    images = warped(label_maps(frames, strength=1, repeats=1, seed=3))
    assert not images[~frames.sector].any()
    assert (images[frames.sector] == 0).any(), "at strength 1 something is pulled in from outside"
    assert images.max() == 200
