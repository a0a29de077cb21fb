"""The clinical price of a generator: ejection fractions from the masks of its U-Nets, in a table and a figure."""

from collections.abc import Mapping
from itertools import zip_longest
from math import ceil, nan
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.ejection import Agreement, agreement, agreement_with_experts
from echobench.results.records.ejection import EJECTION, MeasuredEjection, read_ejection
from echobench.results.records.realism import UNMEASURED
from echobench.results.shown.figures import SMALL, column_figure
from echobench.results.shown.formats import Table
from echobench.results.shown.palette import Look, look
from echobench.results.shown.tables import WHO

EXPERTS, DATASET = "expert masks", "dataset"
"""What ejection fractions are held against, and what the row of the method's ceiling is called."""
_PANELS = 2
MEANS, ERRORS = (0.0, 100.0), (-60.0, 60.0)
"""What is shown of the mean of two ejection fractions, in %, and of their difference, in points."""
_METHOD = Look("black", "o")


def ejection_tables(group: Group) -> list[Table]:
    """How the ejection fractions of each run's masks agree with those of the experts' masks and with the dataset's.

    Runs that were not measured are rows with the reason. No table where no run was.
    """
    measured, missing = read_ejection(group.runs)
    if not measured and set(missing.values()) <= {EJECTION.absent}:
        return []
    rows: list[Mapping[str, object]] = [
        {WHO: one.run.label, "against": EXPERTS}
        | _columns(agreement_with_experts(one))
        | {f"{volume} bias": agreement_with_experts(one, f"{volume.lower()}_ml").bias for volume in ("EDV", "ESV")}
        for one in measured
    ]
    rows += [{WHO: who, "against": DATASET} | _columns(found) for who, found in _with_the_dataset(measured).items()]
    rows += [{WHO: label, UNMEASURED: reason} for label, reason in missing.items()]
    rows += [{WHO: failure.label, UNMEASURED: failure.reason} for failure in group.failures]
    planes = sorted({planes for one in measured for planes in one.planes})
    caption = (
        f"Ejection fraction (EF) from masks of the {group.whom}, by 20 disks in {' or '.join(planes)}: errors in "
        f"points of %, of volumes in mL. {group.title}. MAE: mean absolute error, with its bootstrap interval over "
        "patients. limits: of agreement, between which 95 % of a U-Net's errors lie. r: Pearson's, with Fisher's "
        "interval. failures: of patients × U-Net seeds, those without EF, as a cavity is missing or in fragments."
    )
    return [Table("ejection", caption, pd.DataFrame(rows), _FORMATS, (*_notes(planes), _SEEDS))]


_FORMATS = dict.fromkeys(("MAE", "MAE 95 %"), ".1f") | dict.fromkeys(("r", "r 95 %"), ".2f")
_FORMATS |= dict.fromkeys(("bias", "limits 95 %", "EDV bias", "ESV bias"), "+.1f")
_SEEDS = (
    "MAE, bias, limits and r are those of a single U-Net, the mean over seeds: averaging the EF of several U-Nets "
    "would flatter runs with many. Failures are in no other column: a run with many looks better than it is."
)


def ejection_figure(group: Group) -> Figure | None:
    """Bland and Altman's plot of each run's EF against that of the experts' masks, and of these against the dataset's.

    None where no run was measured.
    """
    measured, _ = read_ejection(group.runs)
    if not measured:
        return None
    panels = [(one.run.label, one.predicted(), one.expert(), look(one.run.label)) for one in measured]
    first = measured[0]
    if first.dataset.notna().any():
        panels.append((f"{EXPERTS} vs {DATASET}", first.expert().to_frame(), first.dataset, _METHOD))
    rows = ceil(len(panels) / _PANELS)
    with column_figure(0.4 + 1.4 * rows) as figure:
        grid = figure.subplots(rows, _PANELS, sharex=True, sharey=True, squeeze=False)
        for number, (axes, panel) in enumerate(zip_longest(grid.flat, panels)):
            if panel is None:
                axes.set_axis_off()
            else:
                _bland_altman(axes, *panel)
                axes.tick_params(labelbottom=number + _PANELS >= len(panels))
        grid[0, 0].set(xlim=MEANS, ylim=ERRORS)
        figure.supxlabel("mean of the two EF (%)", fontsize=8)
        figure.supylabel("EF − reference (points)", fontsize=8)
    return figure


def _bland_altman(axes: Axes, title: str, values: pd.DataFrame, reference: "pd.Series[float]", of_run: Look) -> None:
    """Difference against mean, with bias and limits of agreement; what lies beyond the axes is hollow, at the edge."""
    known = reference.reindex(values.index).to_numpy(dtype=np.float64)[:, None]
    points = values.to_numpy(dtype=np.float64)
    x, y = ((points + known) / 2).ravel(), (points - known).ravel()
    at = np.clip(x, *MEANS), np.clip(y, *ERRORS)
    beyond = ((at[0] != x) | (at[1] != y)) & ~np.isnan(x)
    of_points: dict[str, Any] = {"edgecolor": of_run.colour, "marker": of_run.marker, "s": 7}
    axes.scatter(at[0][~beyond], at[1][~beyond], facecolor=of_run.colour, alpha=0.55, linewidth=0, **of_points)
    axes.scatter(at[0][beyond], at[1][beyond], facecolor="white", linewidth=0.6, clip_on=False, zorder=5, **of_points)
    found = agreement(values, reference)
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axes.axhline(found.bias, color="black", linewidth=0.9)
    for limit in found.limits:
        axes.axhline(limit, color="black", linewidth=0.7, linestyle="--")
    numbers = f"{found.bias:+.1f} ({found.limits[0]:+.1f} to {found.limits[1]:+.1f})" if found.patients else ""
    counts = ((found.failures, "without EF"), (int(beyond.sum()), "outside"))
    counted = ", ".join(f"{count} {what}" for count, what in counts if count)
    axes.set_title("\n".join(filter(None, (title, numbers.replace("-", "−"), counted))), fontsize=SMALL)


def _with_the_dataset(measured: list[MeasuredEjection]) -> dict[str, Agreement]:
    """Agreement with the dataset's EF by what the row is of, the experts' masks first; empty where it has none."""
    if not measured or measured[0].dataset.isna().all():
        return {}
    first = measured[0]
    return {EXPERTS: agreement(first.expert().to_frame(), first.dataset)} | {
        one.run.label: agreement(one.predicted(), one.dataset) for one in measured
    }


def _columns(found: Agreement) -> dict[str, object]:
    return {
        "MAE": found.mae, "MAE low": found.mae_interval[0], "MAE high": found.mae_interval[1],
        "bias": found.bias, "limits low": found.limits[0], "limits high": found.limits[1],
        "r": found.r, "r low": found.r_interval[0], "r high": found.r_interval[1],
        "patients": found.patients, "failures": found.failures, "EDV bias": nan, "ESV bias": nan,
    }  # fmt: skip


def _notes(planes: list[str]) -> list[str]:
    """What a single plane costs, where there is one."""
    if not any("+" not in plane for plane in planes):
        return []
    return [
        "A single plane takes every disk for round and cannot see the other walls. What that costs is the row of the "
        f"{EXPERTS} against the {DATASET}'s EF; a U-Net whose bias has the other sign can come nearer to that EF than "
        f"its masks deserve, so that the price of a generator is in the rows against the {EXPERTS}."
    ]
