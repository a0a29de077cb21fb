"""The same image in two subsets of a split, under whatever name: who trains on it has seen the test."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.dataset import Dataset
from echobench.data.splits import SUBSETS, Split

SIDE = 32
ALIKE = 1.0
"""Root mean square of the grey values by which copies may differ at 32×32: another encoding of an image stays below."""
_FLAT = 1.0  # standard deviation below which an image shows nothing, so that its like is no copy
_ROWS = 256  # images compared at a time


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An image (H, W) as (1024,) means of its blocks, by which copies are known whatever their encoding."""
    small = image.astype(np.float32)
    for axis, side in enumerate(image.shape):
        edges = np.arange(SIDE) * side // SIDE
        width = np.maximum(np.diff(edges, append=side), 1).astype(np.float32)
        small = np.add.reduceat(small, edges, axis=axis) / (width[:, None] if axis == 0 else width)
    return small.ravel()


def copies(thumbnails: NDArray[np.float32], patients: Sequence[str], split: Split) -> Iterator[str]:
    """A sentence for each two patients of different subsets who share an image.

    thumbnails: (N, 1024), see `thumbnail`; patients: N names, of which those in no subset are passed over.
    """
    shows = thumbnails.std(axis=1) > _FLAT
    names = np.array(patients, dtype=np.str_)
    members = {subset: np.flatnonzero(np.isin(names, split.patients(subset)) & shows) for subset in SUBSETS}
    said: set[tuple[str, str]] = set()
    for first, second in (("testing", "training"), ("testing", "validation"), ("validation", "training")):
        for i, j in _alike(thumbnails, members[first], members[second]):
            pair = (patients[i], patients[j])
            if pair not in said:
                said.add(pair)
                yield (
                    f"an image of {pair[0]} ({first}) is the same image as one of {pair[1]} ({second}), "
                    "a copy under another name: remove one of them"
                )


def require_no_copies(dataset: Dataset) -> None:
    """Raises EchobenchError where two subsets of a dataset share an image."""
    frames = dataset.frames
    thumbnails = np.array([thumbnail(image) for image in frames.images]).reshape(len(frames), SIDE * SIDE)
    if said := next(copies(thumbnails, frames.patient.tolist(), dataset.split), None):
        another = "" if dataset.split.origin == "official" else ", or take another --seed, which derives another split"
        raise EchobenchError(f"{dataset.name}: {said}{another}")


def _alike(
    thumbnails: NDArray[np.float32], first: NDArray[np.intp], second: NDArray[np.intp]
) -> Iterator[tuple[int, int]]:
    """Pairs of rows of the two that differ by less than `ALIKE`."""
    theirs = thumbnails[second]
    lengths = (theirs**2).mean(axis=1)
    for start in range(0, len(first), _ROWS):
        ours = thumbnails[first[start : start + _ROWS]]
        squares = (ours**2).mean(axis=1)[:, None] + lengths - 2 * (ours @ theirs.T) / thumbnails.shape[1]
        for i, j in np.argwhere(squares < ALIKE**2):
            yield int(first[start + i]), int(second[j])
