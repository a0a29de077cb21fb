"""`LabelMaps`: what a generator is asked to draw, and how the maps come out of frames."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from echobench.data.deform import Deformation, identity, pull_labels, random_deformation
from echobench.data.frames import Frames
from echobench.data.labels import Label


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """N label maps, each made by deforming a frame.

    labels: (N, H, W) uint8, codes of `Label`.
    sector: (N, H, W) bool, that of the source frame.
    source: the M frames that the maps were made from. Its images are black unless the generator declares
        `needs_source_images`.
    source_index: (N,) intp, the row of `source` behind each map.
    deformation: N deformations; `deformation.displacement(i, size)` is the field of map i.
    """

    labels: NDArray[np.uint8]
    sector: NDArray[np.bool_]
    source: Frames
    source_index: NDArray[np.intp]
    deformation: Deformation

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[1], self.labels.shape[2]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """(N, 2) millimetres per pixel along rows and columns."""
        return self.source.spacing_mm[self.source_index]

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "LabelMaps":
        """The maps that a numpy index picks; `source` stays whole."""
        return LabelMaps(
            labels=self.labels[index],
            sector=self.sector[index],
            source=self.source,
            source_index=self.source_index[index],
            deformation=self.deformation.select(index),
        )

    def without_images(self) -> "LabelMaps":
        """The same maps, the source frames' images blackened."""
        return replace(self, source=self.source.without_images())

    def with_images(self, images: NDArray[np.uint8]) -> Frames:
        """Pair each map with the image drawn for it: (N, H, W) uint8."""
        if images.shape != self.labels.shape or images.dtype != np.uint8:
            raise ValueError(f"a generator must return {self.labels.shape} uint8, got {images.shape} {images.dtype}")
        rows = self.source.select(self.source_index)
        return replace(rows, images=images, labels=self.labels, sector=self.sector)


def label_maps(frames: Frames, *, strength: float, repeats: int | NDArray[np.intp], seed: int) -> LabelMaps:
    """`repeats` deformed maps of every frame, frame by frame; an array (N,) says how many of each.

    See `deformed_maps`.
    """
    source_index = np.repeat(np.arange(len(frames)), repeats)
    return deformed_maps(frames, source_index, repeat_numbers(source_index), strength=strength, seed=seed)


def deformed_maps(
    frames: Frames, source_index: NDArray[np.intp], repeat: NDArray[np.intp], *, strength: float, seed: int
) -> LabelMaps:
    """Deformed map number repeat[i] of frame source_index[i], for each i; both are (N,).

    Map r of a frame depends on (frame, seed, r, strength) alone. A deformed label is clipped to the sector, as in
    "Echo from noise", except where the expert's own map lay outside it (CAMUS experts draw the wall on behind the
    sector's edge: 3.5 % of the myocardium's pixels of the 4C training frames). So strength 0 gives the
    expert's map back, and synthetic maps follow the convention of the real ones that they are compared with.
    """
    seeds = item_seeds(frames, source_index, repeat, f"deform/{seed}")
    deformation = random_deformation(seeds, strength)
    # Departs from the paper [maps.outside], as said above.
    allowed = frames.sector | (frames.labels != Label.BACKGROUND)
    labels = np.empty((len(source_index), *frames.size), dtype=np.uint8)
    for i, j in enumerate(source_index):
        pulled = pull_labels(frames.labels[j], deformation.positions(i, frames.size))
        labels[i] = np.where(allowed[j], pulled, np.uint8(Label.BACKGROUND))
    return LabelMaps(labels, frames.sector[source_index], frames, source_index, deformation)


def repeat_numbers(source_index: NDArray[np.intp]) -> NDArray[np.intp]:
    """(N,) how often each entry of `source_index` (N,), which ascends, came before."""
    return np.arange(len(source_index)) - np.searchsorted(source_index, source_index)


def repeats_for(frames: Frames, images: int, seed: int) -> NDArray[np.intp]:
    """How many maps of each frame, (N,), make `images` in all.

    Every frame once before any a second time, in an order that depends on the frames and the seed alone: the maps of
    a smaller number are among those of a larger one.
    """
    n = len(frames)
    order = np.argsort(item_seeds(frames, np.arange(n), np.zeros(n, dtype=np.intp), f"images/{seed}"))
    whole, rest = divmod(images, n)
    repeats = np.full(n, whole)
    repeats[order[:rest]] += 1
    return repeats


def undeformed_maps(frames: Frames) -> LabelMaps:
    """The frames' own maps, once each."""
    n = len(frames)
    return LabelMaps(frames.labels, frames.sector, frames, np.arange(n), identity(n))


def item_seeds(
    frames: Frames, source_index: NDArray[np.intp], repeat: NDArray[np.intp], salt: str
) -> NDArray[np.int64]:
    """A seed for each (frame, repeat) that depends on nothing else but the salt: not on the order or the number."""
    keys = (
        f"{salt}/{frames.source[j]}/{frames.patient[j]}/{frames.view[j]}/{frames.phase[j]}/{r}"
        for j, r in zip(source_index, repeat, strict=True)
    )
    return np.array([_hash63(key) for key in keys], dtype=np.int64)


def _hash63(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
