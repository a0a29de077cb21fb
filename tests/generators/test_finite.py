"""A training that diverges stops at once, names its settings, and leaves the last finite weights."""

from dataclasses import replace

import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.generators.cyclegan import CycleGan, CycleGanSettings
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.registry import generator_class
from echobench.generators.sdm import SdmSettings, SemanticDiffusion
from echobench.generators.training.checkpoint import read
from echobench.generators.training.loop import Training
from echobench.generators.training.pairs import Pairs
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.training import CycleSettings
from tests.generators.test_contract import TINY as CONTRACT

TINY_GAN = CycleGanSettings(
    network=TranslatorSettings(channels=8, halvings=1, blocks=1, discriminator_channels=4),
    training=CycleSettings(steps=6, batch=2, history=3, checkpoint_seconds=0.0),
)
TINY_SDM = SdmSettings(
    schedule=ScheduleSettings(shift=1.0),
    network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
    training=TrainingSettings(steps=12, batch=4, warmup_steps=2, precision="32-true", checkpoint_seconds=0.0),
    sampling=SamplingSettings(steps=4, batch=3),
)

STEPS_BEFORE = 2
CALLS = {"cyclegan": 2}
"""Batches that a step draws, where they are more than one."""


@pytest.fixture
def frames(make_frames):
    return make_frames(patients=3, size=32)


@pytest.mark.parametrize("weight", [1e39, 1e38])
def test_a_weight_beyond_all_numbers_ends_a_cyclegan(frames, tmp_path, weight):
    settings = replace(TINY_GAN, training=replace(TINY_GAN.training, cycle_weight=weight))
    with pytest.raises(EchobenchError, match=r"at step \d+: .*learning_rate \(0\.0002\), cycle_weight \(1e\+3"):
        CycleGan(settings).fit(frames, 0, folder=tmp_path)
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.parametrize("folder", [True, False])
def test_a_rate_that_is_too_high_ends_sdm(frames, tmp_path, folder):
    training = replace(TINY_SDM.training, learning_rate=1.0, gradient_norm=1e30, steps=300)
    with pytest.raises(EchobenchError, match=r"diverged at step \d+: .*learning_rate \(1\.0\)"):
        SemanticDiffusion(replace(TINY_SDM, training=training)).fit(frames, 0, folder=tmp_path if folder else None)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_last_finite_checkpoint_stays(frames, tmp_path, monkeypatch, name):
    advance = Training.advance

    def broken(self):
        advance(self)
        if self.step == 2:
            next(self.networks.parameters()).data.fill_(torch.nan)

    monkeypatch.setattr(Training, "advance", broken)
    steering = "learning_rate \\(.*(gradient_norm|feature_weight|cycle_weight) \\("
    with pytest.raises(EchobenchError, match=f"diverged at step 3: .*{steering}.*the last finite checkpoint is kept"):
        generator_class(name)(CONTRACT[name]).fit(frames, 0, folder=tmp_path)
    state = read(tmp_path / "training.pt")["state"]
    assert state["step"] == 1 and all(value.isfinite().all() for value in state["average"].values())


@pytest.mark.parametrize("name", CONTRACT)
def test_a_loss_that_is_no_number_stops_the_training_and_the_weights_before_it_go_on(
    frames, tmp_path, monkeypatch, name
):
    """One batch has an image that is no number; once it is mended, the training ends where it would have ended."""
    batch, calls = Pairs.batch, []

    def spoilt(self, *arguments):
        calls.append(len(calls))
        found = batch(self, *arguments)
        return replace(found, x_0=found.x_0 * torch.nan) if len(calls) > STEPS_BEFORE * CALLS.get(name, 1) else found

    whole = generator_class(name)(CONTRACT[name]).fit(frames, 0)
    with monkeypatch.context() as patched:
        patched.setattr(Pairs, "batch", spoilt)
        with pytest.raises(EchobenchError, match=rf"diverged at step {STEPS_BEFORE + 1}: .*learning_rate \("):
            generator_class(name)(CONTRACT[name]).fit(frames, 0, folder=tmp_path)
    assert read(tmp_path / "training.pt")["state"]["step"] == STEPS_BEFORE
    resumed = generator_class(name)(CONTRACT[name]).fit(frames, 0, folder=tmp_path)
    for one, other in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(frames, tmp_path):
    path, fitted = tmp_path / "generator.pt", CycleGan(TINY_GAN).fit(frames, 0)
    fitted.save(path)
    kept = path.read_bytes()
    next(fitted.network.parameters()).data[0] = torch.inf
    with pytest.raises(EchobenchError, match=r"generator.pt is to hold has numbers that are not finite \(weights\."):
        fitted.save(path)
    assert path.read_bytes() == kept
    content = torch.load(path, weights_only=True)
    next(iter(content["weights"].values()))[0] = torch.nan
    torch.save(content, path)
    with pytest.raises(EchobenchError, match=r"generator.pt has numbers that are not finite \(weights\."):
        CycleGan.load(path)
