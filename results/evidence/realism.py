"""How real drawn images are: what may stand in one column, which generator copies, and whether it goes with Dice."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import nan

import pandas as pd

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.statistics import MEAN, RankCorrelation, patient_values, rank_correlation
from echobench.results.records.realism import (
    INCEPTION,
    OF_ALL,
    PIXELS,
    RADIOMICS,
    UNET,
    WAVELETS,
    MeasuredRealism,
    Quantity,
    read_realism,
)

FD_UNET = Quantity("FD-UNet", "FD-UNet", spec=".1f", of_subsets=True)
FD_UNET_INFINITY = Quantity("FD-UNet∞", OF_ALL, spec=".1f")
KD_UNET = Quantity("KD-UNet", "KD-UNet", spec=".1f", of_subsets=True)
FID = Quantity("FID", "FID", INCEPTION, spec=".1f", of_subsets=True)
FID_INFINITY = Quantity("FID∞", "FID∞", INCEPTION, spec=".1f")
KID = Quantity("KID", "KID", INCEPTION, spec=".4f", of_subsets=True)
FWD = Quantity("FWD", "FWD", WAVELETS, spec=".3g", of_subsets=True)
FRD = Quantity("FRD", "FRD", RADIOMICS, of_subsets=True)
GREY_VALUES = tuple(
    Quantity(f"grey {region}", "grey values", PIXELS, region, ".1f")
    for region in ("LVendo", "LVmyo", "LA", "elsewhere")
)
"""How far grey values are from real ones, in grey levels."""
DISTANCES = (FD_UNET, FD_UNET_INFINITY, KD_UNET, FID, FID_INFINITY, KID, FWD, FRD, *GREY_VALUES)
"""What is low where drawn images are like real ones."""
SPECKLE = (
    Quantity("SNR blood", "signal to noise", PIXELS, "LVendo", as_real=True),
    Quantity("SNR wall", "signal to noise", PIXELS, "LVmyo", as_real=True),
    *(
        Quantity(f"grain {way} mm", f"correlation length {way} the beam", PIXELS, as_real=True)
        for way in ("along", "across")
    ),
)
"""What is the same where drawn images are like real ones."""
ADHERENCE = Quantity("adherence", "adherence", region=MEAN, spec=".1f", scale=100)

MEMORISED = {
    by: Quantity(f"copies by {by}", "memorised", extractor, spec=".1f", scale=100)
    for by, extractor in (("features", UNET), ("pixels", PIXELS))
}
"""The share of copies among drawn images."""
MEMBERSHIP = {
    by: Quantity(f"membership by {by}", "membership", extractor)
    for by, extractor in (("features", UNET), ("pixels", PIXELS))
}
"""How well training patients are told from held-out ones."""
OVERLAP = {
    extractor: tuple(
        Quantity(name, name, extractor, of_subsets=True) for name in ("precision", "recall", "density", "coverage")
    )
    for extractor in (UNET, INCEPTION)
}
DIVERSITY = Quantity("diversity of features", "diversity of features", of_subsets=True)
JUDGED = (*DISTANCES, *SPECKLE, ADHERENCE, *OVERLAP[UNET], DIVERSITY, *MEMBERSHIP.values())
"""What is held against Dice."""


def comparable_parts(
    measured: Iterable[MeasuredRealism], quantities: Sequence[Quantity]
) -> list[list[MeasuredRealism]]:
    """Runs whose numbers may share columns: the terms of every quantity that two of them have are equal."""
    parts: list[list[MeasuredRealism]] = []
    for one in measured:
        fitting = (part for part in parts if all(_comparable(one, other, quantities) for other in part))
        if (part := next(fitting, None)) is None:
            parts.append([one])
        else:
            part.append(one)
    return parts


def _comparable(one: MeasuredRealism, other: MeasuredRealism, quantities: Sequence[Quantity]) -> bool:
    pairs = ((one.terms(quantity), other.terms(quantity)) for quantity in quantities)
    return all(first == second for first, second in pairs if first is not None and second is not None)


def copying(group: Group) -> list[str]:
    """The labels of the runs that are flagged as copying training patients."""
    return [one.run.label for one in read_realism(group.runs)[0] if flagged_by(one)]


def realism_column(
    group: Group, quantity: Quantity = FD_UNET, measured: Sequence[MeasuredRealism] | None = None
) -> "pd.Series[float]":
    """A quantity of every run but `real`, by label, as in the tables; NaN where it is not known.

    Where runs were measured on different terms, those of the largest part have values: the others do not compare.
    measured: what `read_realism` gives, if it was read.
    """
    known = read_realism(group.runs)[0] if measured is None else measured
    parts = comparable_parts([one for one in known if one.row(quantity)], (quantity,))
    values = {one.run.label: one.value(quantity) for one in max(parts, key=len, default=[])}
    labels = [run.label for run in group.runs if not run.is_reference]
    return pd.Series([values.get(label, nan) for label in labels], index=labels, dtype=float)


def judged_column(group: Group, quantity: Quantity, measured: Sequence[MeasuredRealism]) -> "pd.Series[float]":
    """`realism_column` as it may go with Dice: of a quantity that should be as in real frames, how far it is off."""
    column = realism_column(group, quantity, measured)
    if not quantity.as_real:
        return column
    floors = {one.run.label: one.value(quantity, "held_out") for one in measured}
    return (column - pd.Series(floors, dtype=float).reindex(column.index)).abs()


def agreement_with_dice(
    group: Group, quantity: Quantity = FD_UNET, measured: Sequence[MeasuredRealism] | None = None
) -> RankCorrelation:
    """Whether a quantity goes with mean Dice over the runs of generators, with a sentence that says so.

    `real` is left out: it is no generator, and at the end of both scales by construction.
    """
    column = judged_column(group, quantity, read_realism(group.runs)[0] if measured is None else measured)
    of = {run.label: (float(patient_values(run.scores).mean()), run.record.generator) for run in group.runs}
    dice, generators = zip(*(of[label] for label in column.index), strict=True) if len(column) else ((), ())
    return rank_correlation(column.to_list(), dice, judged_name(quantity), generators)


@lru_cache(maxsize=16)  # a table, a figure and sentences are made of it
def agreements_with_dice(group: Group) -> dict[Quantity, RankCorrelation]:
    """`agreement_with_dice` of all of `JUDGED` that were measured of some run."""
    measured = read_realism(group.runs)[0]
    return {q: agreement_with_dice(group, q, measured) for q in JUDGED if any(one.row(q) for one in measured)}


def agreements(group: Group) -> list[str]:
    """`agreements_with_dice` in sentences: each that is shown, then the others together."""
    found = agreements_with_dice(group)
    aim = " (low is good in it, so that −1 is full agreement)"
    said = [f"{one.statement}{aim if is_low_good(q) else ''}." for q, one in found.items() if one.sign]
    if unclear := [judged_name(q) for q, one in found.items() if one.sign == 0]:
        said.append(f"Not shown to go with Dice or against it: {', '.join(unclear)}.")
    without: dict[str, list[str]] = {}
    for q, one in found.items():
        if one.sign is None:
            without.setdefault(one.statement.replace(f"goes with {judged_name(q)}", "goes with {}"), []).append(
                judged_name(q)
            )
    return said + [f"{statement.format(', '.join(names))}." for statement, names in without.items()]


def is_low_good(quantity: Quantity) -> bool:
    """Whether `judged_column` is low where drawn images are like real ones."""
    return quantity in DISTANCES or quantity.as_real


def judged_name(quantity: Quantity) -> str:
    """What `judged_column` is called."""
    return f"{quantity.name} (difference from real)" if quantity.as_real else quantity.name


def flagged_by(one: MeasuredRealism) -> list[str]:
    """By what a run is flagged as copying: features, pixels, both or nothing."""
    rows = {by: one.row(quantity) for by, quantity in MEMORISED.items()}
    return [f"by {by}" for by, row in rows.items() if row is not None and row["flagged"]]
