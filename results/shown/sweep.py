"""A sweep in tables: how the U-Net's Dice follows the setting that is swept."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations, product
from math import nan
from types import MappingProxyType

import pandas as pd

from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.statistics import (
    BETTER,
    EQUAL,
    UNDECIDED,
    WORSE,
    compared_pairs,
    estimate,
    patient_values,
)
from echobench.results.evidence.sweep import AXES, Sweep
from echobench.results.records.run import SCORED_ON, Run
from echobench.results.shown.formats import Table
from echobench.results.shown.tables import WHO, WHY, pair_table


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
