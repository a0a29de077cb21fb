"""Crash points: what a call leaves if it ends at any of its file operations, and whether the next one goes on from it.

One call is carried out, and its folder is copied at every operation that changes it. These copies are what a crash
would have left: before an operation, which is after the one before it, and with half of what was written last, unless
that had been forced onto the disk.
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk

from tests.campaign.forked import call
from tests.campaign.judged import SDM, STRESS, Campaign, Row

CALLS = {"points of run sdm": SDM, "points of stress": STRESS}
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


class Recorder:
    """Copies a folder at every operation in it; an audit hook of the process that carries out the call."""

    def __init__(self, folder: Path, points: Path) -> None:
        self.folder, self.points = folder, points
        self.number, self.busy = 0, False
        self.synced: set[int] = set()
        self.written: Path | None = None
        self.start_bytes = 0

    def install(self) -> None:
        fsync, write_image = os.fsync, sitk.WriteImage

        def noted(descriptor: int) -> None:
            fsync(descriptor)
            self.synced.add(os.fstat(descriptor).st_ino)

        def audited(image: object, path: str, *arguments: object, **more: object) -> None:
            self("open", (path, "wb", os.O_WRONLY))  # written in C++, of which Python knows nothing
            write_image(image, path, *arguments, **more)

        os.fsync, sitk.WriteImage = noted, audited
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: Sequence[object]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if self.busy or not (writes or event in _CHANGES) or not isinstance(arguments[0], (str, Path)):
            return
        path = Path(os.path.abspath(arguments[0]))
        if not path.is_relative_to(self.folder):
            return
        self.busy = True
        self._copy_states()
        last = arguments[1] if event == "os.rename" else path if writes else None
        self.written = None if last is None else Path(os.path.abspath(str(last)))
        self.start_bytes = path.stat().st_size if writes and arguments[1] == "a" else 0
        self.busy = False

    def _copy_states(self) -> None:
        """The folder as it is, and with half of the file that was written last."""
        self.number += 1
        shutil.copytree(self.folder, self.points / f"{self.number:04d} before")
        last = self.written
        if last is None or not last.is_file() or last.stat().st_ino in self.synced:
            return
        torn = self.points / f"{self.number - 1:04d} torn"
        shutil.copytree(self.folder, torn)
        size = last.stat().st_size
        os.truncate(torn / last.relative_to(self.folder), (size + self.start_bytes) // 2)


def record(arguments: Sequence[str], campaign: Campaign) -> list[Path]:
    """The states that a call of the command line passes through."""
    place, points = campaign.base / "crash", campaign.base / "points"
    points.mkdir()
    ended = call(arguments, place / "work", campaign.cache, before=Recorder(place / "work", points).install)
    if ended.code != 0:
        raise RuntimeError(ended.said)
    shutil.rmtree(place)
    return sorted(points.iterdir())


def distinct(states: Sequence[Path]) -> list[Path]:
    """One of each kind."""
    found: dict[str, Path] = {}
    for state in states:
        digest = hashlib.sha256()
        for path in sorted(state.rglob("*")):
            digest.update(str(path.relative_to(state)).encode() + (path.read_bytes() if path.is_file() else b"/"))
        found.setdefault(digest.hexdigest(), state)
    return list(found.values())


def crash_points(what: str, campaign: Campaign, most: int | None = None) -> Row:
    """Go on from every state of a call, or from `most` of them."""
    arguments, began = CALLS[what], time.monotonic()
    reference = campaign.reference(arguments)
    states = record(arguments, campaign)
    kinds = distinct(states)
    row = Row(what, kills=len(states))
    chosen = campaign.random.sample(kinds, len(kinds) if most is None else min(most, len(kinds)))
    for state in chosen:
        if campaign.over:
            break
        place = campaign.base / "crash"
        place.mkdir()
        state.rename(place / "work")
        row.restarts += 1
        row.judge(f"{what}, {state.name}", place, call(arguments, place / "work", campaign.cache), reference.contents)
        shutil.rmtree(place)
    shutil.rmtree(campaign.base / "points")
    row.seconds = time.monotonic() - began
    return row
