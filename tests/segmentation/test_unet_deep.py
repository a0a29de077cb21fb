"""The deep network: its size and shapes, the loss of its depths in closed form, a training that is killed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.segmentation.networks import network_module
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.settings import UNetSettings, preset_of
from echobench.segmentation.training import Run, train, training_loss


@pytest.fixture
def deep(tiny: UNetSettings) -> UNetSettings:
    return replace(tiny, network="unet-deep", channels=(4, 8, 8, 8), leaky_slope=0.01)


def test_it_has_two_million_weights() -> None:
    network = preset_of("standard", "unet-deep").build(0)
    assert sum(weight.numel() for weight in network.parameters()) == pytest.approx(2e6, rel=0.1)


def test_only_in_training_it_has_logits_of_several_depths_the_output_first(deep: UNetSettings) -> None:
    network, images = deep.build(0), torch.randn(2, 1, 32, 32)
    depths = network.train()(images)
    assert depths.shape == (2, 2, len(Label), 32, 32)
    torch.testing.assert_close(network.eval()(images), depths[:, 0])


def test_every_depth_weighs_half_as_much_as_the_one_before() -> None:
    class Depths(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.randn((2, 3, len(Label), 8, 8), generator=torch.Generator().manual_seed(0))

    labels, weights = torch.randint(0, len(Label), (2, 8, 8)), torch.tensor([1.0, 2.0, 3.0, 4.0])
    each = [functional.cross_entropy(one, labels, weight=weights) for one in Depths()(torch.empty(0)).unbind(dim=1)]
    expected = (4 * each[0] + 2 * each[1] + each[2]) / 7
    torch.testing.assert_close(training_loss(Depths(), torch.empty(0), labels, weights), expected)


def test_its_features_are_of_the_bottom_and_differ_from_image_to_image(deep: UNetSettings) -> None:
    network = deep.build(0).eval()
    features = network_module("unet-deep").encoder(network)(torch.randn(3, 1, 32, 32)).mean(dim=(2, 3))
    assert features.shape == (3, 8) and (features.std(dim=0) > 1e-4).all()


def test_it_learns_all_its_depths_and_looks_with_its_output(
    make_frames: Callable[..., Frames], deep: UNetSettings
) -> None:
    run = Run(make_frames(4), make_frames(2, seed=1), deep, 0, torch.device("cpu"))
    before = {name: value.clone() for name, value in run.network.named_parameters()}
    run.optimise(1e-3)
    run.validate()
    assert run.network.training
    assert [name for name, value in run.network.named_parameters() if torch.equal(value, before[name])] == []


def test_a_killed_training_resumes_to_equal_weights_and_its_file_is_read(
    make_frames: Callable[..., Frames], deep: UNetSettings, tmp_path: Path
) -> None:
    def kill(done: int, total: int, figures: object = None) -> None:
        if done == 7:
            raise KeyboardInterrupt

    frames, validation, path = make_frames(5), make_frames(2, seed=1), tmp_path / "training.pt"
    whole, curves = train(frames, validation, deep, seed=0)
    with pytest.raises(KeyboardInterrupt):
        train(frames, validation, deep, seed=0, checkpoint=path, progress=kill)
    resumed, again = train(frames, validation, deep, seed=0, checkpoint=path)
    pd.testing.assert_frame_equal(curves, again, check_exact=True)
    resumed.save(tmp_path / "unet.pt")
    loaded = Segmenter.load(tmp_path / "unet.pt", settings=deep)
    assert (loaded.predict(validation.images) == whole.predict(validation.images)).all()
    weights = loaded.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in whole.network.state_dict().items())
