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
from echobench.generators.sdm import SdmSettings, SemanticDiffusion
from echobench.generators.training.checkpoint import read
from echobench.generators.training.loop import Training
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.training import CycleSettings

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


@pytest.mark.parametrize(("kind", "settings"), [(CycleGan, TINY_GAN), (SemanticDiffusion, TINY_SDM)])
def test_the_last_finite_checkpoint_stays(frames, tmp_path, monkeypatch, kind, settings):
    advance = Training.advance

    def broken(self):
        advance(self)
        if self.step == 4:
            next(self.networks.parameters()).data.fill_(torch.nan)

    monkeypatch.setattr(Training, "advance", broken)
    with pytest.raises(EchobenchError, match="diverged at step"):
        kind(settings).fit(frames, 0, folder=tmp_path)
    assert read(tmp_path / "training.pt")["state"]["step"] == 3


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
