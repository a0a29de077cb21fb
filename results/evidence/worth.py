"""How many real patients a generator is worth: with so many, real frames alone train a U-Net as well.

A sweep of patients has runs of N patients in all, drawn several times. What real frames alone reach with each N is a
curve. The worth of a row is where this curve has the row's mean Dice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from echobench.results.evidence.comparison import Failure, failures_beside, labelled, read_runs
from echobench.results.evidence.differences import key
from echobench.results.evidence.statistics import LEVEL, patient_values
from echobench.results.evidence.sweep import apart_from, comparable, own_facts
from echobench.results.records.run import Run

RESAMPLES = 1999
PER_STEP = 64
"""Points of the curve between two numbers of patients, where it is looked up."""
Values = NDArray[np.float64]


class Interval(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Reach:
    """A mean Dice in % with its 95 % interval, and the number of patients with which real frames alone reach it.

    A number is infinite above the most patients that were measured, 0 below the fewest. They are None where real
    frames alone were run with fewer than two numbers of patients, and of real frames themselves.
    """

    dice: Interval
    worth: Interval | None


@dataclass(frozen=True, eq=False)
class Way:
    """One way to train: real frames alone, a mix, or drawn images alone.

    mix: 0 for real frames alone, None for drawn images alone. apart: what sets it apart from others of its generator
    and mix. runs: by number of patients, ascending, those of its draws. failures, reach: by number of patients, too.
    """

    generator: str
    mix: float | None
    apart: str
    runs: Mapping[int, Sequence[Run]]
    failures: Mapping[int, Sequence[Failure]]
    reach: Mapping[int, Reach] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """In tables and figures."""
        return labelled(self.generator, self.mix or None, self.apart)

    @property
    def name(self) -> str:
        """Of the generator, where the mix is said beside it."""
        return labelled(self.generator, None, self.apart)

    def draw_means(self, number: int) -> list[float]:
        """Mean Dice in % of every draw of so many patients."""
        return [float(patient_values(run.scores).mean()) for run in self.runs[number]]


@dataclass(frozen=True, eq=False)
class PatientSweep:
    """Runs of several numbers of patients: same scored frames, split, view and U-Net.

    whom: what the scored patients are called. ways: real frames alone first. measured: the fewest and the most patients
    of real frames alone, None where these have fewer than two numbers. notes: what a reader must know.
    """

    title: str
    whom: str
    ways: tuple[Way, ...]
    measured: tuple[int, int] | None
    notes: tuple[str, ...] = ()


def patient_sweeps(folders: Iterable[Path]) -> list[PatientSweep]:
    """The sweeps of patients among the runs in these folders, finished or failed; there may be none.

    Raises EchobenchError for a record that is unfinished, damaged or of a newer schema.
    """
    runs, failures = read_runs(folders)
    drawn = [run for run in runs if run.record.settings["patients"] is not None]
    stopped = [failure for failure in failures if failure.failed.settings["patients"] is not None]
    found = (
        _sweep(title, part, failures_beside(part, stopped, ("patients", "patient_draw")))
        for title, part in comparable("patients", drawn)
    )
    return [sweep for sweep in found if len({n for way in sweep.ways for n in (*way.runs, *way.failures)}) > 1]


def patients_reaching(numbers: Sequence[int], means: ArrayLike, dice: ArrayLike) -> Values:
    """The fewest patients with which real frames alone reach a Dice, (R, B); see `Reach` for those out of range.

    numbers: K of patients, ascending. means: (K, B), what real frames alone have with each, in B samples. dice: (R, B),
    of R rows. More patients are taken to do no harm: means that fall are levelled (isotonic regression). Between two
    numbers the curve is monotone in the logarithm of the patients (PCHIP: Fritsch and Butland 1984).
    """
    levelled = np.stack([isotonic_regression(column).x for column in np.asarray(means).T], axis=1)
    knots = np.log(np.asarray(numbers, dtype=np.float64))
    grid = np.unique(np.concatenate([np.linspace(*ends, PER_STEP + 1) for ends in pairwise(knots)]))
    curve = PchipInterpolator(knots, levelled)(grid)
    curve[0], curve[-1] = levelled[0], levelled[-1]
    return np.stack([_looked_up(grid, curve, row) for row in np.asarray(dice, dtype=np.float64)])


def _looked_up(grid: Values, curve: Values, wanted: Values) -> Values:
    """Where each of B curves (G, B) over the logarithms of patients (G,) first has the Dice wanted of it, (B,)."""
    after = np.argmax(curve >= wanted, axis=0)
    before, column = np.maximum(after - 1, 0), np.arange(len(wanted))
    low, high = curve[before, column], curve[after, column]
    share = np.divide(wanted - low, high - low, out=np.zeros_like(low), where=high > low)
    found = np.exp(grid[before] + share * (grid[after] - grid[before]))
    return np.where(wanted > curve[-1], inf, np.where(wanted < curve[0], 0.0, found))


def _sweep(title: str, runs: Sequence[Run], failures: Sequence[Failure]) -> PatientSweep:
    families: dict[str, list[Run | Failure]] = {}
    cells: list[Run | Failure] = [*runs, *failures]
    for cell in cells:
        families.setdefault(key(own_facts(cell, "patients")), []).append(cell)
    apart = apart_from([own_facts(cells[0], "patients") for cells in families.values()])
    ways = sorted(map(_way, families.values(), apart), key=lambda way: (way.mix != 0, way.label))
    numbers = next(([*way.runs] for way in ways if way.mix == 0), [])
    measured = (numbers[0], numbers[-1]) if len(numbers) > 1 else None
    notes, kept = [*_notes(ways, measured)], {run.folder for way in ways for one in way.runs.values() for run in one}
    if twice := [run.folder.name for run in runs if run.folder not in kept]:
        notes.append(f"left out, as the same draw is here twice: {', '.join(twice)}")
    return PatientSweep(title, runs[0].record.whom, tuple(_reached(ways)), measured, tuple(notes))


def _way(cells: Sequence[Run | Failure], apart: str) -> Way:
    runs: dict[int, dict[int, Run]] = {}
    failures: dict[int, list[Failure]] = {}
    for cell in sorted(cells, key=_place):
        number, draw = _place(cell)
        if isinstance(cell, Run):
            runs.setdefault(number, {})[draw] = cell
        else:
            failures.setdefault(number, []).append(cell)
    own = own_facts(cells[0], "patients")
    mix = 0.0 if own["generator"] == "real" else own["mix"]
    return Way(own["generator"], mix, apart, {n: [*draws.values()] for n, draws in runs.items()}, failures)


def _reached(ways: Sequence[Way]) -> Iterator[Way]:
    """The same ways, with what each of their rows reaches.

    The intervals are bootstraps over the scored patients, the same in every row, and over the draws of each row, see
    `_resampled`. Where there is one draw, its U-Nets are taken in place of draws.
    """
    cells = {(way.label, number): _units(runs) for way in ways for number, runs in way.runs.items()}
    together = pd.concat(cells, axis=1).dropna().sort_index(axis=1)
    n, rng = len(together), np.random.default_rng(0)
    patients = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    means = {cell: _resampled(together[cell].to_numpy(dtype=np.float64), patients, rng) for cell in cells}
    real = next((way for way in ways if way.mix == 0), None)
    reference = {number: means[real.label, number] for number in real.runs} if real else {}
    told = {cell: dice for cell, dice in means.items() if real and cell[0] != real.label and len(reference) > 1}
    worth = {}
    if told:
        worths = patients_reaching([*reference], [*reference.values()], [*told.values()])
        worth = {cell: _interval(one) for cell, one in zip(told, worths, strict=True)}
    for way in ways:
        cells_of = {number: (way.label, number) for number in way.runs}
        yield replace(way, reach={n: Reach(_interval(means[cell]), worth.get(cell)) for n, cell in cells_of.items()})


def _units(runs: Sequence[Run]) -> pd.DataFrame:
    """Dice in % of every scored patient, a column per draw, or per U-Net where there is one draw."""
    if len(runs) == 1:
        scores = runs[0].scores
        return pd.DataFrame({seed: patient_values(rows) for seed, rows in scores.groupby("unet_seed")})
    return pd.DataFrame({i: patient_values(run.scores) for i, run in enumerate(runs)})


def _resampled(values: Values, patients: Values, rng: np.random.Generator) -> Values:
    """The mean of values (P, U), then those of the resamples, (1 + B,). patients: their weights in each, (B, P).

    Of U draws one less is taken, so that the variance of their mean has no bias (McCarthy and Snowden 1985). How much
    few draws differ is itself a guess. So they are spread by as much as Student's t of two rows of so many is wider
    than the normal distribution; without that, intervals from three draws cover in 90 of 100 cases.
    """
    units = values.shape[1]
    weights = np.ones((len(patients), 1))
    if units > 1:
        drawn = rng.multinomial(units - 1, np.full(units, 1 / units), len(patients)) / (units - 1)
        wider = stats.t.ppf((1 + LEVEL) / 2, 2 * (units - 1)) / stats.norm.ppf((1 + LEVEL) / 2)
        weights = 1 / units + wider * (drawn - 1 / units)
    return np.concatenate([[values.mean()], ((patients @ values) * weights).sum(axis=1)])


def _interval(values: Values) -> Interval:
    """The first value, and the 95 % interval of the others, which may be infinite."""
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile(values[1:], ends, method="inverted_cdf")
    return Interval(float(values[0]), float(low), float(high))


def _notes(ways: Sequence[Way], measured: tuple[int, int] | None) -> Iterator[str]:
    if measured is None:
        yield "real frames alone have not finished with two numbers of patients: no worth can be told"
    for way in ways:
        for number, failures in way.failures.items():
            done = {run.folder for run in way.runs.get(number, ())}
            for failure in (one for one in failures if one.folder in done):
                yield f"{way.label} with {number} patients was to be gone on with and {failure.reason}"
    single = [f"{way.label} {number}" for way in ways for number, runs in way.runs.items() if len(runs) == 1]
    if single:
        yield f"one draw of patients alone, so that the interval leaves out who they are: {', '.join(single)}"


def _place(cell: Run | Failure) -> tuple[int, int]:
    """Number of patients and number of the draw."""
    settings = (cell.record if isinstance(cell, Run) else cell.failed).settings
    return settings["patients"], settings["patient_draw"]
