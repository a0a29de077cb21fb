"""The training of a CycleGAN: four networks, two optimisers, frames and label maps that nobody has paired."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar, NamedTuple

import torch
from monai.losses.adversarial_loss import PatchAdversarialLoss
from torch import Tensor, nn
from torch.nn import functional

from echobench.data.base.errors import require
from echobench.data.base.typed import typed
from echobench.generators.settings import Precision
from echobench.generators.training.draws import rows_of_step, seeded
from echobench.generators.training.loop import Training, second_half_to_zero, warmed_up
from echobench.generators.training.pairs import SIGMA_DATA, AugmentationSettings, Pairs
from echobench.generators.training.precision import autocast
from echobench.generators.translation.history import History
from echobench.generators.translation.network import Discriminator, Translator, TranslatorSettings
from echobench.generators.translation.rendering import CHANNELS, NOISE, Renderer, picture_of_images


@dataclass(frozen=True)
class CycleSettings:
    """How the networks are trained; the defaults are those of Zhu et al. 2017 (arXiv 1703.10593, section 4 and 7.1)."""

    steps: int | None = None
    """Optimiser steps; None: so many that `epochs` go through the frames."""
    epochs: int = 200
    """Of which the second half lowers the learning rate to 0 along a line."""
    batch: int = 1
    """Label maps per step, and as many frames."""
    learning_rate: float = 2e-4
    """Of both Adams."""
    beta_1: float = 0.5
    """Of Adam's mean of gradients."""
    cycle_weight: float = 10.0
    """Of the L1 distance between a picture and what comes back from the other domain."""
    identity_weight: float = 0.5
    """Of the L1 distance between a picture and its translation into its own domain, relative to `cycle_weight`."""
    history: int = 50
    """Drawn pictures that are kept to be shown to the discriminators later."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    """Of maps and of frames, each on its own."""
    half_size: float = 0.0
    """Share of the steps, the first ones, that see frames of half the size, at a quarter of the cost."""
    ema_decay: float = 0.0
    """Of a moving average of the weights, which draws the images; 0: the last weights do."""
    precision: Precision = "32-true"
    """As Fabric calls it."""
    checkpoint_seconds: float = 60.0
    """Wall clock between two checkpoints."""

    def __post_init__(self) -> None:
        require(
            self, steps=(1, inf), epochs=(1, inf), batch=(1, inf), learning_rate=(0, 1), beta_1=(0, 0.9999),
            cycle_weight=(0, inf), identity_weight=(0, inf), history=(0, inf), half_size=(0, 1), ema_decay=(0, 1),
            checkpoint_seconds=(0, inf),
        )  # fmt: skip

    def total_steps(self, frames: int) -> int:
        """Optimiser steps of a training on so many frames."""
        return math.ceil(self.epochs * frames / self.batch) if self.steps is None else self.steps


class Networks(nn.Module):
    """draw: pictures of label maps into images; read: images into pictures of label maps; and a judge of each."""

    def __init__(self, settings: TranslatorSettings, read_channels: int) -> None:
        super().__init__()
        self.draw, self.read = Translator(settings, outputs=1), Translator(settings, outputs=read_channels)
        self.judge_images, self.judge_maps = Discriminator(settings), Discriminator(settings)

    def translators(self) -> nn.ModuleList:
        return nn.ModuleList([self.draw, self.read])

    def judges(self) -> nn.ModuleList:
        return nn.ModuleList([self.judge_images, self.judge_maps])


class Unpaired(NamedTuple):
    """The two collections that are translated into each other; row i of one has nothing to do with row i of the other.

    maps: the pairs whose label maps are looked at, in an order that their labels and sectors alone decide; images:
    those whose images are, ordered by the images alone.
    """

    maps: Pairs
    images: Pairs


class _Shown(NamedTuple):
    """Pictures (B, CHANNELS, H, W), and the sectors (B, 1, H, W) outside of which they are black."""

    picture: Tensor
    sector: Tensor

    def cut(self, drawn: Tensor) -> Tensor:
        """What was drawn from the pictures, black outside their sectors, as no generator here draws there."""
        return drawn * self.sector - (1 - self.sector)

    def distance(self, drawn: Tensor) -> Tensor:
        """Mean L1 distance, (), to what was drawn."""
        return functional.l1_loss(self.cut(drawn), self.picture)


class CycleTraining(Training):
    """Two translators and two discriminators that learn from each other."""

    shown: ClassVar[str] = "loss_cycle"

    def __init__(
        self,
        settings: CycleSettings,
        network: TranslatorSettings,
        render: Renderer,
        data: Unpaired,
        seed: int,
        device: torch.device,
    ) -> None:
        self.settings, self.render, self.data, self.device = settings, render, data, device
        steps = settings.total_steps(len(data.maps))
        self._halved = round(settings.half_size * steps)
        self.nets: Networks = seeded(Networks, seed, network, render.outputs).to(device)  # type: ignore[assignment]
        self.history = {"images": History(settings.history), "maps": History(settings.history)}
        self._real_or_not = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
        optimizers = [
            torch.optim.Adam(part.parameters(), settings.learning_rate, (settings.beta_1, 0.999))
            for part in (self.nets.translators(), self.nets.judges())
        ]
        rates = [second_half_to_zero(optimizer, steps) for optimizer in optimizers]
        super().__init__(
            self.nets, self.nets.translators(), optimizers, rates,
            steps=steps, seed=seed, checkpoint_seconds=settings.checkpoint_seconds,
            steering={name: getattr(settings, name) for name in ("learning_rate", "cycle_weight", "identity_weight")},
        )  # fmt: skip

    def learn(self, generator: torch.Generator) -> Mapping[str, Tensor]:
        """One step of the translators and one of the discriminators."""
        if self.step == self._halved:
            self._forget()
        maps, images = self._batch(generator)
        fake_maps, fake_images, figures = self._train_translators(maps, images)
        return figures | self._train_judges(
            maps.picture, images.picture, self.history["maps"].exchange(fake_maps, generator),
            self.history["images"].exchange(fake_images, generator),
        )  # fmt: skip

    def decay(self) -> float:
        return warmed_up(self.settings.ema_decay, self.step)

    def _forget(self) -> None:
        """What was drawn at another size is shown to nobody."""
        for history in self.history.values():
            history.pictures.clear()

    def _batch(self, generator: torch.Generator) -> tuple[_Shown, _Shown]:
        """Pictures of label maps and of images, from two independent orders."""
        rows = [
            rows_of_step(len(self.data.maps), self.settings.batch, 2 * self.seed + domain, self.step).to(self.device)
            for domain in range(2)
        ]
        augmentation = self.settings.augmentation
        planes = self.data.maps.batch(rows[0], generator, augmentation).planes
        shown = self.data.images.batch(rows[1], generator, augmentation)
        x_0, mask = shown.x_0, shown.mask
        if self.step < self._halved:
            planes, mask, x_0 = planes[..., ::2, ::2], mask[..., ::2, ::2], functional.avg_pool2d(x_0, 2)
        noise = torch.randn((len(planes), NOISE, *planes.shape[-2:]), generator=generator).to(self.device)
        images = _Shown(picture_of_images(x_0 * SIGMA_DATA), mask)
        return _Shown(self.render(planes, noise), planes[:, -1:]), _Shown(images.cut(images.picture), mask)

    def _train_translators(self, maps: _Shown, images: _Shown) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        nets, weight = self.nets, self.settings.cycle_weight
        _require_gradients(nets.judges().parameters(), required=False)
        with self._precision():
            fake_images, fake_maps = maps.cut(nets.draw(maps.picture)), images.cut(nets.read(images.picture))
            cycle = maps.distance(nets.read(fake_images)) + images.distance(nets.draw(fake_maps))
            fooling = sum(
                self._real_or_not(judge(fake), target_is_real=True, for_discriminator=False)
                for judge, fake in ((nets.judge_images, fake_images), (nets.judge_maps, fake_maps))
            )
            loss = fooling + weight * cycle
            if self.settings.identity_weight:
                same = images.distance(nets.draw(images.picture)) + maps.distance(nets.read(maps.picture))
                loss = loss + weight * self.settings.identity_weight * same
        self.descend(loss, self.optimizers[0])
        figures = {"loss_cycle": cycle.detach(), "loss_fooling": fooling.detach()}
        return fake_maps.detach(), fake_images.detach(), figures

    def _train_judges(self, maps: Tensor, images: Tensor, old_maps: Tensor, old_images: Tensor) -> dict[str, Tensor]:
        nets = self.nets
        _require_gradients(nets.judges().parameters(), required=True)
        figures: dict[str, Tensor] = {}
        loss = torch.zeros((), device=self.device)
        with self._precision():
            for name, judge, real, fake in (
                ("images", nets.judge_images, images, old_images),
                ("maps", nets.judge_maps, maps, old_maps),
            ):
                on_real, on_fake = judge(real), judge(fake)
                loss = loss + 0.5 * (
                    self._real_or_not(on_real, target_is_real=True, for_discriminator=True)
                    + self._real_or_not(on_fake, target_is_real=False, for_discriminator=True)
                )
                figures[f"judge_{name}_real"] = on_real.detach().mean()
                figures[f"judge_{name}_fake"] = on_fake.detach().mean()
        self.descend(loss, self.optimizers[1])
        return figures

    def _precision(self) -> torch.autocast:
        return autocast(self.device, self.settings.precision)

    def state(self) -> dict[str, Any]:
        """See `Training.state`; the drawn pictures of earlier steps belong to it."""
        return super().state() | {"history": {name: list(history.pictures) for name, history in self.history.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        super().load_state(state)
        history = typed(state["history"], dict[str, list[Tensor]], "history")
        halved = self.step <= self._halved and self._halved > 0  # of the step before this one
        height, width = self.data.images.images.shape[-2:]
        shape = torch.Size([CHANNELS, height // (1 + halved), width // (1 + halved)])
        kept = min(self.settings.history, (self.step - (0 if halved else self._halved)) * self.settings.batch)
        for name, pictures in history.items():
            fit = all(picture.shape == shape and picture.is_floating_point() for picture in pictures)
            if history.keys() != self.history.keys() or len(pictures) != kept or not fit:
                raise ValueError(f"its history of {name} is not that of step {self.step}")
        for name, pictures in history.items():
            self.history[name].pictures = [picture.to(self.device) for picture in pictures]


def _require_gradients(parameters: Iterable[nn.Parameter], required: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(required)
