"""The sector: whole, convex, and apart from the labels."""

import numpy as np
import pytest
from scipy import ndimage

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.camus import find_frames, read_frame
from echobench.data.labels import Label
from echobench.data.sector import sector_mask


def fan(size=96):
    row, column = np.indices((size, size)) / size
    return (np.abs(column - 0.5) < 0.05 + 0.5 * row) & (row > 0.03) & (np.hypot(row, column - 0.5) < 0.95)


def test_speckle_holes_and_a_black_chamber_leave_no_hole():
    sector, rng = fan(), np.random.default_rng(0)
    image = np.where(sector, rng.integers(0, 255, sector.shape), 0).astype(np.uint8)
    image[rng.random(sector.shape) < 0.3] = 0
    image[40:60, 40:56] = 0
    found = sector_mask(image)
    assert found[40:60, 40:56].all()
    assert (found & sector).sum() / (found | sector).sum() > 0.93
    assert not (found & ~ndimage.binary_dilation(sector)).any()


def test_a_bright_speck_outside_does_not_widen_it():
    image = np.where(fan(), 100, 0).astype(np.uint8)
    with_speck = image.copy()
    with_speck[2, 2] = 255
    np.testing.assert_array_equal(sector_mask(with_speck), sector_mask(image))


def test_a_black_image_is_refused():
    with pytest.raises(EchobenchError, match="black"):
        sector_mask(np.zeros((8, 8), dtype=np.uint8))


def test_labels_outside_the_sector_are_kept(tmp_path, make_frames, make_camus):
    """Experts draw the wall on behind the sector's edge: their map is the truth and is not clipped."""
    frames = make_frames(1)
    frames.labels[0, :3, :3] = Label.LV_MYO
    frame = read_frame(find_frames(make_camus(tmp_path, frames, None))[0], frames.size)
    assert not frame.sector[:3, :3].any()
    np.testing.assert_array_equal(frame.labels, frames.labels[0])
