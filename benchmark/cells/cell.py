"""One run among many, and what it needs of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import Reporter


@dataclass(frozen=True)
class Cell:
    """One run of a plan.

    folder: its own. title: what its progress is called. teacher: the folder of the run whose trained generator it
    takes, which may be another cell's; None for a cell that trains one, or has nothing to train. generator_only: it
    ends once its generators are trained, and `run` goes on from there. force: whatever the folder holds is removed.
    """

    settings: RunSettings
    folder: Path
    title: str
    teacher: Path | None = None
    generator_only: bool = False
    force: bool = False

    def reporter(self, report: Reporter) -> Reporter:
        """The same, which calls stages after this cell."""
        return lambda stage: report(f"{self.title} {stage}".strip())


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """The same cells; one that takes another's generator comes after it."""
    of_folder = {cell.folder.resolve(): cell for cell in cells}
    ordered: dict[Path, Cell] = {}
    for cell in cells:
        chain = [cell]
        while (teacher := chain[-1].teacher) and (other := of_folder.get(teacher.resolve())) and other not in chain:
            chain.append(other)
        ordered |= {one.folder: one for one in reversed(chain) if one.folder not in ordered}
    return list(ordered.values())
