"""Tables and figures as files."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from echobench.data.base.files import write_whole, writing_whole
from echobench.results.shown import formats
from echobench.results.shown.figures import DPI

TABLES, FIGURES = "tables", "figures"
TEXTS: Mapping[str, Callable[[formats.Table], str]] = MappingProxyType(
    {"csv": formats.csv, "md": formats.markdown, "tex": formats.latex}
)
"""How tables are written, by the ending of the file."""


def write_tables(tables: Iterable[formats.Table], folder: Path) -> None:
    """Each table in all of `TEXTS`."""
    for table in tables:
        for ending, text in TEXTS.items():
            write_whole(folder / f"{table.name}.{ending}", text(table))


def write_figures(drawn: Mapping[str, Figure], folder: Path) -> None:
    """Each figure as a PNG of its name."""
    for name, figure in drawn.items():
        write_figure(figure, folder / f"{name}.png")


def write_figure(figure: Figure, path: Path, *, dpi: int = DPI, transparent: bool = False) -> None:
    """A figure of pyplot as a PNG, whole or not at all; the figure is closed."""
    with writing_whole(path) as stream:
        figure.savefig(stream, format="png", dpi=dpi, transparent=transparent)
    plt.close(figure)


def file_name(title: str) -> str:
    """A group's title as the name of a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-")
