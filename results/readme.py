"""The README's tables and figures, from the measured records: `python -m echobench.results.readme README.md DIR`."""

import re
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from echobench.results.comparison import Comparison, Group
from echobench.results.cross import crossed_runs, gap_table
from echobench.results.figures import image_figure, training_figure
from echobench.results.formats import Table, markdown
from echobench.results.record import RECORD
from echobench.results.stress import decay
from echobench.results.stress_figure import stress_figures
from echobench.results.stress_finding import short_finding
from echobench.results.stress_record import read_stress
from echobench.results.stress_tables import ladder_table
from echobench.results.sweep import cell_table, sweeps
from echobench.results.sweep_figure import sweep_figure
from echobench.results.tables import dice_markdown

_MARKED = re.compile(r"(?P<start><!-- (?P<kind>\w+): (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
DPI = 110
_WAYS = {True: "once", False: "at every step"}


def with_tables(text: str, measured: Path) -> str:
    """The text with what stands between its markers made anew; nothing where there is no record of it."""

    def made(match: re.Match[str]) -> str:
        return f"{match['start']}{_MAKERS[match['kind']](measured, match['name'])}{match['end']}"

    return _MARKED.sub(made, text)


def _dice(measured: Path, dataset: str) -> str:
    """Of the runs on a dataset, a table for each group."""
    return "\n".join(map(dice_markdown, _groups(measured, f"{dataset}-*")))


def _curve(measured: Path, folder: str) -> str:
    """Of the runs in a folder, which differ in one setting, a table for each group."""
    return "\n".join(map(dice_markdown, _groups(measured, f"{folder}/*")))


def _speed(measured: Path, preset: str) -> str:
    path = measured / f"speed-{preset}.csv"
    return speed_markdown(pd.read_csv(path)) if path.is_file() else ""


def _cross(measured: Path, dataset: str) -> str:
    """Dice of the runs on a dataset there and on other data."""
    groups = _groups(measured, f"{dataset}-*")
    return "\n".join(markdown(gap_table(group, crossed)) for group in groups for crossed in crossed_runs(group))


def _groups(measured: Path, folders: str) -> tuple[Group, ...]:
    """Of the runs in the folders that a pattern names."""
    found = [path.parent for path in sorted(measured.glob(f"{folders}/{RECORD}"))]
    return Comparison.of(found).groups if found else ()


def _stress(measured: Path, dataset: str) -> str:
    """How good each generator is on ordinary maps, and where it loses its map."""
    folder = measured / f"{dataset}-stress"
    if not folder.is_dir():
        return ""
    record, scores = read_stress(folder)
    judge = f"reference U-Net with a Dice of {100 * record.judge['dice']:.1f} on deformed frames"
    said = f"{record.title[0].upper()}{record.title[1:]}; preset `{record.preset}`, {judge}:"
    found = decay(scores)
    sentences = "".join(f"- {sentence}\n" for sentence in short_finding(found, scores))
    return f"{said}\n\n{markdown(ladder_table(found, record.title))}\n{sentences}"


def _sweep(measured: Path, dataset: str) -> str:
    """Dice of every cell."""
    folders = sorted((measured / f"{dataset}-sweep").glob("*/"))
    return "\n".join(markdown(cell_table(sweep)) for sweep in sweeps(folders)) if folders else ""


_MAKERS = {"table": _dice, "speed": _speed, "cross": _cross, "stress": _stress, "sweep": _sweep, "curve": _curve}
CURVES = {"images": image_figure, "minutes": training_figure}
"""Figures of folders whose runs differ in one setting, by the end of the folder's name."""


def speed_markdown(rows: pd.DataFrame) -> str:
    """What `make speed` wrote, as Markdown: the reference loop in every way, of the samplers the fastest way alone."""
    reference = rows["nfe"] == rows["nfe"].max()
    fastest = rows["cached"] & (rows["precision"] == "bf16")
    chosen = rows[reference | fastest].drop_duplicates(["sampler", "nfe", "cached", "precision"])
    table = pd.DataFrame(
        {
            "sampler": chosen["sampler"],
            "NFE": chosen["nfe"],
            "label map read": chosen["cached"].map(_WAYS),
            "precision": chosen["precision"],
            "ms per step": chosen["ms_per_step"],
            "s per image": chosen["seconds_per_image"],
            "times faster": chosen["times_reference"],
        }
    )
    formats = {"ms per step": ".1f", "s per image": ",.3f", "times faster": ".3g"}
    return markdown(Table("speed", "", table, formats))


def figures(measured: Path) -> dict[Path, Figure]:
    """Of the sweeps, stresses and curves, by the file of each beside its records."""
    swept = {
        folder / f"{sweep.axis}.png": sweep_figure(sweep)
        for folder in sorted(measured.glob("*-sweep"))
        for sweep in sweeps(sorted(folder.glob("*/")))
    }
    stressed = {
        folder / f"{name}.png": figure
        for folder in sorted(measured.glob("*-stress"))
        for name, figure in stress_figures(decay(read_stress(folder)[1])).items()
    }
    curves = {
        folder / f"{name}.png": draw(group)
        for name, draw in CURVES.items()
        for folder in sorted(measured.glob(f"*-{name}"))
        for group in _groups(folder, "*")
    }
    return swept | stressed | {path: figure for path, figure in curves.items() if figure}


def main(readme: Path, measured: Path) -> None:
    readme.write_text(with_tables(readme.read_text(), measured))
    for path, figure in figures(measured).items():
        figure.savefig(path, dpi=DPI)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
