"""How two ejection fractions agree, patient by patient."""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from echobench.results.evidence.statistics import LEVEL, bootstrap_interval
from echobench.results.records.ejection import MeasuredEjection

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


def agreement_with_experts(measured: MeasuredEjection, column: str = "ef_percent") -> Agreement:
    """Of a column of the U-Nets' masks with the experts'."""
    return agreement(measured.predicted(column), measured.expert(column))


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
    if errors.isna().all(axis=None):
        return nan
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
