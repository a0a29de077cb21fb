"""A table as a page has it: text in cells, labels of runs that lead to their records."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd
from pandas.api.types import is_numeric_dtype

from echobench.results.report.pictures import data_uri
from echobench.results.shown import formats
from echobench.results.shown.formats import Table

_OF_LABELS = ("trained on", "first", "second", "run")
"""Columns in which runs are named."""
_LONG = 40


@dataclass(frozen=True)
class ShownCell:
    """link: where a run's label leads, empty for everything else."""

    text: str
    link: str


@dataclass(frozen=True)
class Column:
    """name: as in the table's text. kind: "number", where cells begin with one or are dashes; "long" for sentences."""

    name: str
    kind: str


@dataclass(frozen=True)
class ShownTable:
    """anchor: its place on the page. csv: the table with all digits, as a data URI."""

    anchor: str
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[ShownCell, ...], ...]
    notes: tuple[str, ...]
    csv: str


def shown_table(
    table: Table, anchor: str, links: Mapping[str, str] | None = None, said: Collection[str] = ()
) -> ShownTable:
    """The text of `formats.shown`. links: by label, where it leads. said: notes that are elsewhere on the page."""
    text, links = formats.shown(table), links or {}
    return ShownTable(
        anchor=anchor,
        name=table.name,
        caption=table.caption,
        columns=tuple(Column(name, _kind(table, name, text[name])) for name in map(str, text)),
        rows=tuple(
            tuple(ShownCell(cell, links.get(cell, "") if name in _OF_LABELS else "") for name, cell in row.items())
            for row in text.to_dict("records")
        ),
        notes=tuple(note for note in table.notes if note not in said),
        csv=data_uri("text/csv", formats.csv(table).encode()),
    )


def _kind(table: Table, name: str, texts: "pd.Series[str]") -> str:
    if name not in table.frame or is_numeric_dtype(table.frame[name]):  # a name that is not there is a pair's
        return "number"
    return "long" if texts.str.len().max() > _LONG else ""
