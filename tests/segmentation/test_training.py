"""Training: learns, repeats itself bit for bit, survives a kill, refuses what it cannot use."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import TABLE_REGIONS, Label
from echobench.segmentation.scores import region_dice
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.settings import UNetSettings
from echobench.segmentation.training import class_weights, learning_rate, train

pytestmark = pytest.mark.usefixtures("one_thread")

MakeFrames = Callable[..., Frames]


class Killed(Exception):
    """Raised from the progress callback, as a signal would end the process."""


def kill_at(step: int) -> Callable[..., None]:
    def progress(done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        if done == step:
            raise Killed

    return progress


def same_weights(a: Segmenter, b: Segmenter) -> bool:
    one, two = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(one[name], two[name]) for name in one)


def relabelled(frames: Frames, labels: np.ndarray) -> Frames:
    return replace(frames, labels=labels)


def test_it_learns_the_toy_hearts(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    settings = replace(tiny, channels=(8, 16, 32), steps=300, validation_every_steps=50, peak_learning_rate=2e-2)
    segmenter, curves = train(make_frames(8), make_frames(4, seed=1), settings, seed=0)
    assert curves["dice_mean"].max() > 0.85
    assert curves["train_loss"].iloc[-1] < 0.5 * curves["train_loss"].iloc[0]
    unseen = make_frames(4, seed=2)
    assert (segmenter.predict(unseen.images) == unseen.labels).mean() > 0.9


def test_the_same_seed_gives_the_same_weights_bit_for_bit(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    frames, validation = make_frames(5), make_frames(2, seed=1)
    (first, curves), (again, curves_again) = (train(frames, validation, tiny, seed=3) for _ in range(2))
    other, _ = train(frames, validation, tiny, seed=4)
    assert same_weights(first, again)
    assert not same_weights(first, other)
    pd.testing.assert_frame_equal(curves, curves_again, check_exact=True)


@pytest.mark.parametrize("killed_at", [1, 3, 7, 11])
def test_a_killed_training_resumes_to_equal_weights(
    make_frames: MakeFrames, tiny: UNetSettings, tmp_path: Path, killed_at: int
) -> None:
    frames, validation, path = make_frames(5), make_frames(2, seed=1), tmp_path / "training.pt"
    whole, curves = train(frames, validation, tiny, seed=0)
    with pytest.raises(Killed):
        train(frames, validation, tiny, seed=0, checkpoint=path, progress=kill_at(killed_at))
    resumed, curves_resumed = train(frames, validation, tiny, seed=0, checkpoint=path)
    assert same_weights(whole, resumed)
    pd.testing.assert_frame_equal(curves, curves_resumed, check_exact=True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_training_is_not_repeated(make_frames: MakeFrames, tiny: UNetSettings, tmp_path: Path) -> None:
    frames, validation, path = make_frames(3), make_frames(2, seed=1), tmp_path / "training.pt"
    first, curves = train(frames, validation, tiny, seed=0, checkpoint=path)
    again, curves_again = train(frames, validation, tiny, seed=0, checkpoint=path, progress=kill_at(tiny.steps or 0))
    assert same_weights(first, again)
    pd.testing.assert_frame_equal(curves, curves_again, check_exact=True)


@pytest.mark.parametrize(
    ("change", "seed", "patients", "message"),
    [
        ({"peak_learning_rate": 1e-2}, 0, 3, "peak_learning_rate is 0.005 there, 0.01 here"),
        ({}, 1, 3, "seed"),
        ({}, 0, 4, "other frames: training is"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    make_frames: MakeFrames,
    tiny: UNetSettings,
    tmp_path: Path,
    change: dict[str, float],
    seed: int,
    patients: int,
    message: str,
) -> None:
    validation, path = make_frames(2, seed=1), tmp_path / "training.pt"
    train(make_frames(3), validation, tiny, seed=0, checkpoint=path)
    with pytest.raises(EchobenchError, match=message):
        train(make_frames(patients), validation, replace(tiny, **change), seed=seed, checkpoint=path)


def test_the_global_random_state_is_not_touched(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    before, before_numpy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(make_frames(3), make_frames(2, seed=1), tiny, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002


def test_the_curves_have_one_row_per_validation(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    settings = replace(tiny, steps=8)
    calls: list[int] = []
    _, curves = train(
        make_frames(5),
        make_frames(2, seed=1),
        settings,
        0,
        progress=lambda done, total, figures=None: calls.append(done),
    )
    assert list(curves["step"]) == [3, 6, 8]
    assert list(curves["epoch"]) == [1.0, 2.0, 8 / 3]
    assert calls == list(range(1, 9))
    expected = {"step", "epoch", "learning_rate", "train_loss", "dice_mean"}
    assert set(curves.columns) == expected | {f"dice_{r}" for r in ("LVendo", "LVepi", "LVmyo", "LA")}
    assert curves["learning_rate"].iloc[-1] == pytest.approx(settings.final_learning_rate)


def test_the_best_weights_are_returned_not_the_last(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    # The training labels know no structure, so the more the network learns, the less it draws.
    frames, validation = make_frames(4), make_frames(2, seed=1)
    empty = relabelled(frames, np.full_like(frames.labels, Label.BACKGROUND))
    settings = replace(tiny, steps=40, validation_every_steps=1, peak_learning_rate=2e-2)
    segmenter, curves = train(empty, validation, settings, seed=0)
    assert curves["dice_mean"].iloc[-1] < 0.5 * curves["dice_mean"].max()
    scores = region_dice(validation.labels, segmenter.predict(validation.images))
    reached = np.mean([scores[region].mean() for region in TABLE_REGIONS])
    assert reached == pytest.approx(curves["dice_mean"].max())


def test_a_region_that_validation_never_shows_is_left_out_of_the_mean(
    make_frames: MakeFrames, tiny: UNetSettings
) -> None:
    def without_atrium(frames: Frames) -> Frames:
        return relabelled(frames, np.where(frames.labels == Label.LA, Label.BACKGROUND, frames.labels).astype(np.uint8))

    settings = replace(tiny, steps=60, validation_every_steps=20, balance_power=0.5, balance_steps=20)
    _, curves = train(without_atrium(make_frames(4)), without_atrium(make_frames(2, seed=1)), settings, seed=0)
    last = curves.iloc[-1]
    assert np.isnan(last["dice_LA"]) or last["dice_LA"] == 0  # 0 where the network still draws one
    defined = [d for d in (last["dice_LVendo"], last["dice_LVepi"], last["dice_LA"]) if not np.isnan(d)]
    assert last["dice_mean"] == pytest.approx(np.mean(defined))


def test_frames_that_cannot_be_used_are_refused(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    good = make_frames(2)
    with pytest.raises(EchobenchError, match="64 x 64 px, the U-Net's settings say 32 x 32"):
        train(make_frames(2, size=64), good, tiny, seed=0)
    with pytest.raises(EchobenchError, match="no validation frames"):
        train(good, good.select(slice(0, 0)), tiny, seed=0)
    with pytest.raises(EchobenchError, match="label code 4 in the training frames"):
        train(relabelled(good, np.full_like(good.labels, 4)), good, tiny, seed=0)
    with pytest.raises(EchobenchError, match="no validation frame shows any of LVendo, LVepi, LA"):
        train(good, relabelled(good, np.zeros_like(good.labels)), tiny, seed=0)


def test_divergence_is_said_and_not_hidden(make_frames: MakeFrames, tiny: UNetSettings) -> None:
    with pytest.raises(EchobenchError, match="lower peak_learning_rate"):
        train(make_frames(2), make_frames(2, seed=1), replace(tiny, peak_learning_rate=1e38), seed=0)


def test_the_learning_rate_climbs_then_follows_half_a_cosine(tiny: UNetSettings) -> None:
    settings = replace(tiny, peak_learning_rate=1e-3, final_learning_rate=1e-4, warmup_steps=10)
    rates = np.array([learning_rate(step, 111, settings) for step in range(111)])
    np.testing.assert_allclose(rates[:10], 1e-4 * np.arange(1, 11))
    assert rates[10] == pytest.approx(1e-3)
    assert rates[60] == pytest.approx(5.5e-4)
    assert rates[-1] == pytest.approx(1e-4)
    assert (np.diff(rates[10:]) < 0).all()


def test_class_weights_fade_from_inverse_frequency_to_none(tiny: UNetSettings) -> None:
    fraction = np.array([0.81, 0.09, 0.1, 0.0])
    settings = replace(tiny, balance_power=0.5, balance_steps=100)
    np.testing.assert_allclose(class_weights(0, fraction, settings), [1 / 0.9, 1 / 0.3, 0.1**-0.5, 1])
    np.testing.assert_allclose(class_weights(50, fraction, settings), [0.81**-0.25, 0.09**-0.25, 0.1**-0.25, 1])
    np.testing.assert_allclose(class_weights(100, fraction, settings), 1)
    np.testing.assert_allclose(class_weights(0, fraction, tiny), 1)
