"""`sdm`: a semantic diffusion model, which draws an echocardiogram from noise under a label map.

After "Echo from noise" (Stojanovski et al. 2023, arXiv 2305.05424v2), which trained the network of Wang et al.
2022 (arXiv 2207.00050) on CAMUS. The presets quick and standard are models of our own for who has no GPU.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

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
from echobench.generators.diffusion.method import Method
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.own import OwnMethod
from echobench.generators.diffusion.paper import PaperMethod, PaperSamplingSettings, PaperTrainingSettings
from echobench.generators.diffusion.paper_network import PaperNetworkSettings
from echobench.generators.diffusion.parallel import own_device
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings, train
from echobench.generators.pairs import Pairs, to_planes
from echobench.generators.settings import settings_from


@dataclass(frozen=True)
class SdmSettings:
    """The parts of a semantic diffusion model: all of this project's own kind, or all of the paper's."""

    schedule: ScheduleSettings
    network: NetworkSettings | PaperNetworkSettings
    training: TrainingSettings | PaperTrainingSettings
    sampling: SamplingSettings | PaperSamplingSettings


QUICK = SdmSettings(
    schedule=ScheduleSettings(),
    network=NetworkSettings(channels=(96, 128)),
    training=TrainingSettings(steps=450),
    sampling=SamplingSettings(steps=20),
)
"""Under two minutes of training on two cores; 3.0 million weights.

Tried on CAMUS 4C, 550 steps on 200 ED frames: a small segmenter that is trained on 798 images of it alone reaches a
mean Dice of 89.7 on the real validation patients (LVendo 89.3); trained on the real frames it reaches 91.5. What
is left to see is the edges of the 8-pixel squares.
"""

STANDARD = SdmSettings(
    schedule=ScheduleSettings(),
    network=NetworkSettings(channels=(128, 192)),
    training=TrainingSettings(steps=5000),
    sampling=SamplingSettings(steps=20),
)
"""About half an hour of training on two cores, at 0.30 to 0.41 s per step; 5.7 million weights.

Its records on CAMUS 4C are results/measured/camus-sdm-standard and, over training length, number of images and sampler,
camus-minutes, camus-images and camus-samplers there. Tried before, on CAMUS 4C, 550 steps on 798 frames each, judged
like `QUICK` by a segmenter trained on the images alone and by the Dice that a segmenter trained on real frames finds
between an image and its map (on real images: 91.5):

    velocity of the pixels, no preconditioning             89.5    84.5   white noise in the images
    linear estimate in closed form, plain cosine           89.4    91.1   all images of one brightness
    linear estimate in closed form, schedule shifted by 4  90.1    91.1

Squares of 4 pixels and a third level (64, 128, 192), plain cosine, 300 steps of 1.8 times the cost each: 86.2 and
82.6. GroupNorm of 32 groups in place of 16 channels each: 367 instead of 282 ms per step. torch.compile, on one
processor thread: 3 to 5 % less per step, after two minutes of compiling; not worth its weight.

Taken without a comparison of its own: AdamW's rate, the average's length, half of each batch under a random affine map,
bf16. Not tried: a latent space, prediction of the noise at this size.
"""


PAPER = SdmSettings(
    schedule=ScheduleSettings(shift=1.0),
    network=PaperNetworkSettings(),
    training=PaperTrainingSettings(),
    sampling=PaperSamplingSettings(),
)
"""The published model, 652.2 million weights, for machines with GPUs. Not yet trained here: one evaluation takes two
processor cores 16 s, and an image 1000 of them."""


class SemanticDiffusion(Generator):
    """Semantic diffusion: noise becomes an image in a few steps, each of which sees the label map."""

    summary: ClassVar[str] = "semantic diffusion: a denoising U-Net modulated by the label map"
    paper: ClassVar[str] = "Stojanovski et al. 2023, arXiv 2305.05424"
    trained: ClassVar[bool] = True
    needs_source_images: ClassVar[bool] = False
    deforms: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, SdmSettings]] = MappingProxyType(
        {"quick": QUICK, "standard": STANDARD, "paper": PAPER}
    )

    settings: SdmSettings

    def __init__(self, settings: SdmSettings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self._curve: list[dict[str, float]] = []
        self._denoiser: nn.Module | None = None
        self._size = (0, 0)
        self._views: tuple[str, ...] = ()

    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """Train on the frames; see `Generator.fit`.

        The checkpoint in `folder` must be of the same settings, seed, frames, label vocabulary and image size,
        else EchobenchError names what differs. Two runs on a CPU give the same weights, killed or not, on one
        number of threads. Started by torchrun, all processes train together and each ends with the same weights.
        """
        self._check_size(frames.size)
        frames = self._method.frames(frames)
        if len(frames) == 0:
            raise EchobenchError("sdm needs training frames, and there are none")
        identity = {
            **self._identity(frames.size),
            "settings": asdict(self.settings),
            "seed": seed,
            "frames": frames.fingerprint(),
        }
        device = own_device(self.device)
        self._denoiser, self._curve = train(
            self._method,
            Pairs.of(frames, device),
            self._method.new_denoiser(seed),
            seed,
            device,
            Checkpoint(folder, identity) if folder is not None else None,
            progress,
        )
        self._size, self._views = frames.size, tuple(sorted(set(frames.view.tolist())))
        return self

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """Draw one image per map; see `Generator.sample`."""
        denoiser, device = self._trained(), own_device(self.device)
        if maps.size != self._size:
            raise EchobenchError(f"sdm was trained at {self._size} pixels and cannot draw {maps.size}")
        if len(seeds) != len(maps):
            raise ValueError(f"{len(maps)} maps need as many seeds, got {len(seeds)}")
        images = np.zeros(maps.labels.shape, dtype=np.uint8)
        for start in range(0, len(maps), self.settings.sampling.batch):
            rows = slice(start, start + self.settings.sampling.batch)
            labels, sector = maps.labels[rows], maps.sector[rows]
            planes = to_planes(torch.tensor(labels, device=device), torch.tensor(sector, device=device))
            own = [int(seed) for seed in seeds[rows]]
            if len(own) == 1 < self.settings.sampling.batch:  # in bf16 one alone is rounded otherwise than several
                planes, own = planes.repeat(2, 1, 1, 1), own * 2
            grey = self._method.draw(denoiser, planes, own)[: len(labels)]
            images[rows] = grey.cpu().numpy() * sector.astype(np.uint8)
            progress(min(rows.stop, len(maps)), len(maps))
        return images

    def save(self, path: Path) -> None:
        """Write settings and averaged weights to one file, by rename."""
        content = {
            **self._identity(self._size),
            "views": list(self._views),
            "settings": asdict(self.settings),
            "weights": self._trained().state_dict(),
        }
        write_atomically(path, content)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read what `save` wrote. Raises EchobenchError for a damaged file or another label vocabulary."""
        content = read(path)
        if "weights" not in content:
            raise EchobenchError(f"{path} is a training under way, not what `save` wrote: give a generator's file")
        generator = cls(settings_from(SdmSettings, content["settings"], path), device)
        if content["generator"] != "sdm" or content["vocabulary"] != _vocabulary():
            raise EchobenchError(
                f"{path} is a {content['generator']} for the labels {content['vocabulary']}, "
                f"not an sdm for {_vocabulary()}"
            )
        height, width = content["size"]
        generator._size, generator._views = (height, width), tuple(content.get("views", ()))
        denoiser = generator._method.new_denoiser(seed=0)
        denoiser.load_state_dict(content["weights"])
        generator._denoiser = denoiser.to(own_device(device)).eval()
        return generator

    def redraw(self, settings: SdmSettings) -> Self:
        """The same weights with another sampler; see `Generator.redraw`."""
        return self._redrawn(settings, "sampling")

    @property
    def parameters(self) -> int:
        """Number of weights, trained or not."""
        if self._denoiser is not None:
            return sum(p.numel() for p in self._denoiser.parameters())
        with torch.device("meta"):  # shapes without numbers
            return sum(p.numel() for p in self._method.new_denoiser(seed=0).parameters())

    @property
    def evaluations(self) -> int:
        """Network evaluations per image."""
        return self._method.evaluations

    @property
    def curve(self) -> pd.DataFrame:
        """Mean loss every so many steps; see `Generator.curve`."""
        return pd.DataFrame(self._curve)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that it was trained on, and draws."""
        self._trained()
        return self._size

    @property
    def views(self) -> tuple[str, ...]:
        """Of the frames that it was trained on; none where its file is from before that was kept."""
        return self._views

    @property
    def _method(self) -> Method:
        """The kind of diffusion that the settings are of. Raises EchobenchError where they are of two kinds."""
        match self.settings:
            case SdmSettings(
                schedule, PaperNetworkSettings() as network, PaperTrainingSettings() as training,
                PaperSamplingSettings() as sampling,
            ):  # fmt: skip
                return PaperMethod(schedule, network, training, sampling)
            case SdmSettings(schedule, NetworkSettings() as network, TrainingSettings() as training, sampling):
                return OwnMethod(schedule, network, training, sampling)
        raise EchobenchError("sdm settings mix the published model with this project's own")

    def _identity(self, size: tuple[int, int]) -> dict[str, Any]:
        return {"generator": "sdm", "vocabulary": _vocabulary(), "size": list(size)}

    def _check_size(self, size: tuple[int, int]) -> None:
        divisor = self._method.divisor
        if any(side % divisor for side in size):
            raise EchobenchError(f"sdm needs sides divisible by {divisor}, the frames have {size}; resize them")

    def _trained(self) -> nn.Module:
        if self._denoiser is None:
            raise EchobenchError("this sdm has no weights yet: call fit or load first")
        return self._denoiser


def _vocabulary() -> dict[str, int]:
    """The label codes that weights belong to."""
    return {label.name: int(label) for label in Label}
