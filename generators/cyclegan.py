"""`cyclegan`: unpaired translation between pictures of label maps and frames, the baseline of "Echo from noise".

After Zhu et al. 2017 (arXiv 1703.10593): one network draws images, one reads label maps from them, and each of the
two has to undo what the other did. Nobody tells it which map belongs to which frame.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from echobench.data.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.data.maps import LabelMaps
from echobench.data.progress import Progress, silent
from echobench.generators.base import Generator
from echobench.generators.checkpoint import Checkpoint, read, write_atomically
from echobench.generators.diffusion.parallel import own_device, processes
from echobench.generators.draws import seeded
from echobench.generators.pairs import AugmentationSettings, Pairs, to_planes
from echobench.generators.settings import settings_from
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.rendering import labels_of_picture, picture_of_images, picture_of_maps
from echobench.generators.translation.training import CycleSettings, CycleTraining, Networks, Unpaired, train

BATCH = 16
"""Images drawn together; changes time and memory, not the images."""


@dataclass(frozen=True)
class CycleGanSettings:
    """The parts of a CycleGAN."""

    network: TranslatorSettings
    training: CycleSettings


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


class CycleGan(Generator):
    """Unpaired translation: a network that was never told which image belongs to which map draws one for each."""

    summary: ClassVar[str] = "CycleGAN: unpaired translation of rendered label maps into images"
    paper: ClassVar[str] = "Zhu et al. 2017, arXiv 1703.10593"
    trained: ClassVar[bool] = True
    needs_source_images: ClassVar[bool] = False
    deforms: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, CycleGanSettings]] = MappingProxyType(
        {"quick": QUICK, "standard": STANDARD, "paper": PAPER}
    )

    settings: CycleGanSettings

    def __init__(self, settings: CycleGanSettings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self._curve: list[dict[str, float]] = []
        self._translators: nn.ModuleList | None = None
        self._size = (0, 0)

    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """Train on the frames' label maps and images, shuffled apart; see `Generator.fit`.

        The same frames with their images dealt out to other maps give the same weights. The checkpoint in `folder` must
        be of the same settings, seed, frames, label vocabulary and image size, else EchobenchError names what differs.
        """
        divisor = self.settings.network.divisor
        if any(side % divisor for side in frames.size):
            raise EchobenchError(
                f"cyclegan needs sides divisible by {divisor}, the frames have {frames.size}; resize them"
            )
        if len(frames) == 0:
            raise EchobenchError("cyclegan needs training frames, and there are none")
        if processes() > 1:
            raise EchobenchError(f"cyclegan trains on one device, and {processes()} processes were started; start one")
        device = own_device(self.device)
        training = CycleTraining(self.settings.training, self.settings.network, _unpaired(frames, device), seed, device)
        identity = {
            **_identity(frames.size),
            "settings": asdict(self.settings),
            "seed": seed,
            "frames": frames.fingerprint(),
        }
        train(training, Checkpoint(folder, identity) if folder is not None else None, progress)
        self._translators, self._curve, self._size = training.average.eval(), training.curve, frames.size
        return self

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """Draw one image per map; see `Generator.sample`. A CycleGAN has no noise: the seeds change nothing."""
        draw, _ = self._trained()
        if maps.size != self._size:
            raise EchobenchError(f"cyclegan was trained at {self._size} pixels and cannot draw {maps.size}")
        images = np.zeros(maps.labels.shape, dtype=np.uint8)
        for rows in _batches(len(maps)):
            sector = torch.from_numpy(maps.sector[rows]).to(own_device(self.device))
            picture = picture_of_maps(to_planes(torch.from_numpy(maps.labels[rows]).to(sector.device), sector))
            grey = ((self._run(draw, picture)[:, 0] + 1) * 127.5).round().to(torch.uint8) * sector
            images[rows] = grey.cpu().numpy()
            progress(min(rows.stop, len(maps)), len(maps))
        return images

    def read_maps(self, images: NDArray[np.uint8], sector: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The way back: the label maps (N, H, W) that the second network sees in images (N, H, W), sector (N, H, W)."""
        _, reader = self._trained()
        labels = np.zeros(images.shape, dtype=np.uint8)
        for rows in _batches(len(images)):
            inside = torch.from_numpy(sector[rows]).to(own_device(self.device))
            grey = torch.from_numpy(images[rows]).to(inside.device).float() / 127.5 - 1
            picture = self._run(reader, picture_of_images(torch.where(inside, grey, -1.0)[:, None]))
            labels[rows] = labels_of_picture(picture, inside).cpu().numpy()
        return labels

    def save(self, path: Path) -> None:
        """Write settings and weights to one file, by rename."""
        self._trained()
        assert self._translators is not None
        content = {"settings": asdict(self.settings), "weights": self._translators.state_dict()}
        write_atomically(path, _identity(self._size) | content)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read what `save` wrote. Raises EchobenchError for another file, or another label vocabulary."""
        content = read(path)
        if content.get("generator") != "cyclegan" or content["vocabulary"] != _identity((0, 0))["vocabulary"]:
            raise EchobenchError(
                f"{path} is a {content.get('generator')} for the labels {content.get('vocabulary')}, "
                f"not a cyclegan for {_identity((0, 0))['vocabulary']}"
            )
        generator = cls(settings_from(CycleGanSettings, content["settings"], path), device)
        generator._size = tuple(content["size"])
        translators = cast(Networks, seeded(Networks, 0, generator.settings.network)).translators()
        translators.load_state_dict(content["weights"])
        generator._translators = translators.to(own_device(device)).eval()
        return generator

    @property
    def parameters(self) -> int:
        """Number of weights of the network that draws; its three helpers in training have no part in an image."""
        with torch.device("meta"):
            return sum(p.numel() for p in Networks(self.settings.network).draw.parameters())

    @property
    def evaluations(self) -> int:
        """One: the image comes out at once."""
        return 1

    @property
    def curve(self) -> pd.DataFrame:
        """Means over steps of the cycle's L1 distance, the least-squares loss of the translators, and what the two
        discriminators said of real and drawn pictures (1 real, 0 drawn); see `Generator.curve`."""
        return pd.DataFrame(self._curve)

    def _run(self, network: nn.Module, picture: torch.Tensor) -> torch.Tensor:
        half = self.settings.training.precision == "bf16-mixed"
        with torch.no_grad(), torch.autocast(picture.device.type, torch.bfloat16, enabled=half):
            result: torch.Tensor = network(picture.contiguous(memory_format=torch.channels_last))
        return result

    def _trained(self) -> tuple[nn.Module, nn.Module]:
        """Who draws images, and who reads maps."""
        if self._translators is None:
            raise EchobenchError("this cyclegan has no weights yet: call fit or load first")
        return self._translators[0], self._translators[1]


def _unpaired(frames: Frames, device: torch.device) -> Unpaired:
    """Maps and images, each in an order of their own bytes, so that nothing is left of who belonged to whom."""
    shown = np.where(frames.sector, frames.images, np.uint8(0))
    by_map = _order(np.concatenate([frames.labels, frames.sector.astype(np.uint8)], axis=1))
    return Unpaired(Pairs.of(frames.select(by_map), device), Pairs.of(frames.select(_order(shown)), device))


def _order(arrays: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.argsort([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])


def _batches(n: int) -> Iterable[slice]:
    return (slice(start, start + BATCH) for start in range(0, n, BATCH))


def _identity(size: tuple[int, int]) -> dict[str, Any]:
    """What weights belong to: the label codes and the image size."""
    return {"generator": "cyclegan", "vocabulary": {label.name: int(label) for label in Label}, "size": list(size)}
