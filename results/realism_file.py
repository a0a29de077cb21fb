"""realism.csv, what was measured of the images of a run, and whose numbers may stand in one column.

The file in a run's folder is the table that `echobench.benchmark.realism.measure` returns, with the scores_sha256 of
the run's record, so that what was measured of another run in the same folder is noticed; the file is sealed
(`echobench.results.sealed`). The table cannot be imported from here, so that `COLUMNS` are its format; a test holds
them to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.data.errors import EchobenchError
from echobench.results.comparison import Group, Run
from echobench.results.record import RunRecord
from echobench.results.sealed import is_unaltered

REALISM = "realism.csv"
COLUMNS = (
    "metric", "region", "extractor", "value", "spread", "held_out", "held_out_spread", "n_drawn", "n_real", "flagged",
    "note", "weights_sha256", "resize", "channels", "reference_split",
)  # fmt: skip
UNMEASURED = "not measured"
"""The metric of a file that only says, in its note, why there are no numbers."""
UNET, INCEPTION, PIXELS = "echobench-unet", "inception", "pixels"
"""How the names of extractors begin: the reference U-Net's features, InceptionV3's, and no features at all."""
NO_FILE = f"no {REALISM} in the run's folder"
OUTDATED = f"{REALISM} is not of the run in the record; `echobench compare` measures it anew"

_TERMS = ("extractor", "weights_sha256", "resize", "channels", "reference_split", "n_real")
_OF_RUN = "scores_sha256"
_TEXTS = ("region", "extractor", "note", "weights_sha256", "resize", "channels", "reference_split", _OF_RUN)


@dataclass(frozen=True)
class Quantity:
    """A number of the file, and its column in a table.

    extractor: how its extractor's name begins. spec: digits. scale: 100 makes per cent. of_subsets: its value hangs on
    how many images were drawn for it, so that numbers of another n_drawn do not compare.
    """

    name: str
    metric: str
    extractor: str = UNET
    region: str = ""
    spec: str = ".2f"
    scale: float = 1
    of_subsets: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a run: the rows of its file."""

    run: Run
    rows: pd.DataFrame

    def row(self, quantity: Quantity) -> Mapping[str, Any] | None:
        """The file's row of a quantity; None where it is not there or has no value."""
        rows = self.rows
        chosen = rows[
            (rows["metric"] == quantity.metric)
            & (rows["region"] == quantity.region)
            & rows["extractor"].str.startswith(quantity.extractor)
            & rows["value"].notna()
        ]
        return None if chosen.empty else {str(name): value for name, value in chosen.iloc[0].items()}

    def value(self, quantity: Quantity, column: str = "value") -> float:
        """A column of the quantity's row in the quantity's unit; NaN where there is none."""
        row = self.row(quantity)
        return nan if row is None else float(row[column]) * quantity.scale

    def terms(self, quantity: Quantity) -> tuple[Any, ...] | None:
        """What must be equal for two values of a quantity to share a column; None where there is no value."""
        row = self.row(quantity)
        if row is None:
            return None
        return tuple(row[name] for name in _TERMS) + ((row["n_drawn"],) if quantity.of_subsets else ())


def is_current(folder: Path, record: RunRecord, judges: AbstractSet[str] = frozenset()) -> bool:
    """Whether a run's file is there, of the run in its record, and judged by the networks of these weights."""
    if not (folder / REALISM).is_file():
        return False
    rows = _read(folder / REALISM)
    return set(rows[_OF_RUN]) == {record.scores_sha256} and judges <= set(rows.get("weights_sha256", ()))


def read_realism(group: Group) -> tuple[list[Measured], dict[str, str]]:
    """What was measured of a group's runs, and by label why others were not; `real` is in neither.

    Raises EchobenchError for a damaged file.
    """
    measured, missing = [], {}
    for run in group.runs:
        if run.is_reference:
            continue
        if not (run.folder / REALISM).is_file():
            missing[run.label] = NO_FILE
            continue
        if not is_current(run.folder, run.record):
            missing[run.label] = OUTDATED
            continue
        rows = _read(run.folder / REALISM)
        if rows["metric"].eq(UNMEASURED).any():
            missing[run.label] = str(rows["note"].iloc[0])
        else:
            measured.append(Measured(run, rows))
    return measured, missing


def comparable_parts(measured: Iterable[Measured], quantities: Sequence[Quantity]) -> list[list[Measured]]:
    """Runs whose numbers may share columns: the terms of every quantity that two of them have are equal."""
    parts: list[list[Measured]] = []
    for one in measured:
        fitting = (part for part in parts if all(_comparable(one, other, quantities) for other in part))
        if (part := next(fitting, None)) is None:
            parts.append([one])
        else:
            part.append(one)
    return parts


def _comparable(one: Measured, other: Measured, quantities: Sequence[Quantity]) -> bool:
    pairs = ((one.terms(quantity), other.terms(quantity)) for quantity in quantities)
    return all(first == second for first, second in pairs if first is not None and second is not None)


def _read(path: Path) -> pd.DataFrame:
    try:
        if is_unaltered(path) is False:
            raise ValueError("a row was edited")
        rows = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str)).fillna(dict.fromkeys(_TEXTS, ""))
        return rows[["metric", "note", _OF_RUN] if rows["metric"].tolist() == [UNMEASURED] else [*COLUMNS, _OF_RUN]]
    except (ValueError, KeyError) as error:
        raise EchobenchError(f"{path} is damaged; delete it, and `echobench compare` measures it anew") from error
