"""What a run ran on, and what each stage of it cost."""

import os
import platform
import subprocess
import threading
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import torch

from echobench.benchmark.energy import EnergyCounter
from echobench.generators.training.parallel import processes

PACKAGES = ("echobench", "torch", "monai", "diffusers", "lightning", "numpy", "scipy", "scikit-image", "pandas")
_MEGABYTE = 1e6


def describe_machine(device: str) -> dict[str, Any]:
    """Processor, cores, memory, system, on a GPU its name, and how many processes train."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "processes": processes(),
    }


def package_versions() -> dict[str, str]:
    """Installed versions of what the numbers depend on."""
    return {name: version(name) for name in PACKAGES}


def source_commit() -> str | None:
    """Commit of the checkout that this code runs from, "+changes" if it differs; None for an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(root, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


class Meter:
    """Context manager: wall-clock seconds, the highest resident memory within, and the machine's joules."""

    INTERVAL_SECONDS = 0.2

    def __init__(self, device: str) -> None:
        self._gpu = device if device.startswith("cuda") else None
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.seconds = 0.0
        self.peak_memory_mb = 0.0
        self.peak_gpu_memory_mb: float | None = None
        self._energy = EnergyCounter.of(device) if processes() == 1 else EnergyCounter([])  # it reads one GPU

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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
