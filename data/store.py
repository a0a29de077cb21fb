"""Drawn frames on disk: the CAMUS layout and a manifest that says what each frame came from.

Frame r drawn for a frame of patient0001 is stored as patient `patient0001-r`; manifest.csv names the source.
Frames are written one by one, so that memory does not grow, and a writer that was killed goes on after the last
whole row of the manifest.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import named, write_whole
from echobench.data.base.text import read_text
from echobench.data.datasets.medical_image import read_image, write_image
from echobench.data.frames import frame_stem
from echobench.data.maps import LabelMaps

MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class ManifestRow:
    """Origin of one stored frame. image_sha256 is that of the pixels, row by row."""

    name: str
    source: str
    patient: str
    view: str
    phase: str
    repeat: int
    deformation_seed: int
    strength: float
    sample_seed: int
    image_sha256: str


def read_manifest(folder: Path) -> list[ManifestRow]:
    """The whole rows of a manifest; none where there is no manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        return []
    lines = [line for line in read_text(path).splitlines(keepends=True) if line.endswith("\n")]
    kinds = {f.name: f.type for f in fields(ManifestRow)}
    try:
        rows = csv.DictReader(io.StringIO("".join(lines)))
        return [ManifestRow(**{key: kinds[key](row[key]) for key in kinds}) for row in rows]  # type: ignore[operator]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise EchobenchError(f"{path} is damaged, or not of drawn frames; choose another folder") from error


class Layout:
    """Where the files of a drawn frame lie in its folder, and what its label map holds. This one is CAMUS's."""

    def paths(self, name: str, view: str, phase: str) -> dict[str, Path]:
        """Of "image", "labels" and, if it is kept, "sector"."""
        base = Path("database_nifti", name, frame_stem(name, view, phase))
        suffixes = {"image": "", "labels": "_gt", "sector": "_sector"}
        return {kind: base.with_name(f"{base.name}{suffix}.nii.gz") for kind, suffix in suffixes.items()}

    def coded(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Codes of `Label` (H, W) as the values that are written."""
        return labels

    def finish(self, folder: Path, rows: Sequence[ManifestRow]) -> None:
        """What is written once all frames are there."""


class FrameWriter:
    """Writes drawn images beside their maps, in the order of the maps, and knows how many are there already."""

    def __init__(self, folder: Path, maps: LabelMaps, seeds: NDArray[np.int64], layout: Layout | None = None) -> None:
        self._folder, self._maps, self._seeds, self._layout = folder, maps, seeds, layout or Layout()
        self._repeat = _repeats(maps.source_index)
        self._rows = list(takewhile(self._is_there, read_manifest(folder)))
        if len(self._rows) > len(maps) or any(self._key(i) != _key(row) for i, row in enumerate(self._rows)):
            raise EchobenchError(f"{folder} holds frames drawn for other maps or seeds; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._rewrite()

    @property
    def written(self) -> int:
        """Number of frames that are on disk, the first ones of the maps."""
        return len(self._rows)

    def append(self, images: NDArray[np.uint8]) -> None:
        """Write the images of the next len(images) maps: (n, H, W) uint8."""
        for image in images:
            i = len(self._rows)
            row, column = self._maps.source.spacing_mm[self._maps.source_index[i]]
            name, paths = self._paths(i)
            pixels = {
                "image": image,
                "labels": self._layout.coded(self._maps.labels[i]),
                "sector": self._maps.sector[i].astype(np.uint8),
            }
            for kind, path in paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, pixels[kind], (row, column))
            self._rows.append(ManifestRow(name, *self._key(i), image_sha256=pixels_sha256(image)))
            path = self._folder / MANIFEST
            with named(path), path.open("a", newline="", encoding="utf-8") as stream:
                csv.writer(stream, lineterminator="\n").writerow(astuple(self._rows[-1]))

    def finish(self) -> None:
        """Write what the layout has beside its frames. To be called once they are all there."""
        self._layout.finish(self._folder, self._rows)

    def images(self) -> NDArray[np.uint8]:
        """Every written image, (n, H, W) uint8; raises EchobenchError for one that was changed since."""
        images = np.empty((self.written, *self._maps.size), dtype=np.uint8)
        for i, row in enumerate(self._rows):
            path = self._paths(i)[1]["image"]
            images[i] = read_image(path).pixels
            if pixels_sha256(images[i]) != row.image_sha256:
                raise EchobenchError(f"{path} is not the image that {MANIFEST} names: it was changed")
        return images

    def _is_there(self, row: ManifestRow) -> bool:
        """Whether the files of a row are there; an empty one is what a full disk leaves."""
        paths = (self._folder / path for path in self._layout.paths(row.name, row.view, row.phase).values())
        return all(path.is_file() and path.stat().st_size for path in paths)

    def _paths(self, i: int) -> tuple[str, dict[str, Path]]:
        """Name of a frame, and its files by kind."""
        source, j = self._maps.source, self._maps.source_index[i]
        name = f"{source.patient[j]}-{self._repeat[i]}"
        paths = self._layout.paths(name, str(source.view[j]), str(source.phase[j]))
        return name, {kind: self._folder / path for kind, path in paths.items()}

    def _key(self, i: int) -> tuple[str, str, str, str, int, int, float, int]:
        source, j, deformation = self._maps.source, self._maps.source_index[i], self._maps.deformation
        return (
            str(source.source[j]), str(source.patient[j]), str(source.view[j]), str(source.phase[j]),
            int(self._repeat[i]), int(deformation.seed[i]), float(deformation.strength[i]), int(self._seeds[i]),
        )  # fmt: skip

    def _rewrite(self) -> None:
        """Header and whole rows only: what a kill left of a last row goes.

        A manifest of whole rows is left alone, as other processes may be reading it.
        """
        whole, path = io.StringIO(newline=""), self._folder / MANIFEST
        writer = csv.writer(whole, lineterminator="\n")
        writer.writerow(f.name for f in fields(ManifestRow))
        writer.writerows(astuple(row) for row in self._rows)
        if not path.is_file() or path.read_bytes() != whole.getvalue().encode():
            write_whole(path, whole.getvalue())


def _key(row: ManifestRow) -> tuple[object, ...]:
    return astuple(row)[1:-1]


def _repeats(source_index: Sequence[int] | NDArray[np.intp]) -> list[int]:
    """How often the source of each map came before it."""
    seen: dict[int, int] = {}
    repeats = []
    for j in map(int, source_index):
        repeats.append(seen.get(j, 0))
        seen[j] = repeats[-1] + 1
    return repeats


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """Of an image (H, W), row by row, as manifests state it."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
