"""What trainings of `sdm` leave unlearnt, and in which seconds: `pytest tests/generators/bench_training.py -m slow -s`.

Each trains on the phantom's training frames, one after another, on one thread: half an hour with nothing else to do, or
some of them by `-k`. The error is that of the velocity in 16 validation frames, the mean over five times.
"""

from dataclasses import replace
from functools import cache

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
    "untrained": {"steps": 0},
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


def error(method: OwnMethod, denoiser: Denoiser, frames: Frames) -> float:
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


@cache
def trial(name: str) -> tuple[float, float]:
    """Error and seconds of training."""
    torch.set_num_threads(1)
    training_frames, validation_frames = frames()
    change = TRIALS[name]
    training = replace(QUICK.training, **change | {"steps": max(1, steps := change.get("steps", QUICK.training.steps))})
    method = OwnMethod(QUICK.schedule, QUICK.network, training, QUICK.sampling)
    learning = DiffusionTraining(method, Pairs.of(training_frames, CPU), 0, CPU)
    while learning.step < steps:
        learning.advance()
    found = error(method, learning.average, validation_frames)
    print(f"{name}: error {found:.4f} after {learning.seconds:.0f} s", flush=True)
    return found, learning.seconds


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRIALS.keys() - {"untrained"}))
def test_a_training_learns_something(name):
    assert trial(name)[0] < 0.95 * trial("untrained")[0]


@pytest.mark.slow
def test_muon_learns_more_in_half_the_seconds():
    (of_adamw, seconds_of_adamw), (of_muon, seconds_of_muon) = trial("adamw"), trial("quick")
    assert of_muon < 0.95 * of_adamw
    assert seconds_of_muon < 0.6 * seconds_of_adamw
