"""Tables as text: the same numbers as Markdown, LaTeX, CSV, or strings for anyone else's table."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

NOTHING = "–"
P_VALUE = "p"
"""A format: three decimals, and "<0.001" below them."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers with what is needed to show them.

    name: of its files. frame: one thing per row, units in the names of the columns or in the caption. A pair of columns
    "x mean" and "x std" is shown as one, "x", and a pair "x low" and "x high" as "x 95 %". formats: Python's format
    specification, or `P_VALUE`, by the name of the column shown; numbers without one are whole. notes: sentences below.
    of: whose numbers they are, where tables of several groups or sweeps lie together.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    formats: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    of: str = ""


def rows(table: Table) -> list[dict[str, Any]]:
    """The frame for JSON: plain values in full, None where there is no number or one that JSON has no word for."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.frame.to_dict("records")]


def shown(table: Table) -> pd.DataFrame:
    """The table as strings, a dash where there is no value; columns without any value are left out."""
    return pd.DataFrame({name: texts for name, texts, _ in _columns(table)}, dtype=object)


def csv(table: Table) -> str:
    """Every number in full; empty where there is none. A text that a spreadsheet would compute is quoted: '=…"""
    return table.frame.map(_defused).rename(columns=_defused).to_csv(index=False)


def markdown(table: Table) -> str:
    """A Markdown table, without caption and notes; HTML in a text stays text."""
    texts = shown(table).rename(columns=_untagged)
    cells = texts.map(lambda text: _untagged(text).replace("|", r"\|")).to_numpy().tolist()
    lines = [list(texts.columns), ["---"] * len(texts.columns), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: Table) -> str:
    r"""A table for LaTeX: caption above, notes below, special characters escaped, no wider than the text.

    The document needs the packages booktabs and graphicx.
    """
    alignment = "".join("r" if numeric else "l" for _, _, numeric in _columns(table))
    body = shown(table).map(_escaped).rename(columns=_escaped)
    tabular = body.style.hide(axis="index").to_latex(hrules=True, column_format=alignment)
    notes = [f"\n\\par\\smallskip\n{{\\footnotesize {_escaped(' '.join(table.notes))}}}"] if table.notes else []
    lines = [
        r"\begin{table}", r"\centering\small", rf"\caption{{{_escaped(table.caption)}}}",
        rf"\label{{tab:{table.name}}}", _FITTED + tabular.rstrip() + "}", *notes, r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def numbered(names: Sequence[str]) -> list[str]:
    """The same names, those that occur several times with a number at the end, so that each has a file of its own."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}-{seen[name]}" if names.count(name) > 1 else name)
    return found


def named_apart(tables: Sequence[Table]) -> list[Table]:
    """The same tables, `numbered`."""
    names = numbered([table.name for table in tables])
    return [replace(table, name=name) for table, name in zip(tables, names, strict=True)]


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def capitalised(text: str) -> str:
    """With a capital letter in front, the rest as it is."""
    return text[:1].upper() + text[1:]


def ordinal(number: int) -> str:
    """ "1st", "2nd", "11th"."""
    return f"{number}{'th' if number // 10 % 10 == 1 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def duration(seconds: float) -> str:
    """In the unit that is read most easily."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is None or (isinstance(value, float) and not isfinite(value)) else value


_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
"""Shrinks what follows if it is wider than the text."""


def _defused(value: Any) -> Any:
    """A cell that begins a formula, with an apostrophe before it; a number, also one in a text, is none."""
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _untagged(text: str) -> str:
    return _TAG.sub("&lt;", text)


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""Where HTML begins a tag; "<0.001" is none."""


def _columns(table: Table) -> Iterator[tuple[str, list[str], bool]]:
    """Name, texts and whether it holds numbers, of every column shown."""
    frame = table.frame
    for column in map(str, frame.columns):
        base, _, role = column.rpartition(" ")
        name, texts, numeric = column, _texts(frame[column], table.formats.get(column)), True
        if role == "mean" and f"{base} std" in frame:
            name, texts = base, _pairs(frame, base, ("mean", "std"), " ± ", table.formats.get(base))
        elif role == "low" and f"{base} high" in frame:
            name = f"{base} 95 %"
            texts = _pairs(frame, base, ("low", "high"), " to ", table.formats.get(name))
        elif (role == "std" and f"{base} mean" in frame) or (role == "high" and f"{base} low" in frame):
            continue
        else:
            numeric = is_numeric_dtype(frame[column])
        if set(texts) != {NOTHING}:
            yield name, texts, numeric


def _pairs(frame: pd.DataFrame, base: str, roles: tuple[str, str], between: str, spec: str | None) -> list[str]:
    first, second = (_texts(frame[f"{base} {role}"], spec) for role in roles)
    return [one if other == NOTHING else f"{one}{between}{other}" for one, other in zip(first, second, strict=True)]


def _texts(values: Iterable[Any], spec: str | None) -> list[str]:
    return [_text(value, spec or ",.0f") for value in values]


def _text(value: Any, spec: str) -> str:
    if isinstance(value, str):
        return " ".join(value.split()) or NOTHING
    if pd.isna(value):
        return NOTHING
    if spec == P_VALUE:
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:{spec}}"


_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"}
    | {"–": "--", "“": "``", "”": "''", "±": r"$\pm$", "×": r"$\times$", "√": r"$\surd$", "ρ": r"$\rho$"}
    | {
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "₁": "$_1$",
        "₂": "$_2$",
        "²": "$^2$",
        "…": r"\ldots{}",
        "→": r"$\to$",
        "∞": r"$\infty$",
    }
)


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
