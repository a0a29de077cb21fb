"""CAMUS on disk: the public NIfTI release and the older MetaImage one.

    database_nifti/patient0001/patient0001_4CH_ED.nii.gz, ..._ED_gt.nii.gz, Info_4CH.cfg
    database_split/subgroup_{training,validation,testing}.txt

    training/patient0001/patient0001_4CH_ED.mhd, ..._ED_gt.mhd
    testing/patient0001/...                        (numbered from 1 again; read as testing-patient0001)

ED and ES come from the file names: in some patients end-diastole is the later frame. A file
`..._ED_sector.nii.gz` beside an image, which only echobench writes, gives its sector; where there is none, the
sector is found in the image.

Leclerc et al., IEEE Transactions on Medical Imaging 38(9), 2019, doi:10.1109/TMI.2019.2900516.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.data.base.cache import cached
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress
from echobench.data.base.text import is_shown, read_text
from echobench.data.datasets.dataset import ASKED, Asked, Dataset, DatasetReport, Reader, clinical_table
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
from echobench.data.phantom.once import RECORD
from echobench.data.sector import sector_mask
from echobench.data.splits import SUBSETS, Split, derive_split, patients_in_two, read_split_files

_TESTING = "testing-"
_READER_VERSION = 4  # raise it when the same files would be read differently: old cache entries are then ignored
LAYOUT = (
    "expected database_nifti/patientXXXX/patientXXXX_4CH_ED.nii.gz and ..._ED_gt.nii.gz, "
    "or training/ and testing/ with .mhd files"
)
_INFO = re.compile(r"^[ \t]*(\w+)[ \t]*:[ \t]*(\S[^\n]*)", re.MULTILINE)
_NUMBER = re.compile(r"(\d{1,6}(?:[.,]\d+)?) *(?:%|ml|years?)?", re.IGNORECASE)
_INFO_COLUMNS = {  # the keys in small letters, those of the older release too
    "ef": "ef_percent", "lvef": "ef_percent", "lvedv": "edv_ml", "lvesv": "esv_ml", "age": "age_years",
}  # fmt: skip
_NAME = re.compile(
    r"(?P<patient>[^.].*)_(?P<view>[24]C)H_(?P<phase>ED|ES)(?P<kind>_gt|_sector)?\.(?i:nii\.gz|nii|mhd)$"
)


@dataclass(frozen=True)
class FrameFiles:
    """Where one frame lies. A file that is not there is None."""

    patient: str
    view: str
    phase: str
    image: Path | None
    truth: Path | None
    sector: Path | None
    inside: Path | None = None  # the folder of the dataset, which the files of a MetaImage may not leave

    @property
    def name(self) -> str:
        return f"{self.patient} {self.view} {self.phase}"


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame in memory; fields as in `Frames`, without the leading axis."""

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    sector: NDArray[np.bool_]
    spacing_mm: tuple[float, float]


def find_frames(folder: Path) -> list[FrameFiles]:
    """Every frame below a dataset's folder, sorted by patient, view, phase.

    Raises EchobenchError if the folder is missing, holds no frame, or two files of one.
    """
    if not folder.is_dir():
        raise EchobenchError(f"there is no folder {folder}; {LAYOUT}")
    found: dict[tuple[str, str, str], dict[str | None, Path]] = {}
    for patient_folder, prefix in _patient_folders(folder):
        for path in sorted(patient_folder.iterdir()):
            if match := _NAME.fullmatch(path.name):
                key = (prefix + match["patient"], match["view"], match["phase"])
                kinds = found.setdefault(key, {})
                if earlier := kinds.get(match["kind"]):
                    raise EchobenchError(f"{earlier} and {path} are of the same frame; remove one of them")
                kinds[match["kind"]] = path
    if not found:
        raise EchobenchError(f"there are no CAMUS frames in {folder}; {LAYOUT}")
    order = sorted(found, key=lambda key: (key[0], VIEWS.index(key[1]), PHASES.index(key[2])))
    kinds_of = [(key, found[key]) for key in order]
    return [FrameFiles(*key, of.get(None), of.get("_gt"), of.get("_sector"), folder) for key, of in kinds_of]


def read_frame(files: FrameFiles, size: tuple[int, int], *, black_without_image: bool = False) -> Frame:
    """Read and check one frame, resized to (H, W); the spacing follows, and is NaN where the header states none.

    black_without_image: draw a missing image in black where there is a `..._sector` file, if only the map is needed.

    Raises EchobenchError, naming the file, for whatever makes the frame unfit.
    """
    path = files.sector if files.image is None and black_without_image else files.image
    if path is None:
        lacks = "neither an image nor a ..._sector file" if black_without_image else "no image"
        raise EchobenchError(f"{files.truth} has {lacks} beside it")
    if files.truth is None:
        raise EchobenchError(f"{path} has no ground truth (…_gt) beside it")
    image, truth = read_image(path, files.inside), read_image(files.truth, files.inside)
    if image.pixels.shape != truth.pixels.shape:
        raise EchobenchError(
            f"{path} is {_by(image.pixels.shape)} pixels and its ground truth {_by(truth.pixels.shape)}"
        )
    labels = _labels(files.truth, truth)
    grey = np.zeros(labels.shape, dtype=np.uint8) if files.image is None else grey_values(path, image)
    require_same_geometry(path, image, files.truth, truth)
    scale = [native / wanted for native, wanted in zip(grey.shape, size, strict=True)]
    grey = resize_image(grey, size)
    return Frame(
        image=grey,
        labels=resize_labels(labels, size),
        sector=_sector(files, grey),
        spacing_mm=(image.spacing_mm[0] * scale[0], image.spacing_mm[1] * scale[1]),
    )


def read_clinical(folder: Path) -> pd.DataFrame:
    """What the Info files say, see `clinical_table`; CAMUS measures the ejection fraction in both views."""
    rows: dict[str, dict[str, object]] = {}
    for patient_folder, prefix in _patient_folders(folder):
        for view in VIEWS:
            for path in sorted(patient_folder.glob(f"Info_{view}H.cfg")):
                row = rows.setdefault(prefix + patient_folder.name, {})
                row.update(_info(path, view))
    return clinical_table(rows)


def _info(path: Path, view: str) -> dict[str, object]:
    """What one Info file says; what it leaves open, as "n/a", is missing.

    Raises EchobenchError for a value that begins as a number and is none: half of it would be another one.
    """
    said: dict[str, object] = {}
    for key, value in _INFO.findall(read_text(path, otherwise="latin-1")):
        value = value.strip()
        if column := _INFO_COLUMNS.get(key.lower()):
            if number := _NUMBER.fullmatch(value):
                said[column] = float(number[1].replace(",", "."))
            elif value.lstrip("+-.,")[:1].isdigit():
                raise EchobenchError(f"{path} has {key} = {value!r}, which is not a number such as 46.5")
        elif key.lower() in ("sex", "imagequality"):
            said["sex" if key.lower() == "sex" else f"quality_{view}"] = value
    if float(str(said.get("ef_percent", 0))) > 100:
        raise EchobenchError(f"{path} has an ejection fraction of {said['ef_percent']} %; at most 100 are possible")
    return said


def split_of(folder: Path, files: Sequence[FrameFiles], seed: int) -> Split:
    """The official split of a folder, or one derived from the patients with ground truth.

    Raises EchobenchError for a patient in two subsets or for a subset without patients.
    """
    patients = {f.patient for f in files if f.truth is not None}
    tested = {f.patient for f in files if f.patient.startswith(_TESTING)}
    if tested and not tested & patients:
        raise EchobenchError(
            f"{folder / 'testing'} has no ground truth, as the older release was published, so that none of its "
            f"{len(tested)} patients can test: move that folder away, and a split is derived from those of training"
        )
    split = read_split_files(folder)
    if split is None:
        return derive_split(patients, seed, testing={p for p in patients if p.startswith(_TESTING)})
    if twice := patients_in_two(split):
        raise EchobenchError(f"{folder / 'database_split'} lists {twice[0]} in more than one subset")
    for subset in SUBSETS:
        if not patients & set(split.patients(subset)):
            raise EchobenchError(f"{folder} has no patient of subgroup_{subset}.txt with ground truth")
    return split


class Camus(Reader):
    """CAMUS, or the phantom in its layout."""

    name: ClassVar[str] = "CAMUS"
    layout: ClassVar[str] = LAYOUT

    def recognises(self, folder: Path) -> bool:
        return any(_NAME.fullmatch(path.name) for patient, _ in _patient_folders(folder) for path in patient.iterdir())

    def name_of(self, folder: Path) -> str:
        """ "phantom" where `write_phantom` has left its record."""
        return "phantom" if (folder / RECORD).is_file() else self.name

    def split_of(self, folder: Path, seed: int) -> Split:
        return split_of(folder, find_frames(folder), seed)

    def read(self, folder: Path, asked: Asked = ASKED) -> Dataset:
        files = [f for f in find_frames(folder) if asked.view in (None, f.view)]
        if not files:
            raise EchobenchError(f"there are no {asked.view} frames in {folder}")
        name, split = self.name_of(folder), split_of(folder, files, asked.seed)
        frames = _cached_frames(files, name, asked.size, asked.progress)
        split = split.restrict(frames.patient.tolist())
        return Dataset(name, frames, split, read_clinical(folder))

    def check(self, folder: Path) -> DatasetReport:
        from echobench.data.datasets.check import check_camus  # which imports this module

        return check_camus(folder)


def _cached_frames(files: Sequence[FrameFiles], dataset: str, size: tuple[int, int], progress: Progress) -> Frames:
    named = (path for f in files for path in (f.image, f.truth, f.sector) if path is not None)
    paths = (path for name in named for path in dict.fromkeys((name, payload_of(name))))
    key = f"{_READER_VERSION} {dataset} {size}"
    return Frames(**cached("frames", key, paths, lambda: vars(_read_all(files, dataset, size, progress))))


def _read_all(files: Sequence[FrameFiles], name: str, size: tuple[int, int], progress: Progress) -> Frames:
    frames: list[Frame] = []
    with ThreadPoolExecutor() as pool:
        for frame in pool.map(lambda f: read_frame(f, size), files):
            frames.append(frame)
            progress(len(frames), len(files))
    return Frames(
        images=np.array([f.image for f in frames]),
        labels=np.array([f.labels for f in frames]),
        sector=np.array([f.sector for f in frames]),
        spacing_mm=np.array([f.spacing_mm for f in frames], dtype=np.float64),
        patient=np.array([f.patient for f in files]),
        view=np.array([f.view for f in files]),
        phase=np.array([f.phase for f in files]),
        source=np.array([name] * len(files)),
    )


def _patient_folders(folder: Path) -> Iterator[tuple[Path, str]]:
    """Patient folders and what to put before their names; hidden ones, which no one made for a patient, are not."""
    roots = [(folder / "database_nifti", ""), (folder / "training", ""), (folder / "testing", _TESTING)]
    there = [(root, prefix) for root, prefix in roots if root.is_dir()]
    for root, prefix in there or [(folder, "")]:
        yield from ((path, prefix) for path in sorted(root.iterdir()) if is_shown(path) and path.is_dir())


def grey_values(path: Path, image: MedicalImage) -> NDArray[np.uint8]:
    """The pixels as uint8; raises EchobenchError, naming the path, for grey values outside 0-255."""
    low, high = float(image.pixels.min()), float(image.pixels.max())
    if low >= 0 and 0 < high <= 1:
        raise EchobenchError(f"{path} has grey values from {shown(low)} to {shown(high)}; scale them to 0-255")
    if not (low >= 0 and high <= 255):
        raise EchobenchError(f"{path} has grey values from {shown(low)} to {shown(high)}; they must lie in 0-255")
    return np.rint(image.pixels.astype(np.float32)).astype(np.uint8)


def _labels(path: Path, truth: MedicalImage) -> NDArray[np.uint8]:
    codes = {int(label) for label in Label}
    unknown = sorted({float(value) for value in np.unique(truth.pixels)} - codes)
    if unknown:
        raise EchobenchError(
            f"{path} has the label {shown(unknown[0])}; known: "
            + ", ".join(f"{int(label)} {label.name}" for label in Label)
        )
    if not truth.pixels.any():
        raise EchobenchError(f"{path} marks no structure")
    return truth.pixels.astype(np.uint8)


def _sector(files: FrameFiles, grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    if files.sector is not None:
        return resize_labels(read_image(files.sector, files.inside).pixels.astype(np.uint8), grey.shape).astype(bool)
    try:
        return sector_mask(grey)
    except EchobenchError as error:
        raise EchobenchError(f"{files.image}: {error}") from error


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
