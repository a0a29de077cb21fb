"""ejection.csv, the volumes that a run's masks of the scored patients hold, and how two ejection fractions agree.

A row per patient × U-Net seed, and one per patient of the experts' masks. `echobench.benchmark.ejection_of_runs`
writes it, sealed (`echobench.results.sealed`); scores_sha256 is that of the record whose U-Nets it is of, so that a
file of others is noticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from echobench.data.errors import EchobenchError
from echobench.results.comparison import Run
from echobench.results.record import RunRecord
from echobench.results.sealed import is_unaltered
from echobench.results.statistics import LEVEL, bootstrap_interval

EJECTION = "ejection.csv"
COLUMNS = (
    "patient", "planes", "masks", "unet_seed", "edv_ml", "esv_ml", "ef_percent", "dataset_ef_percent", "scores_sha256",
)  # fmt: skip
EXPERT, PREDICTED = "expert", "predicted"
"""Whose masks a row is of."""
NO_FILE = f"no {EJECTION} in the run's folder"
OUTDATED = f"{EJECTION} is not of the U-Nets in the record; the run's command measures it anew"

_NORMAL = float(stats.norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Agreement:
    """How values of one U-Net agree with a reference, patient by patient; the mean over U-Net seeds.

    mae: mean absolute error with its bootstrap interval over patients. bias: mean of value - reference. limits: of
    agreement, between which 95 % of a U-Net's errors lie (Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8):
    bias ± 1.96 standard deviations. r: Pearson's, with Fisher's interval. failures: values that are missing, of
    patients × U-Net seeds. NaN where patients are too few.
    """

    mae: float
    mae_interval: tuple[float, float]
    bias: float
    limits: tuple[float, float]
    r: float
    r_interval: tuple[float, float]
    patients: int
    failures: int


@dataclass(frozen=True, eq=False)
class Measured:
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

    def agreement(self, column: str = "ef_percent") -> Agreement:
        """Of the U-Nets' masks with the experts'."""
        return agreement(self.predicted(column), self.expert(column))


def is_current(folder: Path, record: RunRecord) -> bool:
    """Whether a run's file is there and of the U-Nets in its record."""
    path = folder / EJECTION
    return path.is_file() and set(_read(path)["scores_sha256"]) == {record.scores_sha256}


def read_ejection(runs: Sequence[Run]) -> tuple[list[Measured], dict[str, str]]:
    """What was measured of the runs, and by label why others were not. Raises EchobenchError for a damaged file."""
    measured, missing = [], {}
    for run in runs:
        path = run.folder / EJECTION
        if not path.is_file():
            missing[run.label] = NO_FILE
        elif not is_current(run.folder, run.record):
            missing[run.label] = OUTDATED
        else:
            measured.append(Measured(run, _read(path)))
    return measured, missing


def agreement(values: pd.DataFrame, reference: "pd.Series[float]") -> Agreement:
    """Of values, patients × U-Net seeds, with a reference by patient; patients without a reference do not count."""
    reference = reference.reindex(values.index).dropna()
    values = values.loc[reference.index]
    errors = values.sub(reference, axis=0)
    mean = errors.mean(axis=1).dropna()
    absolute = errors.abs().mean(axis=1).dropna()
    bias, half = float(mean.mean()), _NORMAL * _spread(errors)
    r, r_interval = _correlation(values, reference)
    return Agreement(
        mae=float(absolute.mean()),
        mae_interval=bootstrap_interval(absolute),
        bias=bias,
        limits=(bias - half, bias + half),
        r=r,
        r_interval=r_interval,
        patients=len(mean),
        failures=int(values.isna().sum().sum()),
    )


def _spread(errors: pd.DataFrame) -> float:
    """Standard deviation of one U-Net's errors, (P, S), from what several have measured of the same patients.

    The variance between patients' means, and of that between seeds what the means have averaged away (Bland and Altman
    1999, doi:10.1177/096228029900800204, section 5.1).
    """
    counts = errors.count(axis=1)
    averaged_away = 1 - (1 / counts[counts > 0]).mean()
    within = errors.var(axis=1).mean() if averaged_away > 0 else 0.0
    return float(np.sqrt(errors.mean(axis=1).var() + averaged_away * within))


def _correlation(values: pd.DataFrame, reference: "pd.Series[float]") -> tuple[float, tuple[float, float]]:
    """Pearson's r, the mean over seeds in Fisher's z, with the 95 % interval of a single seed's."""
    pairs = [_paired(values[seed], reference) for seed in values]
    if any(len(pair) < 4 or not np.ptp(pair, axis=0).all() for pair in pairs):
        return nan, (nan, nan)
    each = np.array([stats.pearsonr(pair[:, 0], pair[:, 1]).statistic for pair in pairs])
    z = float(np.arctanh(each.clip(-1 + 1e-12, 1 - 1e-12)).mean())
    half = _NORMAL / (min(map(len, pairs)) - 3) ** 0.5
    return float(np.tanh(z)), (float(np.tanh(z - half)), float(np.tanh(z + half)))


def _paired(values: "pd.Series[float]", reference: "pd.Series[float]") -> NDArray[np.float64]:
    """(P, 2), those patients that have both."""
    return pd.concat([values, reference], axis=1).dropna().to_numpy(dtype=np.float64)


def _read(path: Path) -> pd.DataFrame:
    try:
        if is_unaltered(path) is False:
            raise ValueError("a row was edited")
        return pd.read_csv(path, dtype={"patient": str, "scores_sha256": str})[list(COLUMNS)]
    except (ValueError, KeyError) as error:
        raise EchobenchError(f"{path} is damaged; delete it, and `echobench compare` measures it anew") from error
