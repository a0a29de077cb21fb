"""`real`: the training frames themselves, the row that every generator is held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from echobench.data.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.maps import LabelMaps
from echobench.data.progress import Progress, silent
from echobench.generators.base import Generator


@dataclass(frozen=True)
class RealSettings:
    """Nothing to set."""


class Real(Generator):
    """Hands each label map the image it came with."""

    summary: ClassVar[str] = "the real frames, as they are: the reference"
    paper: ClassVar[str] = ""
    trained: ClassVar[bool] = False
    needs_source_images: ClassVar[bool] = True
    deforms: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {name: RealSettings() for name in ("quick", "standard", "paper")}
    )

    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """There is nothing to learn."""
        return self

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """The images of the source frames; raises EchobenchError for a map that was deformed."""
        images = maps.source.images[maps.source_index]
        if np.any(maps.deformation.strength):
            raise EchobenchError("generator real has no image for a deformed label map; use strength 0")
        return images

    def save(self, path: Path) -> None:
        """Write an empty file: there are no weights."""
        path.write_bytes(b"")

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """The same generator again."""
        return cls(RealSettings(), device)

    @property
    def parameters(self) -> int:
        return 0

    @property
    def evaluations(self) -> int:
        return 0
