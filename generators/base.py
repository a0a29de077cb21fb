"""The interface of a competitor."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import write_whole
from echobench.data.base.progress import Progress, silent
from echobench.data.base.settings import settings_from
from echobench.data.base.text import read_json
from echobench.data.frames import Frames
from echobench.data.maps import LabelMaps


class Generator(ABC):
    """Draws an image for a label map.

    A subclass states the class variables and implements every method; the harness detects nothing and skips
    nothing. Image i of `sample` depends on the weights, `maps[i]` and `seeds[i]` alone: not on batch size,
    order, or global random state.
    """

    summary: ClassVar[str]
    """One line for lists."""
    paper: ClassVar[str]
    """Where the method comes from, with an identifier; empty for none."""
    trained: ClassVar[bool]
    """Whether `fit` learns weights."""
    needs_source_images: ClassVar[bool]
    """Whether `sample` may see the images that the maps come from (a classical augmentation does)."""
    deforms: ClassVar[bool]
    """Whether the harness may ask for deformed maps; False for a generator that has only the frames as they are."""
    together: ClassVar[bool] = False
    """Whether several processes can train it together."""
    stochastic: ClassVar[bool] = True
    """Whether another seed draws another image; False for a generator without noise."""
    draws_with: ClassVar[tuple[str, ...]] = ()
    """Names of generators whose weights are those that it would learn itself: it takes theirs, and trains none."""
    presets: ClassVar[Mapping[str, Any]]
    """Settings (frozen dataclasses) by preset: quick, standard, paper."""

    def __init__(self, settings: Any, device: str = "cpu") -> None:
        """Store the settings and the torch device; do no work."""
        self.settings = settings
        self.device = device

    @abstractmethod
    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """Learn from the training frames.

        folder: where checkpoints may be kept; a call that was killed goes on from there. None keeps none.
        """

    @abstractmethod
    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """Draw one image per map: (N, H, W) uint8, black outside the sector; seeds: (N,)."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write settings and weights to one file."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read what `save` wrote."""

    @classmethod
    def upgraded(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a file or a record of an earlier version holds, in the settings of today."""
        return settings

    def redraw(self, settings: Any) -> Self:
        """The same weights, drawn with other settings.

        Raises EchobenchError naming every setting that needs another training: all, unless a subclass knows better.
        """
        return self._redrawn(settings)

    def _redrawn(self, settings: Any, *drawing: str) -> Self:
        """`redraw`, where the fields called `drawing` concern drawing alone."""
        trained = asdict(self.settings)
        if needing := differences(trained, asdict(settings) | {name: trained[name] for name in drawing}):
            raise EchobenchError(f"the weights are of another training: {'; '.join(needing)}")
        other = copy(self)
        other.settings = settings
        return other

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of weights; 0 where there are none."""

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Network evaluations per image (NFE); 0 where there is no network."""

    def read_maps(self, images: NDArray[np.uint8], sector: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
        """If it has also learnt the way back: label maps (N, H, W) of images (N, H, W), sector (N, H, W).

        Shown in the pictures of a run, and used for nothing else.
        """
        return None

    @property
    def batch(self) -> int:
        """Images drawn together; changes time and memory, not the images."""
        return 1

    @property
    def curve(self) -> pd.DataFrame:
        """How the training went: columns step, seconds (of training in all) and what the method watches.

        Empty where nothing is trained, and after `load`.
        """
        return pd.DataFrame()


class Weightless(Generator):
    """Base of generators without weights: a subclass says what it is, and samples."""

    trained: ClassVar[bool] = False

    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """There is nothing to learn."""
        return self

    def save(self, path: Path) -> None:
        """Write the settings: there are no weights."""
        write_whole(path, json.dumps(asdict(self.settings)))

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """The same generator again. Raises EchobenchError for a damaged file.

        An empty file is of before settings were kept: all presets were alike.
        """
        preset = next(iter(cls.presets.values()))
        if path.is_file() and not path.stat().st_size:
            return cls(preset, device)
        values = read_json(path, "give the run's command again with --force")
        return cls(settings_from(type(preset), values, path), device)

    @property
    def parameters(self) -> int:
        return 0

    @property
    def evaluations(self) -> int:
        return 0
