"""How real drawn images are: what may stand in one column, who copies, and whether it goes with Dice."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isnan, nan

import pandas as pd

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.statistics import MEAN, RankCorrelation, patient_values, rank_correlation
from echobench.results.records.realism import INCEPTION, PIXELS, UNET, MeasuredRealism, Quantity, read_realism

FD_UNET = Quantity("FD-UNet", "FD-UNet", spec=".1f", of_subsets=True)
KD_UNET = Quantity("KD-UNet", "KD-UNet", spec=".1f", of_subsets=True)
FID = Quantity("FID", "FID", INCEPTION, spec=".1f", of_subsets=True)
KID = Quantity("KID", "KID", INCEPTION, spec=".4f", of_subsets=True)
ADHERENCE = Quantity("adherence", "adherence", region=MEAN, spec=".1f", scale=100)
DISTANCES = (FD_UNET, KD_UNET, FID, KID)
"""What is low where drawn images are like real ones."""

MEMORISED = {
    by: Quantity(f"copies by {by}", "memorised", extractor, spec=".1f", scale=100)
    for by, extractor in (("features", UNET), ("pixels", PIXELS))
}
"""The share of copies among drawn images."""


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


def realism_column(group: Group, quantity: Quantity = FD_UNET) -> "pd.Series[float]":
    """A quantity of every run but `real`, by label, as in the tables; NaN where it is not known.

    Where runs were measured on different terms, those of the largest part have values: the others do not compare.
    """
    measured, _ = read_realism(group.runs)
    parts = comparable_parts([one for one in measured if one.row(quantity)], (quantity,))
    values = {one.run.label: one.value(quantity) for one in max(parts, key=len, default=[])}
    labels = [run.label for run in group.runs if not run.is_reference]
    return pd.Series([values.get(label, nan) for label in labels], index=labels, dtype=float)


def agreement_with_dice(group: Group, quantity: Quantity = FD_UNET) -> RankCorrelation:
    """Whether a quantity goes with mean Dice over the runs of generators, with a sentence that says so.

    `real` is left out: it is no generator, and at the end of both scales by construction. Runs of one generator are not
    independent, so that there is no answer where one has several.
    """
    column = realism_column(group, quantity)
    times = Counter(run.record.generator for run in group.runs if not isnan(column.get(run.label, nan)))
    if several := [generator for generator, runs in times.items() if runs > 1]:
        why = f"{', '.join(several)} with several runs: whether {quantity.name} goes with Dice takes one run of each"
        return RankCorrelation(len(times), nan, nan, why)
    dice = {run.label: float(patient_values(run.scores).mean()) for run in group.runs}
    return rank_correlation(column.to_list(), [dice[label] for label in column.index], quantity.name)


def agreements(group: Group) -> list[str]:
    """`agreement_with_dice` in sentences, of those distances and that adherence that were measured."""
    aim = " (low is good in it, so that −1 is full agreement)"
    measured = [q for q in (*DISTANCES, ADHERENCE) if realism_column(group, q).notna().any()]
    found = {quantity: agreement_with_dice(group, quantity) for quantity in measured}
    return [
        f"{one.statement}{aim if quantity in DISTANCES and not isnan(one.rho) else ''}."
        for quantity, one in found.items()
    ]


def flagged_by(one: MeasuredRealism) -> list[str]:
    """By what a run is flagged as copying: features, pixels, both or nothing."""
    rows = {by: one.row(quantity) for by, quantity in MEMORISED.items()}
    return [f"by {by}" for by, row in rows.items() if row is not None and row["flagged"]]
