"""Training of the U-Net: the same for every generator, reproducible, and safe to interrupt.

Whatever is random at a step follows from the seed and the step's number alone. So the state to resume from is the
step, the weights and the optimiser; there is no generator state that could be lost, and none that is shared with the
caller: the global random state is not touched.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from echobench.data.base.errors import EchobenchError
from echobench.data.base.finite import not_finite
from echobench.data.base.progress import Progress, silent
from echobench.data.base.saved import load_optimizer, require_alike, taken_from, write_saved
from echobench.data.base.typed import typed
from echobench.data.frames import Frames
from echobench.data.labels import REGIONS, TABLE_REGIONS, Label, region_mask, vocabulary
from echobench.segmentation.augment import augment
from echobench.segmentation.scores import region_dice
from echobench.segmentation.segmenter import (
    FORMAT_VERSION,
    Preprocessing,
    Segmenter,
    read_content,
    refuse_difference,
)
from echobench.segmentation.settings import UNetSettings

_LOOK_STEPS = 10
"""So often loss and weights are looked at beside the validations: not at every step, for which a GPU would wait."""


def train(
    training: Frames,
    validation: Frames,
    settings: UNetSettings,
    seed: int,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> tuple[Segmenter, pd.DataFrame]:
    """Train on one set of frames, keep the weights that are best on the other.

    training, validation: frames of `settings.image_size_px` on each side, real or synthetic.
    seed: decides weights, order and augmentation. On a CPU the same seed gives the same weights bit for bit, for one
        number of threads; on a GPU to rounding.
    checkpoint: a file written at every validation. If it exists, training goes on from it and ends with the weights of
        a training that was never interrupted; EchobenchError if it belongs to another training.
    progress: called after every step, with the last validation's figures.

    Returns the segmenter with the best mean validation Dice over `TABLE_REGIONS` (the earlier one of equals), and
    one row per validation: step, epoch, learning_rate, train_loss (mean since the row before), dice_<region> for
    every region and dice_mean. A region that no validation frame shows is NaN and left out of the mean.
    """
    _check_frames(training, validation, settings)
    run = Run(training, validation, settings, seed, torch.device(device))
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
    total = settings.total_steps(len(training))
    every = settings.looks_every(len(training))
    while run.step < total:
        run.optimise(learning_rate(run.step, total, settings))
        if run.step % every == 0 or run.step == total:
            run.validate()
            if checkpoint is not None:
                run.save(checkpoint)
        progress(run.step, total, run.figures())
    run.network.load_state_dict(run.best_weights)
    return Segmenter(run.network.eval(), settings, run.preprocessing), pd.DataFrame(run.curves)


def learning_rate(step: int, total_steps: int, settings: UNetSettings) -> float:
    """The rate of optimiser step `step` (from 0): linear warm-up, then half a cosine down to the last step."""
    if step < settings.warmup_steps:
        return settings.peak_learning_rate * (step + 1) / settings.warmup_steps
    # Departs from the paper [unet.learning_rate]: horizon and step are both optimiser steps, so the rate falls once.
    done = (step - settings.warmup_steps) / max(total_steps - 1 - settings.warmup_steps, 1)
    fall = settings.peak_learning_rate - settings.final_learning_rate
    return settings.final_learning_rate + 0.5 * fall * (1 + math.cos(math.pi * done))


def class_weights(step: int, pixel_fraction: NDArray[np.float64], settings: UNetSettings) -> NDArray[np.float64]:
    """Weight of each label's pixels in the loss of optimiser step `step` (from 0), (L,), 1 for all once balanced.

    pixel_fraction: (L,) share of each label in the training pixels; labels that never occur get weight 1.
    """
    # Departs from the paper [unet.balance_power], where the power is not 0. The top of the network has two channels,
    # and for thousands of steps it is cheapest for it to leave the small atrium to the background.
    # Weights fraction ** -power make the structures worth drawing from the start; the power falls linearly to 0
    # over balance_steps, so that the training ends on the paper's own loss.
    left = max(0.0, 1 - step / settings.balance_steps) if settings.balance_steps else 0.0
    return np.where(pixel_fraction > 0, pixel_fraction, 1.0) ** (-settings.balance_power * left)


class _Stored(TypedDict):
    """What `Run.save` keeps, beside what the training is of."""

    weights: dict[str, Tensor]
    optimiser: dict[str, Any]
    step: int
    best_weights: dict[str, Tensor]
    best_dice: Any
    curves: list[dict[str, Any]]


@dataclass(eq=False)
class Run:
    """The state of one training: what it is made of, what it has reached."""

    training: Frames
    validation: Frames
    settings: UNetSettings
    seed: int
    device: torch.device
    step: int = 0
    best_dice: float = -math.inf
    curves: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.preprocessing = Preprocessing.of(self.training.images)
        self.network = self.settings.build(self.seed).to(self.device)
        # One fused call updates every tensor of the network; the formula is Adam's own.
        self.optimiser = torch.optim.Adam(self.network.parameters(), betas=self.settings.adam_betas, fused=True)
        self.images = torch.tensor(self.training.images, device=self.device)
        self.labels = torch.tensor(self.training.labels, device=self.device)
        counts = np.bincount(self.training.labels.reshape(-1), minlength=len(Label))
        self.pixel_fraction = counts / counts.sum()
        self.best_weights = copy.deepcopy(self.network.state_dict())
        self.loss_sum = torch.zeros((), device=self.device)
        self.loss_steps = 0

    def optimise(self, rate: float) -> None:
        """One optimiser step on one augmented batch."""
        index = self._batch_index().to(self.device)
        generator = _generator(self.seed, "augmentation", self.step)
        images, labels = augment(self.images[index], self.labels[index], self.settings.augmentation, generator)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        weights = torch.tensor(class_weights(self.step, self.pixel_fraction, self.settings), dtype=torch.float32)
        loss = training_loss(self.network, self.preprocessing.normalise(images), labels, weights.to(self.device))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.loss_sum += loss.detach()
        self.loss_steps += 1
        self.step += 1
        if self.step % _LOOK_STEPS == 0:
            self._require_finite()

    def _require_finite(self) -> None:
        """Raises EchobenchError where the losses since the last validation, or the weights, are no numbers any more."""
        loss, weights = float(self.loss_sum) / self.loss_steps, not_finite(self.network.state_dict())
        if not math.isfinite(loss) or weights is not None:
            what = f"training loss is {loss}" if weights is None else f"weights are not finite ({weights})"
            raise EchobenchError(
                f"the U-Net's {what} at step {self.step}; lower peak_learning_rate "
                f"({self.settings.peak_learning_rate}) or lengthen warmup_steps ({self.settings.warmup_steps})"
            )

    def _batch_index(self) -> Tensor:
        """Which frames this step sees: each epoch is a permutation of its own, cut into batches."""
        per_epoch = self.settings.steps_per_epoch(len(self.training))
        epoch, position = divmod(self.step, per_epoch)
        order = torch.randperm(len(self.training), generator=_generator(self.seed, "order", epoch))
        return order[position * self.settings.batch_size : (position + 1) * self.settings.batch_size]

    def validate(self) -> None:
        """Add a row to the curves; keep the weights if they are the best so far.

        Departs from the paper [unet.validation]: augmented anew each time, images would choose weights by chance.
        """
        self._require_finite()
        loss = float(self.loss_sum) / self.loss_steps
        segmenter = Segmenter(self.network, self.settings, self.preprocessing)
        self.network.eval()
        per_image = region_dice(self.validation.labels, segmenter.predict(self.validation.images))
        self.network.train()
        dice = {region: _mean_of_defined(per_image[region]) for region in REGIONS}
        mean = _mean_of_defined(np.array([dice[region] for region in TABLE_REGIONS]))
        self.curves.append(
            {
                "step": self.step,
                "epoch": self.step / self.settings.steps_per_epoch(len(self.training)),
                "learning_rate": self.optimiser.param_groups[0]["lr"],
                "train_loss": loss,
                **{f"dice_{region}": value for region, value in dice.items()},
                "dice_mean": mean,
            }
        )
        self.loss_sum.zero_()
        self.loss_steps = 0
        if mean > self.best_dice:
            self.best_dice, self.best_weights = mean, copy.deepcopy(self.network.state_dict())

    def figures(self) -> Mapping[str, float] | None:
        """What to show beside a progress bar: loss and Dice of the last validation."""
        if not self.curves:
            return None
        return {"loss": self.curves[-1]["train_loss"], "dice": self.curves[-1]["dice_mean"]}

    def save(self, path: Path) -> None:
        """Everything that `restore` needs, in one file."""
        state = {"weights": self.network.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step}
        best = {"best_weights": self.best_weights, "best_dice": self.best_dice, "curves": self.curves}
        write_saved(path, {**self._identity(), **state, **best})

    def restore(self, path: Path) -> None:
        """Go on where `save` stopped. EchobenchError if the file comes from another training."""
        identity = self._identity()
        stored = read_content(path, {*identity, "weights", "optimiser", "step", "best_weights", "best_dice", "curves"})
        for name, value in identity.items():
            refuse_difference(path, name.replace("_", " "), stored[name], value)
        with taken_from(path):
            typed(stored, _Stored)
            for name in ("weights", "best_weights"):
                require_alike(stored[name], self.network.state_dict(), name)
            self._require_curves(stored)
            self.network.load_state_dict(stored["weights"])
            load_optimizer(self.optimiser, stored["optimiser"], "optimiser")
        self.best_weights = stored["best_weights"]
        self.step, self.best_dice, self.curves = stored["step"], stored["best_dice"], stored["curves"]

    def _require_curves(self, stored: Mapping[str, Any]) -> None:
        """Raises ValueError unless there is a row for every look at the validation frames, up to the step."""
        n, step, best = len(self.training), stored["step"], stored["best_dice"]
        total, every = self.settings.total_steps(n), self.settings.looks_every(n)
        looks = sorted({*range(every, min(step, total) + 1, every), *({total} & {step})})
        if not looks or looks[-1] != step or [row.get("step") for row in stored["curves"]] != looks:
            raise ValueError(f"its curves are not those of step {step} of {total}")
        numbers = [value for row in stored["curves"] for value in (*row.values(), best)]
        if any(row.keys() != stored["curves"][0].keys() or "dice_mean" not in row for row in stored["curves"]) or any(
            type(number) not in (int, float) for number in numbers
        ):
            raise ValueError("its curves lack figures")
        if best != max([-math.inf, *(row["dice_mean"] for row in stored["curves"] if row["dice_mean"] >= 0)]):
            raise ValueError("its best Dice is not that of its curves")

    def _identity(self) -> dict[str, Any]:
        """What makes two trainings the same one."""
        return {
            "format_version": FORMAT_VERSION,
            "labels": vocabulary(),
            "settings": self.settings.as_dict(),
            "seed": self.seed,
            "frames": self._fingerprints,
        }

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {"training": self.training.fingerprint(), "validation": self.validation.fingerprint()}


def training_loss(network: nn.Module, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, averaged over all pixels with their labels' weights (L,).

    images: (N, 1, S, S) normalised. labels: (N, S, S) int64. Of a network that gives logits of several depths (see
    `Network.build`), the mean of their losses, where each counts half as much as the one before: nnU-Net's weights
    (Isensee et al. 2021, arXiv 1809.10486).
    """
    # The network works channels-last, where convolutions of so few channels are fastest; softmax over four classes
    # is fastest with one plane per class.
    logits = network(images)
    depths = logits.unbind(dim=1) if logits.ndim == 5 else [logits]
    losses = [functional.cross_entropy(one.contiguous(), labels, weight=weights) for one in depths]
    shares = [0.5**depth for depth in range(len(depths))]
    return torch.stack([share * loss for share, loss in zip(shares, losses, strict=True)]).sum() / sum(shares)


def _generator(seed: int, purpose: str, number: int) -> torch.Generator:
    """A random stream of its own for each seed, purpose ("order", "augmentation") and epoch or step."""
    entropy = np.random.SeedSequence([seed, *purpose.encode(), number])
    return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))


def _mean_of_defined(values: NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _check_frames(training: Frames, validation: Frames, settings: UNetSettings) -> None:
    """EchobenchError for frames that this training cannot use."""
    side = settings.image_size_px
    for name, frames in (("training", training), ("validation", validation)):
        if not len(frames):
            raise EchobenchError(f"there are no {name} frames for the U-Net")
        if frames.size != (side, side):
            raise EchobenchError(
                f"the {name} frames are {frames.size[0]} x {frames.size[1]} px, the U-Net's settings say "
                f"{side} x {side}; read the frames at that size or change image_size_px"
            )
        if frames.labels.max() not in set(Label):
            raise EchobenchError(f"label code {frames.labels.max()} in the {name} frames; known: {vocabulary()}")
    if not any(region_mask(validation.labels, region).any() for region in TABLE_REGIONS):
        raise EchobenchError(
            f"no validation frame shows any of {', '.join(TABLE_REGIONS)}: nothing to choose weights by"
        )
