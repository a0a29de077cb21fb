"""How adherence changes with severity, as figures: a panel per deformation, a line per generator."""

from math import ceil
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from echobench.results.evidence.adherence import DOUBT, FOLLOWS, IDEAL, LOST, MEASURES, STRESS_CELL, UNDEFORMED, Decay
from echobench.results.shown.figures import PAGE_INCHES, column_figure
from echobench.results.shown.palette import look

_PANELS_PER_LINE = 4
ROW_INCHES = 1.35
LIMITS = {"dice": (0.0, 119.0), "contrast": (-25.0, 175.0)}
"""Per cent of severity 0 that are shown at least."""
WIDEST = (-100.0, 250.0)
"""And at most: where there is next to no contrast at severity 0, relative ones mean nothing."""
WHOLE = (0.0, 100.0)
"""Per cent shown of a score itself."""
IGNORED = "deformation ignored"
_MEANING = {FOLLOWS: "", DOUBT: ": in doubt", LOST: ": follows none"}
"""Of the verdict on ordinary maps, in the legend."""

_CONTRAST = "Contrast along the walls that moved, area under the ROC curve"
_LINES = (
    f" Means over maps with their 95 % bootstrap intervals. {IDEAL} is the ideal; where it has no line, no "
    "warping makes the map. Thin and dotted: one that does not follow ordinary maps, or is in doubt there. "
    "Grey and dashed, “deformation ignored”: the score of an image that stays as it was while its map is deformed, "
)
_SCORE = f"{_LINES}which is {IDEAL}'s undeformed image beside the deformed map."
_KEPT = f"{_LINES}relative to severity 0 as well, the mean over generators."
CAPTIONS = {
    "adherence-dice": f"Dice between the map asked for and what the reference U-Net sees.{_SCORE}",
    "adherence-contrast": f"{_CONTRAST}; below 50 %, blood is brighter than tissue.{_SCORE}",
    "decay-dice": "Dice between the map asked for and what the reference U-Net sees, in % of the same generator's at "
    f"severity 0.{_KEPT}",
    "decay-contrast": f"{_CONTRAST} above 50 %, in % of the same generator's at severity 0 at the same place. Cut at "
    f"{LIMITS['contrast'][0]} and {LIMITS['contrast'][1]} %.{_KEPT}",
}
"""In words, by figure."""


def stress_figures(found: Decay) -> dict[str, Figure]:
    """Of each of `MEASURES` two, named as in `CAPTIONS`: the score itself, and what is left of it."""
    return score_figures(found) | {f"decay-{measure}": decay_figure(found, measure) for measure in MEASURES}


def score_figures(found: Decay) -> dict[str, Figure]:
    """Of each of `MEASURES` the score itself."""
    return {f"adherence-{measure}": adherence_figure(found, measure) for measure in MEASURES}


def adherence_figure(found: Decay, measure: str) -> Figure:
    """One of `MEASURES` in % against severity: small multiples, a line per generator."""
    rows = found.patients[(found.patients["measure"] == measure) & (found.patients["deformation"] != UNDEFORMED)]
    first = rows.drop_duplicates(["generator", "deformation", "patient"])
    start = first.assign(severity=0.0, shown=100 * first["raw start"], floor=100 * first["raw start"])
    rows = pd.concat([start, rows.assign(shown=100 * rows["raw"], floor=100 * rows["raw ignored"])], ignore_index=True)
    name, nothing = MEASURES[measure]
    figure = _panels(found, rows.assign(floor=rows["floor"].where(rows["generator"] == IDEAL)), f"{name}, %", WHOLE)
    for axes in figure.axes[: rows["deformation"].nunique()] if nothing else []:
        axes.axhline(100 * nothing, color="0.85", linewidth=0.6, zorder=-1)
    return figure


def decay_figure(found: Decay, measure: str) -> Figure:
    """What is kept of one of `MEASURES` against severity: small multiples, a line per generator."""
    rows = found.patients[(found.patients["measure"] == measure) & (found.patients["deformation"] != UNDEFORMED)]
    whole = rows.groupby(STRESS_CELL)["start"].transform("mean")
    rows = rows.assign(shown=100 * rows["value"] / whole, floor=100 * rows["ignored"] / whole)[whole > 0]
    start = rows.drop_duplicates(["generator", "deformation"]).assign(severity=0.0, shown=100.0, floor=100.0)
    label = f"{MEASURES[measure][0]}, % of severity 0"
    return _panels(found, pd.concat([start, rows], ignore_index=True), label, LIMITS[measure])


def _panels(found: Decay, rows: pd.DataFrame, label: str, limits: tuple[float, float]) -> Figure:
    """rows: one per generator, deformation, severity (0 among them) and patient: shown and floor in %."""
    deformations = list(dict.fromkeys(rows["deformation"]))
    undeformed = found.cells[found.cells["deformation"] == UNDEFORMED].set_index("generator")
    verdicts = {str(name): str(undeformed.loc[name, "verdict"]) for name in rows["generator"].unique()}
    looks = _looks(verdicts)
    low, high = _limits(rows, limits)
    lines = ceil((len(deformations) + 1) / _PANELS_PER_LINE)
    with column_figure(0.4 + ROW_INCHES * lines, PAGE_INCHES) as figure:
        grid = figure.subplots(lines, _PANELS_PER_LINE, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, deformation in zip(grid, deformations, strict=False):
            part = rows[rows["deformation"] == deformation]
            floor = part.groupby("severity")["floor"].mean()
            axes.plot(floor.index, floor, color="0.6", linestyle="--", linewidth=0.8, zorder=0)
            for generator, of_one in part.groupby("generator", sort=False):
                _line(axes, of_one, looks[str(generator)])
                means = of_one.groupby("severity")["shown"].mean()
                for edge, marker, beyond in ((low, "v", means[means < low]), (high, "^", means[means > high])):
                    for severity in beyond.index:
                        axes.plot(severity, edge, marker, color=looks[str(generator)]["color"], clip_on=False, zorder=5)
            axes.set_title(deformation)
        for axes in grid[len(deformations) :]:
            axes.axis("off")
        for generator, marked in looks.items():
            grid[-1].plot([], [], label=f"{generator}{_MEANING[verdicts[generator]]}", **marked)
        grid[-1].plot([], [], color="0.6", linestyle="--", linewidth=0.8, label=IGNORED)
        grid[-1].legend(loc="center", frameon=False)
        figure.supxlabel("severity", fontsize=8)
        figure.supylabel(label, fontsize=8)
        for i, axes in enumerate(grid[: len(deformations)]):
            axes.set(ylim=(low, high), xlabel="", ylabel="", xticks=sorted(set(rows["severity"])))
            axes.tick_params(labelbottom=i + _PANELS_PER_LINE >= len(deformations))
    return figure


def _limits(rows: pd.DataFrame, least: tuple[float, float]) -> tuple[float, float]:
    """Of an axis on which every line of means stays, as far as `WIDEST` allows."""
    means = rows.groupby(STRESS_CELL)["shown"].mean()
    floors = rows.groupby(["deformation", "severity"])["floor"].mean()
    lowest, highest = min(means.min(), floors.min()), max(means.max(), floors.max())
    room = 0.03 * (highest - lowest)
    low = least[0] if lowest >= least[0] else max(lowest - room, WIDEST[0])
    return low, least[1] if highest <= least[1] else min(highest + room, WIDEST[1])


def _line(axes: Axes, rows: pd.DataFrame, marked: dict[str, Any]) -> None:
    sns.lineplot(
        rows, x="severity", y="shown", errorbar=("ci", 95), seed=0, err_kws={"alpha": 0.15, "linewidth": 0}, ax=axes,
        legend=False, **marked,
    )  # fmt: skip


def _looks(verdicts: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Of each generator's line. verdicts: on ordinary maps."""
    return {one: _solid(*look(one)) if verdict == FOLLOWS else _dotted(*look(one)) for one, verdict in verdicts.items()}


def _solid(colour: str, marker: str) -> dict[str, Any]:
    return {"color": colour, "marker": marker, "markersize": 4, "markeredgecolor": "white", "linewidth": 1}


def _dotted(colour: str, marker: str) -> dict[str, Any]:
    hollow = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 0.5}
    return {"color": colour, "marker": marker, "markersize": 4, "linestyle": ":", "linewidth": 0.8} | hollow
