"""What trainings of `sdm` leave unlearnt, and in which seconds: `pytest tests/generators/bench_training.py -m slow -s`.

Each trains on the phantom's training frames, one after another, on one thread: half an hour with nothing else to do, or
some of them by `-k`. The error is that of the velocity in 16 validation frames, the mean over five times.
"""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest
import torch

from echobench.benchmark.calls import load_dataset
from echobench.data.frames import Frames
from echobench.generators.diffusion.own import OwnMethod
from echobench.generators.diffusion.preconditioning import Denoiser
from echobench.generators.diffusion.schedule import TIMES
from echobench.generators.diffusion.training import DiffusionTraining
from echobench.generators.sdm import QUICK
from echobench.generators.training.pairs import AugmentationSettings, Pairs

CPU = torch.device("cpu")
AS_THEY_ARE = AugmentationSettings(share=0.0)
ADAMW = {"muon_rate": None, "learning_rate": 8e-4, "warmup_steps": 50}
"""Of the presets quick and standard in version 0.1, with 450 and 5,000 steps."""
TRIALS = {
    "adamw": {**ADAMW, "steps": 450},
    "adamw, short": {**ADAMW, "steps": 100},
    "adamw, short, high": {**ADAMW, "steps": 100, "learning_rate": 2e-3, "warmup_steps": 10},
    "muon, short": {"steps": 100},
    "muon, short, low": {"steps": 100, "muon_rate": 0.015},
    "muon, short, high": {"steps": 100, "muon_rate": 0.06},
    "quick": {},
}


@cache
def frames() -> tuple[Frames, Frames]:
    """Of the phantom: those of training, those of validation."""
    dataset = load_dataset()
    return dataset.subset("training"), dataset.subset("validation")


def error(denoiser: Denoiser, frames: Frames) -> float:
    """Mean square of what is missing from the velocity inside the sector."""
    pairs, draws = Pairs.of(frames, CPU), torch.Generator().manual_seed(0)
    batch = pairs.batch(torch.linspace(0, len(pairs) - 1, 16).long(), draws, AS_THEY_ARE)
    found = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        modulation = denoiser.condition(batch.planes)
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            t = torch.full((len(batch.x_0),), int(share * TIMES))
            epsilon = torch.randn(batch.x_0.shape, generator=draws)
            x_t = denoiser.schedule.add_noise(batch.x_0, epsilon, t) * batch.mask
            missing = denoiser(x_t, t, modulation) - denoiser.schedule.velocity(batch.x_0, epsilon, t)
            found.append(float((missing.square() * batch.mask).sum() / batch.mask.sum()))
    return sum(found) / len(found)


class Trial(NamedTuple):
    """Error before and after a training, and its seconds."""

    before: float
    after: float
    seconds: float


@cache
def trial(name: str) -> Trial:
    torch.set_num_threads(1)
    training_frames, validation_frames = frames()
    training = replace(QUICK.training, **TRIALS[name])
    method = OwnMethod(QUICK.schedule, QUICK.network, training, QUICK.sampling)
    learning = DiffusionTraining(method, Pairs.of(training_frames, CPU), 0, CPU)
    before = error(learning.average, validation_frames)
    while learning.step < learning.steps:
        learning.advance()
    found = Trial(before, error(learning.average, validation_frames), learning.seconds)
    print(f"{name}: error {found.after:.4f}, {found.before:.4f} before, after {found.seconds:.0f} s", flush=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIALS)
def test_a_training_learns_something(name):
    assert trial(name).after < 0.95 * trial(name).before


@pytest.mark.slow
def test_muon_learns_more_in_half_the_seconds():
    adamw, muon = trial("adamw"), trial("quick")
    assert muon.after < 0.95 * adamw.after
    assert muon.seconds < 0.6 * adamw.seconds
