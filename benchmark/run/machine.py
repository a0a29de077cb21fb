"""What a run ran on, and what each stage of it cost."""

import os
import platform
import subprocess
import threading
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import torch

from echobench.benchmark.measure.energy import EnergyCounter
from echobench.generators.training.parallel import processes

PACKAGES = ("echobench", "torch", "monai", "diffusers", "lightning", "numpy", "scipy", "scikit-image", "pandas")
_MEGABYTE = 1e6
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
CPUINFO = Path("/proc/cpuinfo")

INSTRUCTION_SETS = {
    "AMX tile": ("amx_tile",),
    "AMX bf16": ("amx_bf16",),
    "AMX int8": ("amx_int8",),
    "AVX-512": ("avx512_f", "avx512f"),
    "AVX-512 bf16": ("avx512_bf16",),
    "AVX-512 VNNI": ("avx512_vnni",),
    "AVX2": ("avx2",),
    "SVE": ("sve",),
    "NEON": ("neon", "asimd"),
}
"""Those that the speed of a network hangs on, each with its names in torch and in /proc/cpuinfo."""


def cores() -> int:
    """Those that this process may use: of the machine, or as many as Linux lets its container have."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(float, CPU_QUOTA.read_text(encoding="utf-8").split())
    except (OSError, ValueError):  # none, or "max"
        return found
    return min(found, max(1, round(quota / period)))


def default_threads() -> int:
    """Threads of each job: `OMP_NUM_THREADS`, or a number of the machine alone, since scores depend on it.

    One thread beside others, where there are few cores: several threads wait for one another at every step, and where a
    neighbour takes the core of one, all stand still.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked):
        return int(asked)
    return 1 if cores() < 4 else min(4, cores() // 2)


def default_jobs(device: str, threads: int) -> int:
    """How many jobs of so many threads there are at a time: as many as the cores hold, or one for each GPU."""
    return max(1, torch.cuda.device_count() if device.startswith("cuda") else cores() // threads)


def describe_machine(device: str) -> dict[str, Any]:
    """Processor, cores, memory, system, on a GPU its name, and how many processes train.

    instruction_sets: of the processor, names of `INSTRUCTION_SETS`; None where nothing tells. torch_capability: the
    widest set that torch's own kernels use. torch_threads: how many threads torch computes on.
    """
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "instruction_sets": instruction_sets(),
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "processes": processes(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def instruction_sets() -> list[str] | None:
    """Those of `INSTRUCTION_SETS` that the processor has; None where neither torch nor the system tells."""
    told = _told_by_torch() or _told_by_linux()
    return [name for name, called in INSTRUCTION_SETS.items() if told & set(called)] if told else None


def package_versions() -> dict[str, str]:
    """Installed versions of what the numbers depend on."""
    return {name: version(name) for name in PACKAGES}


def source_commit() -> str | None:
    """Commit of the checkout that this code runs from, "+changes" if it differs; None for an installed wheel.

    A copy that was sent to another machine without its history has it from `ECHOBENCH_COMMIT`.
    """
    if told := os.environ.get("ECHOBENCH_COMMIT"):
        return told
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(root, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


_jobs = 1


def jobs_at_a_time() -> int:
    """How many jobs of one command share this machine with the work of this process, itself among them."""
    return _jobs


def share_machine(jobs: int) -> None:
    """Say so, in the process of one of the jobs, before it works."""
    global _jobs
    _jobs = jobs


class Meter:
    """Context manager: wall-clock seconds, the highest resident memory within, and the machine's joules.

    The counters of energy are of a whole processor or GPU: where several jobs share it, nobody's joules are known.
    """

    INTERVAL_SECONDS = 0.2

    def __init__(self, device: str) -> None:
        self._gpu = device if device.startswith("cuda") else None
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.seconds = 0.0
        self.peak_memory_mb = 0.0
        self.peak_gpu_memory_mb: float | None = None
        alone = processes() == 1 == jobs_at_a_time()  # it reads one GPU
        self._energy = EnergyCounter.of(device) if alone else EnergyCounter([])

    @property
    def energy_joules(self) -> float | None:
        """None where the machine does not tell."""
        return self._energy.joules

    def __enter__(self) -> Self:
        if self._gpu:
            torch.cuda.reset_peak_memory_stats(self._gpu)
        self._started = time.perf_counter()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._gpu:
            torch.cuda.synchronize(self._gpu)
            self.peak_gpu_memory_mb = torch.cuda.max_memory_allocated(self._gpu) / _MEGABYTE
        self.seconds = time.perf_counter() - self._started
        self._stop.set()
        self._watcher.join()
        self._energy.update()

    def _watch(self) -> None:
        process = psutil.Process()
        while True:
            self.peak_memory_mb = max(self.peak_memory_mb, process.memory_info().rss / _MEGABYTE)
            self._energy.update()
            if self._stop.wait(self.INTERVAL_SECONDS):
                return


def processor() -> str:
    """Its name, as far as the system tells."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _told_by_torch() -> set[str]:
    ask = getattr(torch.cpu, "get_capabilities", None)  # torch 2.6 has none
    return {name for name, there in ask().items() if there is True} if ask else set()


def _told_by_linux() -> set[str]:
    return set((_cpuinfo("flags") or _cpuinfo("Features")).split())  # x86, arm


def _cpuinfo(key: str) -> str:
    """Of the first processor; empty where the system does not tell."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
