"""`paint`: the grey values that were counted come back, with the grain of speckle."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.data.labels import Label
from echobench.data.maps import undeformed_maps
from echobench.generators.paint import Paint, PaintSettings, speckle

ALIKE = PaintSettings(common=0.0)


def painted(frames, settings=ALIKE, seeds=None):
    maps = undeformed_maps(frames).without_images()
    return Paint(settings).fit(frames, 0).sample(maps, np.arange(len(maps)) if seeds is None else seeds)


def test_a_tissue_of_one_grey_is_painted_in_it(make_frames):
    frames = make_frames(2, size=64)
    greys = np.array([40, 100, 160, 220], dtype=np.uint8)
    frames = replace(frames, images=np.where(frames.sector, greys[frames.labels], np.uint8(0)))
    np.testing.assert_array_equal(painted(frames), frames.images)


def test_distributions_of_grey_are_those_of_the_frames(make_frames):
    frames = make_frames(6, size=96)
    images = painted(frames)
    for label in Label:
        here = (frames.labels == label) & frames.sector
        levels = np.linspace(0.05, 0.95, 10)
        counted, drawn = (np.quantile(i[here], levels) for i in (frames.images, images))
        np.testing.assert_allclose(drawn, counted, atol=0.05 * counted.max() + 4)


def test_background_depends_on_depth(make_frames):
    frames = make_frames(2, size=64)
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None] * 3, frames.images.shape)
    frames = replace(frames, images=np.where(frames.sector, ramp, np.uint8(0)))
    drawn = painted(frames)
    background = frames.sector & (frames.labels == Label.BACKGROUND)
    assert np.corrcoef(drawn[background], ramp[background])[0, 1] > 0.95


def test_speckle_is_standard_normal_and_correlates_as_its_gaussian_says():
    noise = np.array([speckle((128, 128), np.random.default_rng(seed), 1.2) for seed in range(8)])
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    for lag in (1, 2, 3):
        found = (noise[:, lag:] * noise[:, :-lag]).mean(), (noise[:, :, lag:] * noise[:, :, :-lag]).mean()
        np.testing.assert_allclose(found, np.exp(-(lag**2) / (4 * 1.2**2)), atol=0.03)


def test_images_differ_in_gain_as_much_as_they_are_said_to(make_frames):
    frames = make_frames(1, size=64).select(np.zeros(40, dtype=np.intp))
    brightness = [painted(frames, PaintSettings(common=c)).mean(axis=(1, 2)).std() for c in (0.0, 0.4)]
    assert brightness[1] > 3 * brightness[0]


def test_a_label_that_no_frame_shows(make_frames):
    frames = make_frames(2)
    without = replace(frames, labels=np.where(frames.labels == Label.LA, np.uint8(0), frames.labels))
    with pytest.raises(EchobenchError, match="there is no LA inside their sectors"):
        Paint(PaintSettings()).fit(without, 0)


def test_a_depth_without_background_is_painted_like_the_rest(make_frames):
    frames = make_frames(2)
    walled = frames.labels.copy()
    walled[:, :8] = Label.LV_MYO
    Paint(PaintSettings()).fit(replace(frames, labels=walled), 0).sample(undeformed_maps(frames), np.arange(4))


def test_a_map_without_sector_stays_black(make_frames):
    frames = make_frames(1)
    maps = replace(undeformed_maps(frames), sector=np.zeros_like(frames.sector))
    assert not Paint(PaintSettings()).fit(frames, 0).sample(maps, np.arange(2)).any()


def test_without_grey_values(make_frames):
    with pytest.raises(EchobenchError, match="no grey values yet"):
        Paint(PaintSettings()).sample(undeformed_maps(make_frames(1)), np.arange(2))


def test_a_file_of_another_generator(make_frames, tmp_path):
    Paint(PaintSettings()).fit(make_frames(1), 0).save(tmp_path / "paint.pt")
    content = torch.load(tmp_path / "paint.pt", weights_only=True)
    torch.save(content | {"generator": "sdm"}, tmp_path / "paint.pt")
    with pytest.raises(EchobenchError, match=r"paint\.pt is a sdm, not a paint"):
        Paint.load(tmp_path / "paint.pt")


@pytest.mark.benchmark
def test_speed(benchmark, make_frames):
    frames = make_frames(8, size=256)
    maps, painter = undeformed_maps(frames), Paint(PaintSettings()).fit(frames, 0)
    benchmark(painter.sample, maps, np.arange(len(maps)))
