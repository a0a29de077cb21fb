"""Figures as pure functions of records, drawn for the column of a paper; their captions are in `CAPTIONS`, where
{whom} stands for what the scored patients are called.

A colour and a marker belong to a run throughout a group's figures; `real`, the reference, is grey.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isnan, nan
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from echobench.data.base.differences import differing
from echobench.data.labels import REGIONS
from echobench.results.evidence.comparison import Group, own_settings
from echobench.results.evidence.cost import cost, machine
from echobench.results.evidence.differences import key
from echobench.results.evidence.statistics import MEAN, Estimate, estimate, patient_values, seed_means
from echobench.results.records.run import SCORED_ON, Run

COLUMN_INCHES = 3.5
DPI = 300
DICE, MEAN_DICE = "Dice (%)", "mean Dice (%)"

CAPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dice": "Dice of U-Nets trained on what each generator drew, scored on the same real {whom}. A dot is a "
        "patient: the mean of LVendo, LVepi and LA, both phases, all views and all U-Net seeds. The diamond is the "
        "mean over patients with its 95 % bootstrap interval, the short strokes below are those of single U-Net seeds. "
        "The dashed line is the mean of a U-Net trained on the real frames.",
        "regions": "Dice per region. A dot is a patient, the diamond the mean over {whom} with its 95 % bootstrap "
        "interval, the dashed line the mean of a U-Net trained on the real frames. The regions have scales of their "
        "own.",
        "cost": "Dice against the seconds that a generator needs for one image; the bars are 95 % bootstrap intervals "
        "over {whom}. Above the grey stairs there is nothing at the price: their corners are the generators that no "
        "other beats in both. What drew nothing, or was drawn "
        "elsewhere, is a level without a place on the axis of seconds.",
        "training": "Dice against the time for which the generator was trained; the bars are 95 % bootstrap intervals "
        "over {whom}. A line joins runs that differ in the length of the training alone. What is not trained is a "
        "level without a place on the axis of minutes.",
        "images": "Dice against the number of images that the U-Net was trained on; the bars are 95 % bootstrap "
        "intervals over {whom}. A line joins runs that differ in that number alone.",
        "ejection": "Ejection fraction from the U-Nets' masks minus that from the experts', against the mean of both "
        "(Bland and Altman 1986). A dot is a patient and a U-Net seed, the line the bias, the dashed lines the limits "
        "between which 95 % of the errors lie; above stand their numbers. The last panel has what the method itself "
        "is worth: the experts' masks against the ejection fraction that the dataset states.",
        "cross": "Dice on the runs' own {whom} (open) and on other data (filled), means over patients with "
        "their 95 % bootstrap intervals.",
    }
)
"""In words, by figure."""

_RC = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 8,
    "legend.fontsize": 7, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "lines.linewidth": 1, "text.parse_math": False, "savefig.dpi": DPI, "svg.fonttype": "none", "pdf.fonttype": 42,
}  # fmt: skip
_MARKERS = "osD^vP*X<>"
REFERENCE = "0.35"
"""The colour of `real`."""
_TOO_PALE = (7, 8)  # of seaborn's palette: a grey, which is the reference's, and a yellow


@dataclass(frozen=True)
class _Point:
    """A run in a figure of Dice against something; x is NaN where there is no such thing."""

    run: Run
    x: float
    dice: Estimate


def dice_figure(group: Group) -> Figure:
    """Mean Dice of each run, the best on top, with every patient as a point."""
    runs = _by_mean(group.runs)
    with column_figure(0.5 + _rows_inches(runs)) as figure:
        axes = figure.subplots()
        _patients(axes, runs, looks_of(group), MEAN, ticks=7)
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
    """Dice of each run in every region, with every patient as a point."""
    runs = _by_mean(group.runs)
    with column_figure(1.0 + 2 * 0.8 * _rows_inches(runs)) as figure:
        for axes, region in zip(figure.subplots(2, 2, sharey=True).flat, REGIONS, strict=True):
            _patients(axes, runs, looks_of(group), region, ticks=4)
            axes.set_title(region)
        figure.supxlabel(labelled(DICE, group.whom), fontsize=8)
    return figure


def cost_figure(group: Group) -> Figure | None:
    """Mean Dice against seconds per image; a line joins the runs that no other beats in both. None if nothing drew."""
    points = [_Point(run, cost(run.record).seconds_per_image, estimate(run.scores)) for run in group.runs]
    placed = [point for point in points if not isnan(point.x)]
    front = [placed[i] for i in pareto([p.x for p in placed], [p.dice.mean for p in placed])]
    return _against(group, points, "seconds per image", "nothing drawn", [front], steps=True)


def training_figure(group: Group) -> Figure | None:
    """Mean Dice against minutes of the generator's training; a line joins runs that differ in its length alone.

    None if nothing was trained.
    """
    minutes = [cost(run.record).training_seconds / 60 if run.record.parameters else nan for run in group.runs]
    points = [_Point(run, x, estimate(run.scores)) for run, x in zip(group.runs, minutes, strict=True)]
    lines = [[p for p in points if p.run in family] for family in families(group.runs, is_training_length)]
    return _against(group, points, "minutes of training", "not trained", lines)


def image_figure(group: Group) -> Figure | None:
    """Mean Dice against training images, of runs that differ in their number alone; None where there are none.

    Real frames, of which there are only so many, are a level.
    """
    found = families(group.runs, is_image_number)
    lines = [[_Point(run, run.record.training_images, estimate(run.scores)) for run in family] for family in found]
    joined = [run for family in found for run in family]
    levels = [_Point(run, nan, estimate(run.scores)) for run in group.runs if run.is_reference and run not in joined]
    points = [*levels, *(point for line in lines for point in line)]
    return _against(group, points, "training images", "all frames", lines)


def pareto(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices of those that no other beats: cheapest first, each with more gain than all that are cheaper."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i]))
    best, front = -inf, []
    for i in order:
        if gains[i] > best:
            best = gains[i]
            front.append(i)
    return front


def families(runs: Sequence[Run], free: Callable[[str], bool]) -> list[list[Run]]:
    """Runs of one generator on one machine that differ in the settings that `free` names, and in no others."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        record = run.record
        facts = {"generator": record.generator, "machine": machine(record), **_settings(run)}
        found.setdefault(key({name: value for name, value in facts.items() if not free(name)}), []).append(run)
    return [family for family in found.values() if any(map(free, differing([_settings(run) for run in family])))]


def _settings(run: Run) -> dict[str, Any]:
    """What draws and trains; not how often the U-Net was trained, nor what the settings are called."""
    settings = own_settings(run.record.settings)
    return {name: value for name, value in settings.items() if name not in ("preset", "unet_seeds")}


def is_training_length(name: str) -> bool:
    """Whether a generator's setting says how long it is trained."""
    return name in ("training.steps", "training.epochs")


def is_image_number(name: str) -> bool:
    """Whether a setting says how many images the U-Net is trained on; the machine has no part in that figure."""
    return name in ("images", "repeats", "machine")


def _against(
    group: Group,
    points: Sequence[_Point],
    axis: str,
    absent: str,
    lines: Sequence[Sequence[_Point]],
    *,
    steps: bool = False,
) -> Figure | None:
    """Dice with its interval against a quantity on a logarithmic axis; None without a point that has one.

    Points that lack it are levels, of which the legend says why: `absent`. steps: the lines are grey stairs, the last
    of which goes on to the edge.
    """
    xs = [point.x for point in points if not isnan(point.x)]
    if not xs:
        return None
    looks = looks_of(group)
    columns = 1 if max(len(point.run.label) for point in points) > 16 else 2
    with column_figure(2.3 + 0.14 * len(points) / columns) as figure:
        axes = figure.subplots()
        _logarithmic(axes, min(xs), max(xs))
        for point in points:
            _draw(axes, point, *looks[point.run.label], absent)
        for line in lines:
            ordered = sorted((point.x, point.dice.mean) for point in line)
            if steps:
                ordered.append((axes.get_xlim()[1], ordered[-1][1]))
            colour = "0.6" if steps else looks[line[0].run.label][0]
            x, y = zip(*ordered, strict=True)
            axes.plot(x, y, color=colour, drawstyle="steps-post" if steps else "default", zorder=1)
        axes.set_xlabel(axis)
        axes.set_ylabel(labelled(MEAN_DICE, group.whom))
        figure.legend(loc="outside upper center", ncols=columns, frameon=False, handlelength=1.8)
    return figure


def _draw(axes: Axes, point: _Point, colour: str, marker: str, absent: str) -> None:
    label, mean = point.run.label, point.dice.mean
    if isnan(point.x):
        why = "drawn elsewhere" if point.run.record.is_drawn_elsewhere else absent
        axes.axhline(mean, color=colour, linestyle="--", linewidth=0.8, zorder=0, label=f"{label}: {why}")
        return
    axes.errorbar(
        point.x, mean, [[mean - point.dice.low], [point.dice.high - mean]], label=label, color=colour, marker=marker,
        markersize=4.8, markeredgecolor="white", markeredgewidth=0.5, elinewidth=0.8, linestyle="none", zorder=3,
    )  # fmt: skip


def _logarithmic(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis of at least one decade around the values, with plain numbers at 1, 2, 5 or at decades."""
    margin = max(1.5, (10 * low / high) ** 0.5)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _patients(axes: Axes, runs: Sequence[Run], looks: Mapping[str, tuple[str, str]], region: str, ticks: int) -> None:
    """A row per run: its patients' Dice in one region, their mean and its interval."""
    jitter = np.random.default_rng(0)
    for y, run in enumerate(runs):
        found, values = estimate(run.scores, region=region), patient_values(run.scores, region=region)
        scattered = y + jitter.uniform(-0.17, 0.17, len(values))
        axes.scatter(values, scattered, s=6, color=looks[run.label][0], alpha=0.55, linewidth=0)
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


def looks_of(group: Group) -> dict[str, tuple[str, str]]:
    """Colour and marker by label, the same in every figure of a group: a generator's runs have one colour."""
    generators = list(dict.fromkeys(run.record.generator for run in group.runs if not run.is_reference))
    looks: dict[str, tuple[str, str]] = {}
    seen: Counter[str] = Counter()
    for run in group.runs:
        name = run.record.generator
        number = generators.index(name) if name in generators else 0
        colour, marker = look(number, seen[name])
        looks[run.label] = (REFERENCE if run.is_reference else colour, marker)
        seen[name] += 1
    return looks


def look(number: int, run: int = 0) -> tuple[str, str]:
    """Colour of generator `number` and marker of its run number `run`."""
    colours = [colour for i, colour in enumerate(sns.color_palette("colorblind").as_hex()) if i not in _TOO_PALE]
    return colours[number % len(colours)], _MARKERS[(number + run) % len(_MARKERS)]


@contextmanager
def column_figure(height_inches: float, width_inches: float = COLUMN_INCHES) -> Iterator[Figure]:
    """A figure, as wide as a column if nothing else is said, with nothing of it left in matplotlib's global state."""
    style: dict[Any, Any] = {**sns.axes_style("ticks"), **_RC}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        yield figure
        for axes in figure.axes:
            sns.despine(ax=axes)
