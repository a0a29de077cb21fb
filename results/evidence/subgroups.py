"""For whom a run's U-Nets do worse: its scores by what the dataset says of the patients.

A patient is the unit, as in `statistics`. A subgroup is held against all other patients of the same run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from echobench.results.evidence.cross import gap
from echobench.results.evidence.statistics import (
    ALPHA,
    RESAMPLES,
    bootstrap_interval,
    holm,
    patient_values,
    structures,
)
from echobench.results.records.ejection import EJECTION, MeasuredEjection
from echobench.results.records.patients import PATIENTS
from echobench.results.records.run import Run

FEWEST = 5
"""Patients that a subgroup and its rest need before anything is tested."""
WORSE_OFF, BETTER_OFF, NOT_SHOWN, TOO_FEW = "worse off", "better off", "no difference shown", "too few patients"


@dataclass(frozen=True)
class Measure:
    """What subgroups are held against one another in.

    values: of a run, by patient; None where it was not measured. higher_is_better: says what a difference means.
    """

    name: str
    values: Callable[[Run], "pd.Series[float] | None"]
    higher_is_better: bool


def _missed(run: Run) -> "pd.Series[float]":
    drawn = structures(run.scores).query("n_ref > 0")
    return 100 * (drawn["n_pred"] == 0).groupby(drawn["patient"]).mean()


def _ejection_error(run: Run) -> "pd.Series[float] | None":
    if EJECTION.missing(run.folder, run.record.scores_sha256) is not None:
        return None
    measured = MeasuredEjection(run, EJECTION.read(run.folder))
    return measured.predicted().sub(measured.expert(), axis=0).abs().mean(axis=1).dropna()


DICE = Measure("Dice (%)", lambda run: patient_values(run.scores), higher_is_better=True)
MEASURES = (
    DICE,
    Measure("structures missed (%)", _missed, higher_is_better=False),
    Measure("EF error (points)", _ejection_error, higher_is_better=False),
)
AGES: Mapping[str, float] = MappingProxyType({"under 60": 60, "60 to 74": 75, "75 and over": np.inf})
"""Groups by age, with the years below which each ends."""
EJECTIONS = ("at most 45 %", "between 45 and 55 %", "at least 55 %")
"""Groups by ejection fraction: those of CAMUS (Leclerc et al. 2019, doi:10.1109/TMI.2019.2900516)."""
_QUALITIES = ("poor", "medium", "good")


def read_traits(run: Run) -> pd.DataFrame | None:
    """A row per scored patient, a column per trait, the name of the subgroup in each; None where nothing is known."""
    if PATIENTS.missing(run.folder, run.record.scores_sha256) is not None:
        return None
    known = PATIENTS.read(run.folder).set_index("patient")
    qualities = known[[f"quality_{view}" for view in run.record.views]].apply(
        lambda texts: texts.str.strip().str.lower()
    )
    return pd.DataFrame(
        {
            "image quality": qualities.apply(_worst, axis=1),
            "sex": known["sex"].map({"F": "women", "M": "men"}),
            "age": known["age_years"].map(_age_group),
            "ejection fraction": known["ef_percent"].map(_ejection_group),
        }
    ).dropna(axis=1, how="all")


@lru_cache(maxsize=64)  # a table, a verdict and a sentence are made of it
def subgroups(run: Run) -> pd.DataFrame | None:
    """A row per measure, trait and subgroup; None where nothing is known of the patients.

    difference: the subgroup's mean minus that of all other patients of whom the trait is known, with its 95 % bootstrap
    interval. p: of a permutation test of that difference (two-sided), corrected by Holm over the subgroups of a run and
    measure; the two halves of a trait are one test. verdict: one of the four words of this module.
    """
    traits = read_traits(run)
    if traits is None:
        return None
    rows = []
    for measure in MEASURES:
        if (values := measure.values(run)) is not None:
            rows += _judged(measure, [row for _, trait in traits.items() for row in _of_trait(measure, values, trait)])
    return pd.DataFrame(rows).drop(columns="test")


def described(trait: str, subgroup: str) -> str:
    """Who is in a subgroup, in words that follow "in"."""
    return {
        "image quality": f"patients with {subgroup} image quality",
        "sex": subgroup,
        "age": f"patients aged {subgroup}",
        "ejection fraction": f"patients whose ejection fraction is {subgroup}",
    }[trait]


def worst_off(found: pd.DataFrame) -> Mapping[str, Any] | None:
    """The row of the subgroup with the lowest Dice, of those that are shown to be worse off; None where none is."""
    worse = found[(found["measure"] == DICE.name) & (found["verdict"] == WORSE_OFF)]
    rows: list[dict[Any, Any]] = worse.to_dict("records")
    return min(rows, key=lambda row: float(row["mean"]), default=None)


def _of_trait(measure: Measure, values: "pd.Series[float]", trait: "pd.Series[str]") -> list[dict[str, Any]]:
    groups = trait.reindex(values.index).dropna()
    names = sorted(set(groups), key=_place)
    rows = []
    for name in names:
        inside, rest = values[groups.index[groups == name]], values[groups.index[groups != name]]
        difference, low, high = gap(rest, inside, paired=False) if len(rest) else (nan, nan, nan)
        enough = min(len(inside), len(rest)) >= FEWEST
        bounds = bootstrap_interval(inside)
        rows.append(
            {
                "measure": measure.name,
                "trait": trait.name,
                "subgroup": name,
                "patients": len(inside),
                "mean": float(inside.mean()),
                "mean low": bounds[0],
                "mean high": bounds[1],
                "difference": difference,
                "difference low": low,
                "difference high": high,
                "p": _permutation_p(inside.to_numpy(), rest.to_numpy()) if enough else nan,
                "test": (trait.name, name if len(names) > 2 else ""),
            }
        )
    return rows


def _judged(measure: Measure, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a measure with corrected p and verdict."""
    tests = {row["test"]: row["p"] for row in rows if not np.isnan(row["p"])}
    corrected = dict(zip(tests, holm(list(tests.values())), strict=True))
    return [
        row | {"p Holm": corrected.get(row["test"], nan), "verdict": _verdict(measure, row, corrected)} for row in rows
    ]


def _verdict(measure: Measure, row: Mapping[str, Any], corrected: Mapping[Any, float]) -> str:
    if np.isnan(row["p"]):
        return TOO_FEW
    if corrected[row["test"]] >= ALPHA:
        return NOT_SHOWN
    return BETTER_OFF if (row["difference"] > 0) == measure.higher_is_better else WORSE_OFF


def _permutation_p(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Two-sided p of a difference of means, patients dealt anew to both; the same for both orders of the two."""
    first, second = sorted((first, second), key=lambda values: (len(values), values.tolist()))
    result = stats.permutation_test(
        (first, second), lambda a, b, axis: a.mean(axis) - b.mean(axis), vectorized=True, n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(result.pvalue)


def _worst(qualities: "pd.Series[str]") -> str | float:
    """Of a patient's views; nothing where one is unknown."""
    known = set(qualities) <= {*_QUALITIES}
    return next(word for word in _QUALITIES if word in set(qualities)) if known else nan


def _age_group(years: float) -> str | float:
    return next((name for name, end in AGES.items() if years < end), nan)


def _ejection_group(percent: float) -> str | float:
    if np.isnan(percent):
        return nan
    return EJECTIONS[0] if percent <= 45 else EJECTIONS[2] if percent >= 55 else EJECTIONS[1]


_ORDER = (*_QUALITIES, "women", "men", *AGES, *EJECTIONS)


def _place(name: str) -> int:
    return _ORDER.index(name)
