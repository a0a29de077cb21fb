"""Base of generators that learn weights: identity, files, size and views, the curve."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NotRequired, Self, TypedDict

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.base.saved import built_with, taken_from
from echobench.data.base.settings import kinds_of, settings_from
from echobench.data.base.typed import typed
from echobench.data.frames import Frames
from echobench.data.labels import vocabulary
from echobench.data.maps import LabelMaps
from echobench.generators.base import Generator
from echobench.generators.registry import generator_class, names
from echobench.generators.training.checkpoint import Checkpoint, read, write
from echobench.generators.training.loop import Training, train
from echobench.generators.training.pairs import to_planes
from echobench.generators.training.parallel import joined, own_device, own_parts, together

BATCH = 16
"""Images drawn together where the settings say nothing of it."""


class _Saved(TypedDict):
    """What `save` writes."""

    generator: str
    vocabulary: NotRequired[dict[str, int]]
    size: NotRequired[tuple[int, int]]
    views: NotRequired[list[Literal["2C", "4C"]]]
    settings: dict[str, Any]
    kinds: NotRequired[dict[str, str]]
    weights: NotRequired[dict[str, Tensor]]


class Trained(Generator):
    """A generator whose networks learn from pairs of image and label map.

    A subclass says what its networks are, what one training of them is, and how they draw; see the abstract methods.
    """

    trained: ClassVar[bool] = True
    needs_source_images: ClassVar[bool] = False
    deforms: ClassVar[bool] = True
    name: ClassVar[str]
    """Of the generator, in its files and sentences."""
    kind: ClassVar[type]
    """The dataclass of its settings."""

    def __init__(self, settings: Any, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self._network: nn.Module | None = None
        self._file: Path | None = None
        self._curve: list[dict[str, float]] = []
        self._size = (0, 0)
        self._views: tuple[str, ...] = ()

    @property
    def divisor(self) -> int:
        """What the sides of an image must be divisible by."""
        divisor: int = self.settings.network.divisor
        return divisor

    @property
    def batch(self) -> int:
        """Images drawn together; changes time and memory, not the images."""
        return BATCH

    @abstractmethod
    def new_network(self, seed: int) -> nn.Module:
        """What draws, with seeded random weights: the part that `save` keeps."""

    @abstractmethod
    def new_training(self, frames: Frames, seed: int, device: torch.device) -> Training:
        """A training on these frames before its first step; its `average` is a `new_network`."""

    @abstractmethod
    def draw(self, network: nn.Module, planes: Tensor, seeds: list[int]) -> Tensor:
        """Images of label maps: planes (B, PLANES, H, W) -> (B, H, W) uint8."""

    def draw_maps(self, network: nn.Module, maps: LabelMaps, planes: Tensor, seeds: list[int]) -> Tensor:
        """As `draw`, for a generator that uses more of the maps than their planes."""
        return self.draw(network, planes, seeds)

    def learnt_from(self, frames: Frames) -> Frames:
        """Those of the training frames that are learnt from."""
        return frames

    def abridged(self) -> Self:
        """The same without weights, which draws with few evaluations of its network per image where it takes many: one
        is then timed soon."""
        return self

    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """Train on the frames; see `Generator.fit`.

        The checkpoint in `folder` must be of the same settings, seed, frames, label vocabulary and image size, else
        EchobenchError names what differs. Where several processes may train together, each ends with the same weights.
        """
        if any(side % self.divisor for side in frames.size):
            raise EchobenchError(
                f"{self.name} needs sides divisible by {self.divisor}, the frames have {frames.size}; resize them"
            )
        if len(frames) == 0:
            raise EchobenchError(f"{self.name} needs training frames, and there are none")
        frames = self.learnt_from(frames)
        training = self.new_training(frames, seed, own_device(self.device))
        identity = self._identity(frames.size) | {
            "settings": asdict(self.settings),
            "seed": seed,
            "frames": frames.fingerprint(),
        }
        train(training, Checkpoint(folder, identity) if folder is not None else None, progress)
        self._network, self._curve = training.average.eval(), training.curve
        self._size, self._views = frames.size, tuple(sorted(set(frames.view.tolist())))
        return self

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """Draw one image per map; see `Generator.sample`.

        Of weights in a file, the processes of `in_company` draw every batch once, each as one process alone would.
        """
        _ = self.network
        if maps.size != self._size:
            raise EchobenchError(f"{self.name} was trained at {self._size} pixels and cannot draw {maps.size}")
        if len(seeds) != len(maps):
            raise ValueError(f"{len(maps)} maps need as many seeds, got {len(seeds)}")
        if self._file is None:
            return self._draw_parts(self.batches(len(maps)), maps, seeds, progress)
        drawing = _Drawing(type(self), self._file, self.settings, self.device, maps, seeds)
        together(drawing)
        return drawing.with_weights_of(self, progress)

    def batches(self, n: int) -> list[slice]:
        """n images in parts of `batch`."""
        return [slice(start, start + self.batch) for start in range(0, n, self.batch)]

    def _draw_parts(
        self, parts: Sequence[slice], maps: LabelMaps, seeds: NDArray[np.int64], progress: Progress
    ) -> NDArray[np.uint8]:
        """Images of label maps (N, H, W), black but for those of some rows."""
        network, device = self.network, own_device(self.device)
        images = np.zeros(maps.labels.shape, dtype=np.uint8)
        for part in parts:
            rows = np.arange(part.start, min(part.stop, len(maps)))
            if len(rows) == 1 < self.batch:  # in bf16 one alone may be rounded otherwise than several
                rows = rows.repeat(2)
            sector = torch.tensor(maps.sector[rows], device=device)
            planes = to_planes(torch.tensor(maps.labels[rows], device=device), sector)
            drawn = self.draw_maps(network, maps.select(rows), planes, [int(seed) for seed in seeds[rows]])
            # Departs from the paper [sdm.sampling.outside]: no generator here draws outside the sector.
            images[rows] = (drawn * sector).cpu().numpy()
            progress(min(part.stop, len(maps)), len(maps))
        return images

    def save(self, path: Path) -> None:
        """Write settings and averaged weights to one file, by rename."""
        content = {
            "views": list(self._views),
            "settings": asdict(self.settings),
            "kinds": kinds_of(self.settings),
            "weights": self.network.state_dict(),
        }
        write(path, self._identity(self._size) | content)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read what `save` wrote, of this kind or of one in `draws_with`.

        Raises EchobenchError for a damaged file, another generator's, or other labels.
        """
        content = _read_saved(path)
        if content["generator"] not in (cls.name, *cls.draws_with):
            raise EchobenchError(
                f"{path} is a generator of the kind {content['generator']}, not {cls.name}: load it as what it is, or "
                f"give a file of {' or '.join((cls.name, *cls.draws_with))}"
            )
        if content.get("vocabulary") != vocabulary():
            raise EchobenchError(f"{path} is for the labels {content.get('vocabulary')}, not for {vocabulary()}")
        with taken_from(path):
            settings: Any = settings_from(cls.kind, cls.upgraded(content["settings"]), path, content.get("kinds"))
            generator = cls(settings, device)
            generator._size, generator._views = tuple(content["size"]), tuple(content.get("views", ()))
            if any(side < 1 or side % generator.divisor for side in generator._size):
                raise ValueError(f"its size is {generator._size}")
            network = built_with(content["weights"], lambda: generator.new_network(seed=0))
        generator._network, generator._file = network.to(own_device(device)).eval(), path.resolve()
        return generator

    @property
    def network(self) -> nn.Module:
        """What draws. Raises EchobenchError before `fit` or `load`."""
        if self._network is None:
            raise EchobenchError(f"this {self.name} has no weights yet: call fit or load first")
        return self._network

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that it was trained on, and draws."""
        _ = self.network
        return self._size

    @property
    def views(self) -> tuple[str, ...]:
        """Of the frames that it was trained on; none where its file is from before that was kept."""
        return self._views

    @property
    def parameters(self) -> int:
        """Number of weights of what draws, trained or not."""
        if self._network is not None:
            return _count(self._network)
        with torch.device("meta"):  # shapes without numbers
            return _count(self.new_network(seed=0))

    @property
    def curve(self) -> pd.DataFrame:
        """Means over steps of what the training watches; see `Generator.curve`."""
        return pd.DataFrame(self._curve)

    def _identity(self, size: tuple[int, int]) -> dict[str, Any]:
        """What weights belong to."""
        return {"generator": self.name, "vocabulary": vocabulary(), "size": list(size)}


@dataclass(frozen=True, eq=False)
class _Drawing:
    """Images that several processes draw together, with the weights of a file."""

    backend: type[Trained]
    file: Path
    settings: Any
    device: str
    maps: LabelMaps
    seeds: NDArray[np.int64]

    def __call__(self) -> None:
        """What the others do."""
        loaded = _loaded(self.backend, self.file, self.file.stat().st_mtime_ns, self.device)
        self.with_weights_of(loaded.redraw(self.settings), silent)

    def with_weights_of(self, generator: Trained, progress: Progress) -> NDArray[np.uint8]:
        """All of the images."""
        parts = own_parts(generator.batches(len(self.seeds)))
        images = generator._draw_parts(parts, self.maps, self.seeds, progress)
        return joined(torch.from_numpy(images)).numpy()


@lru_cache(maxsize=1)
def _loaded(backend: type[Trained], file: Path, written_ns: int, device: str) -> Trained:
    """The generator that is drawn with again and again."""
    return backend.load(file, device)


def load_trained(path: Path, device: str = "cpu") -> Trained:
    """The generator that a file is of, whichever it is.

    Raises EchobenchError, saying what the file is, for one that does not tell the generator, its size and its views.
    """
    if _has_no_weights(path):
        raise EchobenchError(f"{path} is of a generator without weights, or empty: give the run's folder to --run")
    name = _read_saved(path)["generator"]
    if name not in names():
        raise EchobenchError(f"{path} is of {name}, which is not installed here: give the run's folder to --run")
    backend = generator_class(name)
    if not issubclass(backend, Trained):
        raise EchobenchError(
            f"{path} is of {name}, which does not say what size and views it draws: give the run's folder to --run"
        )
    return backend.load(path, device)


def _has_no_weights(path: Path) -> bool:
    """Whether it is what `Weightless.save` writes, today or before it kept settings."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(1) in (b"", b"{")


def _read_saved(path: Path) -> dict[str, Any]:
    content = read(path)
    if "generator" not in content:
        raise EchobenchError(f"{path} is a training under way, not what `save` wrote: give a generator's file")
    with taken_from(path):
        typed(content, _Saved)
    return content


def _count(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())
