"""The ladder of extreme maps: valid maps in, valid maps out, and every map does what its stress claims."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from echobench.data.base.errors import EchobenchError
from echobench.data.deform import field_deformation
from echobench.data.labels import Label
from echobench.data.ladder.anatomy import HeartMap, NotApplicable
from echobench.data.ladder.ladder import SEVERITIES, STRESSES, find_stress
from echobench.data.ladder.maps import reached_sector, stress_maps
from echobench.data.ladder.stress import Displaced, Relabelled
from echobench.data.phantom.dataset import phantom_patient
from echobench.data.sector import sector_mask

EVERY = pytest.mark.parametrize("name", STRESSES)


@lru_cache
def phantom(number: int, frame: int = 2, size: int = 96) -> HeartMap:
    """Frame 0..3 (2C ED, 2C ES, 4C ED, 4C ES) of a phantom patient."""
    drawn = phantom_patient(0, number, size).frames[frame]
    return HeartMap(drawn.labels, sector_mask(drawn.image), np.array(drawn.spacing_mm))


@st.composite
def heart_maps(draw):
    """Phantom hearts of several sizes, whole or with structures missing, cut off, or crumbled."""
    heart = phantom(draw(st.integers(1, 12)), draw(st.integers(0, 3)), draw(st.sampled_from([48, 64, 96])))
    labels = heart.labels.copy()
    for label in draw(st.sets(st.sampled_from([Label.LV_ENDO, Label.LV_MYO, Label.LA]), max_size=2)):
        labels[labels == label] = draw(st.sampled_from(list(Label)))
    if draw(st.booleans()):
        labels[: draw(st.integers(0, len(labels) // 2))] = Label.BACKGROUND
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        at = rng.integers(0, len(labels), (2, 8))
        labels[tuple(at)] = rng.integers(0, len(Label), 8)
    return replace(heart, labels=labels)


@EVERY
@settings(max_examples=25, deadline=None)
@given(heart=heart_maps(), severity=st.floats(0, 1), seed=st.integers(0, 2**62))
def test_any_valid_map_gives_a_valid_map_or_a_reason(name, heart, severity, seed):
    stress, before = STRESSES[name], heart.labels.copy()
    try:
        labels, deformation = stress.apply(heart, severity, seed)
    except NotApplicable as reason:
        assert len(str(reason)) > 20
        assert "\n" not in str(reason)
        return
    finally:
        np.testing.assert_array_equal(heart.labels, before)
    assert labels.dtype == np.uint8
    assert labels.shape == before.shape
    assert set(np.unique(labels)) <= {int(label) for label in Label}
    assert not labels[~(heart.sector | (before > 0))].any()
    assert np.isfinite(deformation.positions(0, labels.shape)).all()
    again, same = stress.apply(replace(heart), severity, seed)
    np.testing.assert_array_equal(again, labels)
    np.testing.assert_array_equal(same.control, deformation.control)


@EVERY
@settings(max_examples=10, deadline=None)
@given(heart=heart_maps(), seed=st.integers(0, 2**62))
def test_severity_zero_is_the_identity(name, heart, seed):
    try:
        labels, deformation = STRESSES[name].apply(heart, 0.0, seed)
    except NotApplicable:
        return
    np.testing.assert_array_equal(labels, heart.labels)
    assert not deformation.control.any()


@EVERY
def test_ordinary_hearts_can_be_stressed_at_any_severity(name):
    for number in range(1, 9):
        for severity in SEVERITIES:
            STRESSES[name].apply(phantom(number), severity, seed=number)


@EVERY
def test_a_claimed_trend_holds_along_the_ladder(name):
    stress = STRESSES[name]
    for number in (1, 2, 3, 4):
        heart = phantom(number, size=128)
        ladder = [replace(heart, labels=stress.apply(heart, severity, 0)[0]) for severity in SEVERITIES]
        for claim in stress.claims:
            steps = np.diff([claim.measure(heart, rung) for rung in ladder]) * claim.trend
            assert (steps[: len(steps) if claim.trend else 0] > 0).all(), (number, claim.text, steps)


@EVERY
def test_an_unchanged_map_is_not_passed_off_as_a_stressed_one(name):
    heart = phantom(6)  # which leans to the side: a symmetric heart is its own mirror image
    with pytest.raises(NotApplicable, match=r"the claim fails that .* at severity 1"):
        for claim in STRESSES[name].claims:
            claim.check(heart, heart, 1.0)


@EVERY
def test_no_crumbs_and_no_ragged_border(name):
    """Contours are smooth: an opening by a small disc leaves nearly all of every structure."""
    heart = phantom(2, size=192)
    disc = np.hypot(*np.indices((5, 5)) - np.array([2, 2])[:, None, None]) < 2.3
    for severity in (0.3, 0.6, 0.9):
        labels = STRESSES[name].apply(heart, severity, 1)[0]
        for label in np.unique(labels[labels > 0]):
            mask = labels == label
            assert ndimage.binary_opening(mask, disc).sum() > 0.9 * mask.sum(), (severity, label)
            component, _ = ndimage.label(mask, np.ones((3, 3)))
            assert np.bincount(component.ravel())[1:].min() > 10, (severity, label)


@pytest.mark.parametrize("name", [name for name, stress in STRESSES.items() if isinstance(stress, Displaced)])
def test_the_deformation_brings_the_source_where_the_map_says(name):
    """What `warp` relies on: an image that is the label map follows it through the kept field."""
    heart = phantom(5, size=128)
    for severity in (0.4, 1.0):
        labels, deformation = STRESSES[name].apply(heart, severity, 7)
        positions = deformation.positions(0, labels.shape)
        for label in (Label.LV_ENDO, Label.LV_MYO):
            indicator = (heart.labels == label).astype(float)
            warped = (ndimage.map_coordinates(indicator, positions, order=1) > 0.5) & heart.sector
            asked = (labels == label) & heart.sector
            assert 2 * (warped & asked).sum() / (warped.sum() + asked.sum()) > 0.94, (severity, label)
    assert not STRESSES[name].cannot_warp


def test_what_no_field_draws_says_why_and_moves_nothing():
    relabelled = {name: stress for name, stress in STRESSES.items() if isinstance(stress, Relabelled)}
    assert set(relabelled) == {"septal-defect", "missing-atrium", "pericardial-rim", "two-ventricles"}
    for stress in relabelled.values():
        assert len(stress.cannot_warp) > 20
        assert not stress.apply(phantom(1), 0.7, 0)[1].control.any()


def test_the_ladder_is_the_one_announced():
    kinds = {stress.kind for stress in STRESSES.values()}
    assert kinds == {"geometric", "anatomical"}
    assert [sum(stress.kind == kind for stress in STRESSES.values()) for kind in ("geometric", "anatomical")] == [8, 9]
    for stress in STRESSES.values():
        assert stress.description
        assert stress.claims


def drawn_heart(lean: float = 0.0, side: int = 160) -> HeartMap:
    """An upright ventricle of ellipses, 40 × 70 mm inside, wall 8 mm, on pixels of 1.0 × 0.8 mm, all lit."""
    row, column = np.indices((side, side)) * np.array([1.0, 0.8])[:, None, None]
    x, y = column - 64 - lean * (row - 75), row - 75
    labels = np.zeros((side, side), dtype=np.uint8)
    labels[((y / 43) ** 2 + (x / 28) ** 2 < 1) & (y < 24)] = Label.LV_MYO
    labels[((y / 35) ** 2 + (x / 20) ** 2 < 1) & (y < 24)] = Label.LV_ENDO
    labels[((y - 44) / 20) ** 2 + (x / 18) ** 2 < 1] = Label.LA
    labels[(np.abs(x) < 14) & (np.abs(y - 24) < 1.5)] = Label.LV_ENDO
    return HeartMap(labels, np.ones((side, side), dtype=bool), np.array([1.0, 0.8]))


def test_measures_of_a_drawn_heart():
    heart = drawn_heart()
    assert heart.wall_mm == pytest.approx(8, abs=1)
    assert heart.valve_mm == pytest.approx([75 + 24.5, 64], abs=1.5)
    assert heart.apex_mm == pytest.approx([75 - 34, 64], abs=2)
    assert heart.area_mm2(Label.LA) == pytest.approx(np.pi * 20 * 18, rel=0.05)
    assert heart.pieces(Label.LV_ENDO) == heart.euler(Label.LV_MYO) == 1


def test_half_size_is_half_the_size_and_stays_where_it_was():
    heart = drawn_heart()
    labels, _ = STRESSES["small"].apply(heart, 1, 0)
    small = replace(heart, labels=labels)
    assert small.area_mm2(Label.LV_ENDO) == pytest.approx(heart.area_mm2(Label.LV_ENDO) / 4, rel=0.04)
    assert small.wall_mm == pytest.approx(heart.wall_mm / 2, rel=0.2)
    centres = [m.grid_mm[:, m.heart].mean(axis=1) for m in (heart, small)]
    assert centres[1] == pytest.approx(centres[0], abs=0.6)


def test_a_rotation_turns_by_its_angle_about_the_hearts_centre():
    heart = drawn_heart()
    labels, _ = STRESSES["rotation"].apply(heart, 0.5, 0)
    turned = replace(heart, labels=labels)
    before, after = (m.grid_mm[:, m.mask(Label.LA)].mean(axis=1) - m.centre_mm for m in (heart, turned))
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(22.5, abs=1)


def test_the_mirrors_mirror_is_the_map():
    heart = drawn_heart(lean=0.3)
    once = STRESSES["mirror"].apply(heart, 1, 0)[0]
    twice = STRESSES["mirror"].apply(replace(heart, labels=once), 1, 0)[0]
    assert (once != heart.labels).mean() > 0.05
    assert (twice != heart.labels).mean() < 0.004  # borders are smoothed
    np.testing.assert_array_equal(STRESSES["mirror"].apply(heart, 0.1, 0)[0], once)


def test_a_swirl_turns_the_centre_by_its_angle_and_leaves_the_rim():
    heart = drawn_heart()
    deformation = STRESSES["swirl"].apply(heart, 1, 0)[1]
    shift = deformation.displacement(0, heart.labels.shape) * np.array([1.0, 0.8])[:, None, None]
    assert np.hypot(*shift)[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 2
    row, column = (heart.grid_mm[:, heart.heart].mean(axis=1) / heart.spacing_mm).round().astype(int)
    gradient = np.gradient(shift[0], 0.8, axis=1)[row, column]  # -sin of the angle
    assert abs(gradient) == pytest.approx(np.sin(np.deg2rad(110)), abs=0.08)


def test_a_septal_defect_cuts_the_left_wall_and_no_other():
    heart = drawn_heart()
    labels, _ = STRESSES["septal-defect"].apply(heart, 0.5, 3)
    changed = heart.grid_mm[:, labels != heart.labels]
    assert (changed[1] < 64).mean() > 0.95
    torn = replace(heart, labels=labels)
    assert torn.pieces(Label.LV_MYO) == 2
    # 11 mm of an 8 mm wall, and a little more at its rounded edges.
    lost = heart.area_mm2(Label.LV_MYO) - torn.area_mm2(Label.LV_MYO)
    assert 11 * 8 * 0.85 < lost < 11 * 8 * 1.6


def test_a_missing_atrium_leaves_the_rest_alone():
    heart = drawn_heart()
    for severity in (0.5, 1.0):
        labels, _ = STRESSES["missing-atrium"].apply(heart, severity, 0)
        rest = heart.labels != Label.LA
        assert (labels[rest] != heart.labels[rest]).mean() < 0.003
    assert not (labels == Label.LA).any()


def test_an_aneurysm_leaves_the_base_and_thins_the_apex():
    heart = drawn_heart()
    labels, _ = STRESSES["aneurysm"].apply(heart, 1, 0)
    ballooned = replace(heart, labels=labels)
    width = [(m.labels[: 75 - 15] == Label.LV_ENDO).sum(axis=1).max() * 0.8 for m in (heart, ballooned)]
    assert width[1] > width[0] + 8
    apical_wall = [(m.labels[:75, 80] == Label.LV_MYO).sum() for m in (heart, ballooned)]
    assert apical_wall[1] < 0.65 * apical_wall[0]


MISSING = [
    ("missing-atrium", Label.LA, "left atrium"),
    ("enlarged-atrium", Label.LA, "left atrium"),
    ("septal-defect", Label.LV_MYO, "myocardium"),
    ("hypertrophied-wall", Label.LV_MYO, "myocardium"),
    ("two-ventricles", Label.LV_ENDO, "left ventricular cavity"),
    ("rotation", Label.LV_ENDO, "left ventricular cavity"),
]


@pytest.mark.parametrize(("name", "label", "word"), MISSING)
@pytest.mark.parametrize("severity", [0.0, 0.5])
def test_a_map_without_the_structure_is_refused_at_every_severity(name, label, word, severity):
    heart = phantom(1)
    labels = np.where(heart.labels == label, np.uint8(0), heart.labels)
    with pytest.raises(NotApplicable, match=f"the map has no {word} of at least 60 mm²"):
        STRESSES[name].apply(replace(heart, labels=labels), severity, 0)


def test_a_heart_outside_the_sector_has_no_edge_to_go_to():
    heart = phantom(1)
    dark = replace(heart, sector=(heart.labels == 0) & (np.indices(heart.labels.shape)[0] > 80))
    with pytest.raises(NotApplicable, match="the heart of the map lies outside of the sector"):
        STRESSES["edge"].apply(dark, 0.5, 0)


@pytest.mark.parametrize("severity", [-0.1, 1.5, float("nan")])
def test_a_severity_out_of_range_is_refused(severity):
    with pytest.raises(EchobenchError, match=r"the severity of a stress lies between 0 .none. and 1, got"):
        STRESSES["swirl"].apply(phantom(1), severity, 0)


def test_an_unknown_stress_is_refused_with_the_known_ones():
    with pytest.raises(EchobenchError, match=r"unknown deformation 'twist'; known: swirl, shear, .*two-ventricles"):
        find_stress("twist")


def phantom_frames(make_frames, numbers=(1, 2, 3)):
    hearts = [phantom(number, frame) for number in numbers for frame in (2, 3)]
    return replace(
        make_frames(len(numbers), size=96),
        labels=np.array([heart.labels for heart in hearts]),
        sector=np.array([heart.sector for heart in hearts]),
        spacing_mm=np.array([heart.spacing_mm for heart in hearts]),
    )


def test_maps_of_frames_keep_sector_source_and_severity(make_frames):
    frames = phantom_frames(make_frames)
    stressed = stress_maps(frames, "dilated-ventricle", 0.5, seed=1)
    assert stressed.skipped == ()
    maps = stressed.maps
    np.testing.assert_array_equal(maps.sector, frames.sector)
    np.testing.assert_array_equal(maps.source_index, np.arange(6))
    assert maps.deformation.strength.tolist() == [0.5] * 6
    assert (maps.labels != frames.labels).any(axis=(1, 2)).all()
    at_rest = stress_maps(frames, "dilated-ventricle", 0.0, seed=1).maps
    np.testing.assert_array_equal(at_rest.labels, frames.labels)


def test_each_map_depends_on_its_own_frame_alone_and_the_seed_draws_its_side(make_frames):
    frames = phantom_frames(make_frames)
    maps = stress_maps(frames, "rotation", 0.5, seed=1).maps
    alone = stress_maps(frames.select(slice(3, 4)), "rotation", 0.5, seed=1).maps
    np.testing.assert_array_equal(alone.labels[0], maps.labels[3])
    other = [stress_maps(frames, "rotation", 0.5, seed=seed).maps.labels[0] for seed in range(2, 8)]
    assert len({labels.tobytes() for labels in other}) == 2  # to the left and to the right


def test_frames_that_do_not_qualify_are_skipped_with_their_reasons(make_frames):
    frames = phantom_frames(make_frames)
    frames.labels[1][frames.labels[1] == Label.LA] = Label.BACKGROUND
    stressed = stress_maps(frames, "missing-atrium", 1.0, seed=0)
    assert stressed.maps.source_index.tolist() == [0, 2, 3, 4, 5]
    (skip,) = stressed.skipped
    assert (skip.patient, skip.view, skip.phase) == ("patient0001", "4C", "ES")
    assert skip.reason == "the map has no left atrium of at least 60 mm²"


def test_a_two_chamber_view_shows_no_septum(make_frames):
    frames = replace(phantom_frames(make_frames), view=np.array(["2C"] * 6))
    with pytest.raises(
        EchobenchError, match="septal-defect applies to none of 6 frames: the view does not show it; 4C"
    ):
        stress_maps(frames, "septal-defect", 0.5, seed=0)


def test_the_reached_sector_is_where_the_source_had_one(make_frames):
    frames = phantom_frames(make_frames)
    at_rest = stress_maps(frames, "small", 0.0, seed=0).maps
    np.testing.assert_array_equal(reached_sector(at_rest), frames.sector)
    shrunk = stress_maps(frames, "small", 1.0, seed=0).maps
    reached = reached_sector(shrunk)
    assert not (reached & ~frames.sector).any()
    share = reached.sum(axis=(1, 2)) / frames.sector.sum(axis=(1, 2))
    np.testing.assert_allclose(share, 0.25, atol=0.02)


def test_a_smooth_field_survives_its_representation():
    row, column = np.indices((120, 90)) / np.array([120, 90])[:, None, None]
    field = np.stack([6 * np.sin(5 * row) * np.cos(4 * column), 3 * column**2]).astype(np.float32)
    kept = field_deformation(field[None], np.array([4]), np.array([0.5]))
    np.testing.assert_allclose(kept.displacement(0, (120, 90)), field, atol=2e-3)
    assert (kept.seed.tolist(), kept.strength.tolist()) == ([4], [0.5])


def test_a_field_of_a_shift_is_that_shift_at_any_size():
    field = np.broadcast_to(np.float32([[[2.0]], [[-3.0]]]), (2, 256, 256))
    kept = field_deformation(field[None], np.array([0]), np.array([1.0]))
    np.testing.assert_allclose(kept.displacement(0, (128, 64))[0], 1.0, atol=1e-4)
    np.testing.assert_allclose(kept.displacement(0, (128, 64))[1], -0.75, atol=1e-4)
