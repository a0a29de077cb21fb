"""Parts of cells as tasks of Ray, on this machine or on a cluster whose machines share the folders.

Only parts travel, which are paths and small settings; what they make is in their folders. Ray begins a part again
whose worker or machine is lost, and the part goes on where its folder stands.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import Any

import torch

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.needs import needs_of
from echobench.benchmark.cells.parts import Agenda, Part
from echobench.benchmark.cells.processes import Ended, Lost, Told, ended, for_workers, outcome_of, work_off
from echobench.benchmark.run.machine import default_jobs, default_threads, share_machine
from echobench.benchmark.run.stages import Reporter
from echobench.data.base.errors import EchobenchError, require
from echobench.data.base.files import working_as
from echobench.data.base.progress import Progress

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as missing:
    raise EchobenchError(f"the executor ray needs Ray ({missing}): pip install 'echobench[ray]'") from missing

RETRIES = 3
"""How often Ray begins a part again whose worker or machine was lost."""
STORE_BYTES = 100_000_000
"""Of memory for objects that travel, where Ray is started here: parts are hundreds of bytes."""
TOLD_SECONDS = 0.5
"""Between two looks at how far the parts are."""
ANSWER_SECONDS = 10.0
"""In which a cluster has to answer."""
TRAVELS = ("PYTHONPATH", "ECHOBENCH_CACHE")
"""What a part needs of this process' environment."""


@dataclass(frozen=True)
class Ray:
    """As many parts at a time as a Ray cluster has room for.

    address: of a cluster that `ray start` has made, or auto, which finds one; None starts Ray here, for as long as it
    is needed. jobs: parts at a time, at most. threads: torch's in each part, a CPU of Ray's each, and in this process
    from here on; None is `default_threads`.
    """

    address: str | None = None
    jobs: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        require(self, jobs=(1, inf), threads=(1, inf))

    @working_as("ray")
    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        """As `Executor.carry_out`. A part that is lost again and again is a failure of its cell."""
        threads = self.threads or default_threads()
        parts, report = for_workers(cells, device, report, threads)
        if parts:
            with (
                _connected(self.address, None if self.jobs is None else self.jobs * threads),
                _Tasks(self.jobs or inf, threads, device) as tasks,
                Agenda(parts) as agenda,
            ):
                work_off(agenda, tasks, report)


@contextmanager
def _connected(address: str | None, cpus: int | None) -> Iterator[None]:
    """Ray as it is in this process already; or else the cluster at an address, or a new one of so many CPUs."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    new: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    try:
        if address and address.rpartition(":")[2].isdecimal():  # Ray itself would wait for many minutes
            host, _, port = address.rpartition("//")[2].rpartition(":")
            socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
        ray.init(address or "local", logging_level=logging.ERROR, **({} if address else new))
    except (OSError, ValueError, RuntimeError) as error:
        where = f"at {address}: start one with `ray start --head`, or leave --address out" if address else "to start"
        raise EchobenchError(f"there is no Ray {where} ({' '.join(str(error).split())})") from error
    try:
        yield
    finally:
        ray.shutdown()


class _Tasks:
    """A `Workforce`: each part is a task. A context manager, which leaves no task behind."""

    def __init__(self, jobs: float, threads: int, device: str) -> None:
        self._jobs, self._threads, self._device = jobs, threads, device
        self._parts: dict[Any, Part] = {}
        self._bars: dict[str, Progress] = {}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mail = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def __enter__(self) -> "_Tasks":
        return self

    def __exit__(self, *error: object) -> None:
        for task in self._parts:
            ray.cancel(task, force=True)
        self._mail.shutdown(force=True)

    @property
    def have_room(self) -> bool:
        return len(self._parts) < self._jobs

    def give(self, part: Part) -> None:
        """Raises EchobenchError, see `reserved`."""
        environment = {name: os.environ[name] for name in TRAVELS if name in os.environ}
        task = ray.remote(_carry_out).options(
            name=part.title,
            max_retries=RETRIES,
            runtime_env={"env_vars": environment},
            **reserved(part, self._device, self._threads),
        )
        self._parts[task.remote(part, self._device, self._threads, self._mail)] = part

    def outcomes(self, report: Reporter) -> Iterator[tuple[Part, str | Lost | None]]:
        """See `Workforce`."""
        ready, _ = ray.wait(list(self._parts), timeout=TOLD_SECONDS)
        self._show(report)
        for task in ready:
            part = self._parts.pop(task)
            yield part, _outcome(part, task)

    def _show(self, report: Reporter) -> None:
        with suppress(RayError):
            for stage, *progress in self._mail.get_nowait_batch(self._mail.size()):
                bar = self._bars.get(stage) or self._bars.setdefault(stage, report(stage))
                bar(*progress)


class _Letters:
    """Takes what is told to the process that shows it, as plain values, since Ray, on the way, knows none of ours."""

    def __init__(self, mail: Queue) -> None:
        self._mail = mail

    def send(self, told: Told) -> None:
        with suppress(RayError):  # a progress that nobody sees
            self._mail.put((told.stage, told.done, told.total, told.figures))


@working_as("ray")
def _carry_out(part: Part, device: str, threads: int, mail: Queue) -> Ended:
    """What a worker of Ray does."""
    torch.set_num_threads(threads)
    share_machine(default_jobs("cpu", threads))
    return ended(part, device, _Letters(mail))


def reserved(part: Part, device: str, threads: int) -> dict[str, float]:
    """Of Ray's resources. Memory is at most what a machine has, for a part may need less than `needs_of` says.

    Raises EchobenchError where no machine of the cluster is large enough.
    """
    needs, machines = needs_of(part), [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = needs.gpus if device.startswith("cuda") else 0
    roomy = [one for one in machines if one.get("CPU", 0) >= threads]
    if not roomy:
        raise EchobenchError(
            f"no machine of the Ray cluster has {threads} CPUs, one for each thread of a part; give fewer --threads"
        )
    roomy = [one for one in roomy if one.get("GPU", 0) >= gpus]
    if not roomy:
        raise EchobenchError("no machine of the Ray cluster has a GPU; give --device cpu, or start one that has")
    memory = min(needs.memory_gb * 1e9, max(one.get("memory", 0) for one in roomy))
    return {"num_cpus": threads, "num_gpus": gpus, "memory": memory}


def _outcome(part: Part, task: Any) -> str | Lost | None:
    """How a part has ended. Raises what it raised."""
    try:
        found: Ended = ray.get(task)
    except RayTaskError as error:
        raise EchobenchError(f"{part.title} cannot be begun by a worker of Ray: {error.cause}") from error
    except RayError as error:
        return Lost(f"its worker of Ray was lost ({type(error).__name__}), and {RETRIES} others that took its place")
    return outcome_of(found)
