"""`real`: the training frames themselves, the row that every generator is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.maps import LabelMaps
from echobench.generators.base import Weightless


@dataclass(frozen=True)
class RealSettings:
    """Nothing to set."""


class Real(Weightless):
    """Hands each label map the image it came with."""

    summary: ClassVar[str] = "the real frames, as they are: the reference"
    paper: ClassVar[str] = ""
    needs_source_images: ClassVar[bool] = True
    deforms: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {name: RealSettings() for name in ("quick", "standard", "paper")}
    )

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """The images of the source frames; raises EchobenchError for a map that was deformed."""
        images = maps.source.images[maps.source_index]
        if np.any(maps.deformation.strength):
            raise EchobenchError("generator real has no image for a deformed label map; use strength 0")
        return images
