"""Verbs of the command line in child processes that are forked off this one, which has imported everything before.

An import of torch takes longer than a tiny run: without this, a hundred kills would take hours.
"""

import os

# Before torch is imported: a process with threads cannot be forked, and the bits of a training depend on their number.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import atexit
import importlib
import multiprocessing.util
import pkgutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

import echobench
from echobench.benchmark.cli.entry import main
from echobench.benchmark.measure import cross
from echobench.benchmark.run import settings
from echobench.benchmark.run.settings import Preset
from echobench.benchmark.stress import settings as stress_settings
from tests.benchmark.conftest import make_known

LOG = "log.txt"
PATIENTS = 6
"""Of the phantom; of its second scanner 16, of whom two are tested."""
LIMIT_SECONDS = 900
"""After which a child that waits for something for ever is ended, which is a fault."""
_CRASH = 70
"""Exit code of a child that ended with a traceback."""


def prepare() -> None:
    """Import all that a verb imports, and make `--preset tiny` known: runs of a second or two."""
    for module in pkgutil.walk_packages(echobench.__path__, "echobench."):
        if not module.name.endswith("__main__") and module.name != "echobench.benchmark.readme":
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    patch = pytest.MonkeyPatch()
    make_known(patch)
    patch.setitem(settings.PRESETS, "tiny", Preset(repeats=1, phantom_patients=PATIENTS))  # type: ignore[arg-type]
    presets = {**stress_settings.PRESETS, "tiny": stress_settings.Preset(patients=1, repeats=1)}
    patch.setattr(stress_settings, "PRESETS", presets)
    patch.setattr(cross, "PHANTOM_PATIENTS", 16)


@dataclass(frozen=True)
class Ended:
    """How a call ended: its exit code, None where it was killed; what it printed; how long a processor was at it.

    lost_worker: whether one of its workers was killed.
    """

    code: int | None
    said: str
    seconds: float
    lost_worker: bool = False

    @property
    def sentence(self) -> str:
        """What a call that did not end well says of it."""
        return self.said.rpartition("Error: ")[2].strip() if self.code == 1 and "Error: " in self.said else ""

    @property
    def fault(self) -> str | None:
        """What nobody should see: another end than done, a sentence, or our own kill."""
        if "Traceback" in self.said or self.code not in (0, 1, None) or (self.code == 1 and not self.sentence):
            return f"ended with {self.code}: {self.said.strip()[-200:] or 'nothing said'}"
        return None


def start(
    arguments: Sequence[str],
    folder: Path,
    cache: Path,
    *,
    before: Callable[[], object] = lambda: None,
    log: str = LOG,
) -> int:
    """A child that carries out `echobench ARGUMENTS` in a folder; its process id. before: called in it first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    child = os.fork()
    if child:
        return child
    atexit._clear()  # what this process leaves is not the child's to tidy
    atexit.register(multiprocessing.util._exit_function)  # as in a process that was not forked
    code = _CRASH
    try:
        signal.alarm(LIMIT_SECONDS)
        _enter(folder, cache, log)
        before()
        main(list(arguments), prog_name="echobench")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _enter(folder: Path, cache: Path, log: str) -> None:
    """The child's own working folder, log, cache and scratch folder."""
    os.chdir(folder)
    descriptor = os.open(folder.parent / log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    scratch = folder.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    os.environ |= {"ECHOBENCH_CACHE": str(cache), "TMPDIR": str(scratch)}
    tempfile.tempdir = None  # it is looked up again
    for name in ("ECHOBENCH_CAMUS", "ECHOBENCH_ECHONET"):
        os.environ.pop(name, None)


def reach(child: int, seconds: float) -> None:
    """Wait until processors were at a child and its workers for so long, however busy they are, or it has ended."""
    process = psutil.Process(child)
    while process.status() != psutil.STATUS_ZOMBIE and _used(process) + sum(map(_used, workers(child))) < seconds:
        time.sleep(0.002)


def workers(child: int) -> list[psutil.Process]:
    """The processes that carry out parts for a child, forked from the server that it has begun."""
    found = []
    for server in psutil.Process(child).children():
        with suppress(psutil.Error):  # of one that has just ended
            found += server.children() if "forkserver" in " ".join(server.cmdline()) else []
    return found


def _used(process: psutil.Process) -> float:
    """Seconds of a processor, those of ended children included."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:
        return 0.0


def wait(
    child: int, folder: Path, kill_after: float | None = None, *, worker: float | None = None, log: str = LOG
) -> Ended:
    """Wait for a child's end; kill it after some seconds of a processor.

    worker: which of its workers is killed in its place, if there are any: 0 is the first, just below 1 the last.
    """
    lost = False
    if kill_after is not None:
        reach(child, kill_after)
        if worker is not None and (there := workers(child)):
            there[int(worker * len(there))].kill()
            lost = True
        else:
            os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    path = folder.parent / log  # not there where the kill came first
    said = path.read_text("utf-8", errors="replace") if path.exists() else ""
    return Ended(None if code == -signal.SIGKILL else code, said, used.ru_utime + used.ru_stime, lost)


def call(
    arguments: Sequence[str],
    folder: Path,
    cache: Path,
    kill_after: float | None = None,
    *,
    worker: float | None = None,
    before: Callable[[], object] = lambda: None,
) -> Ended:
    """`start`, then `wait`."""
    return wait(start(arguments, folder, cache, before=before), folder, kill_after, worker=worker)
