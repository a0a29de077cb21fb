"""The Fréchet wavelet distance (FWD): how far apart two sets of images are in their wavelet packets, without a network.

Veeramacheneni et al. 2023 (arXiv 2312.15289): Haar wavelets of level 4, grey values from 0 to 1, and the mean over the
packets of the Fréchet distance of their coefficients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from echobench.benchmark.measure.realism.distances import frechet_of_roots

LEVEL = 4  # as in the paper
BLOCK = 2**LEVEL
_BATCH = 64

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some of the images (N, H, W), by their numbers (n,), of which none is copied before it is looked at."""

    images: NDArray[np.uint8]
    index: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, part: slice) -> NDArray[np.uint8]:
        return self.images[self.index[part]]


Images = NDArray[np.uint8] | Chosen


def wavelet_distances(compared: Sequence[Images], reference: Images) -> list[float]:
    """FWD of each set of images (N, H, W) to the reference (M, H, W).

    A row of packets is held at a time, as means and covariances: memory does not grow with the number of images.
    """
    rows = []
    for row in range(BLOCK):
        known = _moments(reference, row)
        rows.append([frechet_of_roots(*_moments(images, row), *known) for images in compared])
    return [float(distance) for distance in np.mean(rows, axis=(0, 2))]


def packets(images: NDArray[np.uint8], row: int) -> Array:
    """Coefficients of one of `BLOCK` rows of packets, of images (N, H, W): (`BLOCK`, N, H W / `BLOCK`²).

    A Haar packet of level L mixes the pixels of blocks of 2^L × 2^L with signs that are Walsh's functions: a row of a
    Hadamard matrix down the block, another one across it. What lies beyond the last whole block is black.
    """
    high, wide = (-(-side // BLOCK) for side in images.shape[1:])
    space = ((0, 0), *((0, BLOCK * n - side) for n, side in zip((high, wide), images.shape[1:], strict=True)))
    blocks = np.pad(images, space).reshape(len(images), high, BLOCK, wide, BLOCK) / 255
    walsh = hadamard(BLOCK) / np.sqrt(BLOCK)
    mixed = np.einsum("nasbt,s->nabt", blocks, walsh[row]) @ walsh.T
    return np.moveaxis(mixed.reshape(len(images), high * wide, BLOCK), 2, 0)


def coefficients(size: tuple[int, int]) -> int:
    """How many a packet of an image (H, W) has."""
    return int(np.prod([-(-side // BLOCK) for side in size]))


def _moments(images: Images, row: int) -> tuple[Array, Array]:
    """Of a row of packets: means (P, D) and roots R of the covariances RᵀR, (P, rank, D)."""
    total, products = np.zeros(()), np.zeros(())
    for start in range(0, len(images), _BATCH):
        found = packets(images[start : start + _BATCH], row)
        total = total + found.sum(axis=1)
        products = products + found.transpose(0, 2, 1) @ found
    n, mean = len(images), total / len(images)
    values, vectors = np.linalg.eigh((products - n * mean[:, :, None] * mean[:, None]) / (n - 1))
    roots = np.sqrt(values.clip(0))[:, :, None] * vectors.transpose(0, 2, 1)
    return mean, roots[:, -min(n - 1, roots.shape[1]) :]  # eigenvalues rise; the others are 0
