"""Where the cells of a plan are carried out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import inf
from pkgutil import resolve_name
from typing import Any, Protocol

import torch

from echobench.benchmark import choices
from echobench.benchmark.cells.cell import Cell, in_order
from echobench.benchmark.cells.parts import kept_failure, share, steps_of
from echobench.benchmark.run.pipeline import opened, run, train_generators
from echobench.benchmark.run.stages import WHOLE, Reporter
from echobench.data.base.errors import EchobenchError, require, require_known
from echobench.data.base.files import working_as
from echobench.data.base.progress import Progress


class Executor(Protocol):
    """A place to run cells."""

    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        """Give every cell to `carry_out_cell`, or its parts to `carry_out_part` in the order of an `Agenda`.

        One that takes another cell's generator comes after it. A cell that fails leaves its reason in its folder, and
        the others go on. Raises whatever stops a cell before it has a folder of its own to say so in.
        """


@dataclass(frozen=True)
class Serial:
    """One cell after another, in this process. threads: that torch computes on from here on; None leaves them."""

    threads: int | None = None

    def __post_init__(self) -> None:
        require(self, threads=(1, inf))

    @working_as("serial")
    def carry_out(self, cells: Sequence[Cell], device: str, report: Reporter) -> None:
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        steps, done = steps_of(cells), 0
        total = sum(map(len, steps.values()))
        for cell in in_order(cells):
            own = steps.get(cell.folder, [])
            carry_out_cell(cell, device, _counted(share(report, done, total), cell, own) if total > 1 else report)
            done += len(own)
            if total > 1:
                report(WHOLE)(done, total)


def find_executor(executor: str | Executor | None = None, **options: Any) -> Executor:
    """An executor by its name, with its options; or itself.

    None is processes where there are jobs, more than one, and else serial. options: None is what the executor says, and
    1 job is what all of them can. Raises EchobenchError for a name that is not in `choices.EXECUTORS`, and for an
    option that it does not have.
    """
    if not (isinstance(executor, str) or executor is None):
        return executor
    several = (options.get("jobs") or 1) > 1
    name = executor or ("processes" if several else "serial")
    require_known("executor", name, choices.EXECUTORS)
    kind = resolve_name(choices.EXECUTORS[name])
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    given = {key: value for key, value in options.items() if value is not None}
    if "jobs" not in known and given.get("jobs") == 1:
        del given["jobs"]
    if unknown := [key for key in given if key not in known]:
        raise EchobenchError(f"the executor {name} has no {unknown[0]}; it has: {', '.join(known) or 'no options'}")
    found: Executor = kind(**given)
    return found


def _counted(report: Reporter, cell: Cell, steps: Sequence[str]) -> Reporter:
    """The same, which is told of `WHOLE` too, whenever one of the cell's steps reports: those before it are done."""
    whole = report(WHOLE)
    whole(0, len(steps))

    def of_stage(stage: str) -> Progress:
        bar, step = report(stage), stage.removeprefix(cell.title).strip()
        if step not in steps:
            return bar

        def counted(done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
            bar(done, total, figures)
            whole(steps.index(step) + (done >= total), len(steps))

        return counted

    return of_stage


def carry_out_cell(cell: Cell, device: str, report: Reporter) -> None:
    """Run a cell unless it is finished; a failure is kept in its folder. Raises as `Executor.carry_out` does."""
    asked: dict[str, Any] = {"device": device, "generator_from": cell.teacher, "report": cell.reporter(report)}
    with kept_failure(cell.folder):
        if cell.generator_only:
            with opened(cell.settings, cell.folder, force=cell.force, generator_from=cell.teacher):
                train_generators(cell.settings, cell.folder, **asked)
        else:
            run(cell.settings, cell.folder, force=cell.force, **asked)
