"""The published network at its full size, with all of its weights: a minute or two, and 8 GB of memory."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from echobench.data.frames import Frames
from echobench.generators.diffusion.paper import PaperDenoiser, PaperMethod
from echobench.generators.diffusion.paper_network import PaperNetworkSettings
from echobench.generators.sdm import PAPER
from echobench.generators.training.pairs import Pairs

pytestmark = pytest.mark.slow
SIZE = 256
SMALLEST = PaperNetworkSettings(
    channels=8, multipliers=(1,), blocks=1, attention=(False,), head_channels=8, spade_channels=4, groups=4
)


@pytest.fixture(scope="module")
def method() -> PaperMethod:
    return PaperMethod(PAPER.schedule, PAPER.network, PAPER.training, PAPER.sampling)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def denoiser(method: PaperMethod) -> PaperDenoiser:
    denoiser = method.new_denoiser(0)
    denoiser.network.checkpointing = method.training.gradient_checkpointing
    return denoiser


def batch_of(method: PaperMethod, frames: Frames) -> tuple[Tensor, ...]:
    """One frame with its noise, as a training step sees it."""
    pairs = Pairs.of(method.frames(frames), torch.device("cpu"))
    return method.batch(pairs, torch.tensor([0]), torch.Generator().manual_seed(0))


def test_a_new_network_says_nothing_and_a_step_down_its_gradient_lowers_the_loss(
    make_frames, method: PaperMethod, denoiser: PaperDenoiser
) -> None:
    assert sum(p.numel() for p in denoiser.parameters()) == 652_198_918
    images, planes, keep, t, epsilon = batch_of(method, make_frames(1, size=SIZE))
    loss = method.loss(denoiser)
    before = loss(images, planes, keep, t, epsilon)
    # The last layer begins at zero, so that the loss is that of the smallest network of its kind, which is as silent:
    # the power of the noise and what the bound adds, in closed form in test_paper.py.
    smallest = replace(method, network=SMALLEST)
    expected = smallest.loss(smallest.new_denoiser(0))(images, planes, keep, t, epsilon)
    torch.testing.assert_close(before, expected, rtol=1e-5, atol=0)
    assert before > epsilon.square().mean()
    before.backward()
    moved = [p for p in denoiser.parameters() if p.grad is not None and p.grad.any()]
    assert moved and all(p.grad.isfinite().all() for p in moved)
    with torch.no_grad():
        norm = torch.stack([p.grad.square().sum() for p in moved]).sum().sqrt()
        for p in moved:
            p -= 0.05 / norm * p.grad
        assert loss(images, planes, keep, t, epsilon) < before
