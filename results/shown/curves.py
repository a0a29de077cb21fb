"""Figures of Dice against something else: the price of an image, its evaluations, minutes of training, images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

from echobench.data.base.differences import differing
from echobench.results.evidence.comparison import Group, own_settings
from echobench.results.evidence.cost import cost, hardware
from echobench.results.evidence.differences import key
from echobench.results.evidence.statistics import estimate, patient_values, seed_means
from echobench.results.records.run import Run
from echobench.results.shown.figures import MEAN_DICE, SMALL, column_figure, labelled
from echobench.results.shown.palette import look

LEAST_SPAN = 10.0
"""Points of Dice that an axis shows at least: a difference that seeds could undo must not fill a figure."""


@dataclass(frozen=True)
class _Place:
    """Where a run is along the axis; x is NaN where there is no such thing."""

    run: Run
    x: float


def cost_figure(group: Group) -> Figure | None:
    """Mean Dice against seconds per image, with the runs that no other of the same machine beats in both. None if
    nothing drew."""
    places = [_Place(run, cost(run.record).seconds_per_image) for run in group.runs]
    machines: dict[str, list[_Place]] = {}
    for place in places:
        if not isnan(place.x):
            machines.setdefault(hardware(place.run.record), []).append(place)
    return _against(group, places, "seconds per image", "nothing drawn", [], [*map(_front, machines.values())])


def _front(placed: Sequence[_Place]) -> list[tuple[float, float]]:
    """The points that none beats, cheapest first."""
    dice = [float(patient_values(place.run.scores).mean()) for place in placed]
    return [(placed[i].x, dice[i]) for i in pareto([place.x for place in placed], dice)]


def training_figure(group: Group) -> Figure | None:
    """Mean Dice against minutes of the generator's training; a line joins runs that differ in its length alone.

    None if nothing was trained.
    """
    minutes = [cost(run.record).training_seconds / 60 if run.record.parameters else nan for run in group.runs]
    places = [_Place(run, x) for run, x in zip(group.runs, minutes, strict=True)]
    lines = [[p for p in places if p.run in family] for family in families(group.runs, is_training_length)]
    return _against(group, places, "minutes of training", "not trained", lines)


def evaluation_figure(group: Group) -> Figure | None:
    """Mean Dice against network evaluations per image, of runs that differ in their number alone; None where there are
    none."""
    return _of_families(
        group, is_evaluation_number, lambda run: run.record.evaluations, "network evaluations per image"
    )


def image_figure(group: Group) -> Figure | None:
    """Mean Dice against training images, of runs that differ in their number alone; None where there are none.

    Real frames, of which there are only so many, are a level.
    """
    return _of_families(group, is_image_number, lambda run: run.record.training_images, "training images", "all frames")


def _of_families(
    group: Group, free: Callable[[str], bool], number: Callable[[Run], float], axis: str, level: str = ""
) -> Figure | None:
    """Of `families`, by a number of theirs. level: says what real frames are that are in none of them; "" leaves them
    out."""
    lines = [[_Place(run, number(run)) for run in family] for family in families(group.runs, free)]
    joined = [place for line in lines for place in line]
    others = [run for run in group.runs if run.is_reference and not any(place.run is run for place in joined)]
    levels = [_Place(run, nan) for run in others if level]
    return _against(group, [*levels, *joined], axis, level, lines, ticks=sorted({place.x for place in joined}))


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
    """Runs of one generator on one processor that differ in the settings that `free` names, and in no others."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        record = run.record
        facts = {"generator": record.generator, "machine": hardware(record), **_settings(run)}
        found.setdefault(key({name: value for name, value in facts.items() if not free(name)}), []).append(run)
    return [family for family in found.values() if any(map(free, differing([_settings(run) for run in family])))]


def _settings(run: Run) -> dict[str, Any]:
    """What draws and trains; not how often the U-Net was trained, nor what the settings are called."""
    settings = own_settings(run.record.settings)
    return {name: value for name, value in settings.items() if name not in ("preset", "unet_seeds")}


def is_training_length(name: str) -> bool:
    """Whether a generator's setting says how long it is trained."""
    return name in ("training.steps", "training.epochs")


def is_evaluation_number(name: str) -> bool:
    """Whether a generator's setting says how often its network is evaluated for an image."""
    return name in ("sampling.steps", "machine")


def is_image_number(name: str) -> bool:
    """Whether a setting says how many images the U-Net is trained on; the machine has no part in that figure."""
    return name in ("images", "repeats", "machine")


def _against(
    group: Group,
    places: Sequence[_Place],
    axis: str,
    absent: str,
    lines: Sequence[Sequence[_Place]],
    fronts: Sequence[Sequence[tuple[float, float]]] = (),
    ticks: Sequence[float] = (),
) -> Figure | None:
    """Dice with its interval against a quantity on a logarithmic axis; None without a run that has one.

    Runs that lack it are levels, of which the legend says why: `absent`. Others are named beside their points, those of
    a line once. fronts: of every machine, the points that none beats; of one machine, grey stairs join them.
    """
    xs = [place.x for place in places if not isnan(place.x)]
    if not xs:
        return None
    levels = [place.run for place in places if isnan(place.x)]
    single = [[place] for place in places if not isnan(place.x) and not any(place in line for line in lines)]
    with column_figure(2.3 + 0.14 * len(levels)) as figure:
        axes = figure.subplots()
        _logarithmic(axes, min(xs), max(xs), ticks)
        for run in levels:
            why = "drawn elsewhere" if run.record.is_drawn_elsewhere else absent
            draw_level(axes, run, f"{run.label}: {why}")
        ends = []
        for line in (*lines, *single):
            ordered = sorted(line, key=lambda place: place.x)
            x, runs = [place.x for place in ordered], [place.run for place in ordered]
            draw_means(axes, x, runs)
            name = runs[0].label if len(runs) == 1 else runs[0].record.generator
            ends.append((x[-1], float(patient_values(runs[-1].scores).mean()), name))
        if fronts:
            _mark_fronts(axes, fronts)
        axes.set_xlabel(axis)
        axes.set_ylabel(labelled(MEAN_DICE, group.whom))
        at_least(axes, LEAST_SPAN)
        if levels or fronts:
            figure.legend(loc="outside upper center", frameon=False, handlelength=1.8, ncols=1 if fronts else 2)
        figure.draw_without_rendering()  # for the layout, on which it hangs what covers what
        _name_points(axes, ends)
    return figure


def draw_means(axes: Axes, x: ArrayLike, runs: Sequence[Run], label: str = "_") -> None:
    """Mean Dice of a generator's runs, joined where they are several: bars are 95 % intervals over patients; a band, or
    a thick bar, is from the lowest to the highest mean of a U-Net seed. label: in the legend."""
    colour, marker = look(runs[0].record.generator)
    found, seeds = [estimate(run.scores) for run in runs], [seed_means(run.scores) for run in runs]
    means = np.array([one.mean for one in found])
    bars = np.abs(np.array([[one.low, one.high] for one in found]).T - means)
    low, high = [one.min() for one in seeds], [one.max() for one in seeds]
    if len(runs) > 1:
        axes.fill_between(np.asarray(x), low, high, color=colour, alpha=0.2, linewidth=0)
    else:
        axes.vlines(np.asarray(x), low, high, color=colour, alpha=0.3, linewidth=5)
    axes.errorbar(
        np.asarray(x), means, bars, label=label, color=colour, marker=marker, markersize=4.6,
        markeredgecolor="white", markeredgewidth=0.5, linewidth=1, elinewidth=0.8, zorder=3,
    )  # fmt: skip


def draw_level(axes: Axes, run: Run, label: str) -> None:
    """Mean Dice of a run that has no place along the axis; dots are its 95 % interval, the band its U-Net seeds."""
    found, seeds, colour = estimate(run.scores), seed_means(run.scores), look(run.record.generator).colour
    axes.axhspan(seeds.min(), seeds.max(), color=colour, alpha=0.2, linewidth=0)
    axes.axhline(found.mean, color=colour, linestyle="--", linewidth=0.9, zorder=0, label=label)
    for end in (found.low, found.high):
        axes.axhline(end, color=colour, linestyle=":", linewidth=0.6, zorder=0)


def at_least(axes: Axes, span: float) -> None:
    """An axis of per cent that shows so many points or more, and none above 100 for that."""
    low, high = axes.get_ylim()
    axes.set_ylim(widened(low, high, max(0.0, span - (high - low)) / 2))


def widened(low: float, high: float, more: float) -> tuple[float, float]:
    """The ends of an axis of per cent, so much further out each; what there is no room for below 100 is added below."""
    above = min(more, max(0.0, 100 - high))
    return low - (2 * more - above), high + above


def _mark_fronts(axes: Axes, fronts: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Rings around points that none of the same machine beats; of one machine, stairs at the highest Dice for each
    price."""
    x, y = map(list, zip(*(point for front in fronts for point in front), strict=True))
    of = " on its machine" if len(fronts) > 1 else ""
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=10, markerfacecolor="none", markeredgecolor="black",
        markeredgewidth=0.8, zorder=4, label=f"ring: none{of} draws faster and has as high a Dice",
    )  # fmt: skip
    if len(fronts) == 1:
        axes.plot([*x, axes.get_xlim()[1]], [*y, y[-1]], color="0.7", drawstyle="steps-post", zorder=1)


def _logarithmic(axes: Axes, low: float, high: float, ticks: Sequence[float]) -> None:
    """A logarithmic axis of at least one decade around the values, with plain numbers at ticks, else at 1, 2, 5 or
    at decades."""
    margin = max(1.5, (10 * low / high) ** 0.5)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    few = LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0))
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)) if ticks else few)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if ticks:
        axes.xaxis.set_minor_locator(NullLocator())


_BESIDE = (
    (7, 0, "left", "center"), (-7, 0, "right", "center"), (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (7, 8, "left", "bottom"), (7, -8, "left", "top"), (-7, 8, "right", "bottom"), (-7, -8, "right", "top"),
    (0, 20, "center", "bottom"), (0, -20, "center", "top"),
)  # fmt: skip
"""Where a name may stand beside its point: offset in points of type, and how it is aligned there."""


Spot = tuple[float, float, int, int, str, str]
"""Where a name may stand: x and y, offset from there in points of type, and how it is aligned there."""


def _name_points(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """A name beside each point."""
    marks = axes.transData.transform([(x, y) for x, y, _ in points])
    taken = [Bbox.from_bounds(x - 9, y - 9, 18, 18) for x, y in marks]
    name_at(axes, [(name, [(x, y, *beside) for beside in _BESIDE]) for x, y, name in points], taken)


def name_at(axes: Axes, names: Sequence[tuple[str, Sequence[Spot]]], taken: Sequence[Bbox]) -> None:
    """Each name at the first of its spots where it covers nothing that is taken and no other name, else at the last.

    taken: in pixels. The layout must be done.
    """
    covered, whole = list(taken), axes.get_window_extent()
    for name, spots in names:
        for number, (x, y, right, up, across, along) in enumerate(spots, start=1):
            note = axes.annotate(
                name, (x, y), (right, up), textcoords="offset points", ha=across, va=along, fontsize=SMALL,
                color=look(name).colour, zorder=5,
            )  # fmt: skip
            note.set_in_layout(False)
            note.set_path_effects([withStroke(linewidth=2, foreground="white")])
            box = note.get_window_extent()
            inside = whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
            if number == len(spots) or (inside and not box.count_overlaps(covered)):
                covered.append(Bbox(box.get_points()))
                break
            note.remove()
