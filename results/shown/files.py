"""Tables and figures as files."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from echobench.results.shown import formats
from echobench.results.shown.figures import DPI

TABLES, FIGURES = "tables", "figures"
TEXTS: Mapping[str, Callable[[formats.Table], str]] = MappingProxyType(
    {"csv": formats.csv, "md": formats.markdown, "tex": formats.latex}
)
"""How tables are written, by the ending of the file."""


def write_tables(tables: Iterable[formats.Table], folder: Path) -> None:
    """Each table in all of `TEXTS`."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        for ending, text in TEXTS.items():
            (folder / f"{table.name}.{ending}").write_text(text(table), encoding="utf-8")


def write_figures(drawn: Mapping[str, Figure], folder: Path, dpi: int = DPI) -> None:
    """Each figure in both of `KINDS`, of its name; it is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        for kind, metadata in KINDS.items():
            figure.savefig(folder / f"{name}.{kind}", dpi=dpi, metadata=dict(metadata))
        plt.close(figure)


KINDS: Mapping[str, Mapping[str, None]] = MappingProxyType({"png": {}, "pdf": {"CreationDate": None}})
"""How figures are written, by the ending of the file, with what is left out of it: for a slide, and for a paper."""


def file_name(title: str) -> str:
    """A group's title as the name of a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-")
