"""`cyclegan`: unpaired translation between pictures of label maps and frames, the baseline of "Echo from noise".

After Zhu et al. 2017 (arXiv 1703.10593): one network draws images, one reads label maps from them, and each of the
two has to undo what the other did. Nobody tells it which map belongs to which frame.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from echobench.data.frames import Frames
from echobench.generators.diffusion.sampling import NoiseSource
from echobench.generators.trained import Trained
from echobench.generators.training.draws import seeded
from echobench.generators.training.pairs import AugmentationSettings, Pairs
from echobench.generators.training.parallel import own_device
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.rendering import (
    NOISE,
    Renderer,
    Rendering,
    labels_of_picture,
    picture_of_images,
)
from echobench.generators.translation.training import CycleSettings, CycleTraining, Networks, Unpaired


@dataclass(frozen=True)
class CycleGanSettings:
    """The parts of a CycleGAN."""

    network: TranslatorSettings
    training: CycleSettings
    rendering: Rendering = "echo"
    """Of the label maps: a simple ultrasound, as the published baseline's pictures were (Gilbert et al. 2021)."""


_NETWORK = TranslatorSettings(
    patch=2, channels=32, halvings=2, blocks=6, group_channels=16, padding="zeros", discriminator_channels=32
)


def _own(steps: int) -> CycleGanSettings:
    training = CycleSettings(
        steps=steps, batch=4, learning_rate=4e-4, identity_weight=0.0, ema_decay=0.99, precision="bf16-mixed"
    )
    return CycleGanSettings(_NETWORK, training)


QUICK = _own(300)
"""Two to three minutes of training on two cores, which a CycleGAN cannot do with.

Its record on the phantom is results/measured/phantom-cyclegan-quick. After 300 steps shapes and contrast are there, and
no speckle; the cavity is black and the atrium bright, since any contrast serves the cycle. A U-Net that has learnt
that atria are bright finds none in real frames, and `paint`, which gets the grey values right, is the better teacher.
"""

STANDARD = _own(2400)
"""About twenty minutes of training on two cores; 2.0 million weights draw.

Its record on CAMUS 4C is results/measured/camus-cyclegan-standard. The discriminators stay undecided throughout
(generator-curves.csv), and the images look like echoes at a glance. But they follow the map only where brightness
alone says what a tissue is: the cavity and the wall around it. The atrium, the second dark chamber, is drawn with bands
across it or filled with tissue, and the right heart, which no label names, is missing. For a cycle is closed by any
picture from which the map can be read again, and the map that is read back is right where the image is wrong (the last
row of the run's drawn.png): what tells the atrium from the tissue beside it is hidden where no U-Net can use it.
"""

PAPER = CycleGanSettings(TranslatorSettings(), CycleSettings(augmentation=AugmentationSettings(share=0.0)))
"""Zhu et al.'s: for machines with a GPU.

Departs from the paper [cyclegan.maps, cyclegan.split, cyclegan.segmentation]: its meshes are not at hand, and every
generator here has the same maps, patients and U-Net.

Zhu et al. enlarge pictures to 286 pixels, cut 256 out, and mirror. Here nothing of it is done: a sector that is cut off
is none, and a mirrored heart is another anatomy.
"""


class CycleGan(Trained):
    """Unpaired translation: a network that was never told which image belongs to which map draws one for each.

    The same frames with their images dealt out to other maps give the same weights. The seeds of `sample` decide the
    noise in the rendering of a map; weights of before there was a rendering with noise draw the same for every seed.
    """

    name: ClassVar[str] = "cyclegan"
    kind: ClassVar[type] = CycleGanSettings
    summary: ClassVar[str] = "CycleGAN: unpaired translation of rendered label maps into images"
    paper: ClassVar[str] = "Zhu et al. 2017, arXiv 1703.10593"
    presets: ClassVar[Mapping[str, CycleGanSettings]] = MappingProxyType(
        {"quick": QUICK, "standard": STANDARD, "paper": PAPER}
    )

    settings: CycleGanSettings

    @property
    def divisor(self) -> int:
        return super().divisor * (2 if self.settings.training.half_size else 1)

    def new_network(self, seed: int) -> nn.ModuleList:
        """Who draws images, and who reads maps."""
        return cast(Networks, seeded(Networks, seed, self.settings.network, self._renderer().outputs)).translators()

    def new_training(self, frames: Frames, seed: int, device: torch.device) -> CycleTraining:
        render, unpaired = self._renderer(frames.view.tolist()), _unpaired(frames, device)
        return CycleTraining(self.settings.training, self.settings.network, render, unpaired, seed, device)

    def draw(self, network: nn.Module, planes: Tensor, seeds: list[int]) -> Tensor:
        noise = NoiseSource(seeds, (NOISE, *planes.shape[-2:]), planes.device).draw()
        drawn = self._run(cast(nn.ModuleList, network)[0], self._renderer(self.views)(planes, noise))
        return ((drawn[:, 0] + 1) * 127.5).round().to(torch.uint8)

    def read_maps(self, images: NDArray[np.uint8], sector: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
        """The way back: the label maps (N, H, W) that the second network sees in images (N, H, W), sector (N, H, W).

        None where it reads simple ultrasounds, in which both chambers look alike.
        """
        if self.settings.rendering == "echo":
            return None
        reader = cast(nn.ModuleList, self.network)[1]
        labels = np.zeros(images.shape, dtype=np.uint8)
        for rows in self.batches(len(images)):
            inside = torch.from_numpy(sector[rows]).to(own_device(self.device))
            grey = torch.from_numpy(images[rows]).to(inside.device).float() / 127.5 - 1
            picture = self._run(reader, picture_of_images(torch.where(inside, grey, -1.0)[:, None]))
            labels[rows] = labels_of_picture(picture, inside).cpu().numpy()
        return labels

    @property
    def parameters(self) -> int:
        """Number of weights of the network that draws; its three helpers in training have no part in an image."""
        with torch.device("meta"):
            return sum(p.numel() for p in Networks(self.settings.network, self._renderer().outputs).draw.parameters())

    @property
    def evaluations(self) -> int:
        """One: the image comes out at once."""
        return 1

    @classmethod
    def upgraded(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """What files of before `rendering` leave unsaid: a colour for each label, no skip, all at full size."""
        match settings:
            case {"network": {**network}, "training": {**training}} if "rendering" not in settings:
                return {
                    "rendering": "colours",
                    "network": {"skip": False} | network,
                    "training": {"half_size": 0.0} | training,
                }
        return settings

    def _renderer(self, views: Collection[str] = ()) -> Renderer:
        """What the label maps of frames of some views are shown by."""
        return Renderer(self.settings.rendering, right_heart=set(views) == {"4C"})

    def _run(self, network: nn.Module, picture: Tensor) -> Tensor:
        half = self.settings.training.precision == "bf16-mixed"
        with torch.no_grad(), torch.autocast(picture.device.type, torch.bfloat16, enabled=half):
            result: Tensor = network(picture.contiguous(memory_format=torch.channels_last))
        return result


def _unpaired(frames: Frames, device: torch.device) -> Unpaired:
    """Maps and images, each in an order of their own bytes, so that nothing is left of who belonged to whom."""
    shown = np.where(frames.sector, frames.images, np.uint8(0))
    by_map = _order(np.concatenate([frames.labels, frames.sector.astype(np.uint8)], axis=1))
    return Unpaired(Pairs.of(frames.select(by_map), device), Pairs.of(frames.select(_order(shown)), device))


def _order(arrays: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.argsort([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])
