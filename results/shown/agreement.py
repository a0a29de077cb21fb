"""Does realism predict use? Every number that is measured of images against Dice; and distances by how many images."""

from math import ceil, isnan

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from scipy.stats import linregress

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.realism import (
    agreements_with_dice,
    is_low_good,
    judged_column,
    judged_name,
)
from echobench.results.evidence.statistics import RankCorrelation, patient_values
from echobench.results.records.realism import Quantity, read_curves, read_realism
from echobench.results.shown.curves import families, is_training_length
from echobench.results.shown.figures import MEAN_DICE, PAGE_INCHES, SMALL, column_figure, labelled
from echobench.results.shown.formats import P_VALUE, Table
from echobench.results.shown.palette import REAL, look

_PANELS = 4
_LEAST = 3
"""Runs, without which a panel shows nothing."""


def agreement_tables(group: Group) -> list[Table]:
    """Spearman's ρ of each number with Dice, its interval and p; none where there is no answer at all."""
    rows = [
        {
            "number": judged_name(quantity),
            "good": "low" if is_low_good(quantity) else "high",
            "ρ": one.rho,
            "ρ low": one.low,
            "ρ high": one.high,
            "p": one.p,
            "runs": one.n,
        }
        for quantity, one in agreements_with_dice(group).items()
        if one.sign is not None
    ]
    if not rows:
        return []
    caption = (
        f"Whether realism predicts use: Spearman's ρ between each number and mean Dice, over the runs of generators. "
        f"{group.title}. The interval is a bootstrap of generators, each with all of its runs, because a generator's "
        "trainings and samplers hang together. p is exact, and only known where each generator has one run."
    )
    notes = (
        "Few generators make an interval too narrow. p is not corrected for how many numbers were tried: of twenty "
        "that have nothing to do with Dice, one has p < 0.05.",
    )
    return [Table("agreement", caption, pd.DataFrame(rows), {"ρ": ".2f", "ρ 95 %": ".2f", "p": P_VALUE}, notes)]


def agreement_figure(group: Group) -> Figure | None:
    """Dice against each number, a panel each; None where no number is known of three runs.

    Of several runs of a generator, later ones are filled more, and a line joins those that differ in the length of the
    training alone.
    """
    agreements, measured = agreements_with_dice(group), read_realism(group.runs)[0]
    columns = {q: judged_column(group, q, measured).dropna() for q in agreements}
    found = {q: one for q, one in agreements.items() if len(columns[q]) >= _LEAST}
    if not found:
        return None
    dice = {run.label: float(patient_values(run.scores).mean()) for run in group.runs}
    lines = [[run.label for run in family] for family in families(group.runs, is_training_length)]
    fills, rows = _fills(group), ceil(len(found) / _PANELS)
    with column_figure(0.5 + 1.6 * rows, PAGE_INCHES) as figure:
        grid = figure.subplots(rows, _PANELS, sharey=True, squeeze=False)
        for axes in grid.flat[len(found) :]:
            axes.set_axis_off()
        for axes, (quantity, one) in zip(grid.flat, found.items(), strict=False):
            _panel(axes, quantity, one, columns[quantity], dice, fills)
            for line in lines:
                known = [label for label in line if label in columns[quantity]]
                axes.plot(
                    columns[quantity].reindex(known), [dice[label] for label in known], label="_",
                    color=look(line[0]).colour, linewidth=0.6, zorder=1,
                )  # fmt: skip
        figure.supylabel(labelled(MEAN_DICE, group.whom), fontsize=8)
        _name_once(figure, _PANELS)
    return figure


def _fills(group: Group) -> dict[str, str]:
    """Colour inside each run's marker, by label: whole for the last run of a generator, paler for those before it."""
    of_generators: dict[str, list[str]] = {}
    for run in group.runs:
        of_generators.setdefault(run.record.generator, []).append(run.label)
    return {
        label: to_hex(1 - share * (1 - np.array(to_rgb(look(label).colour))))
        for labels in of_generators.values()
        for label, share in zip(labels[::-1], np.linspace(1, 0, len(labels), endpoint=False), strict=True)
    }


def _panel(
    axes: Axes,
    quantity: Quantity,
    one: RankCorrelation,
    column: "pd.Series[float]",
    dice: dict[str, float],
    fills: dict[str, str],
) -> None:
    for label, value in column.items():
        colour, marker = look(str(label))
        axes.plot(
            value, dice[str(label)], marker=marker, color=colour, markersize=4, markerfacecolor=fills[str(label)],
            linestyle="none", label=label,
        )  # fmt: skip
    name = judged_name(quantity).replace(" (", "\n(")
    rho = "" if isnan(one.rho) else f"\nρ {one.rho:.2f} ({one.low:.2f} to {one.high:.2f})".replace("-", "−")
    axes.set_title(f"{name}{rho}", fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)


_LETTERS = 120
"""Of names, that stand beside each other in a legend as wide as a page."""


def _name_once(figure: Figure, columns: int) -> None:
    """A legend with each run once, whichever panels it is in, in fewer columns where names are long."""
    found: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    room = int(_LETTERS * figure.get_figwidth() / PAGE_INCHES)
    columns = max(1, min(columns, room // (max(map(len, found)) + 5)))
    figure.legend([*found.values()], [*found], loc="outside upper center", frameon=False, ncols=columns)


def number_figure(group: Group) -> Figure | None:
    """Fréchet distances by the number of images, a panel for each kind; None where none was measured."""
    curves = {
        run.label: table for run in group.runs if not run.is_reference and (table := read_curves(run)) is not None
    }
    if not curves:
        return None
    together = pd.concat([table.assign(label=label) for label, table in curves.items()])
    metrics = list(dict.fromkeys(together["metric"]))
    with column_figure(0.4 + 2.0 * len(metrics)) as figure:
        for axes, metric in zip(figure.subplots(len(metrics), squeeze=False).flat, metrics, strict=True):
            _curves(axes, together[together["metric"] == metric])
            axes.set_ylabel(metric)
        _name_once(figure, 2)
    return figure


def _curves(axes: Axes, rows: pd.DataFrame) -> None:
    for (label, whose), curve in rows.groupby(["label", "whose"], sort=False):
        colour, marker = look(str(label)) if whose == "drawn" else REAL
        name = label if whose == "drawn" else "real frames"
        x, y = (1 / curve["n"]).to_numpy(), curve["distance"].to_numpy()
        axes.plot(x, y, marker=marker, markersize=3, color=colour, linestyle="none", label=name)
        if len(set(x)) == 1:
            continue
        line = linregress(x, y)
        axes.plot([0, x.max()], line.intercept + line.slope * np.array([0, x.max()]), color=colour, linewidth=0.7)
        axes.plot(0, line.intercept, marker="x", color=colour, markersize=4, clip_on=False)
    axes.set_xlim(0, None)
    axes.set_xlabel("1 / number of images")
