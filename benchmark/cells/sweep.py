"""A sweep: runs that differ in the generator and in one setting, and what follows from all of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.compare import images_of
from echobench.benchmark.cells.execute import Executor, find_executor
from echobench.benchmark.run.place import place_of
from echobench.benchmark.run.settings import RunSettings, resolve_each
from echobench.benchmark.run.stages import Reporter
from echobench.benchmark.run.trained import has_generators, training_of
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import working_in
from echobench.data.base.progress import silent
from echobench.generators.registry import expanded, generator_class
from echobench.results.evidence.sweep import sweeps
from echobench.results.shown.files import FIGURES, TABLES, file_name, write_figures, write_tables
from echobench.results.shown.formats import Table
from echobench.results.shown.sweep import best_table, cell_table, evidence_table
from echobench.results.shown.sweep_figure import sweep_figure

GENERATORS = ("real", "warp", "sdm")
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Who is swept, and over what, where nothing else is said."""
SWEEP = "sweep"


def plan(
    runs: Path,
    *,
    generators: Sequence[str] | None = None,
    strengths: Sequence[float] | None = None,
    fractions: Sequence[float] | None = None,
    view: str = "4C",
    data: str | None = None,
    preset: str | None = None,
    seed: int = 0,
    unet_seeds: int = 3,
    images: int | None = None,
    scored_on: str = "validation",
    assignments: Sequence[str] = (),
) -> list[Cell]:
    """The cells of a sweep, each in the folder under `runs` that `echobench run` gives it.

    generators: see `expanded`. strengths, fractions: one of them has several values; None is `STRENGTHS`, or strength 1
    beside fractions, and fraction 1. Who cannot draw deformed maps has one cell for all strengths. images, assignments:
    see `compare.plan`. scored_on: validation patients, since test patients that were looked at to choose cannot judge
    the choice.
    Raises EchobenchError for a name or a number that is not one of the choices, before anything is run.
    """
    strengths = list(dict.fromkeys(strengths or (STRENGTHS if fractions is None else (1.0,))))
    fractions = list(dict.fromkeys(fractions or (1.0,)))
    shared = {"view": view, "data": data, "preset": preset, "seed": seed, "unet_seeds": unet_seeds}
    asked = [
        {"generator": generator, "strength": strength, "fraction": fraction, "images": images_of(generator, images)}
        | {"scored_on": scored_on, **shared}
        for generator in expanded(generators or GENERATORS)
        for fraction in fractions
        for strength in strengths
    ]
    settings = resolve_each(asked, assignments)
    if (len(strengths) > 1) == (len(fractions) > 1):
        raise EchobenchError("a sweep has several strengths or several fractions, and one value of the other")
    if len(strengths) > 1 and not any(one.backend.deforms for one in settings):
        names = ", ".join(dict.fromkeys(one.label for one in settings))
        raise EchobenchError(f"{names} cannot draw deformed maps: a sweep of strengths needs who can, such as warp")
    return [Cell(one, place_of(one, runs), _title(one)) for one in {one.slug(): one for one in settings}.values()]


def carry_out(
    cells: Sequence[Cell],
    device: str,
    report: Reporter = lambda stage: silent,
    generator_from: Sequence[Path] = (),
    *,
    executor: str | Executor | None = None,
) -> None:
    """Run what is not finished, see `Executor.carry_out` and `with_teachers`. executor: see `find_executor`."""
    find_executor(executor).carry_out(with_teachers(cells, generator_from), device, report)


def with_teachers(cells: Sequence[Cell], generator_from: Sequence[Path] = ()) -> list[Cell]:
    """The same cells, each with the run whose generator it takes.

    A generator is trained once for all strengths, in the first of its cells, and taken by the others.
    generator_from: earlier runs whose generators are taken in its place, by the cells of the same generator and
    fraction. Raises EchobenchError for one that no cell takes.
    """
    given: dict[tuple[str, float], Path] = {}
    for earlier in generator_from:
        training = training_of(earlier)
        if training in given:
            raise EchobenchError(
                f"{given[training]} and {earlier} have the same generator and fraction: name one of them"
            )
        given[training] = earlier
        if not generator_class(training[0]).trained:
            raise EchobenchError(f"{earlier} has the generator {training[0]}, which learns no weights to take")
        if training not in map(_training, cells):
            raise EchobenchError(
                f"{earlier} has the generator {training[0]}, fraction {training[1]:g}, of which this sweep has no cell"
            )
    return [_taught(cell, given.get(_training(cell)) or _trainer(cell, cells)) for cell in cells]


def tabulate(folders: Sequence[Path], out: Path) -> list[Table]:
    """Tables and figures of every sweep among runs, in `out`: tables/SWEEP/NAME.{csv,md,tex}, figures/SWEEP/dice.png
    and .pdf.

    Raises EchobenchError where there is no sweep among them, or a record is damaged.
    """
    written = []
    for sweep in sweeps(folders):
        place = file_name(sweep.title)
        tables = [cell_table(sweep), best_table(sweep), evidence_table(sweep)]
        with working_in(out, TABLES, FIGURES):
            write_tables(tables, out / TABLES / place)
            write_figures({"dice": sweep_figure(sweep)}, out / FIGURES / place)
        written += [replace(table, of=sweep.title) for table in tables]
    return written


def _training(cell: Cell) -> tuple[str, float]:
    """What tells the trainings of a sweep apart."""
    return cell.settings.generator, cell.settings.fraction


def _taught(cell: Cell, teacher: Path) -> Cell:
    takes = cell.settings.backend.trained and teacher.resolve() != cell.folder.resolve()
    return replace(cell, teacher=teacher) if takes else cell


def _trainer(cell: Cell, cells: Sequence[Cell]) -> Path:
    """The cell that trains the generator of this one: the first that has, or else the first."""
    kin = [other.folder for other in cells if _training(other) == _training(cell)]
    return next((folder for folder in kin if has_generators(folder, cell.settings.views)), kin[0])


def _title(settings: RunSettings) -> str:
    title = f"{settings.label} strength {settings.strength:g}"
    return title if settings.fraction == 1 else f"{title} fraction {settings.fraction:g}"
