"""Where the cells of a plan are carried out."""

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Protocol

from echobench.benchmark.cells.cell import Cell, in_order
from echobench.benchmark.run.pipeline import run, train_generators
from echobench.benchmark.run.stages import Reporter
from echobench.data.base.errors import EchobenchError
from echobench.results.records.run import read_failed

EXECUTORS: Mapping[str, str] = MappingProxyType(
    {
        "serial": "echobench.benchmark.cells.execute:Serial",
    }
)
"""Name -> module:class, imported on use."""


class Executor(Protocol):
    """A place to run cells."""

    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        """Give every cell to `carry_out_cell`; one that takes another cell's generator comes after it.

        A cell that fails leaves its reason in its folder, and the others go on. Raises whatever stops a cell before it
        has a folder of its own to say so in.
        """


class Serial:
    """One cell after another, in this process."""

    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        for cell in in_order(cells):
            carry_out_cell(cell, device, report)


def find_executor(name: str) -> Executor:
    """Raises EchobenchError for a name that is not in `EXECUTORS`."""
    if name not in EXECUTORS:
        raise EchobenchError(f"there is no executor {name!r}; known: {', '.join(EXECUTORS)}")
    executor: Executor = resolve_name(EXECUTORS[name])()
    return executor


def carry_out_cell(cell: Cell, device: str, report: Reporter) -> None:
    """Run a cell unless it is finished; a failure is kept in its folder. Raises as `Executor.carry_out` does."""
    work = train_generators if cell.generator_only else run
    try:
        work(
            cell.settings,
            cell.folder,
            device=device,
            generator_from=cell.teacher,
            report=lambda stage: report(f"{cell.title} {stage}"),
        )
    except Exception:
        if read_failed(cell.folder) is None:
            raise
