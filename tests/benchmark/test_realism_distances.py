"""Distances between sets of features, and memorisation, against answers known in closed form."""

from math import comb

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from echobench.benchmark.measure.realism.distances import (
    SUBSETS,
    density_coverage,
    equal_subsets,
    frechet_distance,
    independent_frames,
    kernel_distance,
    precision_recall,
)
from echobench.benchmark.measure.realism.memorisation import (
    PERCENTILE,
    Memorisation,
    memorisation,
    relative_nearest,
    small_pixels,
)
from echobench.data.frames import concatenate


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_moments(rng, n, mean, covariance):
    """n samples whose own mean and covariance are the given ones, exactly."""
    x = rng.standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(x.T)), x.T)
    return mean + (np.linalg.cholesky(covariance) @ white).T


def test_frechet_distance_of_independent_normals(rng):
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 1.0])  # variances: roots 1, 2, 3 and 2, 2, 1
    first = with_moments(rng, 40, np.zeros(3), np.diag(a))
    second = with_moments(rng, 30, np.array([3.0, 0.0, 4.0]), np.diag(b))
    assert frechet_distance(first, second) == pytest.approx(25 + 1 + 0 + 4)


def test_frechet_distance_of_correlated_normals(rng):
    root_a, root_b = rng.standard_normal((2, 4, 4))
    a, b = root_a @ root_a.T + np.eye(4), root_b @ root_b.T + np.eye(4)
    expected = 1 + np.trace(a + b - 2 * sqrtm(a @ b).real)
    first, second = with_moments(rng, 20, np.zeros(4), a), with_moments(rng, 50, np.eye(4)[0], b)
    assert frechet_distance(first, second) == pytest.approx(expected)


def test_frechet_distance_is_that_of_torch_fidelity_with_fewer_images_than_features(rng):
    first, second = rng.standard_normal((12, 30)), rng.standard_normal((10, 30)) * 2 + 1
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (first, second)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_by_hand():
    # One feature: k(x, y) = (xy + 1)³. Sets {0, 1} and {0, 2}: 1, 1 off the diagonals; across 1, 1, 1 and 27.
    assert kernel_distance(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])) == pytest.approx(1 + 1 - 2 * 30 / 4)


def test_kernel_distance_of_one_distribution_is_zero_on_average(rng):
    values = [kernel_distance(*rng.standard_normal((2, 20, 5))) for _ in range(400)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0
    assert kernel_distance(rng.standard_normal((20, 5)), rng.standard_normal((20, 5)) + 1) > 30 * error


def test_precision_counts_drawn_images_and_recall_real_ones(rng):
    here, there = rng.standard_normal((2, 40, 3))
    real = np.concatenate([here[:20], there[:20] + 100])
    assert precision_recall(here[20:], real)[1] == pytest.approx(0.5, abs=0.15)  # half of the real ones are missed
    assert precision_recall(here[20:], real)[0] > 0.7
    assert precision_recall(here, here + 1000) == (0, 0)
    assert precision_recall(here, here) == (1, 1)


@pytest.mark.parametrize(("n_drawn", "n_real", "k"), [(20, 20, 5), (10, 30, 3)])
def test_density_and_coverage_of_one_distribution(rng, n_drawn, n_real, k):
    # Naeem et al. 2020, Lemma 1 and 2: expectations that hold whatever the distribution.
    expected = 1 - comb(n_real - 1, k) / comb(n_drawn + n_real - 1, k)
    draws = [
        density_coverage(rng.standard_normal((n_drawn, 4)), rng.standard_normal((n_real, 4)), k) for _ in range(400)
    ]
    density, coverage = np.mean(draws, axis=0)
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert abs(density - 1) < 4 * error[0]
    assert abs(coverage - expected) < 4 * error[1]


def test_one_image_for_all_covers_little(rng):
    real = rng.standard_normal((50, 8))
    assert density_coverage(np.tile(real[0], (50, 1)), real)[1] < 0.4
    assert density_coverage(rng.standard_normal((50, 8)), real)[1] > 0.8


def test_subsets_are_whole_patients_with_one_frame_of_each_map(make_frames):
    frames = concatenate([make_frames(8)] * 3)  # three images for each of 16 maps
    assert independent_frames(frames) == 16
    subsets = equal_subsets(frames, 8, [0, 0])
    assert len(subsets) == SUBSETS
    for subset in subsets:
        chosen = frames.select(subset)
        patients, counts = np.unique(chosen.patient, return_counts=True)
        assert len(patients) == 4
        assert (counts == 2).all()
        assert independent_frames(chosen) == 8
    assert len({tuple(subset) for subset in subsets}) == SUBSETS
    np.testing.assert_array_equal(subsets, equal_subsets(frames, 8, [0, 0]))


@pytest.fixture
def patients(rng):
    """Training, held-out and newly drawn vectors of one distribution."""
    return rng.standard_normal((200, 6)), rng.standard_normal((60, 6)), rng.standard_normal((100, 6))


def test_new_patients_are_not_flagged(patients):
    training, heldout, drawn = patients
    found = memorisation([drawn], [heldout], training)
    assert not found.flagged
    assert found.heldout_share <= 2 * PERCENTILE / 100
    assert found.share < 0.05


def test_copies_are_flagged_with_noise_on_them_and_among_others(patients, rng):
    training, heldout, drawn = patients
    noisy = training + 0.02 * rng.standard_normal(training.shape)
    assert memorisation([training], [heldout], training).share == 1
    assert memorisation([noisy], [heldout], training).flagged
    assert memorisation([noisy[:25], drawn[:75]], [heldout], training).flagged


def test_the_mean_of_all_frames_is_no_copy(patients):
    training, heldout, _ = patients
    mean = np.tile(training.mean(axis=0), (100, 1))
    nearest = np.linalg.norm(mean[0] - training, axis=1).min()
    usual = np.median([np.linalg.norm(frame - training, axis=1).min() for frame in heldout])
    assert nearest < usual  # the plain distance would say otherwise
    assert not memorisation([mean], [heldout], training).flagged


def test_chance_hardly_ever_flags_however_few_are_held_out(rng):
    flags = [Memorisation(rng.random(80), rng.random(m)).flagged for m in (10, 25, 100) for _ in range(200)]
    assert np.mean(flags) < 0.02


def test_relative_distance_by_hand():
    training = np.array([[0.0], [4.0], [10.0]])
    np.testing.assert_allclose(relative_nearest([np.array([[1.0], [4.0]])], training), [1 / (13 / 3), 0], atol=1e-7)


def test_small_pixels_are_block_means(rng):
    images = rng.integers(0, 256, (70, 128, 128)).astype(np.uint8)
    expected = images.reshape(70, 64, 2, 64, 2).mean(axis=(2, 4)).reshape(70, -1)
    np.testing.assert_allclose(np.concatenate([*small_pixels(images)]), expected)
