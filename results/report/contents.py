"""The tables and figures of a group and of a comparison, in the order in which they are read."""

from collections.abc import Mapping
from functools import lru_cache

from matplotlib.figure import Figure

from echobench.results.evidence.comparison import Comparison, Group
from echobench.results.shown import curves, figures, tables
from echobench.results.shown.agreement import agreement_figure, agreement_tables, number_figure
from echobench.results.shown.cross import cross_figures, cross_tables
from echobench.results.shown.ejection import ejection_figure, ejection_tables
from echobench.results.shown.formats import Table, named_apart
from echobench.results.shown.overview import overview_table
from echobench.results.shown.published import paper_table
from echobench.results.shown.realism import realism_tables
from echobench.results.shown.subgroups import subgroup_tables


@lru_cache(maxsize=16)  # files, the report and the terminal have the same ones
def group_tables(group: Group) -> tuple[Table, ...]:
    """Every table of a group, made once from what is in its runs' folders."""
    return (
        overview_table(group),
        tables.summary_table(group),
        *(tables.region_table(group, metric) for metric in group.metrics),
        tables.missed_table(group),
        tables.evidence_table(group),
        *ejection_tables(group),
        *subgroup_tables(group),
        *realism_tables(group),
        *agreement_tables(group),
        *cross_tables(group),
        tables.cost_table(group),
    )


def group_figures(group: Group) -> Mapping[str, Figure]:
    """Every figure of a group for which it has runs, by a name that begins as that of its caption in
    `figures.CAPTIONS`; Dice on other data comes first, because it decides where all generators are near the ceiling."""
    drawn = {
        "dice": figures.dice_figure(group),
        "regions": figures.region_figure(group),
        "cost": curves.cost_figure(group),
        "evaluations": curves.evaluation_figure(group),
        "training": curves.training_figure(group),
        "images": curves.image_figure(group),
        "ejection": ejection_figure(group),
        "agreement": agreement_figure(group),
        "number": number_figure(group),
    }
    return cross_figures(group) | {name: figure for name, figure in drawn.items() if figure is not None}


def paper_tables(comparison: Comparison) -> list[tuple[Table, tuple[Group, ...]]]:
    """Table 1 of the paper with the groups that it is of, for each dataset but the phantom, split and U-Net.

    It is of test patients: runs that are scored on others have no part in it.
    """
    families = [
        groups
        for groups in comparison.across_views()
        if groups[0].runs[0].record.dataset != "phantom" and groups[0].runs[0].record.scored_on == "testing"
    ]
    return list(zip(named_apart([paper_table(groups) for groups in families]), families, strict=True))
