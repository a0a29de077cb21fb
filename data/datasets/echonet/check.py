"""What an EchoNet-Dynamic folder holds, and everything that is wrong with it, in one list."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.dataset import DatasetReport, Finding
from echobench.data.datasets.echonet.reading import VIEW
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
        fit, unfit = _read(folder, [video for video in videos if video.tracings])
        findings += [*unfit, *_short(fit), *_left_out(videos, tracings)]
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


def _read(folder: Path, traced: Sequence[Listed]) -> tuple[list[Listed], list[Finding]]:
    """The videos that can be used, and what is wrong with the others."""
    if not traced:
        return [], [Finding(f"there is no traced video in {folder}", unsound=True)]
    size = common_size(traced)

    def error_of(video: Listed) -> str | None:
        try:
            read_traced(video, size)
        except EchobenchError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        errors = list(pool.map(error_of, traced))
    fit = [video for video, error in zip(traced, errors, strict=True) if error is None]
    return fit, [Finding(error, unsound=True) for error in errors if error is not None]


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
