"""The same image in two subsets of a split, under whatever name: who trains on it has seen the test."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.splits import SUBSETS, Split, derive_split

SIDE = 32
ALIKE = 1.0
"""Root mean square of the grey values by which copies may differ at 32×32: another encoding of an image stays below."""
_FLAT = 1.0  # standard deviation below which an image shows nothing, so that its like is no copy
_ROWS = 256  # images compared at a time

Thumbnails = NDArray[np.float32]
"""(N, 1024), see `thumbnail`."""


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An image (H, W) as (1024,) means of its blocks, by which copies are known whatever their encoding."""
    small = image.astype(np.float32)
    for axis, side in enumerate(image.shape):
        edges = np.arange(SIDE) * side // SIDE
        width = np.maximum(np.diff(edges, append=side), 1).astype(np.float32)
        small = np.add.reduceat(small, edges, axis=axis) / (width[:, None] if axis == 0 else width)
    return small.ravel()


def thumbnails_of(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Thumbnails:
    """Of images (H, W), one row each."""
    return np.array([thumbnail(image) for image in images], dtype=np.float32).reshape(len(images), SIDE * SIDE)


def copies(thumbnails: Thumbnails, patients: Sequence[str], split: Split) -> Iterator[str]:
    """A sentence for each two patients of different subsets who share an image.

    patients: N names, of which those in no subset are passed over.
    """
    names = np.array(patients, dtype=np.str_)
    members = {subset: np.flatnonzero(np.isin(names, split.patients(subset))) for subset in SUBSETS}
    said: set[tuple[str, str]] = set()
    for first, second in (("testing", "training"), ("testing", "validation"), ("validation", "training")):
        for i, j in alike(thumbnails[members[first]], thumbnails[members[second]]):
            pair = (patients[members[first][i]], patients[members[second][j]])
            if pair not in said:
                said.add(pair)
                yield (
                    f"an image of {pair[0]} ({first}) is the same image as one of {pair[1]} ({second}), "
                    "a copy under another name: remove one of them"
                )


def keep_together(thumbnails: Thumbnails, patients: Sequence[str], split: Split, seed: int) -> Split:
    """The split, or, where it was derived and parts patients who share an image, one of the same seed that does not.

    An official list stays as it is.
    """
    if "derived" not in split.origin or next(copies(thumbnails, patients, split), None) is None:
        return split
    locked = () if split.origin.startswith("derived") else split.testing
    everyone = {patient for subset in SUBSETS for patient in split.patients(subset)}
    return derive_split(everyone, seed, testing=locked, together=sharing(thumbnails, patients))


def sharing(thumbnails: Thumbnails, patients: Sequence[str]) -> list[set[str]]:
    """Groups of patients each of whom shares an image with another one of the group."""
    groups: list[set[str]] = []
    for i, j in alike(thumbnails, thumbnails):
        met = [group for group in groups if patients[i] in group or patients[j] in group]
        groups = [group for group in groups if group not in met]
        groups.append({patients[i], patients[j]}.union(*met))
    return [group for group in groups if len(group) > 1]


def require_unseen(drawn: Frames, scored: Frames, folder: str) -> None:
    """Raises EchobenchError where an image of a folder of drawn ones is a copy of a scored one, whatever its name."""
    for i, j in alike(thumbnails_of(drawn.images), thumbnails_of(scored.images)):
        raise EchobenchError(
            f"{folder}: the {drawn.view[i]} {drawn.phase[i]} image of {drawn.patient[i]} is a copy of a frame of "
            f"{scored.patient[j]}, who is scored; who tests must not train: remove it"
        )


def alike(first: Thumbnails, second: Thumbnails) -> Iterator[tuple[int, int]]:
    """Pairs of rows of the two that show something and differ by less than `ALIKE`."""
    ours, theirs = (np.flatnonzero(part.std(axis=1) > _FLAT) for part in (first, second))
    others = second[theirs]
    lengths = (others**2).mean(axis=1)
    for start in range(0, len(ours), _ROWS):
        rows = ours[start : start + _ROWS]
        squares = (first[rows] ** 2).mean(axis=1)[:, None] + lengths - 2 * (first[rows] @ others.T) / first.shape[1]
        for i, j in np.argwhere(squares < ALIKE**2):
            yield int(rows[i]), int(theirs[j])
