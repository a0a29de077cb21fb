"""Label-map deformation: identity at 0, ranges at 1, and each map a function of its own seed."""

import numpy as np
import pytest
from scipy import ndimage

from echobench.data import deform
from echobench.data.deform import CONTROL_POINTS, identity, pull_labels, random_deformation
from echobench.data.labels import Label
from echobench.data.maps import label_maps, undeformed_maps

SIZE = (64, 48)


def test_strength_zero_leaves_the_expert_map_as_it_is(make_frames):
    frames = make_frames(3)
    np.testing.assert_array_equal(label_maps(frames, strength=0, repeats=1, seed=1).labels, frames.labels)
    np.testing.assert_array_equal(undeformed_maps(frames).labels, frames.labels)
    np.testing.assert_allclose(identity(2).displacement(1, SIZE), 0, atol=1e-5)


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="strength must be at least 0, got -1"):
        random_deformation(np.array([1]), -1)


def test_a_pure_shift_moves_the_map_by_that_much():
    shifted = identity(1)
    shifted.affine[0, :, 2] = (4 / SIZE[0], -2 / SIZE[1])  # pull from 4 rows below and 2 columns to the left
    labels = np.random.default_rng(0).integers(0, 4, SIZE).astype(np.uint8)
    pulled = pull_labels(labels, shifted.positions(0, SIZE))
    np.testing.assert_array_equal(pulled[:-4, 2:], labels[4:, :-2])
    assert not pulled[-4:].any()
    assert not pulled[:, :2].any()
    np.testing.assert_allclose(shifted.displacement(0, SIZE)[:, 10, 10], (4, -2), atol=1e-4)


def test_the_elastic_field_stays_under_its_bound_and_scales_with_strength():
    deformation = random_deformation(np.arange(50), 1.0)
    assert np.abs(deformation.control).max() <= deform.ELASTIC
    assert not deformation.control[..., 0, :].any()  # locked rows
    assert not deformation.control[..., -1, :].any()
    assert deformation.control[..., 1:-1, :].all()  # no column is
    np.testing.assert_allclose(random_deformation(np.arange(50), 2.0).control, 2 * deformation.control)


def test_affine_ranges_at_strength_one():
    inverse = random_deformation(np.arange(300), 1.0).affine[:, :, :2]
    scale = np.sqrt(1 / np.linalg.det(inverse))  # rotation and shear keep areas
    assert 0.8 <= scale.min() < 0.82
    assert 1.03 < scale.max() <= 1.05


def test_hearts_are_shifted_along_rows_alone():
    deformation = random_deformation(np.arange(300), 1.0)
    forward = np.linalg.inv(deformation.affine[:, :, :2])
    rows, columns = -np.einsum("nij,nj->ni", forward, deformation.affine[:, :, 2]).T
    assert 0.048 < np.abs(rows).max() <= 0.05
    np.testing.assert_allclose(columns, 0, atol=1e-12)


def test_a_control_point_field_is_the_cubic_spline_of_its_control_points():
    """A linear ramp of control points is reproduced exactly by a cubic B-spline."""
    ramp = identity(1)
    ramp.control[0, 0] = np.arange(CONTROL_POINTS[0])[:, None] / 100
    rows = ramp.displacement(0, (70, 70))[0, :, 0] / 70
    np.testing.assert_allclose(np.diff(rows), np.full(69, 0.01 * (CONTROL_POINTS[0] - 3) / 70.25), atol=1e-6)


def test_each_map_depends_on_its_frame_and_seed_alone(make_frames):
    frames = make_frames(4)
    maps = label_maps(frames, strength=1, repeats=3, seed=5)
    alone = label_maps(frames.select(slice(2, 3)), strength=1, repeats=3, seed=5)
    np.testing.assert_array_equal(alone.labels, maps.labels[6:9])
    assert not np.array_equal(maps.labels[0], maps.labels[1])
    assert not np.array_equal(maps.labels, label_maps(frames, strength=1, repeats=3, seed=6).labels)


def test_deformed_labels_stay_codes_and_in_the_sector_or_where_the_expert_left_it(make_frames):
    frames = make_frames(4)
    frames.labels[0, 2, 0] = Label.LV_MYO  # an expert's pixel outside the sector
    maps = label_maps(frames, strength=2, repeats=4, seed=0)
    assert set(np.unique(maps.labels)) <= {int(label) for label in Label}
    allowed = (frames.sector | (frames.labels > 0))[maps.source_index]
    assert not (maps.labels > 0)[~allowed].any()


def test_the_displacement_field_warps_the_image_onto_the_map(make_frames):
    """What `warp` will rely on: pulling an image by the kept field follows the map."""
    frames = make_frames(1, size=64)
    maps = label_maps(frames, strength=1, repeats=1, seed=0)
    positions = np.indices((64, 64)) + maps.deformation.displacement(0, (64, 64))
    indicator = (frames.labels[0] == Label.LV_ENDO).astype(float)
    warped = ndimage.map_coordinates(indicator, positions, order=1) > 0.5
    asked = maps.labels[0] == Label.LV_ENDO
    assert 2 * (warped & asked).sum() / (warped.sum() + asked.sum()) > 0.95
