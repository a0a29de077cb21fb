"""The figure of a sweep, as a pure function of its records."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from echobench.results.evidence.sweep import AXES, Line, Sweep
from echobench.results.shown.curves import LEAST_SPAN, at_least, draw_level, draw_means
from echobench.results.shown.figures import MEAN_DICE, column_figure, labelled

DODGE = 0.015
"""What lies between the bars of two generators at the same value, in lengths of the axis."""


def sweep_figure(sweep: Sweep) -> Figure:
    """Mean Dice against the setting that was swept, a line per generator and a dashed one per level.

    Bands are from the lowest to the highest mean of a U-Net seed, bars are 95 % bootstrap intervals over patients.
    """
    lines = [line for line in sweep.lines if line.runs]
    with column_figure(2.9) as figure:
        axes = figure.subplots()
        axes.set_xscale("log" if sweep.axis == "fraction" else "linear")
        for level in (run for line in sweep.levels for run in line.runs.values()):
            draw_level(axes, level, level.label)
        for i, line in enumerate(lines):
            shift = (i - (len(lines) - 1) / 2) * DODGE
            draw_means(axes, _shifted(sweep, line, shift), list(line.runs.values()), line.label)
        at_least(axes, LEAST_SPAN)
        _ticks(axes, sweep)
        axes.set_xlabel(AXES[sweep.axis] + (" (and their number)" if sweep.axis == "fraction" else ""))
        axes.set_ylabel(labelled(MEAN_DICE, sweep.whom))
        shown = [*sweep.levels, *lines]
        figure.legend(
            loc="outside upper center", frameon=False, handlelength=1.8, title_fontsize=7,
            ncols=1 if max(len(line.label) for line in shown) > 16 else min(len(shown), 4), columnspacing=1.2,
            title="bars and dots: 95 % interval over patients; bands: U-Net seeds",
        )  # fmt: skip
    return figure


def _shifted(sweep: Sweep, line: Line, shift: float) -> NDArray[np.float64]:
    """Where a line's values lie, moved along the axis by a part of its length."""
    values, ends = np.array([*line.runs]), np.array([min(_values(sweep)), max(_values(sweep))])
    if sweep.axis == "fraction":
        return values * (ends[1] / ends[0]) ** shift
    return values + shift * np.ptp(ends)


def _ticks(axes: Axes, sweep: Sweep) -> None:
    """One at each value; those of fractions say how many patients that is."""
    patients = {value: run.record.training_patients for line in sweep.lines for value, run in line.runs.items()}
    values = _values(sweep)
    counts = [f"\n({patients[value]})" if sweep.axis == "fraction" and patients.get(value) else "" for value in values]
    axes.set_xticks(values, [f"{value:g}{count}" for value, count in zip(values, counts, strict=True)])
    axes.xaxis.set_minor_locator(NullLocator())


def _values(sweep: Sweep) -> list[float]:
    """Every value that was asked for, ascending."""
    return sorted({value for line in sweep.lines for value in (*line.runs, *line.failures)})
