"""A folder of images and maps with a manifest.csv, whose rows name the files, as PNG, JPEG, NIfTI or MetaImage:

    image,labels,patient,view,phase
    images/0001.png,maps/0001.png,patient0001,4C,ED

Files are named relative to the folder. Further columns are not read, but for image_sha256 (of the pixels, row by row),
which is held against the image, and row_mm and column_mm, millimetres per pixel, where the files state none.

As images that somebody drew elsewhere (`read_folder`), with the maps they were drawn for, patient is the one whose map
was drawn. Such a folder may also be laid out as CAMUS (`echobench.data.datasets.camus`), its patients named after that
one, alone or with a number behind (patient0001, patient0001-3). Frames of validation patients select U-Net weights;
frames of test patients are refused.

Maps have the codes of `Label`, or those that the published code of "Echo from noise" (arXiv 2305.05424) writes: 0
outside the sector, 1 cavity, 2 sector, 3 wall, 4 atrium. A code 4 anywhere tells the second kind.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf, nan
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import convex_hull_image

from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.base.text import is_shown, read_text, require_name
from echobench.data.datasets.camus import FrameFiles, find_frames, grey_values
from echobench.data.datasets.dataset import ASKED, SIZE, Asked, Dataset, Reader
from echobench.data.datasets.image_header import payload_of
from echobench.data.datasets.medical_image import (
    MedicalImage,
    read_image,
    require_same_geometry,
    resize_image,
    resize_labels,
    shown,
)
from echobench.data.frames import PHASES, VIEWS, Frames
from echobench.data.labels import Label
from echobench.data.sector import sector_mask
from echobench.data.splits import SUBSETS, Split, derive_split
from echobench.data.store import MANIFEST, ManifestRow, pixels_sha256

PREFIX = "folder:"
COLUMNS = ("image", "labels", "patient", "view", "phase")
"""Columns that a manifest must have to name the files."""
SPACING = ("row_mm", "column_mm")
"""Columns that it may have, of the height and the width of a pixel."""

SECTOR_CODES = MappingProxyType(
    {0: Label.BACKGROUND, 1: Label.LV_ENDO, 2: Label.BACKGROUND, 3: Label.LV_MYO, 4: Label.LA}
)
"""Codes of a map that shows the sector, as published code writes them, and what they stand for."""

_OUTSIDE, _ONLY_SECTOR_CODED = 0, max(SECTOR_CODES)
_LIT = 10  # grey values up to this are black, where an encoder or a network left traces on it


class Drawn(Reader):
    """A folder of frames as a dataset of its own: its patients are divided anew."""

    name: ClassVar[str] = "folder"
    layout: ClassVar[str] = f"expected {MANIFEST} with the columns {', '.join(COLUMNS)}"

    def recognises(self, folder: Path) -> bool:
        return any((root / MANIFEST).is_file() for root in _roots(folder))

    def name_of(self, folder: Path) -> str:
        return f"{PREFIX}{folder.name}"

    def read(self, folder: Path, asked: Asked = ASKED) -> Dataset:
        return read_folder(folder, None, view=asked.view, seed=asked.seed, size=asked.size, progress=asked.progress)


@dataclass(frozen=True)
class _Drawn:
    """A frame of the folder. row: what a manifest says of it."""

    files: FrameFiles
    row: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _Pair:
    """One frame before it is known how maps are coded. image: (H, W) uint8; codes: (H, W) uint8."""

    files: FrameFiles
    image: NDArray[np.uint8]
    codes: NDArray[np.uint8]
    spacing_mm: tuple[float, float]


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over the names and bytes of the files that `read_folder` reads, wherever they lie.

    Raises EchobenchError if there is no such folder, or no frame in it.
    """
    digest = hashlib.sha256()
    for path in sorted(_files_read(folder)):
        name = path.relative_to(folder) if path.is_relative_to(folder) else path
        digest.update(f"{name.as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files_read(folder: Path) -> set[Path]:
    named = {root / MANIFEST for root in _roots(folder)}
    for files in (drawn.files for root in _roots(folder) for drawn in _listed(root, set())):
        named |= {path for path in (files.image, files.truth, files.sector) if path is not None}
    return {path for name in named for path in (name, payload_of(name)) if path.is_file()}


def read_folder(
    folder: Path,
    split: Split | None,
    *,
    view: str | None = None,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    progress: Progress = silent,
) -> Dataset:
    """Read and check a folder of drawn frames; its training and validation patients follow `split`.

    split: of the dataset that the maps come from; None where the folder is a dataset of its own, which is divided anew.
        Where the folder has no frame of a validation patient, or its patients are not those of the dataset, a tenth of
        its patients is set aside by `seed`; no patient tests.
    size: what images and maps are resized to, like a dataset's.

    Raises EchobenchError, naming the file, for a missing partner, sizes that differ, unknown codes, an image that is
    not the manifest's, maps of both codings, and frames made from test patients.
    """
    known = {patient for subset in SUBSETS for patient in split.patients(subset)} if split else set()
    drawn = [d for root in _roots(folder) for d in _listed(root, known) if view in (None, d.files.view)]
    if not drawn:
        raise EchobenchError(f"there are no {view or 'drawn'} frames in {folder}")
    patients = {d.files.patient for d in drawn}
    divided = derive_split(patients, seed) if split is None else _divide(patients, split, seed, folder)
    pairs = []
    for d in drawn:
        pairs.append(_read_pair(d))
        progress(len(pairs), len(drawn))
    return Dataset(f"{PREFIX}{folder.name}", _frames(pairs, size), divided)


def _roots(folder: Path) -> list[Path]:
    """The folder, or those in it that have a manifest: a run writes one for training and one for validation."""
    if not folder.is_dir():
        raise EchobenchError(f"there is no folder {folder}; name one with drawn images as {PREFIX}DIR")
    if (folder / MANIFEST).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}") if is_shown(path.parent)) or [folder]


def _frames(pairs: Sequence[_Pair], size: tuple[int, int]) -> Frames:
    translate = _translation(pairs)
    labels, sectors = zip(*(translate(pair) for pair in pairs), strict=True)
    scales = [[native / wanted for native, wanted in zip(pair.image.shape, size, strict=True)] for pair in pairs]
    return Frames(
        images=np.array([resize_image(pair.image, size) for pair in pairs]),
        labels=np.array([resize_labels(label, size) for label in labels]),
        sector=np.array([resize_labels(sector.astype(np.uint8), size) for sector in sectors]).astype(bool),
        spacing_mm=np.array([pair.spacing_mm for pair in pairs]) * np.array(scales),
        patient=np.array([pair.files.patient for pair in pairs]),
        view=np.array([pair.files.view for pair in pairs]),
        phase=np.array([pair.files.phase for pair in pairs]),
        source=np.array(["folder"] * len(pairs)),
    )


def _listed(root: Path, known: set[str]) -> list[_Drawn]:
    """Every frame below a folder, under the patient that its map came from."""
    rows = _manifest_rows(root)
    if rows and set(COLUMNS) <= rows[0].keys():
        listed = [_row_files(root, row, line) for line, row in enumerate(rows, start=2)]
        return [
            _Drawn(replace(files, patient=_origin(files.patient, known)), row)
            for files, row in zip(listed, rows, strict=True)
        ]
    stored = {(row["name"], row["view"], row["phase"]): row for row in rows}
    drawn = []
    for f in find_frames(root):
        row = stored.get((f.patient, f.view, f.phase), {})
        origin = _origin(row.get("patient") or f.patient, known)
        drawn.append(_Drawn(replace(f, patient=origin), row))
    return drawn


def _manifest_rows(root: Path) -> list[dict[str, str]]:
    path = root / MANIFEST
    if not path.is_file():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path)), restval=""))
    except csv.Error as error:
        raise EchobenchError(f"{path} cannot be read as a table: {error}") from error
    known = [set(COLUMNS), {f.name for f in fields(ManifestRow)}]
    if rows and not any(columns <= rows[0].keys() for columns in known):
        has = ", ".join(column for column in rows[0] if column is not None)
        raise EchobenchError(f"{path} must have the columns {', '.join(COLUMNS)}; it has {has} (commas part them)")
    if long := [line for line, row in enumerate(rows, start=2) if None in row]:
        raise EchobenchError(f"{path}, line {long[0]}: there are more values than columns")
    return rows


def _row_files(folder: Path, row: dict[str, str], line: int) -> FrameFiles:
    for column, choices in (("view", VIEWS), ("phase", PHASES)):
        if row[column] not in choices:
            raise EchobenchError(
                f"{folder / MANIFEST}, line {line}: {column} is {row[column]!r}; known: {', '.join(choices)}"
            )
    require_name(row["patient"].strip(), f"{folder / MANIFEST}, line {line}: patient")
    return FrameFiles(
        row["patient"], row["view"], row["phase"], folder / row["image"], folder / row["labels"], None, folder
    )


def _origin(name: str, known: set[str]) -> str:
    """The patient behind a drawn frame's name: patient0001-3 is patient0001, if there is such a patient.

    However often it was drawn from what was drawn (patient0001-3-0), and however the name is written.
    """
    written = {patient.casefold(): patient for patient in known}
    stem = name.strip()
    while stem:
        if stem.casefold() in written:
            return written[stem.casefold()]
        stem = stem.rpartition("-")[0]
    return name


def _divide(patients: set[str], split: Split, seed: int, folder: Path) -> Split:
    if tested := sorted(patients & set(split.testing)):
        raise EchobenchError(
            f"{folder} holds frames made from the test patient {tested[0]} ({len(tested)} such patients); "
            "who tests must not train: remove them"
        )
    validation = patients & set(split.validation)
    if not validation or validation == patients:
        # Whoever tests is set aside already, so that only validation patients are derived.
        derived = derive_split(patients, seed, testing={"nobody of the folder"})
        return Split(derived.training, derived.validation, (), f"derived, seed {seed}")
    return Split(tuple(sorted(patients - validation)), tuple(sorted(validation)), (), split.origin)


def _read_pair(drawn: _Drawn) -> _Pair:
    files = drawn.files
    if files.image is None:
        raise EchobenchError(f"{files.truth} has no image beside it")
    if files.truth is None:
        raise EchobenchError(f"{files.image} has no label map (…_gt) beside it")
    image, codes = read_image(files.image, files.inside), read_image(files.truth, files.inside)
    if image.pixels.shape != codes.pixels.shape:
        raise EchobenchError(
            f"{files.image} is {image.pixels.shape} pixels and its label map {codes.pixels.shape}; they must be alike"
        )
    require_same_geometry(files.image, image, files.truth, codes)
    grey = grey_values(files.image, image)
    if (stated := drawn.row.get("image_sha256")) and pixels_sha256(grey) != stated:
        raise EchobenchError(f"{files.image} is not the image that {MANIFEST} names: it was changed")
    return _Pair(files, grey, _codes(files.truth, codes), _spacing(drawn, files.image, image))


def _spacing(drawn: _Drawn, path: Path, image: MedicalImage) -> tuple[float, float]:
    """Millimetres per pixel as the image states them, or else the manifest; NaN where neither does."""
    said = [drawn.row.get(column, "").strip() for column in SPACING]
    if not any(said):
        return image.spacing_mm
    try:
        row_mm, column_mm = map(float, said)
    except ValueError:
        row_mm = column_mm = nan
    if not (0 < row_mm < inf and 0 < column_mm < inf):
        raise EchobenchError(f"{MANIFEST} gives {path} a pixel of {' × '.join(said)} mm; both must be positive numbers")
    if np.isfinite(image.spacing_mm).all() and not np.allclose(image.spacing_mm, (row_mm, column_mm), rtol=1e-3):
        raise EchobenchError(
            f"{MANIFEST} gives {path} a pixel of {row_mm:g} × {column_mm:g} mm, and its header another: remove one"
        )
    return row_mm, column_mm


def _codes(path: Path, truth: MedicalImage) -> NDArray[np.uint8]:
    unknown = sorted({float(value) for value in np.unique(truth.pixels)} - set(SECTOR_CODES))
    if unknown:
        raise EchobenchError(
            f"{path} has the code {shown(unknown[0])}; known: "
            + ", ".join(f"{int(label)} {label.name}" for label in Label)
            + "; or, in a map that shows the sector: 0 outside, 1 LV_ENDO, 2 sector, 3 LV_MYO, 4 LA"
        )  # fmt: skip
    return truth.pixels.astype(np.uint8)


Translation = Callable[[_Pair], tuple[NDArray[np.uint8], NDArray[np.bool_]]]


def _translation(pairs: Sequence[_Pair]) -> Translation:
    """How the folder's maps are read: one coding for all of them, as a map without an atrium could be of either."""
    black = [_is_black(pair.image[pair.codes == _OUTSIDE]) for pair in pairs]
    if any(np.any(pair.codes == _ONLY_SECTOR_CODED) for pair in pairs):
        if not all(black):
            odd = pairs[black.index(False)].files
            raise EchobenchError(
                f"some maps show the sector (code 4), but {odd.image} is lit where {odd.truth} has code 0, which is "
                "outside in those: the maps are of two codings, or the images not black outside"
            )
        return _from_sector_codes
    if all(black) and any(np.any(pair.codes == 2) for pair in pairs):
        raise EchobenchError(
            f"no map has the code 4, and every image is black wherever its map has 0 (first: {pairs[0].files.truth}): "
            "these look like maps that show the sector, without an atrium; write them in the codes of CAMUS"
        )
    return _from_labels


def _is_black(grey: NDArray[np.uint8]) -> bool:
    return not len(grey) or float((grey > _LIT).mean()) < 0.1


def _from_sector_codes(pair: _Pair) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Labels and sector. The sector is the hull, as published maps have holes where an image's speckle was black."""
    table = np.array([int(SECTOR_CODES[code]) for code in sorted(SECTOR_CODES)], dtype=np.uint8)
    return table[pair.codes], convex_hull_image(pair.codes != _OUTSIDE)


def _from_labels(pair: _Pair) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if pair.files.sector is not None:
        return pair.codes, read_image(pair.files.sector, pair.files.inside).pixels.astype(bool)
    try:
        return pair.codes, sector_mask(pair.image)
    except EchobenchError as error:
        raise EchobenchError(f"{pair.files.image}: {error}") from error
