"""Hostile circumstances: a call that meets one ends in a sentence, loses nothing, and goes on once it has passed.

Where this user may not mount a file system, the full disk and the read-only folder are left out, and that is said.
"""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from tests.campaign.forked import Ended, call, reach, start, wait
from tests.campaign.judged import SDM, Campaign, Reference, Row

REFUSED = "another echobench is at work in"
Circumstance = Callable[[Campaign, Reference, Path], list[Ended]]
"""Carries out a call in a folder that it may find begun, and gives back how it, and others beside it, ended."""


class NotPermitted(Exception):
    """This user may not mount."""


@contextmanager
def _mounted(place: Path, *options: str) -> Iterator[None]:
    if subprocess.run(["mount", *options, place], capture_output=True).returncode:
        raise NotPermitted
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def full_disk(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """A file system of fewer bytes than the call writes; what was written moves to one that has room."""
    (work := place / "work").mkdir()
    with _mounted(work, "-t", "tmpfs", "-o", f"size={campaign.random.randrange(20, 600)}k", "tmpfs"):
        ended = call(reference.arguments, work, campaign.cache)
        shutil.copytree(work, place / "kept")
    shutil.rmtree(work)
    (place / "kept").rename(work)
    return [ended]


def quota(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """No file may have more than so many bytes."""
    most = campaign.random.choice((5000, 10_000, 20_000, 50_000, 100_000))  # what it prints counts as well
    return [_limited(campaign, reference, place, resource.RLIMIT_FSIZE, lambda: most)]


def short_of_memory(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """As `ulimit -v`: so much more than the process has when it begins.

    torch's own code sometimes dies where it gets no memory for what it compiles, and then nobody can say a sentence:
    that is stated, and the call must go on from it as from a kill.
    """
    more = campaign.random.randrange(1, 80) * 1_000_000
    ended = _limited(campaign, reference, place, resource.RLIMIT_AS, lambda: psutil.Process().memory_info().vms + more)
    if ended.code in (-signal.SIGSEGV, -signal.SIGABRT):
        return [replace(ended, code=1, said=f"Error: (none: torch died of signal {-ended.code})")]
    return [ended]


def _limited(campaign: Campaign, reference: Reference, place: Path, which: int, most: Callable[[], int]) -> Ended:
    def limit() -> None:
        resource.setrlimit(which, (most(), resource.RLIM_INFINITY))

    return call(reference.arguments, place / "work", campaign.cache, before=limit)


def removed_under_way(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """Somebody removes the folder of the run."""
    child = start(reference.arguments, place / "work", campaign.cache)
    reach(child, _moment(campaign, reference))
    shutil.rmtree(place / "work" / "out", ignore_errors=True)
    return [wait(child, place / "work")]


def read_only(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """The folder of a run that was killed may not be written for a while."""
    begun = call(reference.arguments, work := place / "work", campaign.cache, _moment(campaign, reference))
    with _mounted(work, "--bind", str(work)):
        subprocess.run(["mount", "-o", "remount,ro,bind", work], check=True)
        return [begun, call(reference.arguments, work, campaign.cache)]


def two_at_once(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """A second process begins the same; one of them is refused, or finds all of it done."""
    first = start(reference.arguments, place / "work", campaign.cache)
    reach(first, _moment(campaign, reference))
    second = start(reference.arguments, place / "work", campaign.cache, log="second.txt")
    ended = [wait(first, place / "work"), wait(second, place / "work", log="second.txt")]
    if not any(one.code == 0 for one in ended) or any(one.code and REFUSED not in one.said for one in ended):
        return [Ended(99, f"two at once: {[one.said for one in ended]}", 0.0)]
    return ended


def clock_back(campaign: Campaign, reference: Reference, place: Path) -> list[Ended]:
    """A day, after a kill: all that lies in the folder is of tomorrow."""
    begun = call(reference.arguments, place / "work", campaign.cache, _moment(campaign, reference))
    tomorrow = time.time() + 86_400
    for path in (place / "work").rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    return [begun]


def _moment(campaign: Campaign, reference: Reference) -> float:
    return campaign.random.uniform(0, reference.seconds)


CIRCUMSTANCES: Mapping[str, Circumstance] = {
    "full disk": full_disk,
    "quota": quota,
    "short of memory": short_of_memory,
    "removed under way": removed_under_way,
    "read-only folder": read_only,
    "two at once": two_at_once,
    "clock goes back": clock_back,
}


def meet(what: str, count: int, campaign: Campaign) -> Row:
    """Let a run meet a circumstance so often, each time one that nothing has disturbed before."""
    row, began = Row(what), time.monotonic()
    reference = campaign.reference(SDM)
    while row.calls < count and not campaign.over:
        (place := campaign.base / "hostile").mkdir()
        try:
            disturbed = CIRCUMSTANCES[what](campaign, reference, place)
        except NotPermitted:
            row.faults.append(f"{what}: this user may not mount a file system; not looked at")
            shutil.rmtree(place)
            break
        row.kills += len(disturbed)
        row.faults += [f"{what}: {fault}" for one in disturbed if (fault := one.fault)]
        row.sentences |= {one.sentence.replace(f"{place}/", "") for one in disturbed} - {""}
        row.restarts += 1
        again = call(reference.arguments, place / "work", campaign.cache)
        row.judge(f"{what}, {row.calls + 1}", place, again, reference.contents)
        shutil.rmtree(place)
    row.seconds = time.monotonic() - began
    return row
