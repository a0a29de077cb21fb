"""Drawn frames as a dataset of nnU-Net v2: its folders, its names and its dataset.json.

The rules are those of nnU-Net's documentation (dataset_format.md and manual_data_splits.md of 2.8): every file has one
ending, label values are consecutive from the background's 0, and an image and its label map share size and spacing.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import write_whole
from echobench.data.frames import frame_stem
from echobench.data.labels import Label
from echobench.data.store import Layout, ManifestRow

DATASET, SPLITS = "dataset.json", "splits_final.json"
FOLDS = 5
"""As many as nnU-Net makes where it finds no split."""

_NAME = re.compile(r"Dataset\d{3}_.+")


@dataclass(frozen=True)
class NnunetLayout(Layout):
    """imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz; no sector.

    present: the labels that occur, of which the background need not be one. with_spacing: whether that of every map is
    known. nnU-Net reads spacing from NIfTI and gives a PNG pixels of one unit, so that PNG stands for unknown spacing.
    """

    present: frozenset[Label]
    with_spacing: bool

    @property
    def ending(self) -> str:
        """Of all files: nnU-Net takes one for a dataset."""
        return ".nii.gz" if self.with_spacing else ".png"

    @property
    def values(self) -> dict[Label, int]:
        """Value of each label in the files, consecutive in the order of our codes."""
        return {label: value for value, label in enumerate(sorted({Label.BACKGROUND} | self.present))}

    def paths(self, name: str, view: str, phase: str) -> dict[str, Path]:
        case = frame_stem(name, view, phase)
        return {
            "image": Path("imagesTr", f"{case}_0000{self.ending}"),
            "labels": Path("labelsTr", f"{case}{self.ending}"),
        }

    def coded(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        values = np.zeros(max(Label) + 1, dtype=np.uint8)
        for label, value in self.values.items():
            values[label] = value
        return values[labels]

    def finish(self, folder: Path, rows: Sequence[ManifestRow]) -> None:
        """dataset.json, without which nnU-Net takes no folder, and folds that keep a patient's frames together."""
        write_whole(folder / SPLITS, json.dumps(_folds(rows), indent=1) + "\n")
        content = {
            "channel_names": {"0": "ultrasound"},  # any name but CT: each image is normalised by itself
            "labels": {label.name.lower(): value for label, value in self.values.items()},
            "numTraining": len(rows),
            "file_ending": self.ending,
        }
        write_whole(folder / DATASET, json.dumps(content, indent=1) + "\n")


def require_name(folder: Path) -> None:
    """Raises EchobenchError for a folder that nnU-Net would not find by its name."""
    if not _NAME.fullmatch(folder.resolve().name):
        raise EchobenchError(
            f"nnU-Net finds no dataset in a folder called {folder.resolve().name}: end --out with Dataset, a number of "
            "three digits and a name, such as Dataset501_Echo"
        )


def _folds(rows: Iterable[ManifestRow]) -> list[dict[str, list[str]]]:
    """Folds of cases by patient; none for a single patient, who cannot be divided.

    nnU-Net's own would divide by case, and validate on the patients that it trains on.
    """
    cases = [(row.patient, frame_stem(row.name, row.view, row.phase)) for row in rows]
    patients = sorted({patient for patient, _ in cases})
    number = {patient: i for i, patient in enumerate(patients)}
    n = min(FOLDS, len(patients))
    return [
        {
            "train": [case for patient, case in cases if number[patient] % n != fold],
            "val": [case for patient, case in cases if number[patient] % n == fold],
        }
        for fold in range(n if n > 1 else 0)
    ]
