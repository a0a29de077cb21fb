"""EchoNet-Dynamic as `Frames`: the two traced frames of each video. Format: `echobench.data.datasets.echonet.writing`.

The experts traced the cavity of the left ventricle only. The format states no millimetres per pixel, so the spacing is
NaN, and no sector: all of a frame counts as inside, since compression leaves no black around the scan to find it by.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from echobench.data.base.cache import cached
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.datasets.echonet.tables import Listed, common_size, listed_videos, read_file_list, read_tracings
from echobench.data.datasets.echonet.videos import TracedFrames, read_traced
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS
from echobench.data.frames import PHASES, Frames

VIEW, SOURCE = "4C", "echonet"
_READER_VERSION = 1  # raise it when the same files would be read differently: old cache entries are then ignored


@dataclass(frozen=True, eq=False)
class EchonetData:
    """frames: end-diastole and end-systole of each video, sorted by name; `patient` is the video's name.
    ejection: a row per video of `frames`, columns video, ef (per cent), esv, edv (mL), as FileList.csv has them.
    untraced: videos left out as nobody traced them. skipped: a sentence for each broken one left out.
    """

    frames: Frames
    ejection: pd.DataFrame
    untraced: tuple[str, ...]
    skipped: tuple[str, ...]


def read_echonet(
    folder: Path, *, subset: str | None = "testing", skip_broken: bool = False, progress: Progress = silent
) -> EchonetData:
    """Read the videos of one of `SUBSETS`, or all (None), of a folder; decoded frames are cached.

    Raises EchobenchError at the first unfit video, unless skip_broken; `echobench data check` lists them all. Raises it
    anyway where a table is unfit or there is nothing to read.
    """
    file_list = read_file_list(folder)
    if subset is not None:
        file_list = file_list[file_list["subset"] == subset]
    listed = listed_videos(folder, file_list, read_tracings(folder))
    traced = [video for video in listed if video.tracings]
    if not traced:
        raise EchobenchError(f"there is no traced{f' {subset}' if subset else ''} video in {folder}")
    frames, skipped = _cached(folder, traced, subset, skip_broken, progress)
    if skipped and not skip_broken:
        raise EchobenchError(skipped[0])
    ejection = file_list[["FileName", "EF", "ESV", "EDV"]].set_axis(["video", "ef", "esv", "edv"], axis=1)
    return EchonetData(
        frames=frames,
        ejection=ejection[ejection["video"].isin(frames.patient)].reset_index(drop=True),
        untraced=tuple(video.name for video in listed if not video.tracings),
        skipped=skipped,
    )


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
