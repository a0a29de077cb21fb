"""`Frames`: images with their label maps, real or synthetic; everything downstream takes and returns them."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError

VIEWS = ("2C", "4C")
PHASES = ("ED", "ES")


def frame_stem(name: str, view: str, phase: str) -> str:
    """What the files of a frame are called in CAMUS: patient0001_4CH_ED. name: of a patient, or of one of its maps."""
    return f"{name}_{view}H_{phase}"


@dataclass(frozen=True, eq=False)
class Frames:
    """N frames of one size, each an image with its expert (or requested) label map.

    images: (N, H, W) uint8, grey values 0-255.
    labels: (N, H, W) uint8, codes of `Label`.
    sector: (N, H, W) bool, True inside the ultrasound sector.
    spacing_mm: (N, 2) float64, millimetres per pixel along rows (depth) and columns (width).
    patient, view, phase, source: (N,) str: patient id, `VIEWS`, `PHASES` (ED = end-diastole, ES =
        end-systole), name of the dataset.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    sector: NDArray[np.bool_]
    spacing_mm: NDArray[np.float64]
    patient: NDArray[np.str_]
    view: NDArray[np.str_]
    phase: NDArray[np.str_]
    source: NDArray[np.str_]

    def __post_init__(self) -> None:
        n = len(self.images)
        for field in fields(self):
            value = getattr(self, field.name)
            if len(value) != n:
                raise ValueError(f"Frames.{field.name} has {len(value)} rows, images has {n}")
        if not self.images.shape == self.labels.shape == self.sector.shape:
            raise ValueError(
                f"images {self.images.shape}, labels {self.labels.shape} and sector {self.sector.shape} differ"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[1], self.images.shape[2]

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Frames":
        """The rows that a numpy index (mask, integers or slice) picks."""
        return Frames(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def where(
        self,
        *,
        view: str | None = None,
        phases: Collection[str] | None = None,
        patients: Collection[str] | None = None,
    ) -> "Frames":
        """The frames of one view, of some phases, of some patients; what is None does not restrict."""
        keep = np.ones(len(self), dtype=bool)
        if view is not None:
            keep &= self.view == view
        if phases is not None:
            keep &= np.isin(self.phase, list(phases))
        if patients is not None:
            keep &= np.isin(self.patient, list(patients))
        return self.select(keep)

    def without_images(self) -> "Frames":
        """The same frames with black images, for a reader that may see label maps only."""
        return replace(self, images=np.broadcast_to(np.uint8(0), self.images.shape))

    def fingerprint(self) -> str:
        """SHA-256 over every array, in order: two equal fingerprints are the same frames."""
        digest = hashlib.sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            digest.update(f"{field.name}{value.shape}".encode())
            raw = "\n".join(value).encode() if value.dtype.kind == "U" else np.ascontiguousarray(value).tobytes()
            digest.update(raw)
        return digest.hexdigest()


def concatenate(parts: Sequence[Frames]) -> Frames:
    """All frames of `parts`, in order. They must share one image size."""
    sizes = {part.size for part in parts}
    if len(sizes) > 1:
        raise EchobenchError(f"frames of different sizes cannot be joined: {sorted(sizes)}")
    return Frames(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Frames)})
