"""A dataset as a run sees it: frames of one size and the split of their patients."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from echobench.data.base.cache import cached
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.datasets.camus import Frame, FrameFiles, find_frames, read_ejection_fractions, read_frame
from echobench.data.frames import Frames
from echobench.data.splits import SUBSETS, Split, derive_split, patients_in_two, read_split_files

SIZE = (256, 256)
_READER_VERSION = 2  # raise it when the same files would be read differently: old cache entries are then ignored


@dataclass(frozen=True, eq=False)
class Dataset:
    """name: "CAMUS" or "phantom". frames: every usable frame. split: of the patients in `frames`.

    ejection_fraction: in %, by patient, as the dataset states it; patients of whom it states none are not in it.
    """

    name: str
    frames: Frames
    split: Split
    ejection_fraction: Mapping[str, float] = field(default_factory=dict)

    def subset(self, subset: str, view: str | None = None) -> Frames:
        """The frames of one of `SUBSETS`, of one view or of all (None)."""
        return self.frames.where(view=view, patients=self.split.patients(subset))


def read_camus(
    folder: Path,
    *,
    name: str = "CAMUS",
    view: str | None = None,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    progress: Progress = silent,
) -> Dataset:
    """Read a CAMUS-layout folder (see `echobench.data.datasets.camus`); decoded frames are cached.

    view: "2C" or "4C", or None for both. seed: of a derived split, where the folder has no official one.
    Raises EchobenchError at the first unfit frame; `echobench data check` lists them all.
    """
    files = [f for f in find_frames(folder) if view in (None, f.view)]
    if not files:
        raise EchobenchError(f"there are no {view} frames in {folder}")
    frames = _cached_frames(files, name, size, progress)
    split = split_of(folder, files, seed).restrict(frames.patient.tolist())
    return Dataset(name, frames, split, read_ejection_fractions(folder))


def split_of(folder: Path, files: Sequence[FrameFiles], seed: int) -> Split:
    """The official split of a folder, or one derived from the patients with ground truth.

    Raises EchobenchError for a patient in two subsets or for a subset without patients.
    """
    patients = {f.patient for f in files if f.truth is not None}
    split = read_split_files(folder)
    if split is None:
        return derive_split(patients, seed, testing={p for p in patients if p.startswith("testing-")})
    if twice := patients_in_two(split):
        raise EchobenchError(f"{folder / 'database_split'} lists {twice[0]} in more than one subset")
    for subset in SUBSETS:
        if not patients & set(split.patients(subset)):
            raise EchobenchError(f"{folder} has no patient of subgroup_{subset}.txt with ground truth")
    return split


def _cached_frames(files: Sequence[FrameFiles], name: str, size: tuple[int, int], progress: Progress) -> Frames:
    paths = (path for f in files for path in (f.image, f.truth, f.sector) if path is not None)
    key = f"{_READER_VERSION} {name} {size}"
    return Frames(**cached("frames", key, paths, lambda: vars(_read_all(files, name, size, progress))))


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
