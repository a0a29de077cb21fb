"""realism.csv, what was measured of the images of a run.

It is the table that `echobench.benchmark.measure.realism.measure` returns. That cannot be imported from here, so that
the columns are said here too; a test holds them to it.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.results.records.files import MeasuredTable
from echobench.results.records.run import Run

REALISM = MeasuredTable(
    "realism.csv",
    columns=(
        "metric", "region", "extractor", "value", "spread", "held_out", "held_out_spread", "n_drawn", "n_real",
        "flagged", "note", "weights_sha256", "resize", "channels", "reference_split",
    ),
    texts=("region", "extractor", "note", "weights_sha256", "resize", "channels", "reference_split"),
    measured_anew="`echobench compare`",
    in_place=("metric", "note"),
    numbers=("value", "spread", "held_out", "held_out_spread", "n_drawn", "n_real", "flagged"),
)  # fmt: skip
UNMEASURED = "not measured"
"""The metric of a file that only says, in its note, why there are no numbers."""
UNET, INCEPTION, PIXELS = "echobench-unet", "inception", "pixels"
"""How the names of extractors begin: the reference U-Net's features, InceptionV3's, and no features at all."""

_TERMS = ("extractor", "weights_sha256", "resize", "channels", "reference_split", "n_real")


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
class MeasuredRealism:
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


def is_judged_by(folder: Path, scores_sha256: str, judges: AbstractSet[str]) -> bool:
    """Whether a run's file is there, of the run with these scores, and judged by the networks of these weights."""
    if not REALISM.is_current(folder, scores_sha256):
        return False
    return judges <= set(REALISM.read(folder).get("weights_sha256", ()))


def read_realism(runs: Sequence[Run]) -> tuple[list[MeasuredRealism], dict[str, str]]:
    """What was measured of the runs, and by label why others were not; `real` is in neither.

    Raises EchobenchError for a damaged file.
    """
    measured, missing = [], {}
    for run in runs:
        if run.is_reference:
            continue
        if reason := REALISM.missing(run.folder, run.record.scores_sha256):
            missing[run.label] = reason
            continue
        rows = REALISM.read(run.folder)
        if rows["metric"].eq(UNMEASURED).any():
            missing[run.label] = str(rows["note"].iloc[0])
        else:
            measured.append(MeasuredRealism(run, rows))
    return measured, missing
