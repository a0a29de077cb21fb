"""The choices of options, where nothing that takes long is imported: help and the shell's completion read them here."""

from collections.abc import Mapping
from types import MappingProxyType

from echobench.data.frames import PHASES, VIEWS

# Departs from the paper [data.frames, sdm.frames]: a run may join both phases of one view, which no row of its Table 1
# does, so that a first look at a generator costs one training.
VIEW_CHOICES = (*VIEWS, "all")
PHASE_CHOICES = (*PHASES, "all")
PRESETS = ("quick", "standard", "paper")
DEVICES = ("auto", "cpu", "cuda")
LAYOUTS = ("camus", "nnunet")
"""In which `generate` writes."""
CROSSED = ("echonet", "camus", "view")
"""What `cross` scores on."""

EXECUTORS: Mapping[str, str] = MappingProxyType(
    {
        "serial": "echobench.benchmark.cells.execute:Serial",
        "processes": "echobench.benchmark.cells.processes:Processes",
        "ray": "echobench.benchmark.cells.ray:Ray",
        "slurm": "echobench.benchmark.cells.slurm:Slurm",
    }
)
"""Name -> module:class, imported on use. The fields of the class are its options."""
