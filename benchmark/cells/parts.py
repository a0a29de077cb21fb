"""What cells are divided into, so that several processes can work on one: parts, which are plain data, and their order.

A part that has failed leaves its reason in failed.json of its cell. The other parts of that cell that need it are not
carried out; other cells go on.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from echobench.benchmark.cells.cell import Cell, in_order
from echobench.benchmark.run import pipeline
from echobench.benchmark.run.stages import WHOLE, Reporter, StageFolder
from echobench.benchmark.run.trained import has_generators
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress
from echobench.generators.registry import is_known_here_alone
from echobench.results.records.run import FAILED, is_finished, read_description, read_failed

GENERATOR, IMAGES, RECORD = "generator", "images", "record"
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Part:
    """A share of a cell that one process carries out, and no two at once.

    step: `GENERATOR` trained, or `IMAGES` drawn too, or unet-SEED trained, or `RECORD`: all that is left of the cell.
    seed: of the U-Net; None for the others. needs: names of the parts that come before it.
    """

    cell: Cell
    step: str
    seed: int | None = None
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of this part alone."""
        return _name(self.cell.folder, self.step)

    @property
    def title(self) -> str:
        """For a person."""
        return f"{self.cell.title} {self.step}".strip()

    @property
    def trains_generator(self) -> bool:
        """Whether it is one of those that take long and that others wait for."""
        return self.step in (GENERATOR, IMAGES) and self.cell.settings.backend.trained and self.cell.teacher is None


def parts_of(cells: Sequence[Cell]) -> list[Part]:
    """The parts of cells; what a part needs comes before it."""
    parts: dict[str, Part] = {}
    for cell in in_order(cells):
        parts |= {part.name: part for part in _divided(cell, parts)}
    return list(parts.values())


def steps_of(cells: Sequence[Cell]) -> dict[Path, list[str]]:
    """The steps that are left of each cell, by its folder; none where a damaged record keeps them from being known."""
    found: dict[Path, list[str]] = {}
    with suppress(EchobenchError):
        for part in parts_of(cells):
            found.setdefault(part.cell.folder, []).append(part.step)
    return found


def number_of_parts(cells: Sequence[Cell]) -> int:
    """How many parts are left to do, as far as it is known."""
    return sum(map(len, steps_of(cells).values()))


def share(report: Reporter, before: int, total: int) -> Reporter:
    """The same, for a process with a share of the parts: so many are done before it, of so many in all."""

    def of_stage(stage: str) -> Progress:
        bar = report(stage)
        return bar if stage != WHOLE else lambda done, _, figures=None: bar(before + done, total, figures)

    return of_stage


def divide(cells: Sequence[Cell]) -> tuple[list[Cell], list[Part]]:
    """The cells that are for this process, in their order, and the parts of the others, which any process can take.

    For this process are those that lack their record at most, for a worker takes longer to start. A generator that was
    registered here trains here.
    """
    parts = parts_of(cells)
    long = {part.cell.folder for part in parts if part.step != RECORD}
    here = [c for c in in_order(cells) if c.folder not in long or is_known_here_alone(c.settings.generator)]
    folders = {cell.folder for cell in here}
    return here, [part for part in parts if part.cell.folder not in folders]


def carry_out_part(part: Part, device: str, report: Reporter) -> str | None:
    """Carry out a part in this process, whose command, or another process of it, has opened the folder of its cell.

    Gives why it failed, if it did, once failed.json says so too. Raises what came before the folder could say it, and
    EchobenchError where a process of an earlier command is still at work on the same part.
    """
    cell = part.cell
    asked: dict[str, Any] = {"device": device, "report": cell.reporter(report)}
    with StageFolder(cell.folder, device).at_work(part.step), kept_failure(cell.folder) as failures:
        if part.seed is not None:
            pipeline.train_unet(cell.settings, cell.folder, part.seed, **asked)
        else:
            _STEPS[part.step](cell.settings, cell.folder, generator_from=cell.teacher, **asked)
    return failures[0] if failures else None


@contextmanager
def kept_failure(folder: Path) -> Iterator[list[str]]:
    """Meanwhile, an error that failed.json tells is put into the list; another one is raised.

    Where a fault of the program is in a line of it, its traceback is logged.
    """
    failures: list[str] = []
    before = _stamp(folder / FAILED)
    try:
        yield failures
    except Exception as error:
        if _stamp(folder / FAILED) == before or (failed := read_failed(folder)) is None:
            raise
        if not isinstance(error, EchobenchError):
            log.error("%s: %s", folder.name, failed.error, exc_info=error)
        failures.append(failed.error)


class Agenda:
    """Which parts can be carried out now. Each cell's folder is locked from its first part to its last.

    A context manager: whatever happens, folders are let go at its end. All of it is for one thread.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._waiting = {part.name: part for part in parts}
        self._given: dict[str, Part] = {}
        self._open: dict[Path, ExitStack] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stack in self._open.values():
            stack.close()

    @property
    def is_done(self) -> bool:
        """Whether no part is left, waiting or given."""
        return not self.left

    @property
    def left(self) -> int:
        """How many parts have not come to their end."""
        return len(self._waiting) + len(self._given)

    def take(self) -> Part | None:
        """A part that can be carried out now, if there is one; give it back with `settle`.

        Parts of cells that are begun come first, so that few folders are open; then generators, which others wait for.
        Raises EchobenchError where the folder of a cell is not to be had, see `pipeline.opened`.
        """
        ready = [part for part in self._waiting.values() if not any(map(self._is_ahead, part.needs))]
        if not ready:
            return None
        part = min(ready, key=lambda part: (part.cell.folder not in self._open, not part.trains_generator))
        self._open_folder(part.cell)
        self._given[part.name] = self._waiting.pop(part.name)
        return part

    def settle(self, part: Part, failure: str | None) -> None:
        """Say that a part has come to its end, and why it failed, if it did."""
        del self._given[part.name]
        if failure is not None:
            self._drop_behind(part)
        folder = part.cell.folder
        if not any(one.cell.folder == folder for one in (*self._waiting.values(), *self._given.values())):
            StageFolder(folder, "cpu").tidy()  # after workers that were lost
            self._open.pop(folder).close()

    def _is_ahead(self, name: str) -> bool:
        return name in self._waiting or name in self._given

    def _open_folder(self, cell: Cell) -> None:
        if cell.folder not in self._open:
            with ExitStack() as stack:
                stack.enter_context(
                    pipeline.opened(cell.settings, cell.folder, force=cell.force, generator_from=cell.teacher)
                )
                self._open[cell.folder] = stack.pop_all()

    def _drop_behind(self, failed: Part) -> None:
        """Parts of the same cell that need it. Another cell that needs it finds out, and says so in its own folder."""
        for part in list(self._waiting.values()):
            if failed.name in part.needs and part.cell.folder == failed.cell.folder:
                del self._waiting[part.name]
                self._drop_behind(part)


_STEPS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {GENERATOR: pipeline.train_generators, IMAGES: pipeline.draw_images, RECORD: pipeline.conclude}
)


def _divided(cell: Cell, earlier: Mapping[str, Part]) -> Iterator[Part]:
    """The parts of one cell. earlier: those of others, by name, one of which may train the generator that it takes."""
    teachers = () if cell.teacher is None else (_name(cell.teacher, GENERATOR), _name(cell.teacher, IMAGES))
    taught = tuple(name for name in teachers if name in earlier)
    if cell.generator_only:
        if not has_generators(cell.folder, cell.settings.views):
            yield Part(cell, GENERATOR, needs=taught)
        return
    images = Part(cell, IMAGES, needs=taught)
    seeds = _missing_seeds(cell)
    unets = [Part(cell, pipeline.unet_stage(seed), seed, (images.name,)) for seed in seeds]
    yield from (images, *unets) if seeds else ()
    yield Part(cell, RECORD, needs=tuple(part.name for part in unets) or taught)


def _missing_seeds(cell: Cell) -> list[int]:
    """The U-Nets that are to be trained: those that neither a stage nor a finished run has."""
    there: set[int] = set()
    if not cell.force:
        stages = StageFolder(cell.folder, "cpu")
        there = {seed for seed in cell.settings.unet_seeds if stages.finished(pipeline.unet_stage(seed))}
        if has_seeds(cell.folder, cell.settings.unet_seeds):
            return []
    return [seed for seed in cell.settings.unet_seeds if seed not in there]


def has_seeds(folder: Path, unet_seeds: Sequence[int]) -> bool:
    """Whether the run in a folder is finished with these U-Nets. Raises EchobenchError for a damaged record."""
    return is_finished(folder) and set(unet_seeds) <= set(read_description(folder).settings["unet_seeds"])


def _stamp(path: Path) -> tuple[int, int] | None:
    """Of a file that is written whole, which changes it; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _name(folder: Path, step: str) -> str:
    return f"{folder.resolve()} {step}"
