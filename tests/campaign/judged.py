"""What came of a call: its files beside those of a call that nobody disturbed, and what it left behind.

What may differ between two calls that nobody disturbs (times, seconds, megabytes) is left out of both.
"""

import hashlib
import json
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import click
import pandas as pd
from filelock import FileLock, Timeout

from tests.campaign.forked import PATIENTS, Ended, call

TINY = ("--preset", "tiny")
STRESS = ("stress", *TINY, "--generators", "paint", "--deformations", "small", "--severities", "0,1", "--out", "out")
SDM = ("run", "--generator", "sdm", *TINY, "--out", "out")

_OF_TIME = {
    "seconds", "started", "finished", "time", "peak_memory_mb", "energy_joules", "attempts", "items", "files",
    "commit", "files_sha256",
}  # fmt: skip
"""Names in JSON files and columns of CSV files of what differs from call to call. The hashes are of such files."""
_SHOWS_TIME = (
    "cost.*",
    "cost-*",
    "overview.*",
    "report.html",
    "training.pt",
    "*.checkpoint",
    "*.attempts",
    "training*.png",
)
"""Files that only have to be there."""


def contents(folder: Path) -> dict[str, str]:
    """The files of a folder by their place, each with a hash of all of it that is the same in every call."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_timeless(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _timeless(path: Path) -> bytes:
    if any(path.match(pattern) for pattern in _SHOWS_TIME):
        return b""
    if path.suffix == ".json":
        return json.dumps(_without(json.loads(path.read_text("utf-8")))).encode()
    if path.suffix == ".csv" and _OF_TIME & set(path.open(encoding="utf-8").readline().strip().split(",")):
        table = pd.read_csv(StringIO(path.read_text("utf-8")), dtype=str)
        return table.drop(columns=list(_OF_TIME), errors="ignore").to_csv(index=False).encode()
    return path.read_bytes()


def _without(content: object) -> object:
    if isinstance(content, dict):
        kept = {name: _without(value) for name, value in content.items() if name not in _OF_TIME}
        if isinstance(stages := kept.get("stages"), list):  # in the order in which they ended, reading at every start
            kept["stages"] = sorted(stages, key=str)
        return kept
    return [_without(one) for one in content] if isinstance(content, list) else content


def left_behind(place: Path) -> list[str]:
    """What no call leaves that ends by itself: halves of files, scratch folders, locks that are held."""
    found = [path for path in place.rglob("*") if path.name.endswith(".partial") or path.name.startswith(".phantom")]
    scratch = [path for path in (place / "tmp").glob("*")]
    held = [path for path in place.rglob(".lock") if _is_held(path)]
    return sorted(str(path.relative_to(place)) for path in {*found, *scratch, *held})


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Files that one of two folders lacks, or has with other contents."""
    return [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]


@dataclass
class Row:
    """What became of one verb. sentences: that disturbed calls ended with. faults: what was not as it should be."""

    what: str
    kills: int = 0
    restarts: int = 0
    calls: int = 0
    equal: int = 0
    left_behind: int = 0
    sentences: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def judge(self, name: str, place: Path, ended: Ended, wanted: Mapping[str, str]) -> None:
        """Look at a call that was left to end by itself."""
        self.calls += 1
        if ended.code != 0:
            self.faults.append(f"{name}: a restart ended with {ended.code}: {ended.said.strip()[-300:]}")
            return
        found = differences(contents(place / "work"), wanted)
        self.equal += not found
        if found:
            self.faults.append(f"{name}: differs in {', '.join(found[:5])}")
        if left := left_behind(place):
            self.left_behind += 1
            self.faults.append(f"{name}: left behind {', '.join(left[:5])}")


@dataclass(frozen=True)
class Reference:
    """A call that nobody disturbed. contents: see the function; seconds: that a processor was at it."""

    arguments: Sequence[str]
    contents: Mapping[str, str]
    seconds: float


class Campaign:
    """Everything in one scratch folder: `given` to all verbs, `cache` with the phantom, a folder for each call."""

    def __init__(self, base: Path, seed: int, stop_at: float = float("inf")) -> None:
        self.base, self.random, self.stop_at = base, random.Random(seed), stop_at
        self.cache, self._references = base / "cache", dict[tuple[str, ...], Reference]()
        given = base / "given"
        self.once(SDM, given)
        shutil.copy(given / "work" / "out" / "stages" / "generator-4C.pt", given / "generator.pt")
        (phantom,) = self.cache.glob(f"phantom-*-{PATIENTS}")
        shutil.copytree(phantom, given / "maps")

    def once(self, arguments: Sequence[str], place: Path, cache: Path | None = None) -> Ended:
        """A call that must end well."""
        ended = call(arguments, place / "work", cache or self.cache)
        if ended.code != 0:
            raise click.ClickException(f"{' '.join(arguments)} fails without any kill: {ended.said[-2000:]}")
        return ended

    def reference(self, arguments: Sequence[str]) -> Reference:
        """Two calls that nobody kills, which must be equal, or nothing could be said of others."""
        if (known := self._references.get(tuple(arguments))) is not None:
            return known
        both = []
        for name in ("first", "second"):
            ended = self.once(arguments, place := self.base / name)
            both.append(contents(place / "work"))
            shutil.rmtree(place)
        if found := differences(*both):
            raise click.ClickException(f"two calls of {' '.join(arguments)} differ in {', '.join(found[:9])}")
        return self._references.setdefault(tuple(arguments), Reference(arguments, both[0], ended.seconds))

    @property
    def over(self) -> bool:
        """Whether the time that the campaign was given is used up."""
        return time.monotonic() > self.stop_at


def shown(rows: Sequence[Row]) -> str:
    """The table, and a line for each sentence and each fault."""
    table = pd.DataFrame(
        [
            [row.what, row.kills, row.restarts, row.calls, row.equal, row.left_behind, len(row.faults), row.seconds]
            for row in rows
        ],
        columns=["what", "kills", "restarts", "calls", "equal", "left behind", "faults", "seconds"],
    )
    table.loc[len(table)] = ["all", *table.iloc[:, 1:].sum()]
    lines = [f"{row.what}: {sentence}" for row in rows for sentence in sorted(row.sentences)]
    lines += [f"FAULT {fault}" for row in rows for fault in row.faults]
    whole = table.astype({name: int for name in table.columns[1:]})
    return "\n".join([whole.to_string(index=False), *lines])
