"""A comparison: runs that are missing are made, and what follows from all of them is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Executor, find_executor
from echobench.benchmark.measure.ejection import measure_ejection
from echobench.benchmark.measure.panel import PANEL, picture_runs
from echobench.benchmark.measure.patients import describe_patients, describe_patients_of
from echobench.benchmark.measure.realism.extractors import inception_extractor
from echobench.benchmark.measure.realism.infinity import LEAST
from echobench.benchmark.measure.realism.weights import find_inception
from echobench.benchmark.measure.realism_of_runs import measure_realism
from echobench.benchmark.run.place import place_of
from echobench.benchmark.run.settings import RunSettings, resolve_each
from echobench.benchmark.run.stages import Reporter
from echobench.benchmark.run.trial import reading_once
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import locked, working_in
from echobench.data.base.progress import silent
from echobench.generators.registry import expanded, generator_class
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.patients import PATIENTS
from echobench.results.records.run import FAILED, PICTURES, RECORD, is_finished
from echobench.results.report.contents import group_figures, group_tables, paper_tables
from echobench.results.report.page import write_report
from echobench.results.shown.files import FIGURES, TABLES, file_name, write_figures, write_tables
from echobench.results.shown.networks import network_tables
from echobench.segmentation.networks import PAPER

GENERATORS = ("real", "warp", "sdm", "cyclegan", "paint")
"""Who is compared where nothing else is said."""
TABLE_1 = (
    *(("sdm", view, phase) for view in ("4C", "2C") for phase in ("ED", "ES")),
    *((generator, "all", "all") for generator in ("sdm", "cyclegan", "real")),
)
"""Generator, view and phase of the rows of the paper's Table 1."""
COMPARISON = "comparison"


def plan(
    runs: Path,
    *,
    generators: Sequence[str] | None = None,
    views: Sequence[str] | None = None,
    phases: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    data: str | None = None,
    preset: str | None = None,
    strength: float = 1.0,
    mix: float | None = None,
    seed: int = 0,
    unet_seeds: int = 3,
    images: int | None = None,
    scored_on: str = "testing",
    assignments: Sequence[str] = (),
) -> list[Cell]:
    """The cells of a comparison, each in the folder under `runs` that `echobench run` gives it.

    generators: see `expanded`. Without them, views and phases: `GENERATORS` on 4C, or with the preset paper the rows of
    the paper's Table 1. images: of those who deform maps; the others have every frame once. networks: see `resolve`;
    a generator is trained once for all of them. assignments: see `resolve_each`.
    Raises EchobenchError for a name or a number that is not one of the choices, before anything is run.
    """
    chosen = (generators, views, phases)
    cells = (
        TABLE_1
        if preset == "paper" and not any(chosen)
        else [
            (generator, view, phase)
            for view in views or ("4C",)
            for phase in phases or ("all",)
            for generator in expanded(generators or GENERATORS)
        ]
    )
    shared: dict[str, Any] = {"data": data, "preset": preset, "strength": strength, "seed": seed}
    asked: list[dict[str, Any]] = [
        {"generator": generator, "view": view, "phase": phase, "images": images_of(generator, images)}
        | {"unet_seeds": unet_seeds, "mix": mix, "scored_on": scored_on, "network": network, **shared}
        for network in networks or (None,)
        for generator, view, phase in cells
    ]
    settings = {one.slug(): one for one in resolve_each(asked, assignments)}.values()
    planned = [Cell(one, place_of(one, runs), _title(one)) for one in settings]
    return [replace(cell, teacher=_teacher(cell, planned)) for cell in planned]


def _title(settings: RunSettings) -> str:
    network = settings.unet_settings.network
    return f"{settings.label} {settings.view}" + (f" {network}" if network != PAPER else "")


def images_of(generator: str, images: int | None) -> int | None:
    """Of so many training images that several generators are asked for, those of one: without deformed maps it has
    every frame once."""
    return images if generator_class(generator).deforms else None


def _teacher(cell: Cell, planned: Sequence[Cell]) -> Path | None:
    """The cell that trains what this one would on the same frames: of a generator whose weights it draws with, or of
    the same one and an earlier network."""
    same = [one for one in planned if _frames_of(one) == _frames_of(cell)]
    own = [one.folder for one in same if one.settings.generator == cell.settings.generator]
    taught = [one.folder for one in same if one.settings.generator in cell.settings.backend.draws_with]
    first = own[0] if cell.settings.backend.trained else cell.folder
    return next(iter(taught), first if first != cell.folder else None)


def carry_out(
    cells: Sequence[Cell],
    device: str,
    report: Reporter = lambda stage: silent,
    inception: Path | None = None,
    *,
    fid_images: int | None = None,
    executor: str | Executor | None = None,
) -> None:
    """Run what is not finished (see `Executor.carry_out`), and measure ejection fractions, and realism beside a `real`;
    note who the patients are.

    inception: weights of InceptionV3 for FID and KID, see `find_inception`. fid_images: how many images FID takes at
    most; None is all. executor: see `find_executor`. Raises EchobenchError for unfit weights, too, before anything is
    run.
    """
    place = find_executor(executor)
    if fid_images is not None and fid_images < LEAST:
        raise EchobenchError(f"FID takes {LEAST} images or more, not {fid_images}")
    if weights := find_inception(inception):
        inception_extractor(weights, torch.device(device))  # before hours of work, not after
    place.carry_out(cells, device, report)
    finished = [cell for cell in cells if is_finished(cell.folder)]
    judges = {_table_of(cell): cell.folder for cell in finished if cell.settings.generator == "real"}
    progress = report("measure")
    with reading_once():
        for number, cell in enumerate(finished, start=1):
            with locked(cell.folder):
                if judge := judges.get(_table_of(cell)):
                    measure_realism(cell.settings, cell.folder, judge, device, weights, fid_images)
                measure_ejection(cell.settings, cell.folder, device)
                describe_patients(cell.settings, cell.folder)
            progress(number, len(finished))


def draw_pictures(cells: Sequence[Cell], out: Path, device: str) -> Mapping[str, Path]:
    """Panel and worst cases of finished cells, in `out`: pictures/VIEW-PHASE. See `picture_runs`.

    Gives the panel of the first view and phase that has one, which is for the report.
    """
    together: dict[tuple[str, str], dict[str, tuple[RunSettings, Path]]] = {}
    for cell in cells:
        if is_finished(cell.folder):
            of_frames = together.setdefault(_frames_of(cell), {})
            of_frames.setdefault(cell.settings.label, (cell.settings, cell.folder))  # with the first network
    with working_in(out, PICTURES), reading_once():
        panels = [picture_runs(runs, out / PICTURES / "-".join(of), device) for of, runs in together.items()]
    return next(filter(None, panels), {})


def panel_of(comparison: Comparison, out: Path) -> Path | None:
    """The picture that `draw_pictures` has left in `out` of what is compared first; None without it."""
    for group in comparison.groups:
        path = out / PICTURES / f"{group.facts['view']}-{group.facts['phase']}" / f"{PANEL}.png"
        if path.is_file():
            return path
    return None


def compare(folders: Sequence[Path], out: Path, pictures: Mapping[str, Path] = MappingProxyType({})) -> Comparison:
    """Tables and figures of runs, finished or failed, in `out`: tables/GROUP/NAME.{csv,md,tex}, figures/GROUP/NAME.png
    and .pdf.

    Of runs on real data there is tables/table-1 too, beside the published numbers; all of it is in report.html, with
    the pictures of `draw_pictures`.

    Raises EchobenchError where there is nothing to compare, or a record is damaged.
    """
    comparison = Comparison.of(folders)
    with working_in(out, TABLES, FIGURES):
        for group in comparison.groups:
            place = file_name(group.title)
            write_tables(group_tables(group), out / TABLES / place)
            write_figures(group_figures(group), out / FIGURES / place)
        write_tables([*(table for table, _ in paper_tables(comparison)), *network_tables(comparison)], out / TABLES)
        write_report(out, comparison, pictures)
    return comparison


def describe(runs: Sequence[Path], data: Path) -> None:
    """Put beside the records of finished runs what the dataset in a folder says of the patients who are scored.

    Raises EchobenchError where it is the dataset of none of them, and where it says nothing.
    """
    described = [folder for folder in runs if is_finished(folder) and describe_patients_of(folder, data)]
    if not described:
        raise EchobenchError(f"the frames in {data} are not those that any of the runs was scored on")
    if not any((folder / PATIENTS.name).is_file() for folder in described):
        raise EchobenchError(f"{data} says nothing of its patients, so that there are no subgroups: leave --data out")


def found_runs(places: Iterable[Path]) -> list[Path]:
    """The folders of runs, finished or failed: each place itself, or those in it. Raises EchobenchError for none."""
    found = []
    for place in places:
        inside = [folder for folder in (place, *sorted(place.glob("*/"))) if _is_run(folder)]
        if not inside:
            raise EchobenchError(f"there is no run in {place}, or in a folder in it: no {RECORD}, no {FAILED}")
        found += inside
    return found


def _frames_of(cell: Cell) -> tuple[str, str]:
    return cell.settings.view, cell.settings.phase


def _table_of(cell: Cell) -> tuple[str, ...]:
    return (*_frames_of(cell), cell.settings.unet_settings.network)


def _is_run(folder: Path) -> bool:
    return is_finished(folder) or (folder / FAILED).is_file()
