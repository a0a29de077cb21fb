"""A sweep: the same generators at several values of one setting, and how the U-Net's Dice follows it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import nan
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from echobench.data.base.differences import Facts
from echobench.data.base.errors import EchobenchError
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.comparison import (
    Failure,
    Run,
    by_deformation,
    facts_of,
    failures_beside,
    own_settings,
    read_runs,
    shared_facts,
    titles_of,
)
from echobench.results.evidence.differences import key, told_apart
from echobench.results.evidence.statistics import (
    BETTER,
    EQUAL,
    UNDECIDED,
    WORSE,
    compared_pairs,
    estimate,
    patient_values,
)
from echobench.results.records.run import SCORED_ON, FailedRun, RunRecord
from echobench.results.shown.formats import Table
from echobench.results.shown.tables import WHO, WHY, pair_table

AXES: Mapping[str, str] = MappingProxyType(
    {"strength": "deformation strength of the label maps", "fraction": "fraction of the training patients"}
)
"""Settings that can be swept, in words."""


@dataclass(frozen=True, eq=False)
class Line:
    """One generator along the axis: its finished runs by value, ascending, and those that stopped."""

    label: str
    runs: Mapping[float, Run]
    failures: Mapping[float, Failure]

    @property
    def is_reference(self) -> bool:
        """Whether its images are the real frames themselves."""
        return any(run.is_reference for run in self.runs.values())


@dataclass(frozen=True, eq=False)
class Sweep:
    """Runs that differ in the generator and in one setting: same scored frames, split, view, patients and U-Net.

    axis: one of `AXES`. whom: what the scored patients are called. lines: generators by label. levels: of strength,
    what has undeformed maps alone and so no place on the axis, `real` above all. notes: what a reader must know.
    """

    axis: str
    title: str
    whom: str
    lines: tuple[Line, ...]
    levels: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()


def sweeps(folders: Iterable[Path]) -> list[Sweep]:
    """The sweeps among the runs in these folders, finished or failed.

    Raises EchobenchError where there is none, and for a record that is unfinished, damaged or of a newer schema.
    """
    runs, failures = read_runs(folders)
    if failures and not runs:
        raise EchobenchError(f"no run of the sweep has finished: {failures[0].label} {failures[0].reason}")
    found = [sweep for axis in AXES for sweep in _along(axis, runs, failures)]
    if not found:
        raise EchobenchError(f"no generator has runs of two values of {' or '.join(AXES)} here: nothing was swept")
    return found


def cell_table(sweep: Sweep) -> Table:
    """A row per run: Dice over patients and the spread of U-Net seeds, or why it has not finished."""
    rows = []
    for line in (*sweep.levels, *sweep.lines):
        for value in sorted({*line.runs, *line.failures}):
            place = {WHO: line.label, sweep.axis: nan if line in sweep.levels else value}
            run = line.runs.get(value)
            rows.append(place | (_numbers(run, sweep.whom) if run else {WHY: line.failures[value].reason}))
    return Table(
        name="dice",
        caption=f"Dice in % against the {AXES[sweep.axis]}, mean ± standard deviation over {sweep.whom}, with the "
        f"bootstrap interval of the mean. {sweep.title}. Dice: the mean of {', '.join(TABLE_REGIONS)}. seed std: of "
        "the mean over U-Net seeds.",
        frame=pd.DataFrame(rows),
        formats={sweep.axis: "g", **_DICE_FORMATS},
        notes=sweep.notes,
    )


def best_table(sweep: Sweep) -> Table:
    """A row per generator: the value with the highest mean Dice, and how it compares with the others."""
    rows = []
    for line in sweep.lines:
        if line.runs:
            best = max(line.runs, key=lambda value: patient_values(line.runs[value].scores).mean())
            rows.append(
                {WHO: line.label, f"best {sweep.axis}": best} | _dice(line.runs[best]) | _compared(best, line.runs)
            )
    return Table(
        name="best",
        caption=f"The {sweep.axis} with the highest mean Dice in %, beside the generator's others. {sweep.title}.",
        frame=pd.DataFrame(rows),
        formats={f"best {sweep.axis}": "g", **_DICE_FORMATS},
        notes=(
            _CHOSEN[sweep.whom],
            "The best is compared with the others by the rule of the evidence; p is corrected for all pairs of the "
            "generator's, as any might have been the best.",
            *sweep.notes,
        ),
    )


_CHOSEN: Mapping[str, str] = MappingProxyType(
    {
        SCORED_ON["testing"]: "The best is chosen on the test patients, who cannot judge the choice any more: its Dice "
        "flatters.",
        SCORED_ON["validation"]: "The best is chosen on the validation patients. Its Dice flatters, as the highest of "
        "several; what it is worth, the test patients say, on whom `echobench run` scores it.",
    }
)
"""What the choice costs, by who was looked at."""


def evidence_table(sweep: Sweep) -> Table:
    """Generators against one another at each value, and against the levels."""
    scores = {line.label: run.scores for line in sweep.levels for run in line.runs.values()}
    levels, pairs, at = list(scores), [], defaultdict(list)
    for line in sweep.lines:
        for value, run in line.runs.items():
            name = f"{line.label}, {sweep.axis} {value:g}"
            scores[name] = run.scores
            at[value].append(name)
    for value in sorted(at):
        pairs += [*combinations(at[value], 2), *product(at[value], levels)]
    return pair_table(compared_pairs(scores, pairs=pairs), sweep.title, sweep.notes)


_DICE_FORMATS = {"Dice": ".1f", "Dice 95 %": ".1f", "seed std": ".2f"}


def _dice(run: Run) -> dict[str, float]:
    found = estimate(run.scores)
    return {
        "Dice mean": found.mean,
        "Dice std": found.patient_std,
        "Dice low": found.low,
        "Dice high": found.high,
        "seed std": found.seed_std,
    }


def _numbers(run: Run, whom: str) -> dict[str, float | None]:
    return _dice(run) | {
        "U-Net seeds": run.scores["unet_seed"].nunique(),
        whom: run.scores["patient"].nunique(),
        "training patients": run.record.training_patients,
        "training images": run.record.training_images,
    }


def _compared(best: float, runs: Mapping[float, Run]) -> dict[str, str]:
    """The other values by the verdict on the best."""
    columns = {BETTER: "better than", WORSE: "better than", EQUAL: f"{EQUAL} from", UNDECIDED: UNDECIDED}
    texts: dict[str, list[str]] = {column: [] for column in columns.values()}
    name = f"{best:g}"
    pairs = compared_pairs({f"{value:g}": run.scores for value, run in runs.items()})
    for first, second, verdict in pairs[["first", "second", "verdict"]].to_numpy().tolist():
        if name in (first, second):
            texts[columns[verdict]].append(second if first == name else first)
    return {column: ", ".join(values) for column, values in texts.items()}


def _along(axis: str, runs: Sequence[Run], failures: Sequence[Failure]) -> Iterator[Sweep]:
    together: dict[str, list[Run]] = {}
    for run in runs:
        together.setdefault(key(_without(axis, shared_facts(run.record))), []).append(run)
    parts = [part for alike in together.values() for part in by_deformation(alike)]
    titles = titles_of([_without(axis, facts_of(part)) for part in parts])
    for title, part in zip(titles, parts, strict=True):
        sweep = _sweep(axis, f"{title}, {axis}", [*part, *failures_beside(part, failures, axis)])
        if sweep.lines:
            yield sweep


def _sweep(axis: str, title: str, cells: Sequence[Run | Failure]) -> Sweep:
    families: dict[str, list[Run | Failure]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.label != "real", cell.label, _value(cell, axis))):
        families.setdefault(key(_own(cell, axis)), []).append(cell)
    swept = [cells for cells in families.values() if len({_value(cell, axis) for cell in cells}) > 1]
    single = [cells for cells in families.values() if cells not in swept]
    undeformed = [cells for cells in single if axis == "strength" and _value(cells[0], axis) == 0]
    labels = _labels([_own(cells[0], axis) for cells in (*swept, *undeformed)])
    lines = [_line(label, cells, axis) for label, cells in zip(labels, [*swept, *undeformed], strict=True)]
    levels = lines[len(swept) :]
    notes = [f"{line.label} has undeformed maps alone: a level beside the strengths" for line in levels]
    if alone := [cell.folder.name for cells in single if cells not in undeformed for cell in cells]:
        notes.append(f"left out, as nothing differs from them in {axis} alone: {', '.join(alone)}")
    kept = [run for line in lines for run in line.runs.values()]
    if twice := [run.folder.name for cells in swept for run in cells if isinstance(run, Run) and run not in kept]:
        notes.append(f"left out, as the same run is here twice: {', '.join(twice)}")
    notes += [
        f"{line.label} at {axis} {value:g} was to be gone on with and {failure.reason}"
        for line in lines
        for value, failure in line.failures.items()
        if value in line.runs
    ]
    notes += dict.fromkeys(
        f"{line.label}: {note}" for line in lines for run in line.runs.values() for note in run.record.notes
    )
    whom = next(cell.record.whom for cell in cells if isinstance(cell, Run))
    return Sweep(axis, title, whom, tuple(lines[: len(swept)]), tuple(levels), tuple(notes))


def _line(label: str, cells: Sequence[Run | Failure], axis: str) -> Line:
    return Line(
        label,
        runs={_value(cell, axis): cell for cell in cells if isinstance(cell, Run)},
        failures={_value(cell, axis): cell for cell in cells if isinstance(cell, Failure)},
    )


def _labels(owns: Sequence[Facts]) -> list[str]:
    """The generator of each line and, where lines share it, what sets them apart."""
    labels = []
    for own in owns:
        namesakes = [other for other in owns if other["generator"] == own["generator"]]
        apart = told_apart(namesakes)[namesakes.index(own)] if len(namesakes) > 1 else ""
        labels.append(f"{own['generator']} ({apart})" if apart else own["generator"])
    return labels


def _without(axis: str, facts: Facts) -> Facts:
    """What all runs of a sweep have in common, of the facts that the runs of a table share."""
    swept = ("fraction", "training frames") if axis == "fraction" else ()
    return {name: fact for name, fact in facts.items() if name not in swept}


def _own(cell: Run | Failure, axis: str) -> Facts:
    """What all runs of a line have in common beyond that."""
    settings = own_settings(_settings(cell))
    free = (axis, "preset", "unet_seeds")
    return {"generator": _origin(cell).generator} | {name: settings[name] for name in settings if name not in free}


def _value(cell: Run | Failure, axis: str) -> float:
    return float(_settings(cell).get(axis, 1))  # all patients, in records from before there were fractions


def _settings(cell: Run | Failure) -> Facts:
    return _origin(cell).settings


def _origin(cell: Run | Failure) -> RunRecord | FailedRun:
    return cell.record if isinstance(cell, Run) else cell.failed
