"""A sweep: runs that differ in the generator and in one setting, and what follows from all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.compare import images_of
from echobench.benchmark.cells.execute import Executor, find_executor
from echobench.benchmark.run.place import place_of
from echobench.benchmark.run.settings import RunSettings, resolve, resolve_each
from echobench.benchmark.run.stages import Reporter
from echobench.benchmark.run.trained import Training, has_generators, training_of
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import working_in
from echobench.data.base.progress import silent
from echobench.generators.registry import expanded, generator_class
from echobench.results.evidence.sweep import sweeps
from echobench.results.evidence.worth import patient_sweeps
from echobench.results.shown.files import FIGURES, TABLES, file_name, write_figures, write_tables
from echobench.results.shown.formats import Table
from echobench.results.shown.sweep import best_table, cell_table, evidence_table
from echobench.results.shown.sweep_figure import sweep_figure
from echobench.results.shown.worth import NAME as WORTH
from echobench.results.shown.worth import worth_table
from echobench.results.shown.worth_figure import worth_figure

GENERATORS = ("real", "warp", "sdm")
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Who is swept, and over what, where nothing else is said."""
DRAWS = 3
"""How often as many patients are drawn: with few it matters who they are."""
ALL = "all"
"""In the place of a number of patients."""
SWEEP = "sweep"


def plan(
    runs: Path,
    *,
    generators: Sequence[str] | None = None,
    strengths: Sequence[float] | None = None,
    fractions: Sequence[float] | None = None,
    patients: Sequence[int | str] | None = None,
    patient_draws: int = DRAWS,
    mixes: Sequence[float] | None = None,
    view: str = "4C",
    data: str | None = None,
    preset: str | None = None,
    seed: int = 0,
    unet_seeds: int = 3,
    images: int | None = None,
    scored_on: str = "validation",
    network: str | None = None,
    assignments: Sequence[str] = (),
) -> list[Cell]:
    """The cells of a sweep, each in the folder under `runs` that `echobench run` gives it.

    generators: see `expanded`. strengths, fractions, patients: one of them has several values; None is `STRENGTHS`, or
    strength 1 beside others, fraction 1, and all patients without a draw of them. "all" among patients is as many as
    train in the split. patient_draws: how often every number of them is drawn. mixes: None is images that are drawn
    alone; 0 is `real`. Who cannot draw deformed maps has one cell for all strengths. images, network, assignments:
    see `compare.plan`. scored_on: validation patients, since test patients that were looked at to choose cannot judge
    the choice.
    Raises EchobenchError for a name or a number that is not one of the choices, before anything is run.
    """
    strengths = list(dict.fromkeys(strengths or (STRENGTHS if fractions is patients is None else (1.0,))))
    fractions = list(dict.fromkeys(fractions or (1.0,)))
    shared: dict[str, Any] = {"view": view, "data": data, "preset": preset, "seed": seed, "scored_on": scored_on}
    shared["network"] = network
    draws = [(None, 0)] if patients is None else _draws(patients, patient_draws, shared)
    chosen: list[float | None] = [*dict.fromkeys(mixes)] if mixes else [None]
    asked = [
        {"generator": generator, "strength": strength, "fraction": fraction, "images": images_of(generator, images)}
        | {"mix": mix, "patients": number, "patient_draw": draw, "unet_seeds": unet_seeds, **shared}
        for number, draw in draws
        for generator in expanded(generators or GENERATORS)
        for mix in chosen
        for fraction in fractions
        for strength in strengths
    ]
    settings = resolve_each(asked, assignments)
    if sum(len(set(values)) > 1 for values in (strengths, fractions, [number for number, _ in draws])) != 1:
        raise EchobenchError(
            "a sweep has several strengths or several fractions or several numbers of patients, and one value of the "
            "others"
        )
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
    """Run what is not finished, see `Executor.carry_out` and `with_teachers`. executor: see `find_executor`.

    Raises EchobenchError where there are fewer patients than a cell asks for, before anything is run.
    """
    drawing = [cell.settings for cell in cells if cell.settings.patients]
    if drawing:
        load_dataset(max(drawing, key=lambda settings: settings.patients or 0))
    find_executor(executor).carry_out(with_teachers(cells, generator_from), device, report)


def with_teachers(cells: Sequence[Cell], generator_from: Sequence[Path] = ()) -> list[Cell]:
    """The same cells, each with the run whose generator it takes.

    A generator is trained once for all strengths and mixes, in the first of its cells, and taken by the others.
    generator_from: earlier runs whose generators are taken in its place, by the cells of the same generator that learn
    from the same patients. Raises EchobenchError for one that no cell takes.
    """
    given: dict[Training, Path] = {}
    for earlier in generator_from:
        training = training_of(earlier)
        if training in given:
            raise EchobenchError(
                f"{given[training]} and {earlier} both have the generator {training.generator}, {training.whom}: name "
                "one of them"
            )
        given[training] = earlier
        if not generator_class(training.generator).trained:
            raise EchobenchError(f"{earlier} has the generator {training.generator}, which learns no weights to take")
        if training not in map(_training, cells):
            raise EchobenchError(
                f"{earlier} has the generator {training.generator}, {training.whom}, of which this sweep has no cell"
            )
    return [_taught(cell, given.get(_training(cell)) or _trainer(cell, cells)) for cell in cells]


def tabulate(folders: Sequence[Path], out: Path) -> list[Table]:
    """Tables and figures of every sweep among runs, in `out`: tables/SWEEP/NAME.{csv,md,tex}, figures/SWEEP/NAME.png
    and .pdf, whose name is dice, or worth of a sweep of patients.

    Raises EchobenchError where there is no sweep among them, or a record is damaged.
    """
    of_patients = patient_sweeps(folders)
    found = {sweep.title: ([worth_table(sweep)], {WORTH: worth_figure(sweep)}) for sweep in of_patients}
    for sweep in sweeps(folders, none=bool(found)):
        tables = [cell_table(sweep), best_table(sweep), evidence_table(sweep)]
        found[sweep.title] = (tables, {"dice": sweep_figure(sweep)})
    for title, (tables, figures) in found.items():
        with working_in(out, TABLES, FIGURES):
            write_tables(tables, out / TABLES / file_name(title))
            write_figures(figures, out / FIGURES / file_name(title))
    return [replace(table, of=title) for title, (tables, _) in found.items() for table in tables]


def _draws(patients: Sequence[int | str], draws: int, asked: Mapping[str, Any]) -> list[tuple[int | None, int]]:
    """Number of patients and number of the draw, all numbers of one draw before the next; asked: names of `resolve`.

    Raises EchobenchError for no draw, and where the dataset cannot be read to count who all are.
    """
    if draws < 1:
        raise EchobenchError(f"patient-draws is {draws}; there must be one at least")
    numbers = [
        int(number) if number != ALL else len(load_dataset(resolve(generator="real", **asked)).split.training)
        for number in dict.fromkeys(patients)
    ]
    return [(number, draw) for draw in range(draws) for number in sorted(set(numbers))]


def _training(cell: Cell) -> Training:
    """What tells the trainings of a sweep apart."""
    return Training(*(getattr(cell.settings, name) for name in Training._fields))


def _taught(cell: Cell, teacher: Path) -> Cell:
    takes = cell.settings.backend.trained and teacher.resolve() != cell.folder.resolve()
    return replace(cell, teacher=teacher) if takes else cell


def _trainer(cell: Cell, cells: Sequence[Cell]) -> Path:
    """The cell that trains the generator of this one: the first that has, or else the first."""
    kin = [other.folder for other in cells if _training(other) == _training(cell)]
    return next((folder for folder in kin if has_generators(folder, cell.settings.views)), kin[0])


def _title(settings: RunSettings) -> str:
    title = f"{settings.label} strength {settings.strength:g}"
    title += f" mix {settings.mix:g}" if settings.mix is not None else ""
    title += f" patients {settings.patients} draw {settings.patient_draw}" if settings.patients else ""
    return title if settings.fraction == 1 else f"{title} fraction {settings.fraction:g}"
