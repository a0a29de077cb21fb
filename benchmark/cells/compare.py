"""A comparison: runs that are missing are made, one after another, and what follows from all of them is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from echobench.benchmark.measure.ejection import measure_ejection
from echobench.benchmark.measure.panel import picture_runs
from echobench.benchmark.measure.realism.extractors import inception_extractor
from echobench.benchmark.measure.realism_of_runs import measure_realism
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import RunSettings, resolve
from echobench.benchmark.run.stages import PICTURES, Reporter
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import FAILED, RECORD, is_finished, read_failed
from echobench.results.report.contents import group_figures, group_tables, paper_tables
from echobench.results.report.page import write_report
from echobench.results.shown import figures, formats

GENERATORS = ("real", "warp", "sdm", "cyclegan", "paint")
"""Who is compared where nothing else is said."""
TABLE_1 = (
    *(("sdm", view, phase) for view in ("4C", "2C") for phase in ("ED", "ES")),
    *((generator, "all", "all") for generator in ("sdm", "cyclegan", "real")),
)
"""Generator, view and phase of the rows of the paper's Table 1."""
COMPARISON, TABLES, FIGURES = "comparison", "tables", "figures"
TEXTS: dict[str, Callable[[formats.Table], str]] = {
    "csv": formats.csv,
    "md": formats.markdown,
    "tex": formats.latex,
}
"""How tables are written, by the ending of the file."""


@dataclass(frozen=True)
class Cell:
    """One run of a comparison, and its folder."""

    settings: RunSettings
    folder: Path


def plan(
    runs: Path,
    *,
    generators: Sequence[str] | None = None,
    views: Sequence[str] | None = None,
    phases: Sequence[str] | None = None,
    data: str | None = None,
    preset: str | None = None,
    strength: float = 1.0,
    seed: int = 0,
    unet_seeds: int = 3,
) -> list[Cell]:
    """The cells of a comparison, each in the folder under `runs` that `echobench run` gives it.

    Without generators, views and phases: `GENERATORS` on 4C, or with the preset paper the rows of the paper's Table 1.
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
            for generator in generators or GENERATORS
        ]
    )
    settings = [
        resolve(
            generator=generator, view=view, phase=phase, data=data, preset=preset,
            strength=strength, seed=seed, unet_seeds=unet_seeds,
        )
        for generator, view, phase in cells
    ]  # fmt: skip
    return [Cell(one, runs / one.slug()) for one in settings]


def carry_out(
    cells: Sequence[Cell], device: str, report: Reporter = lambda stage: silent, inception: Path | None = None
) -> None:
    """Run what is not finished. A cell that fails leaves its reason in its folder, and the others are run.

    inception: weights of InceptionV3 for FID and KID; None looks in torch-fidelity's cache.
    Raises whatever stops a cell before it has a folder of its own to say so in, and for unfit weights.
    """
    if inception is not None:
        inception_extractor(inception, torch.device(device))  # before hours of work, not after
    for cell in cells:
        try:
            run(cell.settings, cell.folder, device=device, report=_labelled(report, cell))
        except Exception:
            if read_failed(cell.folder) is None:
                raise
    _measure_realism(cells, device, inception)
    for cell in cells:
        if is_finished(cell.folder):
            measure_ejection(cell.settings, cell.folder, device)


def draw_pictures(cells: Sequence[Cell], out: Path, device: str) -> Mapping[str, Path]:
    """Panel and worst cases of finished cells, in `out`: pictures/VIEW-PHASE. See `picture_runs`.

    Gives the panel of the first view and phase that has one, which is for the report.
    """
    together: dict[tuple[str, str], dict[str, tuple[RunSettings, Path]]] = {}
    for cell in cells:
        if is_finished(cell.folder):
            together.setdefault(_frames_of(cell), {})[cell.settings.label] = (cell.settings, cell.folder)
    panels = [picture_runs(runs, out / PICTURES / "-".join(of), device) for of, runs in together.items()]
    return next(filter(None, panels), {})


def compare(folders: Sequence[Path], out: Path, pictures: Mapping[str, Path] = MappingProxyType({})) -> Comparison:
    """Tables and figures of runs, finished or failed, in `out`: tables/GROUP/NAME.{csv,md,tex}, figures/GROUP/NAME.png.

    Of runs on real data there is tables/table-1 too, beside the published numbers; all of it is in report.html, with
    the pictures of `draw_pictures`.

    Raises EchobenchError where there is nothing to compare, or a record is damaged.
    """
    comparison = Comparison.of(folders)
    for group in comparison.groups:
        place = file_name(group.title)
        write_tables(group_tables(group), out / TABLES / place)
        write_figures(group_figures(group), out / FIGURES / place)
    write_tables([table for table, _ in paper_tables(comparison)], out / TABLES)
    write_report(out, comparison, _title(comparison), pictures)
    return comparison


def write_tables(written: Iterable[formats.Table], folder: Path) -> None:
    """Each table in all of `TEXTS`."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in written:
        for ending, text in TEXTS.items():
            (folder / f"{table.name}.{ending}").write_text(text(table))


def write_figures(drawn: Mapping[str, Figure], folder: Path) -> None:
    """Each figure as a PNG of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=figures.DPI)
        plt.close(figure)


def file_name(title: str) -> str:
    """A group's title as the name of a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-")


def found_runs(places: Iterable[Path]) -> list[Path]:
    """The folders of runs, finished or failed: each place itself, or those in it. Raises EchobenchError for none."""
    found = []
    for place in places:
        inside = [folder for folder in (place, *sorted(place.glob("*/"))) if _is_run(folder)]
        if not inside:
            raise EchobenchError(f"there is no run in {place}, or in a folder in it: no {RECORD}, no {FAILED}")
        found += inside
    return found


def _measure_realism(cells: Iterable[Cell], device: str, inception: Path | None) -> None:
    """Of every finished cell whose views and phases have a finished `real` beside it."""
    finished = [cell for cell in cells if is_finished(cell.folder)]
    judges = {_frames_of(cell): cell for cell in finished if cell.settings.generator == "real"}
    for cell in finished:
        if judge := judges.get(_frames_of(cell)):
            measure_realism(cell.settings, cell.folder, judge.folder, device, inception)


def _frames_of(cell: Cell) -> tuple[str, str]:
    return cell.settings.view, cell.settings.phase


def _title(comparison: Comparison) -> str:
    return ", ".join(dict.fromkeys(group.title for group in comparison.groups)) or "no finished run"


def _is_run(folder: Path) -> bool:
    return is_finished(folder) or (folder / FAILED).is_file()


def _labelled(report: Reporter, cell: Cell) -> Reporter:
    return lambda stage: report(f"{cell.settings.label} {cell.settings.view} {stage}")
