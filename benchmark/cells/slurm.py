"""Parts of cells as jobs of Slurm, in arrays, by submitit.

What can be carried out at one time is one array. A job that Slurm ends early (its time is over, or another one takes
its place) is put into the queue again, and the part goes on where its folder stands.
"""

import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.needs import KINDS, Needs, kind_of, needs_of
from echobench.benchmark.cells.parts import Agenda, Part
from echobench.benchmark.cells.processes import Ended, Lost, Told, ended, for_workers, outcome_of, work_off
from echobench.benchmark.run.machine import default_threads
from echobench.benchmark.run.stages import Reporter
from echobench.data.base.errors import EchobenchError, require
from echobench.data.base.files import typed_path, working_as

try:
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError
except ImportError as missing:
    raise EchobenchError(f"the executor slurm needs submitit ({missing}): pip install 'echobench[slurm]'") from missing

LOGS = ".slurm"
"""Beside the cells: what jobs are given, print and return."""
MINUTES = 240
"""Of a job, if nothing is said; a part that takes longer goes on in the next one."""
TIMEOUTS = 1000
"""How many jobs a part may take, one after another."""
POLL_SECONDS = 0.5
GPUS = ("gres", "gpus", "gpus_per_node", "gpus_per_task")


@dataclass(frozen=True)
class Slurm:
    """As many parts at a time as Slurm lets run.

    slurm: what sbatch is asked for, each a KEY=VALUE (partition=gpu, time=600 in minutes, gres=gpu:1) or a TOML file of
    such; a table of the file called like a kind of part (`KINDS`) is for these parts. cluster=local is submitit's own
    executor on this machine. jobs: parts at a time, at most. threads: torch's in each part, and in this process from
    here on; None is `default_threads`.
    """

    slurm: tuple[str, ...] = ()
    jobs: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        require(self, jobs=(1, inf), threads=(1, inf))
        for kind in KINDS:
            self.asked_for(kind)

    def asked_for(self, kind: str) -> dict[str, Any]:
        """Of sbatch, for a kind of part. Raises EchobenchError for what is neither a KEY=VALUE nor a TOML file."""
        found: dict[str, Any] = {}
        for text in self.slurm:
            key, equals, value = text.partition("=")
            given = {key.strip().lstrip("-").replace("-", "_"): value.strip()} if equals else _read(typed_path(text))
            tables = {name: one for name, one in given.items() if isinstance(one, dict)}
            if unknown := sorted(set(tables) - set(KINDS)):
                raise EchobenchError(f"{text} has a table {unknown[0]!r}; known parts: {', '.join(KINDS)}")
            found |= {name: one for name, one in given.items() if name not in tables}
            found |= tables.get(kind, {})
        if not str(found.setdefault("time", MINUTES)).isdecimal():
            raise EchobenchError(f"time is {found['time']!r}; it must be minutes, such as 600")
        return found

    @working_as("slurm")
    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        """As `Executor.carry_out`. A part whose job is lost is begun once more; then its cell has failed."""
        threads = self.threads or default_threads()
        parts, report = for_workers(cells, device, report, threads)
        if parts:
            with _Jobs(self, threads, device) as jobs, Agenda(parts) as agenda:
                work_off(agenda, jobs, report)


@dataclass(frozen=True)
class _CarryOut:
    """What a job does."""

    device: str
    threads: int

    @working_as("slurm")
    def __call__(self, part: Part) -> Ended:
        torch.set_num_threads(self.threads)
        return ended(part, self.device, _Nobody())

    def checkpoint(self, part: Part) -> submitit.helpers.DelayedSubmission:
        """The same again, in the next job: what is finished is in the folder."""
        return submitit.helpers.DelayedSubmission(self, part)


class _Nobody:
    """Is told how far a part is: a job has no way to say it."""

    def send(self, told: Told) -> None:
        pass


class _Jobs:
    """A `Workforce`: each part is a job. A context manager, which leaves no job behind."""

    def __init__(self, executor: Slurm, threads: int, device: str) -> None:
        self._executor, self._device, self._threads = executor, device, threads
        self._given: list[Part] = []
        self._jobs: dict[str, tuple[Any, Part]] = {}

    def __enter__(self) -> "_Jobs":
        return self

    def __exit__(self, *error: object) -> None:
        for job, _ in self._jobs.values():
            job.cancel(check=False)

    @property
    def have_room(self) -> bool:
        return len(self._jobs) + len(self._given) < (self._executor.jobs or inf)

    def give(self, part: Part) -> None:
        self._given.append(part)

    def outcomes(self, report: Reporter) -> Iterator[tuple[Part, str | Lost | None]]:
        """See `Workforce`. Raises EchobenchError where Slurm takes no job."""
        for alike in dict.fromkeys(map(_asking, self._given)):
            self._submit([part for part in self._given if _asking(part) == alike])
        self._given = []
        time.sleep(POLL_SECONDS)
        for job, part in list(self._jobs.values()):
            if job.done():
                del self._jobs[job.job_id]
                outcome = _outcome(job)
                report(part.title)(1, 1)
                yield part, outcome

    def _submit(self, parts: Sequence[Part]) -> None:
        """An array of jobs, which ask for the same."""
        kind, needs = _asking(parts[0])
        asked = self._executor.asked_for(kind)
        try:
            queue = submitit.AutoExecutor(
                parts[0].cell.folder.resolve().parent / LOGS, cluster=asked.pop("cluster", "slurm"),
                slurm_max_num_timeout=TIMEOUTS, local_max_num_timeout=TIMEOUTS,
            )  # fmt: skip
            queue.update_parameters(**self._parameters(kind, needs, asked))
            jobs = queue.map_array(_CarryOut(self._device, self._threads), parts)
        except (RuntimeError, ValueError, FailedSubmissionError) as error:
            raise EchobenchError(f"Slurm takes no jobs here: {' '.join(str(error).split())}") from error
        self._jobs |= {job.job_id: (job, part) for job, part in zip(jobs, parts, strict=True)}

    def _parameters(self, kind: str, needs: Needs, asked: Mapping[str, Any]) -> dict[str, Any]:
        """In submitit's words; those of sbatch that it has no word for go through."""
        wants_gpu = self._device.startswith("cuda") and not any(name in asked for name in GPUS)
        sbatch = {name: value for name, value in asked.items() if name != "time"}
        return {
            "name": f"echobench-{kind}",
            "timeout_min": int(asked["time"]),
            "cpus_per_task": self._threads,
            "mem_gb": needs.memory_gb,
            "slurm_additional_parameters": sbatch,
        } | ({"gpus_per_node": needs.gpus} if wants_gpu else {})


def _asking(part: Part) -> tuple[str, Needs]:
    """What a job asks for goes by these; the jobs of an array have them in common."""
    return kind_of(part), needs_of(part)


def _outcome(job: Any) -> str | Lost | None:
    """How a job has ended. Raises what its part raised."""
    try:
        found: Ended = job.result()
    except (UncompletedJobError, FailedJobError) as error:
        return Lost(f"its job {job.job_id} ended without a result ({str(error).strip().splitlines()[0]})")
    return outcome_of(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EchobenchError(
            f"--slurm takes KEY=VALUE, such as partition=gpu, or a TOML file, and {path} is neither: {error}"
        ) from error
