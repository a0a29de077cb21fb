"""The one loop of all trainings, on a training of a single weight."""

import weakref
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from echobench.data.base.progress import silent
from echobench.generators.training.checkpoint import Checkpoint
from echobench.generators.training.loop import Training, train


class Single(Training):
    """Its weight falls; `seen` is called in every step."""

    def __init__(self, steps: int = 2, seen=lambda: None) -> None:
        network = nn.Linear(1, 1)
        adam = torch.optim.Adam(network.parameters())
        super().__init__(
            network, network, [adam], [LambdaLR(adam, lambda step: 1.0)],
            steps=steps, seed=0, checkpoint_seconds=0.0, steering={},
        )  # fmt: skip
        self.seen = seen

    def learn(self, generator: torch.Generator) -> Mapping[str, Tensor]:
        self.seen()
        loss = self.networks(torch.ones(1, 1)).sum()
        self.descend(loss, self.optimizers[0])
        return {"loss": loss.detach()}

    def decay(self) -> float:
        return 0.9


def test_a_training_that_goes_on_lets_go_of_what_it_read(tmp_path, monkeypatch):
    """As large as the training itself, it would be held to its end. Moments are the optimiser's from then on."""
    checkpoint = Checkpoint(tmp_path, {"of": "single"})
    begun = Single()
    begun.advance()
    checkpoint.write(begun.finite_state())
    kept, held = [], []
    read = Checkpoint.read

    def watched(self):
        state = read(self)
        kept.extend(weakref.ref(state[name]["weight"]) for name in ("networks", "average"))
        return state

    monkeypatch.setattr(Checkpoint, "read", watched)
    train(Single(seen=lambda: held.extend(one() is not None for one in kept)), checkpoint, silent)
    assert held == [False, False]
