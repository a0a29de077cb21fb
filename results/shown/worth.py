"""How many patients a generator is worth: in words, and in a table."""

from collections.abc import Iterator
from math import isinf

import pandas as pd

from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.worth import Interval, PatientSweep, Way
from echobench.results.shown.formats import Table, capitalised
from echobench.results.shown.tables import WHO, WHY

NAME = "worth"
"""Of the table and of the figure."""


def worth_table(sweep: PatientSweep) -> Table:
    """A row per way to train and number of patients, with its worth, or why it has not finished; then in words."""
    rows = [row for way in sweep.ways for row in _rows(sweep, way)]
    return Table(
        name=NAME,
        caption=f"Dice in % of U-Nets for which there were so many real patients in all, and what that is worth: the "
        f"number of patients with which real frames alone reach the same. {sweep.title}. Dice: the mean of "
        f"{', '.join(TABLE_REGIONS)} over {sweep.whom}. 95 %: by bootstrap over them and over draws of the patients "
        "with their U-Nets. draws std: of the mean over draws.",
        frame=pd.DataFrame(rows),
        formats={"Dice": ".1f", "Dice 95 %": ".1f", "draws std": ".2f"},
        notes=(*worth_in_words(sweep), *sweep.notes),
    )


def worth_overview(sweep: PatientSweep) -> Table:
    """A row per way to train, a column per number of patients: Dice, and what it is worth."""
    numbers = sorted({patients for way in sweep.ways for patients in way.reach})
    rows = [
        {WHO: way.label}
        | {f"{number} patients": _said(sweep, way, number) for number in numbers if number in way.reach}
        for way in sweep.ways
    ]
    return Table(
        name=NAME,
        caption=f"{capitalised(sweep.title)}: Dice in %, and how many patients it is worth (95 %)",
        frame=pd.DataFrame(rows),
    )


def _said(sweep: PatientSweep, way: Way, number: int) -> str:
    reach = way.reach[number]
    dice = f"{reach.dice.value:.1f}"
    if reach.worth is None or sweep.measured is None:
        return dice
    value, low, high = (_amount(amount, sweep.measured, more=">", fewer="<") for amount in reach.worth)
    return f"{dice}, worth {value} ({low} to {high})"


def worth_in_words(sweep: PatientSweep, near: int | None = None) -> Iterator[str]:
    """A sentence per row that has a worth; near: of each way, for the number of patients that is nearest alone."""
    for way in sweep.ways:
        known = [patients for patients, reach in way.reach.items() if reach.worth is not None]
        chosen = known if near is None else sorted(known, key=lambda patients: abs(patients - near))[:1]
        for patients, reach in way.reach.items():
            if patients in chosen and reach.worth is not None and sweep.measured is not None:
                yield f"With {patients} patients, {_what(way)} {_is_worth(reach.worth, patients, sweep.measured)}."


def _rows(sweep: PatientSweep, way: Way) -> Iterator[dict[str, object]]:
    for patients in sorted({*way.runs, *way.failures}):
        place: dict[str, object] = {WHO: way.label, "patients": patients}
        if patients in way.runs:
            yield place | _numbers(sweep, way, patients)
        done = {run.folder for run in way.runs.get(patients, ())}
        for failure in way.failures.get(patients, ()):
            if failure.folder not in done:
                yield place | {WHY: failure.reason}


def _numbers(sweep: PatientSweep, way: Way, patients: int) -> dict[str, object]:
    reach, runs = way.reach[patients], way.runs[patients]
    means = pd.Series(way.draw_means(patients))
    row: dict[str, object] = {
        "Dice": reach.dice.value,
        "Dice low": reach.dice.low,
        "Dice high": reach.dice.high,
        "draws std": means.std(),
    }
    if reach.worth is not None and sweep.measured is not None:
        value, low, high = (_amount(number, sweep.measured) for number in reach.worth)
        row |= {"worth": value, "worth 95 %": low if low == high else f"{low} to {high}"}
    return row | {
        "draws": len(runs),
        "U-Nets": sum(run.scores["unet_seed"].nunique() for run in runs),
        "training images": round(sum(run.record.training_images for run in runs) / len(runs)),
    }


def _what(way: Way) -> str:
    if way.mix is None:
        return f"training on images of {way.name} alone"
    return f"adding {way.mix:g} image{'' if way.mix == 1 else 's'} of {way.name} per frame"


def _is_worth(worth: Interval, patients: int, measured: tuple[int, int]) -> str:
    """The end of a sentence; that it helps, or harms, is said where the interval shows it."""
    value, low, high = (_amount(number, measured) for number in worth)
    ends = f"{low}–{high}" if low.isdecimal() and high.isdecimal() else f"{low} to {high}"
    amount = f"{value} ({ends}) patients"
    if isinf(worth.value):
        amount = f"more than the {measured[1]} patients that were measured"
        amount += "" if isinf(worth.low) else f" (interval from {low})"
    elif worth.value == 0:
        amount = f"fewer than the {measured[0]} patients that were measured"
        amount += "" if worth.high == 0 else f" (interval up to {high})"
    shown = "" if worth.low > patients else ": a loss is shown" if worth.high < patients else ": no gain is shown"
    return f"is worth {amount}{shown}"


def _amount(patients: float, measured: tuple[int, int], *, more: str = "more than ", fewer: str = "fewer than ") -> str:
    """A number of patients; how far the measured ones reach, where it is beyond them."""
    if patients == 0:
        return f"{fewer}{measured[0]}"
    return f"{more}{measured[1]}" if isinf(patients) else f"{patients:.0f}"
