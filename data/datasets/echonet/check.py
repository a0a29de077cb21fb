"""What an EchoNet-Dynamic folder holds, and everything that is wrong with it, in one list."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.copies import thumbnails_of
from echobench.data.datasets.dataset import DatasetReport, Finding
from echobench.data.datasets.echonet.reading import VIEW, split_in
from echobench.data.datasets.echonet.tables import (
    LAYOUT,
    Listed,
    common_size,
    listed_videos,
    read_file_list,
    read_tracings,
)
from echobench.data.datasets.echonet.videos import count_frames, read_traced
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS, VIDEOS
from echobench.data.datasets.soundness import copy_findings
from echobench.data.frames import PHASES
from echobench.data.splits import SUBSETS


def check_echonet(folder: Path) -> DatasetReport:
    """Read everything in an EchoNet-Dynamic folder; raises EchobenchError only if there is no such folder."""
    if not folder.is_dir():
        raise EchobenchError(f"there is no folder {folder}; {LAYOUT}")
    findings: list[Finding] = []
    file_list = _table(read_file_list, folder, findings)
    tracings = _table(read_tracings, folder, findings)
    fit: list[Listed] = []
    if file_list is not None and tracings is not None:
        videos = listed_videos(folder, file_list, tracings)
        fit, unfit, thumbnails = _read(folder, [video for video in videos if video.tracings])
        patients = [video.name for video in fit for _ in PHASES]
        findings += [*unfit, *copy_findings(thumbnails, patients, split_in(file_list))]
        findings += [*_short(fit), *_left_out(videos, tracings)]
    return DatasetReport(
        counts=_counts(fit),
        split_origin="none" if file_list is None else "official",
        findings=tuple(sorted(findings, key=lambda finding: not finding.unsound)),
    )


def _table(read: Callable[[Path], pd.DataFrame], folder: Path, findings: list[Finding]) -> pd.DataFrame | None:
    try:
        return read(folder)
    except EchobenchError as error:
        findings.append(Finding(str(error), unsound=True))
        return None


def _read(folder: Path, traced: Sequence[Listed]) -> tuple[list[Listed], list[Finding], NDArray[np.float32]]:
    """The videos that can be used, what is wrong with the others, and thumbnails of both frames of those used."""
    if not traced:
        return [], [Finding(f"there is no traced video in {folder}", unsound=True)], thumbnails_of([])
    size = common_size(traced)

    def look(video: Listed) -> NDArray[np.float32] | Finding:
        try:
            return thumbnails_of(read_traced(video, size).images)
        except EchobenchError as error:
            return Finding(str(error), unsound=True)

    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(look, traced))
    fit = [video for video, found in zip(traced, seen, strict=True) if not isinstance(found, Finding)]
    thumbnails = [found for found in seen if not isinstance(found, Finding)]
    unfit = [found for found in seen if isinstance(found, Finding)]
    return fit, unfit, np.concatenate(thumbnails) if thumbnails else thumbnails_of([])


def _short(fit: Sequence[Listed]) -> Iterator[Finding]:
    """Videos cut off behind both of their traced frames."""
    for video in fit:
        if (count := count_frames(video.path)) < video.frame_count:
            yield Finding(
                f"{VIDEOS}/{video.path.name} is truncated behind the traced frames, at frame {count}", unsound=False
            )


def _left_out(videos: Sequence[Listed], tracings: pd.DataFrame) -> Iterator[Finding]:
    for name in sorted(set(tracings["FileName"]) - {video.name for video in videos}):
        yield Finding(f"{TRACINGS} has {name}, {FILE_LIST} has not: not used", unsound=False)
    for video in videos:
        if not video.tracings:
            yield Finding(f"{FILE_LIST} has {video.name}, {TRACINGS} has not: not used", unsound=False)


def _counts(fit: Sequence[Listed]) -> pd.DataFrame:
    videos = Counter(video.subset for video in fit)
    rows = [(subset, VIEW, phase, videos[subset], videos[subset]) for subset in SUBSETS for phase in PHASES]
    return pd.DataFrame([row for row in rows if row[3]], columns=["subset", "view", "phase", "frames", "patients"])
