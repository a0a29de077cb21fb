"""Calibration errors of forecasters whose error is known in closed form, and the way of a U-Net's own probabilities."""

from collections.abc import Callable, Mapping
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch
from monai.metrics import CalibrationErrorMetric

from echobench.benchmark.run.scoring import known_scores
from echobench.data.frames import Frames
from echobench.data.labels import REGIONS, Label
from echobench.segmentation.calibration import BINS, calibration_error
from echobench.segmentation.scores import score
from echobench.segmentation.segmenter import Preprocessing, Segmenter
from echobench.segmentation.settings import UNetSettings

SIDE_PX = 64
HEART = (slice(20, 40), slice(20, 40))
"""A structure of 20 × 20 pixels; its window of 30 × 30 has room in the image."""
FREQUENCY = 20**2 / 30**2


def frames_of(labels: np.ndarray) -> Frames:
    n = len(labels)
    texts = {"view": "4C", "phase": "ED", "source": "drawn"}
    return Frames(
        images=np.zeros(labels.shape, np.uint8),
        labels=labels,
        sector=np.ones(labels.shape, bool),
        spacing_mm=np.ones((n, 2)),
        patient=np.array([f"p{i}" for i in range(n)]),
        **{name: np.full(n, text) for name, text in texts.items()},
    )


def heart(label: Label = Label.LA) -> np.ndarray:
    labels = np.zeros((1, SIDE_PX, SIDE_PX), np.uint8)
    labels[0, *HEART] = label
    return labels


def says(everywhere: Mapping[Label, float]) -> np.ndarray:
    """Probabilities (1, len(Label), S, S) of one who says the same of every pixel; the rest is background."""
    shares = np.array([everywhere.get(label, 0.0) for label in Label], np.float32)
    shares[Label.BACKGROUND] = 1 - shares.sum()
    return np.broadcast_to(shares[None, :, None, None], (1, len(Label), SIDE_PX, SIDE_PX)).copy()


def certain(labels: np.ndarray) -> np.ndarray:
    return np.stack([labels == label for label in Label], axis=1).astype(np.float32)


def errors(truth: np.ndarray, guess: np.ndarray, probabilities: np.ndarray) -> "pd.Series[float]":
    table = score(frames_of(truth), guess, probabilities)
    return table[table["metric"] == "ece"].set_index("region")["value"]


@pytest.mark.parametrize("p", [0.0, 0.3, FREQUENCY, 0.9, 1.0])
def test_who_always_says_p_errs_by_the_distance_to_the_frequency(p: float) -> None:
    found = errors(heart(), heart(), says({Label.LA: p}))
    assert found["LA"] == pytest.approx(abs(p - FREQUENCY), abs=1e-6)
    assert found.drop("LA").isna().all()  # nobody drew these


def test_who_is_sure_and_right_has_no_error_and_who_is_sure_and_wrong_errs_by_the_share_of_the_wrong() -> None:
    assert errors(heart(), heart(), certain(heart()))["LA"] == 0
    other = np.roll(heart(), 4, axis=2)
    assert errors(heart(), other, certain(other))["LA"] == pytest.approx(2 * 4 * 20 / 30**2)


def test_errors_of_bins_add_up_with_their_pixels() -> None:
    """In the left half of the window 0.2 is said, in the right half 0.7; a half's frequency is that of the window."""
    probabilities = says({Label.LA: 0.2})
    probabilities[:, :, :, 30:] = says({Label.LA: 0.7})[:, :, :, 30:]
    expected = (abs(0.2 - FREQUENCY) + abs(0.7 - FREQUENCY)) / 2
    assert errors(heart(), heart(), probabilities)["LA"] == pytest.approx(expected, abs=1e-6)


def test_a_region_of_two_labels_has_the_sum_of_their_probabilities() -> None:
    found = errors(heart(Label.LV_MYO), heart(Label.LV_MYO), says({Label.LV_ENDO: 0.25, Label.LV_MYO: 0.5}))
    assert found["LVepi"] == pytest.approx(abs(0.75 - FREQUENCY), abs=1e-6)
    assert found["LVmyo"] == pytest.approx(abs(0.5 - FREQUENCY), abs=1e-6)


def test_monai_finds_the_same_as_far_as_its_single_precision_goes() -> None:
    rng = np.random.default_rng(0)
    said, so = rng.random((40, 50), np.float32), rng.random((40, 50)) < 0.3
    measure = CalibrationErrorMetric(num_bins=BINS, metric_reduction="none")
    theirs = float(measure(torch.tensor(said)[None, None], torch.tensor(so)[None, None]))
    assert calibration_error(said, so) == pytest.approx(theirs, abs=1e-5)


def test_many_pixels_add_up_without_an_error_of_rounding() -> None:
    said = np.full(20_000, 0.99, np.float32)
    assert calibration_error(said, said > 0) == pytest.approx(0.01, abs=1e-7)


def test_what_is_said_far_from_the_structure_does_not_count() -> None:
    probabilities = says({Label.LA: 0.3})
    probabilities[:, :, 50:] = says({Label.LA: 0.9})[:, :, 50:]
    assert errors(heart(), heart(), probabilities)["LA"] == pytest.approx(abs(0.3 - FREQUENCY), abs=1e-6)


def test_a_missed_and_an_invented_structure_keep_the_error_that_they_have() -> None:
    nothing = np.zeros_like(heart())
    assert errors(heart(), nothing, says({Label.LA: 0.4}))["LA"] == pytest.approx(FREQUENCY - 0.4, abs=1e-6)
    assert errors(nothing, heart(), says({Label.LA: 0.4}))["LA"] == pytest.approx(0.4, abs=1e-6)


def test_without_probabilities_there_is_no_calibration() -> None:
    assert "ece" not in set(score(frames_of(heart()), heart())["metric"])


def test_a_u_nets_batches_score_as_all_its_images_at_once(tiny: UNetSettings, make_frames: Callable[..., Frames]):
    frames, segmenter = make_frames(3), Segmenter(tiny.build(0).eval(), tiny, Preprocessing(32, 0.2, 0.1))
    batches = list(segmenter.forecasts(frames.images, batch_size=4))
    assert [len(labels) for labels, _ in batches] == [4, 2]
    labels, probabilities = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), labels)
    table, seen = known_scores(frames, iter(batches), list(REGIONS))
    np.testing.assert_array_equal(seen, segmenter.predict(frames.images, batch_size=4))
    pd.testing.assert_frame_equal(table, score(frames, labels, probabilities))
    assert table["metric"].value_counts().nunique() == 1 and "ece" in set(table["metric"])


def test_one_batch_of_probabilities_is_held_at_a_time(tiny: UNetSettings, make_frames: Callable[..., Frames]) -> None:
    frames, segmenter = make_frames(20), Segmenter(tiny.build(0).eval(), tiny, Preprocessing(32, 0.2, 0.1))
    shapes = [said.shape for _, said in segmenter.forecasts(frames.images)]
    assert [n for n, *_ in shapes] == [16, 16, 8]
    assert set(chain.from_iterable(shape[1:] for shape in shapes)) == {len(Label), 32}
