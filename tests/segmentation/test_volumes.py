"""Volumes against bodies whose volume is known, and what counts as no cavity."""

import numpy as np
import pytest

from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.segmentation.volumes import DISKS, cut, disk_volume, ejection

SIDE_PX = 256
SPACINGS_MM = [(0.5, 0.5), (0.45, 0.7), (0.7, 0.4)]


def axes_mm(spacing_mm, tilt_degrees, off_grid_mm=(0.0, 0.0)):
    """Positions along and across a tilted axis through the image's middle, (H, W) each."""
    rows, columns = np.indices((SIDE_PX, SIDE_PX))
    shifts = zip((rows, columns), spacing_mm, off_grid_mm, strict=True)
    down, right = ((i - SIDE_PX / 2) * mm - off for i, mm, off in shifts)
    tilt = np.radians(tilt_degrees)
    return down * np.cos(tilt) + right * np.sin(tilt), right * np.cos(tilt) - down * np.sin(tilt)


def ellipsoid(spacing_mm, length_mm, width_mm, tilt_degrees=0.0, off_grid_mm=(0.0, 0.0)):
    """Mask of an ellipsoid of revolution, and its volume in mL."""
    along, across = axes_mm(spacing_mm, tilt_degrees, off_grid_mm)
    inside = (along / length_mm) ** 2 + (across / width_mm) ** 2 <= 0.25
    return inside, np.pi / 6 * length_mm * width_mm**2 / 1000


def truncated_cone(spacing_mm, length_mm, top_mm, base_mm, tilt_degrees=0.0, off_grid_mm=(0.0, 0.0)):
    """The same of a cone without its tip; top and base: its diameters."""
    along, across = axes_mm(spacing_mm, tilt_degrees, off_grid_mm)
    diameter = top_mm + (base_mm - top_mm) * (along / length_mm + 0.5)
    inside = (np.abs(along) <= length_mm / 2) & (2 * np.abs(across) <= diameter)
    return inside, np.pi / 12 * length_mm * (top_mm**2 + top_mm * base_mm + base_mm**2) / 1000


def volume_of(mask, spacing_mm):
    return disk_volume([cut(mask, np.array(spacing_mm))])


@pytest.mark.parametrize("spacing_mm", SPACINGS_MM)
@pytest.mark.parametrize("tilt_degrees", [0, 13, -31])
@pytest.mark.parametrize("width_mm", [30, 45, 68])
def test_ellipsoids_within_one_per_cent(spacing_mm, tilt_degrees, width_mm):
    for off_grid_mm in ((0.0, 0.0), (0.21, 0.13), (-0.1, 0.3)):
        mask, expected_ml = ellipsoid(spacing_mm, 85, width_mm, tilt_degrees, off_grid_mm)
        assert volume_of(mask, spacing_mm) == pytest.approx(expected_ml, rel=0.01)


@pytest.mark.parametrize("spacing_mm", SPACINGS_MM)
@pytest.mark.parametrize("tilt_degrees", [0, 13, -31])
def test_a_truncated_cone_within_one_per_cent(spacing_mm, tilt_degrees):
    mask, expected_ml = truncated_cone(spacing_mm, 80, 16, 50, tilt_degrees, (0.21, 0.13))
    assert volume_of(mask, spacing_mm) == pytest.approx(expected_ml, rel=0.01)


def test_disks_run_from_the_apex_at_the_top_to_the_base():
    for tilt_degrees in (0, 25, -25):
        disks = cut(truncated_cone((0.5, 0.5), 80, 10, 50, tilt_degrees)[0], np.array((0.5, 0.5)))
        assert len(disks.diameters_mm) == DISKS
        assert disks.length_mm == pytest.approx(80, rel=0.02)
        assert disks.diameters_mm[:3].mean() < 20 < 40 < disks.diameters_mm[-3:].mean()


def test_two_planes_give_an_ellipsoid_with_three_axes():
    """L is the longer axis: the second plane is foreshortened by a tenth."""
    spacing_mm = np.array((0.5, 0.6))
    first, second = (cut(ellipsoid(spacing_mm, *size)[0], spacing_mm) for size in ((90, 50), (81, 38)))
    expected_ml = np.pi / 6 * 90 * 50 * 38 / 1000
    assert disk_volume([first, second]) == pytest.approx(expected_ml, rel=0.01)
    assert disk_volume([second, first]) == disk_volume([first, second])
    assert np.isnan(disk_volume([first, None]))


def test_specks_and_holes_do_not_change_a_volume_and_fragments_have_none():
    spacing_mm = (0.5, 0.5)
    mask, expected_ml = ellipsoid(spacing_mm, 85, 45)
    marred = mask.copy()
    marred[120:124, 126:130], marred[5:9, 5:9] = False, True
    assert volume_of(marred, spacing_mm) == pytest.approx(expected_ml, rel=0.01)
    severed = mask.copy()
    severed[100:104] = False
    assert cut(severed, np.array(spacing_mm)) is None
    speck = np.zeros_like(mask)
    speck[100:110, 100:110] = True
    assert cut(speck, np.array(spacing_mm)) is None
    for few in (np.zeros_like(mask), np.eye(SIDE_PX, dtype=bool), np.arange(SIDE_PX**2).reshape(mask.shape) == 9):
        assert cut(few, np.array(spacing_mm)) is None


def frames_of(rows, spacing_mm=(0.5, 0.5)):
    """Frames of (patient, view, phase, mask)."""
    patient, view, phase, masks = zip(*rows, strict=True)
    labels = np.where(masks, Label.LV_ENDO, Label.BACKGROUND).astype(np.uint8)
    n = len(labels)
    return Frames(
        np.zeros_like(labels), labels, np.ones(labels.shape, bool), np.tile(spacing_mm, (n, 1)),
        np.array(patient), np.array(view), np.array(phase), np.array(["drawn"] * n),
    )  # fmt: skip


def test_ejection_fraction_of_one_plane_of_two_and_of_a_missed_cavity():
    large, small = (ellipsoid((0.5, 0.5), *size)[0] for size in ((85, 50), (70, 35)))
    nothing = np.zeros_like(large)
    frames = frames_of(
        [
            ("single", "4C", "ES", small), ("single", "4C", "ED", large),
            ("both", "2C", "ED", large), ("both", "2C", "ES", large), ("both", "4C", "ED", large),
            ("both", "4C", "ES", small),
            ("missed", "4C", "ED", large), ("missed", "4C", "ES", nothing),
            ("half", "4C", "ED", large), ("half", "2C", "ED", large), ("half", "2C", "ES", small),
            ("never", "4C", "ED", large),
        ]
    )  # fmt: skip
    table = ejection(frames, frames.labels).set_index("patient")
    assert table["planes"].to_dict() == {"single": "4C", "both": "2C+4C", "missed": "4C", "half": "2C"}
    ratio = 70 * 35**2 / (85 * 50**2)
    assert table.loc["single", "ef_percent"] == pytest.approx(100 * (1 - ratio), abs=1)
    assert table.loc["both", "ef_percent"] == pytest.approx(100 * (1 - 35 / 50), abs=1)  # L is the longer view's
    assert table.loc["missed", "edv_ml"] > 0
    assert table.loc["missed", ["esv_ml", "ef_percent"]].isna().all()
