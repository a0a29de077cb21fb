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


def write_figures(drawn: Mapping[str, Figure], folder: Path, dpi: int = DPI) -> None:
    """Each figure of pyplot in both of `KINDS`, of its name, whole or not at all; it is closed."""
    for name, figure in drawn.items():
        for kind in KINDS:
            _write(figure, folder / f"{name}.{kind}", dpi)
        plt.close(figure)


def write_figure(figure: Figure, path: Path, *, dpi: int = DPI, transparent: bool = False) -> None:
    """A figure of pyplot, of the kind that its file's ending says; it is closed."""
    _write(figure, path, dpi, transparent)
    plt.close(figure)


def _write(figure: Figure, path: Path, dpi: int, transparent: bool = False) -> None:
    kind = path.suffix.removeprefix(".")
    with writing_whole(path) as stream:
        figure.savefig(stream, format=kind, dpi=dpi, transparent=transparent, metadata=dict(KINDS[kind]))


KINDS: Mapping[str, Mapping[str, None]] = MappingProxyType({"png": {}, "pdf": {"CreationDate": None}})
"""How figures are written, by the ending of the file, with what is left out of it: for a slide, and for a paper."""


def file_name(title: str) -> str:
    """A group's title as the name of a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-")
