"""What a training draws at random: a function of (seed, step), so that a resumed training draws the same."""

import numpy as np
import torch
from torch import Tensor, nn

_STEP, _EPOCH = 0, 1  # two streams of one seed


def step_generator(seed: int, step: int) -> torch.Generator:
    """The source of everything random in one step, on the CPU: a seed means the same on every device."""
    return _generator(seed, _STEP, step)


def rows_of_step(n: int, batch: int, seed: int, step: int) -> Tensor:
    """Which of n frames a step sees, (batch,): every epoch goes through all of them in an order of its own."""
    positions = range(step * batch, (step + 1) * batch)
    orders = {
        epoch: torch.randperm(n, generator=_generator(seed, _EPOCH, epoch)) for epoch in {p // n for p in positions}
    }
    return torch.stack([orders[p // n][p % n] for p in positions])


def seeded(build: type[nn.Module], seed: int, *arguments: object) -> nn.Module:
    """A module with seeded random weights, channels last; PyTorch's global random state is as before."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return build(*arguments).to(memory_format=torch.channels_last)


def _generator(seed: int, stream: int, index: int) -> torch.Generator:
    high, low = np.random.SeedSequence((seed, stream, index)).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(high) << 32 | int(low))
