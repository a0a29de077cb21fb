"""How adherence decays with severity, as a figure: a panel per deformation, a line per generator."""

from math import ceil

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from echobench.results.figures import REFERENCE, column_figure, look
from echobench.results.stress import CELL, IDEAL, MEASURES, UNDEFORMED, Decay

COLUMNS = 4
PAGE_INCHES = 7.2
ROW_INCHES = 1.35
LIMITS = {"dice": (0, 119), "contrast": (-25, 175)}
"""Per cent shown: who has next to no contrast at severity 0 has relative ones that mean nothing."""

CAPTIONS = {
    "dice": "Dice between the map asked for and what the reference U-Net sees, in % of the same generator's at "
    "severity 0.",
    "contrast": "Contrast along the walls that moved, area under the ROC curve above 50 %, in % of the same "
    f"generator's at severity 0 at the same place. Cut at {LIMITS['contrast'][0]} and {LIMITS['contrast'][1]} %.",
}
_LINES = (
    " Means over maps with their 95 % bootstrap intervals. Grey and dashed: what would be kept if the deformation were "
    f"ignored, the mean over generators. {IDEAL} is the ideal; where it has no line, no displacement makes the map."
)


def caption(measure: str) -> str:
    """Of the figure of one measure."""
    return CAPTIONS[measure] + _LINES


def decay_figure(found: Decay, measure: str) -> Figure:
    """What is kept of one of `MEASURES` against severity: small multiples, a line per generator."""
    rows = _relative(found, measure)
    deformations = list(dict.fromkeys(rows["deformation"]))
    generators = list(dict.fromkeys(rows["generator"]))
    colours, markers = _looks(generators)
    lines = ceil((len(deformations) + 1) / COLUMNS)
    with column_figure(0.4 + ROW_INCHES * lines, PAGE_INCHES) as figure:
        grid = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, deformation in zip(grid, deformations, strict=False):
            part = rows[rows["deformation"] == deformation]
            floor = part.groupby("severity")["floor"].mean()
            axes.plot(floor.index, floor, color="0.6", linestyle="--", linewidth=0.8, zorder=0)
            sns.lineplot(
                part, x="severity", y="kept", hue="generator", style="generator", hue_order=generators,
                style_order=generators, palette=colours, markers=markers, dashes=False, errorbar=("ci", 95), seed=0,
                markersize=4, err_kws={"alpha": 0.15, "linewidth": 0}, ax=axes, legend=False,
            )  # fmt: skip
            axes.set_title(deformation)
            axes.set(xlabel="", ylabel="")
        for axes in grid[len(deformations) :]:
            axes.axis("off")
        for generator in generators:
            grid[-1].plot([], [], color=colours[generator], marker=markers[generator], markersize=4, label=generator)
        grid[-1].plot([], [], color="0.6", linestyle="--", linewidth=0.8, label="ignored")
        grid[-1].legend(loc="center", frameon=False)
        figure.supxlabel("severity", fontsize=8)
        figure.supylabel(f"{MEASURES[measure][0]}, % of severity 0", fontsize=8)
        for i, axes in enumerate(grid[: len(deformations)]):
            axes.set(ylim=LIMITS[measure], xticks=sorted(set(rows["severity"])))
            axes.tick_params(labelbottom=i + COLUMNS >= len(deformations))
    return figure


def _relative(found: Decay, measure: str) -> pd.DataFrame:
    """A row per generator, deformation, severity (0 among them) and patient: kept and floor in %."""
    rows = found.patients[(found.patients["measure"] == measure) & (found.patients["deformation"] != UNDEFORMED)]
    whole = rows.groupby(CELL)["start"].transform("mean")
    rows = rows.assign(kept=100 * rows["value"] / whole, floor=100 * rows["ignored"] / whole)[whole > 0]
    start = rows.drop_duplicates(["generator", "deformation"]).assign(severity=0.0, kept=100.0, floor=100.0)
    return pd.concat([start, rows], ignore_index=True)


def _looks(generators: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Colour and marker of each generator, as in the other figures; the ideal is grey."""
    others = [generator for generator in generators if generator != IDEAL]
    looks = {IDEAL: (REFERENCE, look(0)[1])} | {one: look(number, 1) for number, one in enumerate(others)}
    return {one: looks[one][0] for one in generators}, {one: looks[one][1] for one in generators}
