"""Figures as pure functions of records, drawn for the column of a paper; their captions are in `CAPTIONS`, where
{whom} stands for what the scored patients are called.

`palette` says which colour and marker a generator has; they are the same in every figure.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from echobench.data.labels import REGIONS
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.statistics import MEAN, estimate, patient_values, seed_means
from echobench.results.records.run import SCORED_ON, Run
from echobench.results.shown.palette import look

COLUMN_INCHES, PAGE_INCHES, PAGE_HEIGHT = 3.5, 7.2, 9.7
"""Width of a column, width and height of a page: figures are printed at the size that they have."""
DPI = 300
DICE, MEAN_DICE = "Dice (%)", "mean Dice (%)"
SMALL = 7
"""Points of the smallest text."""

_BARS = (
    "Thin bars and dotted lines are 95 % bootstrap intervals over {whom}; thick pale bars and bands lie between the "
    "lowest and the highest mean of a U-Net seed."
)
CAPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dice": "Dice of U-Nets trained on what each generator drew, scored on the same real {whom}. A dot is a "
        "patient: the mean of LVendo, LVepi and LA, both phases, all views and all U-Net seeds. The diamond is the "
        "mean over patients with its 95 % bootstrap interval, the short strokes below are those of single U-Net seeds. "
        "The dashed line is the mean of a U-Net trained on the real frames.",
        "regions": "Dice per region. A dot is a patient, the diamond the mean over {whom} with its 95 % bootstrap "
        "interval, the dashed line the mean of a U-Net trained on the real frames.",
        "cost": f"Dice against the seconds that a generator needs for one image. {_BARS} A ring marks a generator "
        "that no other on the same machine beats in both: none draws faster and has as high a Dice. The grey stairs, "
        "where there is one machine, are the highest Dice at each price. A dashed line has no place on the axis of "
        "seconds: it drew nothing, or was drawn elsewhere.",
        "evaluations": f"Dice against the number of network evaluations for one image. {_BARS} A line joins runs of "
        "one generator that differ in that number alone, perhaps on several machines.",
        "training": f"Dice against the time for which the generator was trained. {_BARS} A line joins runs that "
        "differ in the length of the training alone. A dashed line has no place on the axis of minutes: it was not "
        "trained.",
        "images": f"Dice against the number of images that the U-Net was trained on. {_BARS} A line joins runs that "
        "differ in that number alone. The dashed line is the real frames, whose number is fixed.",
        "ejection": "Ejection fraction from the U-Nets' masks minus that from the experts', against the mean of both "
        "(Bland and Altman 1986). A dot is a patient and a U-Net seed, the line the bias, the dashed lines the limits "
        "between which 95 % of the errors lie, with their numbers above. What lies beyond the axes is a hollow dot at "
        "their edge, and counted above as outside. The last panel shows how good the method itself is: the experts' "
        "masks against the ejection fraction that the dataset states.",
        "agreement": "Mean Dice over {whom} against each number that is measured of the images, a point for each run. "
        "Where a number should be as in real frames, it is how far it is off. Of several runs of a generator, later "
        "ones are filled more, and a line joins those that differ in the length of the training alone. Above is "
        "Spearman's ρ with its 95 % interval, if there are enough generators. The interval takes runs of one generator "
        "together.",
        "number": "Fréchet distances by the number n of drawn images, on an axis of 1/n (Chong and Forsyth 2020). A "
        "cross on the left is where the line leads for infinitely many. Real frames in the place of drawn images are "
        "grey.",
        "cross": "Dice of the same U-Nets on other data, against Dice on the runs' own {whom}. A point is a generator, "
        "the mean over patients; bars are its 95 % bootstrap intervals, both ways. On the dashed line nothing is lost, "
        "and the distance below it is the gap.",
    }
)
"""In words, by figure."""
REGION_TITLES: Mapping[str, str] = MappingProxyType(
    {"LVendo": "LVendo: cavity", "LVepi": "LVepi: cavity and wall", "LVmyo": "LVmyo: wall", "LA": "LA: left atrium"}
)

_RC = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 8,
    "legend.fontsize": SMALL, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "lines.linewidth": 1, "text.parse_math": False, "savefig.dpi": DPI, "svg.fonttype": "none", "pdf.fonttype": 42,
}  # fmt: skip


def dice_figure(group: Group) -> Figure:
    """Mean Dice of each run, the best on top, with every patient as a point."""
    runs = _by_mean(group.runs)
    with column_figure(0.5 + _rows_inches(runs)) as figure:
        axes = figure.subplots()
        _patients(axes, runs, MEAN, ticks=7)
        for y, run in enumerate(runs):
            seeds = seed_means(run.scores)
            if len(seeds) > 1:
                axes.vlines(seeds, y + 0.22, y + 0.38, color="black", linewidth=0.9, zorder=4)
        axes.set_xlabel(labelled(MEAN_DICE, group.whom))
    return figure


def labelled(measure: str, whom: str) -> str:
    """An axis of scores: it names the patients where they are not those who judge in the end."""
    return measure if whom == SCORED_ON["testing"] else f"{measure}, {whom}"


def region_figure(group: Group) -> Figure:
    """Dice of each run in every region, on one scale, with every patient as a point."""
    runs = _by_mean(group.runs)
    with column_figure(1.0 + 2 * 0.8 * _rows_inches(runs)) as figure:
        for axes, region in zip(figure.subplots(2, 2, sharex=True, sharey=True).flat, REGIONS, strict=True):
            _patients(axes, runs, region, ticks=4)
            axes.set(title=REGION_TITLES[region], xlim=(-3, 103))
        figure.supxlabel(labelled(DICE, group.whom), fontsize=8)
    return figure


def _patients(axes: Axes, runs: Sequence[Run], region: str, ticks: int) -> None:
    """A row per run: its patients' Dice in one region, their mean and its interval."""
    jitter = np.random.default_rng(0)
    for y, run in enumerate(runs):
        found, values = estimate(run.scores, region=region), patient_values(run.scores, region=region)
        scattered, (colour, marker) = y + jitter.uniform(-0.17, 0.17, len(values)), look(run.label)
        axes.scatter(values, scattered, s=6, color=colour, marker=marker, alpha=0.55, linewidth=0)
        axes.errorbar(
            found.mean, y, xerr=[[found.mean - found.low], [found.high - found.mean]], color="black", marker="D",
            markersize=3.5, markeredgecolor="white", markeredgewidth=0.4, elinewidth=1.2, capsize=2.5, zorder=5,
        )  # fmt: skip
        if run.is_reference:
            axes.axvline(found.mean, color="0.45", linestyle="--", linewidth=0.7, zorder=0)
    axes.set_yticks(range(len(runs)), [run.label.replace(" (", "\n(") for run in runs])
    axes.set_ylim(len(runs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))


def _rows_inches(runs: Sequence[Run]) -> float:
    """Height of a row per run, with room for labels of two lines."""
    return sum(0.38 if " (" in run.label else 0.32 for run in runs)


def _by_mean(runs: Sequence[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: -patient_values(run.scores).mean())


@contextmanager
def column_figure(height_inches: float, width_inches: float = COLUMN_INCHES) -> Iterator[Figure]:
    """A figure, as wide as a column if nothing else is said, with nothing of it left in matplotlib's global state."""
    style: dict[Any, Any] = {**sns.axes_style("ticks"), **_RC}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        yield figure
        for axes in figure.axes:
            sns.despine(ax=axes)
