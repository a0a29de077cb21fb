"""realism.csv, what was measured of the images of a run, and realism-curves.csv, distances by the number of images.

Both are tables that `echobench.benchmark.measure.realism.measure` returns. That cannot be imported from here, so that
their columns are said here too; a test holds them to it.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.results.records.files import MeasuredTable
from echobench.results.records.run import Run

REALISM = MeasuredTable(
    "realism.csv",
    columns=(
        "metric", "region", "extractor", "value", "spread", "low", "high", "held_out", "held_out_spread", "n_drawn",
        "n_real", "flagged", "note", "weights_sha256", "resize", "channels", "reference_split",
    ),
    texts=("region", "extractor", "note", "weights_sha256", "resize", "channels", "reference_split"),
    measured_anew="`echobench compare`",
    in_place=("metric", "note"),
    numbers=("value", "spread", "low", "high", "held_out", "held_out_spread", "n_drawn", "n_real", "flagged"),
    later=("low", "high"),
)  # fmt: skip
CURVES = MeasuredTable(
    "realism-curves.csv",
    columns=("metric", "whose", "n", "n_real", "distance", "extractor", "weights_sha256"),
    texts=("metric", "whose", "extractor", "weights_sha256"),
    measured_anew="`echobench compare`",
    numbers=("n", "n_real", "distance"),
    keys=("metric", "whose", "n"),
)
"""Fréchet distances by the number of images; whose: drawn, or real for the real frames in their place."""
GET_INCEPTION = "echobench weights --get inception"
"""What is typed for the weights that FID needs; a test holds it to the command."""
UNMEASURED = "not measured"
"""The metric of a file that only says, in its note, why there are no numbers."""
UNET, INCEPTION, PIXELS, WAVELETS, RADIOMICS = "echobench-unet", "inception", "pixels", "wavelets", "frd-score"
"""How the names of extractors begin: the reference U-Net's features, InceptionV3's, and none of a network."""
OF_ALL = "FD-UNet∞"
"""The metric of the row whose n_drawn says how many images were asked for; files of before have none."""

_TERMS = ("extractor", "weights_sha256", "resize", "channels", "reference_split", "n_real")


@dataclass(frozen=True)
class Quantity:
    """A number of the file, and its column in a table.

    extractor: how its extractor's name begins. spec: digits. scale: 100 makes per cent. of_subsets: its value hangs on
    how many images were drawn for it, so that numbers of another n_drawn do not compare. as_real: it is good where it
    is what real frames have, neither more nor less.
    """

    name: str
    metric: str
    extractor: str = UNET
    region: str = ""
    spec: str = ".2f"
    scale: float = 1
    of_subsets: bool = False
    as_real: bool = False


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


def is_measured(folder: Path, scores_sha256: str, judges: AbstractSet[str], images: int) -> bool:
    """Whether a run's file is there, of the run with these scores, judged by the networks of these weights and by these
    extractors, and of as many drawn images."""
    if not REALISM.is_current(folder, scores_sha256):
        return False
    rows = REALISM.read(folder)
    n_drawn = rows.loc[rows["metric"] == OF_ALL].get("n_drawn", ())
    return judges <= {*rows.get("weights_sha256", ()), *rows.get("extractor", ())} and set(n_drawn) == {images}


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


def read_curves(run: Run) -> pd.DataFrame | None:
    """The rows of `CURVES` that were measured of a run; None where there are none, as of runs of before.

    Raises EchobenchError for a damaged file.
    """
    if CURVES.missing(run.folder, run.record.scores_sha256):
        return None
    rows = CURVES.read(run.folder).dropna()
    if (rows["n"] < 1).any():
        raise EchobenchError(f"{run.folder / CURVES.name} is damaged: a distance of no image; delete it")
    return rows
