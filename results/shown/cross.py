"""What U-Nets score on data of another kind: tables and a figure of a group, for every target."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from echobench.data.frames import PHASES
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cross import Crossed, crossed_runs, gap, pooled_dice
from echobench.results.evidence.statistics import (
    MEAN,
    bootstrap_interval,
    compared_pairs,
    patient_values,
    seed_spread,
)
from echobench.results.records.cross import ECHONET, PREFIX, CrossRecord
from echobench.results.shown.figures import column_figure
from echobench.results.shown.formats import Table, named_apart, numbered
from echobench.results.shown.palette import look
from echobench.results.shown.published import published
from echobench.results.shown.tables import WHO, missed_structures, pair_table


def cross_tables(group: Group) -> list[Table]:
    """For each target the Dice there beside that on the run's own scored patients, and what speaks for differences."""
    tables: list[Table] = []
    for crossed in crossed_runs(group.runs):
        tables.append(gap_table(group, crossed))
        if len(crossed) > 1:
            tables.append(_evidence_table(group, crossed))
    return named_apart(tables)


def cross_figures(group: Group) -> dict[str, Figure]:
    """A figure for each target: Dice on the own scored patients and there, with 95 % intervals."""
    crossed = crossed_runs(group.runs)
    names = numbered([f"{PREFIX}{one[0].record.target}" for one in crossed])
    return {name: _figure(group, one) for name, one in zip(names, crossed, strict=True)}


def gap_table(group: Group, crossed: Sequence[Crossed]) -> Table:
    """A row per run of those scored on the same frames: Dice on its own scored patients and there."""
    record = crossed[0].record
    region = crossed[0].region
    pooled_region = region if region != MEAN else TABLE_REGIONS[0]
    return Table(
        name=f"{PREFIX}{record.target}",
        caption=f"Dice ({_words(region)}) in % on {_target(record)}, beside that on the runs' own {group.whom}. "
        f"{group.title}. Mean ± standard deviation over patients, whose images are averaged first; where the two have "
        f"views or phases in common, of these. pooled: all pixels of {pooled_region} together, as EchoNet-Dynamic "
        f"reports, with its 5th and 95th percentile. {record.resize}.",
        frame=pd.DataFrame([_row(one, region, pooled_region) for one in crossed]),
        formats=dict.fromkeys(("own", "there", "there 95 %", "ED", "ES", "pooled", "pooled 5th", "pooled 95th"), ".1f")
        | {"gap": "+.1f", "gap 95 %": "+.1f", "seed std": ".2f"},
        notes=(*_skipped(record), *_published(record), *group.notes),
    )


def _row(one: Crossed, region: str, pooled_region: str) -> dict[str, object]:
    own, there = patient_values(one.own, region=region), patient_values(one.there, region=region)
    row: dict[str, object] = {WHO: one.run.label}
    row |= {"own mean": own.mean(), "own std": own.std(), "there mean": there.mean(), "there std": there.std()}
    row["there low"], row["there high"] = bootstrap_interval(there)
    row["gap"], row["gap low"], row["gap high"] = gap(own, there, paired=one.same_patients)
    for phase in (phase for phase in PHASES if (one.there["phase"] == phase).any()):
        values = patient_values(one.there[one.there["phase"] == phase], region=region)
        row |= {f"{phase} mean": values.mean(), f"{phase} std": values.std()}
    row["pooled"], row["pooled 5th"], row["pooled 95th"] = pooled_dice(one.there, pooled_region)
    return row | {
        "missed": missed_structures(one.there),
        "patients": len(there),
        "seed std": seed_spread(one.there, region=region),
        "U-Net seeds": len(one.record.unet_seeds),
    }


def _evidence_table(group: Group, crossed: Sequence[Crossed]) -> Table:
    record = crossed[0].record
    pairs = compared_pairs({one.run.label: one.there for one in crossed}, crossed[0].region)
    return replace(
        pair_table(pairs, group.title, group.notes),
        name=f"{PREFIX}{record.target}-evidence",
        caption=f"Dice ({_words(crossed[0].region)}) of the first minus the second on {_target(record)}, in points "
        f"of %. {group.title}.",
    )


def _skipped(record: CrossRecord) -> Iterator[str]:
    if record.skipped:
        yield f"{len(record.skipped)} left out as unreadable: {'; '.join(record.skipped[:5])}" + (
            " …" if len(record.skipped) > 5 else ""
        )


def _published(record: CrossRecord) -> Iterator[str]:
    """What papers report on EchoNet-Dynamic, where it is the target."""
    if record.target != ECHONET:
        return
    table = published()
    theirs = table[table["test_dataset"].str.startswith("EchoNet-Dynamic")].astype({"std": str})
    for row in theirs.to_dict("records"):
        spread = "" if row["std"] == "nan" else f" ± {row['std']}"
        yield (
            f"Published: {row['generator']}, trained on {row['train_data']}, {row['test_dataset']}: "
            f"{row['mean']}{spread} ({row['unit']}; {row['paper']}, {row['edition']}, {row['locator']})."
        )


def _figure(group: Group, crossed: Sequence[Crossed]) -> Figure:
    region = crossed[0].region
    pairs = [
        (one.run.label, patient_values(one.own, region=region), patient_values(one.there, region=region))
        for one in crossed
    ]
    pairs.sort(key=lambda pair: -pair[2].mean())
    with column_figure(0.9 + 0.34 * len(pairs)) as figure:
        axes = figure.subplots()
        for y, (label, own, there) in enumerate(pairs):
            colour, marker = look(label)
            for values, face, shift in ((own, "white", -0.12), (there, colour, 0.12)):
                low, high = bootstrap_interval(values)
                axes.plot([low, high], [y + shift] * 2, color=colour, linewidth=1.2)
                axes.plot(values.mean(), y + shift, marker=marker, markersize=5, color=colour, markerfacecolor=face)
        axes.set_yticks(range(len(pairs)), [label for label, _, _ in pairs])
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.set_xlabel(f"{'mean' if region == MEAN else region} Dice (%)")
        for name, face in ((f"own {group.whom}", "white"), (crossed[0].record.target, "black")):
            axes.plot([], [], "o", markersize=5, color="black", markerfacecolor=face, label=name)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _words(region: str) -> str:
    return f"the mean of {', '.join(TABLE_REGIONS)}" if region == MEAN else region


def _target(record: CrossRecord) -> str:
    return f"{record.dataset}, {record.view} ({record.frames} frames of {record.patients} patients)"
