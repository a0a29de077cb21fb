"""Parts of cells in processes of this machine.

The pools of concurrent.futures and of loky end every worker where one is lost. Here a lost worker costs what it was at.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Protocol

import torch

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Serial
from echobench.benchmark.cells.parts import Agenda, Part, carry_out_part, divide, number_of_parts, share
from echobench.benchmark.cells.server import begin_worker
from echobench.benchmark.run.machine import cores, default_jobs, default_threads, share_machine
from echobench.benchmark.run.pipeline import give_up
from echobench.benchmark.run.stages import WHOLE, Reporter
from echobench.data.base.errors import EchobenchError, require
from echobench.data.base.files import AtWork, working_as
from echobench.data.base.progress import Progress, silent
from echobench.generators.training.parallel import processes

log = logging.getLogger(__name__)
TRIES = 2
"""How often a part is begun whose workers are lost."""
TOLD_SECONDS = 0.2
"""Between two reports of a stage."""
ENDING_SECONDS = 5.0
"""That a worker has to end by itself."""


@dataclass(frozen=True)
class Processes:
    """So many parts at a time, each in a process. Scores depend on the threads, not on the jobs.

    jobs: None is `default_jobs`. threads: torch's in each process, and in this one from here on; None is
    `default_threads`.
    """

    jobs: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        require(self, jobs=(1, inf), threads=(1, inf))

    @working_as("processes")
    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        """As `Executor.carry_out`. A part whose worker is lost is begun once more; then its cell has failed."""
        threads = self.threads or default_threads()
        if processes() > 1 and (self.threads or (self.jobs or 1) > 1):
            raise EchobenchError(
                "torchrun has started the processes of this call: leave --jobs and --threads out, set OMP_NUM_THREADS"
            )
        jobs, (here, parts) = self.jobs or default_jobs(device, threads), divide(cells)
        if jobs * threads > cores():
            log.warning("%d jobs of %d threads share %d cores: each of them is slower for it", jobs, threads, cores())
        folders, unets = {part.cell.folder for part in parts}, [part for part in parts if part.seed is not None]
        if processes() > 1 or jobs == 1 or max(len(folders), len(unets)) < 2:  # nothing beside anything
            Serial(threads).carry_out(cells, device, report)
            return
        report = _after(here, parts, threads, device, report)
        with _Workers(jobs, threads, device) as workers, Agenda(parts) as agenda:
            work_off(agenda, workers, report)


def for_workers(cells: Sequence[Cell], device: str, report: Reporter, threads: int) -> tuple[list[Part], Reporter]:
    """The parts that workers elsewhere take, and to whom they report, once the cells that are for this process are
    carried out in it."""
    if processes() > 1:
        raise EchobenchError("torchrun has started the processes of this call: leave --executor out")
    here, parts = divide(cells)
    return parts, _after(here, parts, threads, device, report)


def _after(here: Sequence[Cell], parts: Sequence[Part], threads: int, device: str, report: Reporter) -> Reporter:
    """Carries out the cells that are for this process; whom the parts behind them report to."""
    before = number_of_parts(here)
    total = before + len(parts)
    Serial(threads).carry_out(here, device, share(report, 0, total))
    return share(report, before, total)


class Workforce(Protocol):
    """Who carries out parts."""

    @property
    def have_room(self) -> bool:
        """Whether another part can be given."""

    def give(self, part: Part) -> None: ...

    def outcomes(self, report: Reporter) -> Iterable[tuple[Part, "str | Lost | None"]]:
        """Waits until something is told, and passes it on; parts that have come to an end meanwhile, and how."""


def work_off(agenda: Agenda, workers: Workforce, report: Reporter, tries: int = TRIES) -> None:
    """Carry out everything on an agenda. A part that is lost is begun so many times; then its cell has failed."""
    lost, total = Counter[str](), agenda.left
    whole = report(WHOLE) if total > 1 else silent
    whole(0, total)
    while not agenda.is_done:
        while workers.have_room and (part := agenda.take()):
            workers.give(part)
        for part, outcome in workers.outcomes(report):
            if isinstance(outcome, Lost):
                lost[part.name] += 1
                log.warning("%s: %s", part.title, outcome.reason)
                if lost[part.name] < tries:
                    workers.give(part)
                    continue
                give_up(part.cell.settings, part.cell.folder, outcome.reason)
                outcome = outcome.reason
            agenda.settle(part, outcome)
            log.info("%s %s", part.title, "is done" if outcome is None else f"has failed: {outcome}")
            whole(total - agenda.left, total)


@dataclass(frozen=True)
class Lost:
    """What became of a part whose worker is no more."""

    reason: str


@dataclass(frozen=True)
class Told:
    """Where a stage is."""

    stage: str
    done: int
    total: int
    figures: Mapping[str, float] | None


@dataclass(frozen=True)
class Ended:
    """A part has come to its end. failure: as of `carry_out_part`; error: what it raised."""

    failure: str | None = None
    error: Exception | None = None


def outcome_of(found: Ended) -> "str | Lost | None":
    """How a part has ended on another machine. Raises what the part raised."""
    if isinstance(found.error, AtWork):  # of a machine that is cut off, and will end by itself
        return Lost(str(found.error))
    if found.error is not None:
        raise found.error
    return found.failure


class _Worker:
    """A process that carries out one part after another."""

    def __init__(self, threads: int, device: str, jobs: int) -> None:
        self._process, self.connection = begin_worker(threads, device, jobs)
        self.part: Part | None = None
        self.bars: dict[str, Progress] = {}

    def give(self, part: Part) -> None:
        self.part, self.bars = part, {}
        with suppress(OSError):  # of a process that has been ended, which will be noticed
            self.connection.send(part)

    def dismiss(self, *, at_once: bool) -> None:
        self.connection.close()
        if at_once:
            self._process.terminate()

    def await_end(self) -> None:
        self._process.join(ENDING_SECONDS)
        self._process.kill()
        self._process.join()

    def fate(self) -> str:
        """How a process that is no more has ended."""
        self.await_end()
        code = self._process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        memory = ", perhaps because the memory was full" if how.endswith("SIGKILL") else ""
        return f"its process {how}{memory}; the same command goes on from the last checkpoint"


class _Workers:
    """A context manager: processes that are started when there is a part for them, and ended with it."""

    def __init__(self, jobs: int, threads: int, device: str) -> None:
        self._jobs, self._threads = jobs, threads
        gpus = torch.cuda.device_count() if device == "cuda" else 0
        self._devices = [f"cuda:{i % gpus}" if gpus > 1 else device for i in range(jobs)]
        self._workers: dict[int, _Worker] = {}

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for worker in self._workers.values():
            worker.dismiss(at_once=kind is not None)
        for worker in self._workers.values():
            worker.await_end()

    @property
    def have_room(self) -> bool:
        return len(self._at_work()) < self._jobs

    def give(self, part: Part) -> None:
        """To one that waits for a part, or to a new one."""
        slot = next(i for i in range(self._jobs) if i not in self._workers or self._workers[i].part is None)
        if slot not in self._workers:
            self._workers[slot] = _Worker(self._threads, self._devices[slot], self._jobs)
        self._workers[slot].give(part)

    def outcomes(self, report: Reporter) -> Iterator[tuple[Part, str | Lost | None]]:
        """Waits until something is told, and passes it on; parts that have come to an end meanwhile."""
        at_work = self._at_work()
        for ready in wait([worker.connection for worker in at_work.values()]):
            slot, worker = next((i, one) for i, one in at_work.items() if one.connection is ready)
            assert worker.part is not None
            part = worker.part
            try:
                told = worker.connection.recv()
            except (EOFError, OSError):
                del self._workers[slot]
                worker.dismiss(at_once=False)
                yield part, Lost(worker.fate())
                continue
            if isinstance(told, Told):
                bar = worker.bars.get(told.stage) or worker.bars.setdefault(told.stage, report(told.stage))
                bar(told.done, told.total, told.figures)
            elif told.error is not None:
                raise told.error
            else:
                worker.part = None
                yield part, told.failure

    def _at_work(self) -> dict[int, _Worker]:
        return {slot: worker for slot, worker in self._workers.items() if worker.part is not None}


def serve(connection: Connection, threads: int, device: str, jobs: int) -> None:
    """What a worker does until nobody has parts for it, or the process that started it is no more.

    jobs: how many such workers share the machine.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _stop)
    torch.set_num_threads(threads)
    share_machine(jobs)
    while True:
        try:
            part = connection.recv()
        except EOFError:
            return
        connection.send(ended(part, device, connection))


class Recipient(Protocol):
    """Of what is told."""

    def send(self, told: Told) -> None: ...


def ended(part: Part, device: str, connection: Recipient) -> Ended:
    """Carry out a part in this process, and say how it ended."""
    try:
        return Ended(carry_out_part(part, device, lambda stage: _Teller(connection, stage)))
    except Exception as error:
        if isinstance(error, EchobenchError):
            return Ended(error=error)
        return Ended(error=RuntimeError(f"{part.title}: {''.join(traceback.format_exception(error))}"))


class _Teller:
    """The progress of a stage, which goes to the process that shows it, now and then."""

    def __init__(self, connection: Recipient, stage: str) -> None:
        self._connection, self._stage, self._told = connection, stage, -inf

    def __call__(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        if done < total and now - self._told < TOLD_SECONDS:
            return
        self._told = now
        self._connection.send(Told(self._stage, done, total, figures))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(1)
