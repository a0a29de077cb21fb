"""Wavelets, speckle, membership and distances at infinity, against answers known in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from echobench.benchmark.measure.realism.appearance import appearance_rows
from echobench.benchmark.measure.realism.distances import frechet_distance
from echobench.benchmark.measure.realism.infinity import Curve, distance_curve
from echobench.benchmark.measure.realism.membership import membership, nearest_drawn, patient_distances
from echobench.benchmark.measure.realism.speckle import (
    apex,
    correlation_lengths,
    grey_counts,
    histogram_distance,
    of_region,
    signal_to_noise,
)
from echobench.benchmark.measure.realism.wavelets import BLOCK, LEVEL, packets, wavelet_distances
from echobench.data.frames import Frames

HALF = 2 * np.sqrt(np.log(2))
"""At this lag, in standard deviations of a Gaussian filter, filtered white noise has half of its correlation."""


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def haar(signal, filters):
    """One Haar packet of the columns of (n, …): at each level the sum or the difference of neighbours, over √2."""
    for high in filters:
        signal = (signal[::2] - signal[1::2] if high else signal[::2] + signal[1::2]) / np.sqrt(2)
    return signal


def bits(number):
    """The filters of a row of a Hadamard matrix: the first level is the lowest bit."""
    return [number >> level & 1 for level in range(LEVEL)]


def test_packets_are_those_of_the_filter_bank(rng):
    images = rng.integers(0, 256, (3, 32, 48)).astype(np.uint8)
    for row in (0, 5, 15):
        found = packets(images, row)
        for column in (0, 3, 14):
            down = haar(np.moveaxis(images / 255, 0, -1), bits(row))
            both = haar(down.swapaxes(0, 1), bits(column)).swapaxes(0, 1)
            np.testing.assert_allclose(found[column], both.reshape(-1, 3).T, atol=1e-12)


def test_an_image_of_no_whole_blocks_is_black_beyond_its_edge(rng):
    images = rng.integers(0, 256, (2, 20, 30)).astype(np.uint8)
    np.testing.assert_allclose(packets(images, 3), packets(np.pad(images, ((0, 0), (0, 12), (0, 2))), 3))


@pytest.mark.parametrize("n", [4, 40])  # fewer images than the 6 coefficients of a packet, and more
def test_fwd_is_the_mean_frechet_distance_of_the_packets(rng, n):
    first, second = (rng.integers(0, top, (n, 32, 48)).astype(np.uint8) for top in (256, 200))
    each = [
        frechet_distance(*pair)
        for row in range(BLOCK)
        for pair in zip(packets(first, row), packets(second, row), strict=True)
    ]
    assert len(each) == BLOCK**2
    near, far = wavelet_distances([second, first], second)
    assert far == pytest.approx(np.mean(each), rel=1e-6)
    assert near == pytest.approx(0, abs=1e-8)


def test_fwd_of_normal_coefficients(rng):
    """Images of one Walsh pattern each have one coefficient; of normal ones, FWD is that of two normals on a line."""
    pattern = np.kron(np.array([[1, -1], [-1, 1]]), np.ones((8, 8)))
    means, deviations = (20.0, 45.0), (5.0, 12.0)
    amplitudes = [np.rint(rng.normal(m, s, 300)) for m, s in zip(means, deviations, strict=True)]
    first, second = ((128 + a[:, None, None] * pattern).astype(np.uint8) for a in amplitudes)
    shift, spread = (np.subtract(*(f(a) for a in amplitudes)) for f in (np.mean, lambda a: np.std(a, ddof=1)))
    expected = (BLOCK / 255) ** 2 * (shift**2 + spread**2) / BLOCK**2
    assert wavelet_distances([first], second)[0] == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx((25**2 + 7**2) / 255**2, rel=0.15)


def framed(images, sector, spacing=(0.5, 0.4)):
    n = len(images)
    names = np.array([f"p{i}" for i in range(n)])
    return Frames(
        images=images, labels=np.zeros_like(images), sector=sector, spacing_mm=np.tile(spacing, (n, 1)),
        patient=names, view=names, phase=names, source=names,
    )  # fmt: skip


def grains(rng, sigma, size=256):
    """An image of white noise after a Gaussian filter of standard deviations in pixels."""
    noise = ndimage.gaussian_filter(rng.standard_normal((size, size)), sigma, mode="wrap")
    return (128 + 30 * noise / noise.std()).clip(0, 255).astype(np.uint8)


def test_correlation_lengths_of_filtered_noise_in_mm(rng):
    images = np.array([grains(rng, (2, 3)) for _ in range(3)])
    frames = framed(images, np.ones(images.shape, dtype=bool))
    along, across = correlation_lengths(frames).mean(axis=0)
    assert along == pytest.approx(HALF * 2 * 0.5, rel=0.08)
    assert across == pytest.approx(HALF * 3 * 0.4, rel=0.08)
    other = framed(images, frames.sector, spacing=(1.0, 0.4))
    assert correlation_lengths(other).mean(axis=0)[0] == pytest.approx(2 * along, rel=0.05)


def test_the_beam_is_followed_where_it_is_slanted(rng):
    row, column = np.indices((256, 256))
    slanted = ndimage.rotate(grains(rng, (6, 1), 512), 45, reshape=False, mode="wrap")[128:384, 128:384]
    sector = np.abs(column - row) < 60
    along, across = correlation_lengths(framed(slanted[None] * sector, sector[None], (0.5, 0.5)))[0]
    assert across == pytest.approx(HALF * 1 * 0.5, rel=0.25)
    assert along > 3 * across
    mirrored = correlation_lengths(framed((slanted[:, ::-1] * sector)[None], sector[None], (0.5, 0.5)))[0]
    assert mirrored[1] > 3 * mirrored[0]


def test_the_apex_is_where_the_edges_meet(make_frames):
    size = 128
    sector = make_frames(1, size=size).sector[0]  # |column - 0.5| < 0.05 + 0.45 row
    assert apex(sector) == pytest.approx([-0.05 / 0.45 * size, size / 2], abs=2)


def test_a_length_in_mm_needs_a_spacing_and_something_to_see(rng):
    images = np.array([grains(rng, (2, 2), 64)])
    sector = np.ones(images.shape, dtype=bool)
    assert np.isnan(correlation_lengths(framed(images, sector, (np.nan, np.nan)))).all()
    assert np.isnan(correlation_lengths(framed(images * 0, sector))).all()
    assert np.isnan(correlation_lengths(framed(images, ~sector))).all()


def test_grey_values_are_counted_by_region_inside_the_sector(make_frames):
    frames = make_frames(40)
    counts = grey_counts(frames)
    assert counts.sum() == frames.sector.sum()
    wall = frames.images[70][(frames.labels[70] == 2) & frames.sector[70]]
    np.testing.assert_array_equal(of_region(counts, "LVmyo")[70], np.bincount(wall, minlength=256))


def test_a_histogram_is_as_far_as_it_was_moved():
    first = np.zeros(256, dtype=np.int64)
    first[[10, 50, 51]] = [4, 1, 1]
    assert histogram_distance(first, np.roll(first, 7)) == pytest.approx(7)
    assert histogram_distance(first, 3 * first) == 0
    assert np.isnan(histogram_distance(first, 0 * first))


def test_signal_to_noise_of_developed_speckle(rng):
    envelope = np.bincount(rng.rayleigh(40, 200_000).clip(0, 255).astype(int), minlength=256)
    constant = np.bincount([80] * 9, minlength=256)
    developed, nothing_varies, empty = signal_to_noise(np.array([envelope, constant, 0 * constant]))
    assert developed == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.02)  # 1.91; grey values are rounded down
    assert np.isnan(nothing_varies) and np.isnan(empty)


def test_membership_by_hand():
    found = membership([1, 2], [2, 3])  # of four pairs three are in order and one is a tie
    assert (found.auc, found.training, found.heldout) == (3.5 / 4, 2, 2)
    assert found.low <= found.auc <= found.high
    np.testing.assert_array_equal(patient_distances(np.array([1.0, 5.0, 3.0]), np.array(["b", "a", "b"])), [5, 2])


def members(rng, drawn_of):
    """Membership of forty training patients and thirty held-out ones, by images that `drawn_of` makes."""
    training, heldout = rng.standard_normal((40, 6)), rng.standard_normal((30, 6))
    drawn = [drawn_of(training)]
    return membership(nearest_drawn(training, drawn), nearest_drawn(heldout, drawn))


def test_who_has_seen_nobody_gives_nobody_away(rng):
    found = [members(rng, lambda training: rng.standard_normal((80, 6))) for _ in range(100)]
    assert np.mean([one.auc for one in found]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([one.low <= 0.5 <= one.high for one in found]) > 0.88


def test_who_copies_gives_everybody_away(rng):
    found = members(rng, lambda training: training + 0.05 * rng.standard_normal(training.shape))
    assert found.auc > 0.9 and found.low > 0.9
    half = members(rng, lambda training: np.concatenate([training[:20], rng.standard_normal((20, 6))]))
    assert 0.6 < half.auc < 0.9 and half.low > 0.5


def test_the_nearest_drawn_image_is_the_same_in_any_batches(rng):
    real, drawn = rng.standard_normal((9, 3)), rng.standard_normal((50, 3))
    expected = np.linalg.norm(real[:, None] - drawn, axis=2).min(axis=1)
    np.testing.assert_allclose(nearest_drawn(real, [drawn[:1], drawn[1:40], drawn[40:]]), expected)


def test_a_line_in_one_over_n_ends_where_it_leads():
    n = np.arange(50, 101, 5)
    value, error, fit = Curve(n, 3 + 40 / n).at_infinity
    assert (value, error, fit) == pytest.approx((3, 0, 1), abs=1e-6)
    assert np.isnan(Curve(np.array([2, 3]), np.array([5.0, 4.0])).at_infinity[0])


def test_the_bias_of_a_known_normal_is_gone_at_infinity(rng):
    """Drawn from N(0.5, 1.25² I) in 8 dimensions, against a reference whose own moments are those of N(0, I)."""
    reference = rng.standard_normal((4000, 8))
    reference -= reference.mean(axis=0)
    reference = np.linalg.solve(np.linalg.cholesky(np.cov(reference.T)), reference.T).T
    true = 8 * 0.5**2 + 8 * (1.25 - 1) ** 2
    curves = [distance_curve(0.5 + 1.25 * rng.standard_normal((80, 8)), reference, [i]) for i in range(60)]
    biased, infinite = (np.array([one(curve) for curve in curves]) for one in (_last, _infinite))
    error = infinite.std() / np.sqrt(len(curves))
    assert biased.mean() - true > 5 * biased.std() / np.sqrt(len(curves))
    assert abs(infinite.mean() - true) < 3 * error
    assert abs(infinite.mean() - true) < 0.3 * (biased.mean() - true)


def _last(curve):
    assert curve.n[0] == 40 and curve.n[-1] == 80
    return curve.distance[-1]


def _infinite(curve):
    return curve.at_infinity[0]


def test_frames_of_unknown_spacing_are_said_to_be(make_frames):
    training, heldout = make_frames(6), make_frames(6, seed=1, first=100)
    blind = [replace(frames, spacing_mm=frames.spacing_mm * np.nan) for frames in (training, training, heldout)]
    found = {(row["metric"], row.get("region")): row for row in appearance_rows(*blind, None, 0)}
    grain = found["correlation length along the beam", None]
    assert np.isnan(grain["value"]) and grain["note"] == "the spacing is unknown"
    for one in (("FWD", None), ("grey values", "LA")):  # drawn are the training frames
        assert found[one]["value"] == pytest.approx(found[one]["held_out"]) and found[one]["value"] > 0
