"""EchoNet-Dynamic as `Frames`: the two traced frames of each video. Format: `echobench.data.datasets.echonet.writing`.

The experts traced the cavity of the left ventricle only. The format states no millimetres per pixel, so the spacing is
NaN, and no sector: all of a frame counts as inside, since compression leaves no black around the scan to find it by.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from echobench.data.base.cache import cached
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.datasets.dataset import ASKED, CLINICAL, Asked, Dataset, DatasetReport, Reader
from echobench.data.datasets.echonet.tables import (
    LAYOUT,
    Listed,
    common_size,
    listed_videos,
    read_file_list,
    read_tracings,
)
from echobench.data.datasets.echonet.videos import TracedFrames, read_traced
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS
from echobench.data.datasets.medical_image import resize_image, resize_labels
from echobench.data.frames import PHASES, Frames
from echobench.data.phantom.once import RECORD
from echobench.data.splits import SUBSETS, Split

VIEW, SOURCE = "4C", "echonet"
CAVITY = ("LVendo",)
"""The regions that the experts traced."""
_CLINICAL_COLUMNS = {"EF": "ef_percent", "EDV": "edv_ml", "ESV": "esv_ml"}
_READER_VERSION = 1  # raise it when the same files would be read differently: old cache entries are then ignored


class Echonet(Reader):
    """EchoNet-Dynamic, or the phantom's second scanner in its layout."""

    name: ClassVar[str] = "EchoNet-Dynamic"
    layout: ClassVar[str] = LAYOUT

    def recognises(self, folder: Path) -> bool:
        return (folder / FILE_LIST).is_file()

    def name_of(self, folder: Path) -> str:
        """ "phantom-echonet" where `write_phantom_echonet` has left its record."""
        return "phantom-echonet" if (folder / RECORD).is_file() else self.name

    def split_of(self, folder: Path, seed: int) -> Split:
        return split_in(read_file_list(folder))

    def read(self, folder: Path, asked: Asked = ASKED) -> Dataset:
        if asked.view not in (None, VIEW):
            raise EchobenchError(f"there are no {asked.view} frames in {folder}: EchoNet-Dynamic has {VIEW} alone")
        return read_echonet(folder, subset=None, size=asked.size, progress=asked.progress)

    def check(self, folder: Path) -> DatasetReport:
        from echobench.data.datasets.echonet.check import check_echonet  # which imports this module

        return check_echonet(folder)


def read_echonet(
    folder: Path,
    *,
    subset: str | None = "testing",
    size: tuple[int, int] | None = None,
    skip_broken: bool = False,
    progress: Progress = silent,
) -> Dataset:
    """Read the videos of one of `SUBSETS`, or all (None), of a folder; decoded frames are cached. Of each video there
    are end-diastole and end-systole, sorted by its name, which is the patient's.

    size: what they are resized to, None leaves them. Videos that nobody traced are left out. Raises EchobenchError at
    the first unfit video, unless skip_broken; `echobench data check` lists them all. Raises it anyway where a table is
    unfit or there is nothing to read.
    """
    file_list = read_file_list(folder)
    if subset is not None:
        file_list = file_list[file_list["subset"] == subset]
    traced = [video for video in listed_videos(folder, file_list, read_tracings(folder)) if video.tracings]
    if not traced:
        raise EchobenchError(f"there is no traced{f' {subset}' if subset else ''} video in {folder}")
    frames, skipped = _cached(folder, traced, subset, skip_broken, progress)
    if skipped and not skip_broken:
        raise EchobenchError(skipped[0])
    known = file_list[file_list["FileName"].isin(frames.patient)].set_index("FileName")
    return Dataset(
        name=Echonet().name_of(folder),
        frames=frames if size is None else _resized(frames, size),
        split=split_in(file_list).restrict(frames.patient.tolist()),
        clinical=known.rename(columns=_CLINICAL_COLUMNS).reindex(columns=list(CLINICAL)),
        regions=CAVITY,
        skipped=skipped,
    )


def split_in(file_list: pd.DataFrame) -> Split:
    """Who is in which subset, as the list of files states it."""
    names = {subset: tuple(file_list["FileName"][file_list["subset"] == subset]) for subset in SUBSETS}
    return Split(**names, origin="official")


def _resized(frames: Frames, size: tuple[int, int]) -> Frames:
    """The sector is the whole frame at every size, and the spacing as unknown."""
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda image: resize_image(image, size), frames.images))
        labels = list(pool.map(lambda labels: resize_labels(labels, size), frames.labels))
    sector = np.broadcast_to(True, (len(frames), *size))
    return replace(frames, images=np.array(images), labels=np.array(labels), sector=sector)


def _cached(
    folder: Path, videos: Sequence[Listed], subset: str | None, skip_broken: bool, progress: Progress
) -> tuple[Frames, tuple[str, ...]]:
    """Frames of the videos, and a sentence for each that could not be read."""
    paths = (folder / FILE_LIST, folder / TRACINGS, *(video.path for video in videos))
    key = f"{_READER_VERSION} {subset}"
    read = cached("echonet", key, paths, lambda: _read_all(folder, videos, skip_broken, progress))
    images, names = read["images"], read["names"]
    frames = Frames(
        images=images,
        labels=read["labels"],
        sector=np.broadcast_to(True, images.shape),
        spacing_mm=np.full((len(images), 2), np.nan),
        patient=np.repeat(names, len(PHASES)),
        view=np.repeat(VIEW, len(images)),
        phase=np.tile(PHASES, len(names)),
        source=np.repeat(SOURCE, len(images)),
    )
    return frames, tuple(read["skipped"].tolist())


def _read_all(folder: Path, videos: Sequence[Listed], skip_broken: bool, progress: Progress) -> dict[str, Any]:
    """images, labels: two of each video that could be read; names: of these; skipped: what is wrong with the others."""
    size = common_size(videos)

    def attempt(video: Listed) -> TracedFrames | str:
        try:
            return read_traced(video, size)
        except EchobenchError as error:
            if skip_broken:
                return str(error)
            raise

    images = np.empty((len(videos), len(PHASES), *size), dtype=np.uint8)
    labels = np.empty_like(images)
    names: list[str] = []
    skipped: list[str] = []
    with ThreadPoolExecutor() as pool:
        for done, (video, read) in enumerate(zip(videos, pool.map(attempt, videos), strict=True), start=1):
            if isinstance(read, str):
                skipped.append(read)
            else:
                images[len(names)], labels[len(names)] = read.images, read.labels
                names.append(video.name)
            progress(done, len(videos))
    if not names:
        raise EchobenchError(f"none of the {len(videos)} videos in {folder} can be read; the first: {skipped[0]}")
    return {
        "images": images[: len(names)].reshape(-1, *size),
        "labels": labels[: len(names)].reshape(-1, *size),
        "names": np.array(names),
        "skipped": np.array(skipped, dtype=np.str_),
    }
