"""What U-Nets score on data of another kind: tables and a figure of a group, for every target."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from echobench.data.frames import PHASES
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cross import Crossed, crossed_runs, gap, pooled_dice
from echobench.results.evidence.statistics import (
    MEAN,
    bootstrap_interval,
    compared_pairs,
    patient_values,
    seed_spread,
)
from echobench.results.records.cross import ECHONET, PREFIX, CrossRecord
from echobench.results.shown.curves import LEAST_SPAN, Spot, name_at, widened
from echobench.results.shown.figures import COLUMN_INCHES, DICE, MEAN_DICE, column_figure
from echobench.results.shown.formats import Table, named_apart, numbered
from echobench.results.shown.palette import look
from echobench.results.shown.published import published
from echobench.results.shown.tables import WHO, missed_structures, pair_table


def cross_tables(group: Group) -> list[Table]:
    """For each target the Dice there beside that on the run's own scored patients, and what speaks for differences."""
    tables: list[Table] = []
    for crossed in crossed_runs(group.runs):
        tables.append(gap_table(group, crossed))
        if len(crossed) > 1:
            tables.append(_evidence_table(group, crossed))
    return named_apart(tables)


def cross_figures(group: Group) -> dict[str, Figure]:
    """A figure for each target: Dice there against Dice on the own scored patients, a point for each run."""
    crossed = crossed_runs(group.runs)
    names = numbered([f"{PREFIX}{one[0].record.target}" for one in crossed])
    return {name: _figure(group, one) for name, one in zip(names, crossed, strict=True)}


def gap_table(group: Group, crossed: Sequence[Crossed]) -> Table:
    """A row per run of those scored on the same frames: Dice on its own scored patients and there."""
    record = crossed[0].record
    region = crossed[0].region
    pooled_region = region if region != MEAN else TABLE_REGIONS[0]
    return Table(
        name=f"{PREFIX}{record.target}",
        caption=f"Dice ({_words(region)}) in % on {_target(record)}, beside that on the runs' own {group.whom}. "
        f"{group.title}. Mean ± standard deviation over patients, whose images are averaged first; where the two have "
        f"views or phases in common, of these. pooled: all pixels of {pooled_region} together, as EchoNet-Dynamic "
        f"reports, with its 5th and 95th percentile. {record.resize}.",
        frame=pd.DataFrame([_row(one, region, pooled_region) for one in crossed]),
        formats=dict.fromkeys(("own", "there", "there 95 %", "ED", "ES", "pooled", "pooled 5th", "pooled 95th"), ".1f")
        | {"gap": "+.1f", "gap 95 %": "+.1f", "seed std": ".2f"},
        notes=(*_skipped(record), *_published(record), *group.notes),
    )


def _row(one: Crossed, region: str, pooled_region: str) -> dict[str, object]:
    own, there = patient_values(one.own, region=region), patient_values(one.there, region=region)
    row: dict[str, object] = {WHO: one.run.label}
    row |= {"own mean": own.mean(), "own std": own.std(), "there mean": there.mean(), "there std": there.std()}
    row["there low"], row["there high"] = bootstrap_interval(there)
    row["gap"], row["gap low"], row["gap high"] = gap(own, there, paired=one.same_patients)
    for phase in (phase for phase in PHASES if (one.there["phase"] == phase).any()):
        values = patient_values(one.there[one.there["phase"] == phase], region=region)
        row |= {f"{phase} mean": values.mean(), f"{phase} std": values.std()}
    row["pooled"], row["pooled 5th"], row["pooled 95th"] = pooled_dice(one.there, pooled_region)
    return row | {
        "missed": missed_structures(one.there),
        "patients": len(there),
        "seed std": seed_spread(one.there, region=region),
        "U-Net seeds": len(one.record.unet_seeds),
    }


def _evidence_table(group: Group, crossed: Sequence[Crossed]) -> Table:
    record = crossed[0].record
    pairs = compared_pairs({one.run.label: one.there for one in crossed}, crossed[0].region)
    return replace(
        pair_table(pairs, group.title, group.notes),
        name=f"{PREFIX}{record.target}-evidence",
        caption=f"Dice ({_words(crossed[0].region)}) of the first minus the second on {_target(record)}, in points "
        f"of %. {group.title}.",
    )


def _skipped(record: CrossRecord) -> Iterator[str]:
    if record.skipped:
        yield f"{len(record.skipped)} left out as unreadable: {'; '.join(record.skipped[:5])}" + (
            " …" if len(record.skipped) > 5 else ""
        )


def _published(record: CrossRecord) -> Iterator[str]:
    """What papers report on EchoNet-Dynamic, where it is the target."""
    if record.target != ECHONET:
        return
    table = published()
    theirs = table[table["test_dataset"].str.startswith("EchoNet-Dynamic")].astype({"std": str})
    for row in theirs.to_dict("records"):
        spread = "" if row["std"] == "nan" else f" ± {row['std']}"
        yield (
            f"Published: {row['generator']}, trained on {row['train_data']}, {row['test_dataset']}: "
            f"{row['mean']}{spread} ({row['unit']}; {row['paper']}, {row['edition']}, {row['locator']})."
        )


def _figure(group: Group, crossed: Sequence[Crossed]) -> Figure:
    """Both axes have the same limits, so that the distance from the diagonal is the gap."""
    region, record = crossed[0].region, crossed[0].record
    values = [[patient_values(scores, region=region) for scores in (one.own, one.there)] for one in crossed]
    found = [_Cross(*((v.mean(), *bootstrap_interval(v)) for v in pair)) for pair in values]
    with column_figure(COLUMN_INCHES) as figure:
        axes = figure.subplots()
        for one, cross in zip(crossed, found, strict=True):
            _draw_cross(axes, one.run.label, cross)
        low, high = np.nanmin(found), np.nanmax(found)
        limits = widened(low, high, max(0.1 * (high - low), (LEAST_SPAN - (high - low)) / 2))
        axes.plot(limits, limits, color="0.6", linestyle="--", linewidth=0.7, zorder=0, label="the same Dice on both")
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        dice = MEAN_DICE if region == MEAN else f"{region} {DICE}"
        axes.set_xlabel(f"{dice}, own {group.whom}")
        axes.set_ylabel(f"{dice}, {record.dataset}")
        figure.legend(loc="outside upper center", frameon=False)
        figure.draw_without_rendering()  # for the layout, on which it hangs what covers what
        bars = [axes.transData.transform(bar) for cross in found for bar in cross.bars]
        names = [(one.run.label, cross.spots) for one, cross in zip(crossed, found, strict=True)]
        name_at(axes, names, [Bbox(bar).padded(2) for bar in bars])
    return figure


class _Cross(NamedTuple):
    """A run in the figure: mean, low and high of its Dice on the own patients and there; NaN where there is no
    interval."""

    own: tuple[float, float, float]
    there: tuple[float, float, float]

    @property
    def bars(self) -> tuple[tuple[tuple[float, float], tuple[float, float]], ...]:
        """Both intervals, each from (x, y) to (x, y)."""
        (x, left, right), (y, bottom, top) = (
            (mean, *(mean if isnan(end) else end for end in ends)) for mean, *ends in self
        )
        return ((left, y), (right, y)), ((x, bottom), (x, top))

    @property
    def spots(self) -> list[Spot]:
        """Where its name may stand: at the ends of its bars."""
        (left, right), (bottom, top) = self.bars
        return [
            (*right, 4, 0, "left", "center"),
            (*left, -4, 0, "right", "center"),
            (*bottom, 0, -4, "center", "top"),
            (*top, 0, 4, "center", "bottom"),
        ]


def _draw_cross(axes: Axes, label: str, cross: _Cross) -> None:
    colour, marker = look(label)
    for bar in cross.bars:
        axes.plot(*zip(*bar, strict=True), color=colour, linewidth=0.9)
    axes.plot(
        cross.own[0], cross.there[0], marker=marker, markersize=5, color=colour, markeredgecolor="white",
        markeredgewidth=0.5, zorder=3,
    )  # fmt: skip


def _words(region: str) -> str:
    return f"the mean of {', '.join(TABLE_REGIONS)}" if region == MEAN else region


def _target(record: CrossRecord) -> str:
    return f"{record.dataset}, {record.view} ({record.frames} frames of {record.patients} patients)"
