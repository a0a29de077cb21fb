"""A dataset as a run sees it, whatever its layout: frames of one size, the split of their patients, who they are."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.frames import Frames
from echobench.data.labels import REGIONS
from echobench.data.splits import SUBSETS, Split

SIZE = (256, 256)
CLINICAL = ("ef_percent", "edv_ml", "esv_ml", "sex", "age_years", "quality_2C", "quality_4C")
"""What may be known of a patient: ejection fraction, both volumes, F or M, age, and the image quality of each view."""


def clinical_table(rows: Mapping[str, Mapping[str, object]]) -> pd.DataFrame:
    """A row per patient with the columns of `CLINICAL`; what nobody says is missing."""
    return pd.DataFrame.from_dict(dict(rows), orient="index", columns=None).reindex(columns=list(CLINICAL))


@dataclass(frozen=True, eq=False)
class Dataset:
    """name: as records have it, such as "CAMUS" or "phantom". frames: every usable frame. split: of the patients in
    `frames`. clinical: see `clinical_table`. regions: what its experts drew, of `REGIONS`; nothing else is scored.
    skipped: a sentence for each broken file that was left out, as it was asked for.
    """

    name: str
    frames: Frames
    split: Split
    clinical: pd.DataFrame = field(default_factory=lambda: clinical_table({}))
    regions: tuple[str, ...] = tuple(REGIONS)
    skipped: tuple[str, ...] = ()

    def subset(self, subset: str, view: str | None = None) -> Frames:
        """The frames of one of `SUBSETS`, of one view or of all (None)."""
        return self.frames.where(view=view, patients=self.split.patients(subset))

    @property
    def ejection_fraction(self) -> Mapping[str, float]:
        """In %, by patient, as the dataset states it; patients of whom it states none are not in it."""
        stated = self.clinical["ef_percent"].dropna()
        return dict(zip(stated.index.astype(str), stated.astype(float), strict=True))


@dataclass(frozen=True)
class Finding:
    """One thing noticed. unsound: a run on this folder would be refused, or should not be trusted."""

    text: str
    unsound: bool


@dataclass(frozen=True)
class DatasetReport:
    """counts: see `count_frames`. findings: unsound ones first."""

    counts: pd.DataFrame
    split_origin: str
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        return not any(finding.unsound for finding in self.findings)


def count_frames(frames: Iterable[tuple[str, str, str]], split: Split | None) -> pd.DataFrame:
    """Rows subset × view × phase with columns frames, patients, from (view, phase, patient) of each frame."""
    subset_of = {p: subset for subset in SUBSETS for p in split.patients(subset)} if split else {}
    rows = pd.DataFrame(frames, columns=["view", "phase", "patient"])
    order = pd.CategoricalDtype([*SUBSETS, "none"], ordered=True)
    rows["subset"] = pd.Series([subset_of.get(patient, "none") for patient in rows["patient"]], dtype=order)
    grouped = rows.groupby(["subset", "view", "phase"], observed=True)["patient"]
    return grouped.agg(frames="size", patients="nunique").reset_index()


@dataclass(frozen=True)
class Asked:
    """What is wanted of a folder.

    view: "2C" or "4C", or None for both. seed: of a derived split, where the folder states none. size: what images and
    maps are resized to, (H, W); the spacing follows.
    """

    view: str | None = None
    seed: int = 0
    size: tuple[int, int] = SIZE
    progress: Progress = silent


ASKED = Asked()


class Reader(ABC):
    """One layout of datasets. What a user can cause, folders that are not there included, is an EchobenchError."""

    name: ClassVar[str]
    """Of the dataset, in records."""
    layout: ClassVar[str]
    """What a folder must hold, for messages."""

    @abstractmethod
    def recognises(self, folder: Path) -> bool:
        """Whether a folder looks like one of this layout, sound or not."""

    @abstractmethod
    def read(self, folder: Path, asked: Asked = ASKED) -> Dataset:
        """Read a folder; raises EchobenchError at the first unfit frame.

        An unknown spacing is NaN, and then distances are not scored; where there is no sector, it is the whole frame.
        """

    def name_of(self, folder: Path) -> str:
        """What a folder of this layout holds, as `Dataset.name` says."""
        return self.name

    def split_of(self, folder: Path, seed: int) -> Split:
        """The split of a folder; a reader that need not read the frames for it says so here."""
        return self.read(folder, Asked(seed=seed)).split

    def check(self, folder: Path) -> DatasetReport:
        """What a folder holds and what is wrong with it; a reader that can say more than `read` does says so here."""
        from echobench.data.datasets.soundness import report_of  # which imports this module

        try:
            return report_of(self.read(folder), ASKED.seed)
        except EchobenchError as error:
            return DatasetReport(count_frames([], None), "none", (Finding(str(error), unsound=True),))
