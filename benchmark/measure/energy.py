"""Joules that the machine says it has used: of its processor packages (Linux' powercap) and its NVIDIA GPU (NVML).

Both count everything that runs on the machine, not this program alone; many virtual machines and unprivileged users
have no such counter.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pynvml
import torch

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Package:
    """A processor package's counter in microjoules, which begins anew at `range_uj`."""

    counter: Path
    range_uj: int

    def read(self) -> int:
        return int(self.counter.read_text(encoding="utf-8"))


class EnergyCounter:
    """Sums what the counters advance from one `update` to the next; `joules` is None where there is no counter.

    A package's counter turns over within minutes to an hour: update at least that often.
    """

    def __init__(self, packages: list[Package], gpu: Any = None) -> None:
        self._packages, self._gpu = packages, gpu
        self._last = self._read()
        self.joules: float | None = 0.0 if self._last else None

    @classmethod
    def of(cls, device: str, powercap: Path = POWERCAP) -> Self:
        """The counters of this machine that may be read: every package's and, if the device is one, a GPU's."""
        return cls(_packages(powercap), _gpu(device))

    def update(self) -> None:
        now = self._read()
        if self.joules is not None:
            for (last, turn), (value, _) in zip(self._last, now, strict=True):
                self.joules += ((value - last) % turn if turn else value - last) / 1e6
        self._last = now

    def _read(self) -> list[tuple[int, int]]:
        """Microjoules of each counter, and where it turns over, 0 for never."""
        found = [(package.read(), package.range_uj) for package in self._packages]
        if self._gpu is not None:
            found.append((1000 * pynvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu), 0))
        return found


def _packages(powercap: Path) -> list[Package]:
    """Top-level zones only: what lies under a package is part of it."""
    found = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        if zone.name.count(":") == 1:
            try:
                package = Package(
                    zone / "energy_uj", int((zone / "max_energy_range_uj").read_text(encoding="utf-8")) + 1
                )
                package.read()
            except OSError:
                continue
            found.append(package)
    return found


def _gpu(device: str) -> Any:
    """NVML's handle of the GPU; None without one, or where its driver does not count energy.

    By its UUID, as NVML's numbers are of all GPUs of the machine, not of those that the program was given.
    """
    if not device.startswith("cuda"):
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return handle
