"""ejection.csv, the volumes that a run's masks of the scored patients hold.

A row per patient × U-Net seed, and one per patient of the experts' masks. `echobench.benchmark.measure.ejection`
writes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from echobench.results.records.files import MeasuredTable
from echobench.results.records.run import Run

EXPERT, PREDICTED = "expert", "predicted"
"""Whose masks a row is of."""
EJECTION = MeasuredTable(
    "ejection.csv",
    columns=("patient", "planes", "masks", "unet_seed", "edv_ml", "esv_ml", "ef_percent", "dataset_ef_percent"),
    texts=("patient",),
    measured_anew="the run's command",
    numbers=("unet_seed", "edv_ml", "esv_ml", "ef_percent", "dataset_ef_percent"),
    keys=("patient", "masks", "unet_seed"),
    kinds={"masks": (EXPERT, PREDICTED)},
)


@dataclass(frozen=True, eq=False)
class MeasuredEjection:
    """What was measured of a run: the rows of its file."""

    run: Run
    rows: pd.DataFrame

    @property
    def planes(self) -> list[str]:
        """What volumes are taken from: "4C", "2C", "2C+4C"."""
        return sorted(set(self.rows["planes"]))

    def predicted(self, column: str = "ef_percent") -> pd.DataFrame:
        """A column of the U-Nets' masks, patients × U-Net seeds; NaN where there is no volume."""
        rows = self.rows[self.rows["masks"] == PREDICTED]
        return rows.pivot(index="patient", columns="unet_seed", values=column)

    def expert(self, column: str = "ef_percent") -> "pd.Series[float]":
        """A column of the experts' masks, by patient."""
        return self.rows[self.rows["masks"] == EXPERT].set_index("patient")[column]

    @property
    def dataset(self) -> "pd.Series[float]":
        """The dataset's ejection fraction by patient; NaN where it states none."""
        return self.expert("dataset_ef_percent")


def read_ejection(runs: Sequence[Run]) -> tuple[list[MeasuredEjection], dict[str, str]]:
    """What was measured of the runs, and by label why others were not. Raises EchobenchError for a damaged file."""
    why = {run.label: EJECTION.missing(run.folder, run.record.scores_sha256) for run in runs}
    measured = [MeasuredEjection(run, EJECTION.read(run.folder)) for run in runs if why[run.label] is None]
    return measured, {label: reason for label, reason in why.items() if reason}
