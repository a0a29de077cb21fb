"""How different the images are that a generator draws for one map."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from skimage.metrics import structural_similarity

from echobench.data.maps import LabelMaps, item_seeds
from echobench.generators.base import Generator


@dataclass(frozen=True, eq=False)
class Redrawn:
    """M maps, each drawn S times with different seeds. images: (M, S, H, W) uint8. sector: (M, H, W) bool."""

    images: NDArray[np.uint8]
    sector: NDArray[np.bool_]


def redraw(generator: Generator, maps: LabelMaps, times: int = 4, seed: int = 0) -> Redrawn:
    """Draw every map `times` times; see `Generator.sample`."""
    row, repeat = np.repeat(np.arange(len(maps)), times), np.tile(np.arange(times), len(maps))
    visible = maps if generator.needs_source_images else maps.without_images()
    seeds = item_seeds(maps.source, maps.source_index[row], repeat, f"redraw/{seed}")
    images = generator.sample(visible.select(row), seeds)
    return Redrawn(images.reshape(len(maps), times, *maps.size), maps.sector)


def grey_spread(redrawn: Redrawn) -> NDArray[np.float64]:
    """Standard deviation of a pixel's grey value over the seeds, mean over the sector: (M,), in grey levels."""
    spread = redrawn.images.std(axis=1, ddof=1, dtype=np.float32)
    return np.array([levels[inside].mean() for levels, inside in zip(spread, redrawn.sector, strict=True)])


def dissimilarity(redrawn: Redrawn) -> NDArray[np.float64]:
    """1 - SSIM (Wang et al. 2004, doi:10.1109/TIP.2003.819861) inside the sector, mean over pairs of seeds: (M,)."""

    def similarity(first: NDArray[np.uint8], second: NDArray[np.uint8], inside: NDArray[np.bool_]) -> float:
        return structural_similarity(first, second, data_range=255, full=True)[1][inside].mean()

    return np.array(
        [
            1 - np.mean([similarity(first, second, inside) for first, second in combinations(images, 2)])
            for images, inside in zip(redrawn.images, redrawn.sector, strict=True)
        ]
    )


def feature_spread(
    redrawn: Redrawn, features: Callable[[NDArray[np.uint8]], NDArray[np.float64]], real: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean distance between the features of two seeds, over that between two real frames: (M,).

    0: the seed changes nothing; 1: as different as two patients. features: images (N, H, W) to (N, D); real: (R, D).
    """
    maps, times, *size = redrawn.images.shape
    found = features(redrawn.images.reshape(maps * times, *size)).reshape(maps, times, -1)
    return np.array([pdist(group).mean() for group in found]) / pdist(real).mean()
