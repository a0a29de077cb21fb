"""`warp`: classical augmentation, the real frame deformed by the same field as its label map.

The control that every generator has to beat: what one gets from the frames one has, without drawing anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from echobench.data.base.progress import Progress, silent
from echobench.data.maps import LabelMaps
from echobench.generators.base import Weightless


@dataclass(frozen=True)
class WarpSettings:
    """Nothing to set: how far frames are deformed is a setting of the maps."""


class Warp(Weightless):
    """Pulls each map's source image through the map's own deformation.

    What comes from beyond the source's sector is black, inside the map's sector too. That is what deforming an image
    means wherever augmentation is used, and any filling (streaks, mirrored walls under the label background) would
    draw something where the control is to draw nothing. Labels that experts drew behind the sector's edge stay on
    black, as they are in real frames.
    """

    summary: ClassVar[str] = "the real frame, deformed like its map: classical augmentation"
    paper: ClassVar[str] = ""
    needs_source_images: ClassVar[bool] = True
    deforms: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {name: WarpSettings() for name in ("quick", "standard", "paper")}
    )

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """The warped source images; the seeds change nothing. At strength 0 each is its source inside the sector."""
        images = np.empty(maps.labels.shape, dtype=np.uint8)
        for i in range(len(maps)):
            images[i] = warped_image(maps, i, maps.deformation.positions(i, maps.size))
            progress(i + 1, len(maps))
        return images


def warped_image(maps: LabelMaps, i: int, positions: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The source image of map i at the positions (2, H, W), black outside of the map's sector: (H, W)."""
    j = maps.source_index[i]
    lit = np.where(maps.source.sector[j], maps.source.images[j], np.uint8(0))
    return np.where(maps.sector[i], pull(lit, positions), np.uint8(0))


def pull(image: NDArray[np.uint8], positions: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey values (H, W) at the positions (2, H, W), linear between pixels, black beyond the border."""
    # "grid-constant": a position that rounding put 1e-6 outside of the first row is not black.
    pulled = ndimage.map_coordinates(image, positions, output=np.float32, order=1, mode="grid-constant", cval=0)
    grey: NDArray[np.uint8] = np.rint(pulled).astype(np.uint8)
    return grey
