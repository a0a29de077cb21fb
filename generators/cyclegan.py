"""`cyclegan`: unpaired translation between pictures of label maps and frames, the baseline of "Echo from noise".

After Zhu et al. 2017 (arXiv 1703.10593): one network draws images, one reads label maps from them, and each of the
two has to undo what the other did. They are never told which map belongs to which frame.
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
from echobench.generators.training.precision import autocast
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
        steps=steps, batch=2, learning_rate=3e-4, half_size=0.7, ema_decay=0.99, precision="bf16-mixed"
    )
    return CycleGanSettings(_NETWORK, training)


QUICK = _own(450)
"""About two minutes of training on two cores with AMX: the right side is dark, and there is little grain yet.

Its record on the phantom is results/measured/phantom-cyclegan-quick.
"""

STANDARD = _own(5000)
"""Five sixths of the work of the 2,400 steps before, which took one core with AMX 24 minutes; 2.0 million weights draw.

Its record on CAMUS 4C is results/measured/camus-cyclegan-standard, far above that of the preset before it. There
maps were rendered in colours, batches were of 4, and no loss held a picture to its own domain: the atrium
became brighter than the tissue beside it. For a cycle is closed by any picture from which the map can be read again,
and dark and bright are free.

Tried before that on CAMUS 4C at 128 pixels, batches of 2. A small U-Net (8 to 64 channels, 400 steps of 8) trained on
400 drawn images alone, its mean Dice on the real validation patients; the Dice that such a U-Net trained on real
frames finds between drawn images and their maps; the contrast of the atrium (see `boundary_contrast`):

    real frames                                           84.2    84.2   0.61
    the rendering itself, nothing trained                 79.6    83.7   0.68
    the same without right chambers                       76.1    81.8   0.69
    the same without a mitral valve                       78.9    81.9   0.69
    300 steps                                             81.0    84.5   0.65   smooth, grain still missing
    600 steps, 420 at half the size, as dear as those 300 81.4    84.7   0.69   sharper, grain still missing
    300 steps, layers added to the rendering, no identity 81.4    82.8   0.65   black and white, grain of the rendering
    600 steps, likewise                                   80.2    83.2   0.65   the judges tell all drawn ones

One training and one U-Net each: differences below a point say nothing. Not tried: identity weight and
batch apart, crops, mirrored frames.
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
        """The network that draws images, and the one that reads maps."""
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
        """What files from before `rendering` do not say: a colour for each label, all steps at full size."""
        match settings:
            case {"training": {**training}} if "rendering" not in settings:
                return {**settings, "training": {"half_size": 0.0} | training, "rendering": "colours"}
        return settings

    def _renderer(self, views: Collection[str] = ()) -> Renderer:
        """What the label maps of frames of some views are shown by."""
        return Renderer(self.settings.rendering, right_heart=set(views) == {"4C"})

    def _run(self, network: nn.Module, picture: Tensor) -> Tensor:
        with torch.no_grad(), autocast(picture.device, self.settings.training.precision):
            result: Tensor = network(picture.contiguous(memory_format=torch.channels_last))
        return result


def _unpaired(frames: Frames, device: torch.device) -> Unpaired:
    """Maps and images, each in an order of their own bytes, so that nothing tells which belonged together."""
    shown = np.where(frames.sector, frames.images, np.uint8(0))
    by_map = _order(np.concatenate([frames.labels, frames.sector.astype(np.uint8)], axis=1))
    return Unpaired(Pairs.of(frames.select(by_map), device), Pairs.of(frames.select(_order(shown)), device))


def _order(arrays: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.argsort([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])
