"""The figure of a sweep of patients, as a pure function of its records."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from echobench.results.evidence.worth import PatientSweep, Way
from echobench.results.shown.curves import LEAST_SPAN, at_least
from echobench.results.shown.figures import MEAN_DICE, column_figure, labelled
from echobench.results.shown.palette import look

DODGE = 0.012
"""What lies between the bars of two lines at the same number, in lengths of the axis."""
_STYLES = (("-", "o"), ("--", "^"), ("-.", "s"), ("--", "D"))


def worth_figure(sweep: PatientSweep) -> Figure:
    """Mean Dice against the number of real patients, a line per way to train.

    Colours are of generators, line and marker of mixes; drawn images alone are dotted. Bars are 95 % intervals, small
    dots the means of single draws of the patients.
    """
    ways = [way for way in sweep.ways if way.runs]
    with column_figure(3.0 + 0.13 * len(ways)) as figure:
        axes = figure.subplots()
        axes.set_xscale("log")
        numbers = sorted({number for way in ways for number in way.runs})
        for i, way in enumerate(ways):
            shift = (i - (len(ways) - 1) / 2) * DODGE
            _draw(axes, way, (numbers[-1] / numbers[0]) ** shift, *_style(sweep, way.mix))
        at_least(axes, LEAST_SPAN)
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("real patients in all")
        axes.set_ylabel(labelled(MEAN_DICE, sweep.whom))
        figure.legend(
            loc="outside upper center", frameon=False, handlelength=2.6, title_fontsize=7, columnspacing=1.2,
            ncols=1 if max(len(way.label) for way in ways) > 16 else min(len(ways), 3),
            title="bars: 95 % interval over patients and draws; dots: draws",
        )  # fmt: skip
    return figure


def _style(sweep: PatientSweep, mix: float | None) -> tuple[str, str]:
    """Line and marker of a mix, of which real frames alone are the first."""
    if mix is None:
        return ":", "v"
    mixes = sorted({0.0, *(way.mix for way in sweep.ways if way.mix is not None)})
    return _STYLES[mixes.index(mix) % len(_STYLES)]


def _draw(axes: Axes, way: Way, factor: float, line: str, marker: str) -> None:
    """A line, moved along the axis by a factor."""
    colour, reached = look(way.generator).colour, list(way.reach.values())
    x, means = factor * np.array([*way.runs], dtype=np.float64), np.array([one.dice.value for one in reached])
    bars = np.abs(np.array([[one.dice.low, one.dice.high] for one in reached]).T - means)
    for place, number in zip(x, way.runs, strict=True):
        draws = way.draw_means(number)
        axes.plot([place] * len(draws), draws, ".", color=colour, markersize=2.5, alpha=0.6)
    axes.errorbar(
        x, means, bars, label=way.label, color=colour, markersize=4.2, markeredgecolor="white", markeredgewidth=0.5,
        linestyle=line, marker=marker, linewidth=1, elinewidth=0.8, zorder=3,
    )  # fmt: skip
