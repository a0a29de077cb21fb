"""The one table: of each generator its Dice, how real its images are, whether it copies, and what an image costs."""

from collections.abc import Mapping
from math import isnan, nan
from typing import Any

import pandas as pd

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cost import cost, processors
from echobench.results.evidence.realism import (
    ADHERENCE,
    FD_UNET,
    FID,
    FRD,
    FWD,
    MEMORISED,
    flagged_by,
    realism_column,
)
from echobench.results.evidence.statistics import estimate
from echobench.results.records.realism import GET_INCEPTION, MeasuredRealism, Quantity, read_realism
from echobench.results.records.run import Run
from echobench.results.shown.formats import Table, capitalised, markdown
from echobench.results.shown.tables import WHO

GET_FID = GET_INCEPTION
COPIES, SECONDS, HELD_OUT = "copies", "s per image", "held-out real frames"
FLAGGED = " (flagged)"
"""Behind a share of copies that is more than chance."""
DISTANCES = (FID, FD_UNET, FWD, FRD)
_SHOWN = (*DISTANCES, ADHERENCE)


def overview_table(group: Group) -> Table:
    """A row for each run: Dice with its interval, FID or what to type for it, FD-UNet, FWD, adherence, copies, seconds.

    Below them, what real frames of other patients have. Where runs were measured on other terms, those of the largest
    part have numbers, and a note names the others.
    """
    measured = {one.run.label: one for one in read_realism(group.runs)[0]}
    numbers = {q: realism_column(group, q, [*measured.values()]).to_dict() for q in _SHOWN}
    rows = [_row(run, measured.get(run.label), numbers) for run in group.runs]
    frame = pd.DataFrame([*rows, *_floor(measured, numbers)])
    return Table(
        name="overview",
        caption=(
            f"Every generator in one look. {group.title}, {group.whom}. Dice in %, with its bootstrap interval. FID, "
            "FD-UNet, FWD and FRD: distances from real frames in features of InceptionV3, of the reference U-Net, in "
            "wavelets and in radiomics. adherence: Dice in % of the map asked for and what the reference U-Net sees. "
            "copies: % of the images, flagged where they are more than chance."
        ),
        frame=frame,
        formats={"Dice": ".1f", "Dice 95 %": ".1f", SECONDS: ".2g"} | {q.name: q.spec for q in _SHOWN},
        notes=(*_numbers_of_images(measured, numbers), *_apart(measured, numbers)),
    )


def overview_markdown(group: Group) -> str:
    """The table as a page has it: what it is of, the rows, what to know of them."""
    table = overview_table(group)
    frame = table.frame.replace(GET_FID, f"`{GET_FID}`").assign(**{WHO: [_code(who) for who in table.frame[WHO]]})
    machines = {name for run in group.runs for name in processors(run.record.machine, run.record.stages)}
    several = f", seconds on {len(machines)} machines" if len(machines) > 1 else ""
    said = f"{capitalised(group.title)}, {group.whom}{several}:"
    shown = Table(table.name, table.caption, frame, table.formats)
    return "\n".join([f"{said}\n", markdown(shown), *(f"{note}\n" for note in table.notes)])


def _row(run: Run, one: MeasuredRealism | None, numbers: Mapping[Quantity, Mapping[Any, float]]) -> dict[str, Any]:
    found = estimate(run.scores)
    values: dict[str, Any] = {q.name: column.get(run.label, nan) for q, column in numbers.items()}
    if one is not None and one.row(FID) is None:
        values[FID.name] = GET_FID
    return {
        WHO: run.label,
        "Dice": found.mean,
        "Dice low": found.low,
        "Dice high": found.high,
        **values,
        COPIES: "" if one is None else _copies(one),
        SECONDS: cost(run.record).seconds_per_image,
    }


def _copies(one: MeasuredRealism) -> str:
    """The larger share of copies, by features or by pixels."""
    share = _largest(one, "value")
    return "" if isnan(share) else f"{share:.1f}{FLAGGED if flagged_by(one) else ''}"


def _largest(one: MeasuredRealism, column: str) -> float:
    return max((share for q in MEMORISED.values() if not isnan(share := one.value(q, column))), default=nan)


def _floor(
    measured: Mapping[str, MeasuredRealism], numbers: Mapping[Quantity, Mapping[Any, float]]
) -> list[dict[str, Any]]:
    """What held-out real frames have, of the runs that have numbers; nothing where nothing was measured."""
    floors: dict[str, Any] = {}
    for quantity, column in numbers.items():
        known = [measured[label].value(quantity, "held_out") for label, value in column.items() if not isnan(value)]
        if known:
            floors[quantity.name] = known[0]
    if not floors:
        return []
    copies = _largest(next(iter(measured.values())), "held_out")
    return [{WHO: HELD_OUT} | floors | ({} if isnan(copies) else {COPIES: f"{copies:.1f}"})]


def _numbers_of_images(
    measured: Mapping[str, MeasuredRealism], numbers: Mapping[Quantity, Mapping[Any, float]]
) -> list[str]:
    """How many images each distance is of: it is biased by them."""
    said = []
    for quantity in (FID, FD_UNET, FWD, FRD):
        labels = [label for label, value in numbers[quantity].items() if not isnan(value)]
        if labels and (row := measured[labels[0]].row(quantity)):
            said.append(f"{quantity.name} {row['n_drawn']:.0f} × {row['n_real']:.0f}")
    return [f"Drawn images × real frames: {', '.join(said)}. A distance is biased by both."] if said else []


def _apart(measured: Mapping[str, MeasuredRealism], numbers: Mapping[Quantity, Mapping[Any, float]]) -> list[str]:
    """Who was measured on other terms, and has no number."""
    others = {
        quantity.name: [label for label, one in measured.items() if one.row(quantity) and isnan(column[label])]
        for quantity, column in numbers.items()
    }
    return [f"{name} of {', '.join(labels)} was measured on other terms." for name, labels in others.items() if labels]


def _code(who: str) -> str:
    return who if who == HELD_OUT else f"`{who}`"
