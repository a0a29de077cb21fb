"""The phantom dataset: patients as pure functions of (seed, number), written in the public CAMUS NIfTI layout."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import PHASES, VIEWS, frame_stem
from echobench.data.phantom.heart import Heart, draw_heart
from echobench.data.phantom.observer import observed
from echobench.data.phantom.once import write_once
from echobench.data.phantom.scan import scan
from echobench.data.phantom.scanner import DEFAULT_SCANNER, Scanner, draw_acquisition
from echobench.data.phantom.section import label_map

SUBGROUPS = ("training", "validation", "testing")
SPLIT = (0.8, 0.1, 0.1)  # the shares of CAMUS
VERSION = 1  # raise it when a patient's bytes change
WORKERS = 2

OBSERVER_MM = 1.0
"""Size of the observer's error in millimetres: a ceiling under what a U-Net can score, as experts' own disagreement is
one on real frames."""


@dataclass(frozen=True, eq=False)
class PhantomFrame:
    """One frame: image and label map (size, size) uint8; spacing_mm along rows and columns."""

    view: str
    phase: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float]


@dataclass(frozen=True, eq=False)
class PhantomPatient:
    """One patient: the heart, what a registry notes about its owner and views, and the four frames."""

    number: int
    heart: Heart
    sex: str
    age: int
    frame_count: int
    frame_rate: float
    image_quality: Mapping[str, str]  # by view
    frames: tuple[PhantomFrame, ...]

    @property
    def name(self) -> str:
        return patient_name(self.number)

    def info(self, view: str) -> str:
        """The text of a view's Info file: frames counted from 1, ejection fraction in percent."""
        entries = {
            "ED": 1,
            "ES": self.frame_count,
            "NbFrame": self.frame_count,
            "Sex": self.sex,
            "Age": self.age,
            "ImageQuality": self.image_quality[view],
            "EF": round(100 * self.heart.ejection_fraction),
            "FrameRate": f"{self.frame_rate:.1f}",
        }
        return "\n".join(f"{key}: {value}" for key, value in entries.items())


def patient_name(number: int) -> str:
    """CAMUS counts its patients from 1."""
    return f"patient{number:04d}"


def phantom_patient(seed: int, number: int, size: int = 256, scanner: Scanner = DEFAULT_SCANNER) -> PhantomPatient:
    """Patient `number` of phantom `seed`: both views at both phases, size × size pixels."""
    generator = np.random.default_rng([seed, number])
    heart = draw_heart(generator)
    sex, age = str(generator.choice(["F", "M"])), int(np.clip(generator.normal(65, 16), 18, 95))
    frame_count, frame_rate = int(generator.integers(12, 31)), float(generator.uniform(40, 75))
    frames, quality = [], {}
    for view in VIEWS:
        acquisition = draw_acquisition(generator, scanner, heart.reach_mm(view))
        quality[view] = acquisition.image_quality
        x_mm, y_mm = acquisition.positions_mm(size)
        for phase in PHASES:
            section = heart.section(view, phase)
            image = scan(section, acquisition, generator, size)
            labels = label_map(observed(section, generator, OBSERVER_MM), x_mm, y_mm)
            frames.append(PhantomFrame(view, phase, image, labels, acquisition.spacing_mm(size)))
    return PhantomPatient(number, heart, sex, age, frame_count, frame_rate, quality, tuple(frames))


def write_phantom(
    folder: Path,
    patients: int,
    seed: int,
    size: int = 256,
    split: tuple[float, float, float] = SPLIT,
    scanner: Scanner = DEFAULT_SCANNER,
) -> Path:
    """Writes patients 1..`patients` under `folder` unless they are there already, and returns `folder`.

    split: shares of training, validation and testing patients, taken in order of number; they sum to 1.
    The folder appears complete or not at all.

    Raises EchobenchError if the folder holds anything else than this very dataset, or if `split` leaves a
    subgroup of three or more patients empty.
    """
    settings = {"version": VERSION, "patients": patients, "seed": seed, "size": size, "split": list(split)}
    record = json.dumps(settings | {"scanner": asdict(scanner)}, indent=1)
    subgroups = subgroups_of(patients, split)

    def write(unfinished: Path) -> None:
        _write_split(unfinished / "database_split", subgroups)
        database = unfinished / "database_nifti"
        with ThreadPoolExecutor(WORKERS) as pool:
            numbers = range(1, patients + 1)
            tasks = [pool.submit(_write_patient, database, seed, number, size, scanner) for number in numbers]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    return write_once(folder, record, write)


def subgroups_of(patients: int, split: tuple[float, float, float] = SPLIT) -> dict[str, list[str]]:
    """Names per subgroup, in order; validation and testing get at least one patient each if there are three."""
    if min(split) < 0 or abs(sum(split) - 1) > 1e-6:
        raise EchobenchError(f"split {split} must be three shares that sum to 1, for example {SPLIT}")
    if patients < len(SUBGROUPS):
        raise EchobenchError(f"a phantom of {patients} patients cannot be split; ask for {len(SUBGROUPS)} or more")
    validation, testing = (max(1, round(share * patients)) for share in split[1:])
    training = patients - validation - testing
    if training < 1:
        raise EchobenchError(f"split {split} leaves no training patient among {patients}; known good: {SPLIT}")
    names = [patient_name(number) for number in range(1, patients + 1)]
    parts = (names[:training], names[training : training + validation], names[training + validation :])
    return dict(zip(SUBGROUPS, parts, strict=True))


def _write_split(folder: Path, subgroups: Mapping[str, list[str]]) -> None:
    folder.mkdir(parents=True)
    for subgroup, names in subgroups.items():
        (folder / f"subgroup_{subgroup}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def _write_patient(database: Path, seed: int, number: int, size: int, scanner: Scanner) -> None:
    patient = phantom_patient(seed, number, size, scanner)
    folder = database / patient.name
    folder.mkdir(parents=True)
    for view in VIEWS:
        (folder / f"Info_{view}H.cfg").write_text(patient.info(view), encoding="utf-8")
    for frame in patient.frames:
        stem = frame_stem(patient.name, frame.view, frame.phase)
        _write_nifti(folder / f"{stem}.nii.gz", frame.image, frame.spacing_mm)
        _write_nifti(folder / f"{stem}_gt.nii.gz", frame.labels, frame.spacing_mm)


def _write_nifti(path: Path, pixels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> None:
    image = SimpleITK.GetImageFromArray(pixels)
    image.SetSpacing((spacing_mm[1], spacing_mm[0]))  # the header counts (x, y), arrays count (row, column)
    SimpleITK.WriteImage(image, str(path), True, 1)  # fast gzip: speckle hardly compresses any further
