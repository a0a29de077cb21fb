"""The README's tables of runs and of speeds: narrow enough for a page; what all rows share is said above them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from echobench.data.base.metric import MetricFacts
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cost import (
    INSTRUCTIONS,
    PROCESSOR,
    THREADS,
    UNKNOWN,
    conditions,
    cost,
    in_words,
    told_once,
    training_elsewhere,
)
from echobench.results.evidence.limits import usual_seeds
from echobench.results.evidence.statistics import BETTER, UNDECIDED, WORSE, mean_regions, patient_values
from echobench.results.records.run import Run
from echobench.results.shown.formats import Table, capitalised, listed, markdown
from echobench.results.shown.published import paper_table
from echobench.results.shown.tables import LIMITS, OPPONENTS, WHO, frame_groups, missed_structures, summary_table

_SHARED: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "missed": lambda n: f"{n} structures missed in every row" if n else "no structure missed",
        "images": lambda n: f"{n:,} training images",
    }
)
"""Columns that are left out where all rows have the same, and what is said above the table instead."""
_WAYS = {True: "once", False: "at every step"}


def runs_markdown(group: Group) -> str:
    """What all runs share; the table; which runs of one generator are told apart."""
    return _with_words(runs_table(group))


def runs_table(group: Group) -> Table:
    """Dice with its evidence, what a row is not, and what the generator cost in seconds."""
    evidence = summary_table(group).frame.set_index(WHO).to_dict("index")
    machines, columns = told_once([conditions(run.record.machine, run.record.stages) for run in group.runs])
    frame = pd.DataFrame(_row(run, evidence[run.label]) | own for run, own in zip(group.runs, columns, strict=True))
    same = [name for name in _SHARED if frame[name].nunique() == 1]
    shared = [*_about(group), *(_SHARED[name](frame[name].iloc[0]) for name in same)]
    return Table(
        name="runs",
        caption=f"{', '.join(shared)}. Seconds: {machines}.",
        frame=frame.drop(columns=[*same, *([] if _steps_differ(group) else ["NFE"])]),
        formats={"Dice": ".1f", "Dice 95 %": ".1f", "seed std": ".2f", "training s": ",.0f", "s per image": ".2g"},
        notes=(*_taken(group), *_told_apart(group)),
    )


def _row(run: Run, evidence: Mapping[Any, Any]) -> dict[str, Any]:
    """A run's row; evidence: its row in the summary."""
    spent = cost(run.record)
    regions = (patient_values(run.scores, region=region).mean() for region in TABLE_REGIONS)
    return {
        WHO: f"`{run.label}`",
        **{name: evidence[name] for name in ("Dice", "Dice low", "Dice high", "seed std")},
        **{f"vs `{name}`": evidence[f"vs {name}"] for name in OPPONENTS},
        LIMITS: evidence[LIMITS],
        " / ".join(TABLE_REGIONS): " / ".join(f"{mean:.1f}" for mean in regions),
        "missed": missed_structures(run.scores),
        "images": run.record.training_images,
        "NFE": run.record.evaluations,
        "training s": spent.training_seconds,
        "s per image": spent.seconds_per_image,
    }


def _steps_differ(group: Group) -> bool:
    """Whether runs of one generator draw with different numbers of network evaluations."""
    drawing = {(run.record.generator, run.record.evaluations) for run in group.runs}
    return len(drawing) > len({generator for generator, _ in drawing})


def _about(group: Group) -> Iterator[str]:
    """What the runs of a group share."""
    runs, record = group.runs, group.runs[0].record
    yield capitalised(group.title)
    yield f"{len(record.scored_patients)} {record.whom}"
    yield f"preset {' and '.join(f'`{preset}`' for preset in dict.fromkeys(run.record.preset for run in runs))}"
    unet = record.settings["unet_settings"]
    length = f"{unet['epochs']} epochs" if unet.get("steps") is None else f"{unet['steps']:,} steps"
    yield f"{usual_seeds(runs)} U-Net seeds ({length} of {unet['batch_size']} images)"


def _taken(group: Group) -> Iterator[str]:
    """A sentence for each machine on which earlier runs trained generators of these."""
    rows: dict[str, list[str]] = {}
    for run in group.runs:
        if (where := training_elsewhere(run.record)) is not None:
            rows.setdefault(f"there, on {where}" if where else "there", []).append(f"`{run.label}`")
    for there, labels in rows.items():
        its, generators = (
            ("its", "generator from an earlier run") if len(labels) == 1 else ("their", "generators from earlier runs")
        )
        yield f"{listed(labels)} took {its} {generators}; {its} training s are what it cost {there}."


def _told_apart(group: Group) -> Iterator[str]:
    """A sentence for each generator of several runs: which of them are told apart, by the verdict of all pairs."""
    generator = {run.label: run.record.generator for run in group.runs}
    pairs = group.pairs
    for name in dict.fromkeys(generator.values()):
        own = pairs[(pairs["first"].map(generator) == name) & (pairs["second"].map(generator) == name)]
        if own.empty:
            continue
        told = own[own["verdict"].isin([BETTER, WORSE])]
        clauses = [
            f"`{first}` is {verdict} than {' and '.join(f'`{second}`' for second in rows['second'])}"
            for (first, verdict), rows in told.groupby(["first", "verdict"], sort=False)
        ]
        left = set(own["verdict"]) - {BETTER, WORSE}
        if UNDECIDED in left:
            others = "other pairs of rows" if clauses else "the rows"
            nor = " or not told apart" if len(left) > 1 else ""
            clauses.append(f"{others} of `{name}` are undecided with one U-Net seed{nor}")
        elif left:
            clauses.append(f"{'nothing else' if clauses else 'nothing'} tells the rows of `{name}` apart")
        yield f"Dice: {'; '.join(clauses)}."


def scores_markdown(group: Group) -> str:
    """Every metric of every run, over all scored frames and per view and phase: mean ± std over patients."""
    found = [
        {WHO: f"`{run.label}`", "frames": frames}
        | _scored(scores, group.metrics)
        | {"missed": missed_structures(scores)}
        for run in group.runs
        for frames, scores in frame_groups(run.scores).items()
    ]
    frame, regions = pd.DataFrame(found), mean_regions(group.runs[0].scores)
    caption = f"{group.title}: mean ± standard deviation over {group.whom}, of the mean of {regions}"
    if not frame["missed"].any():
        frame, caption = frame.drop(columns="missed"), f"{caption}; {_SHARED['missed'](0)}"
    digits = {_column(facts): facts.digits for facts in group.metrics.values()}
    return _with_words(Table("scores", f"{caption}.", frame, digits))


def _scored(scores: pd.DataFrame, metrics: Mapping[str, MetricFacts]) -> dict[str, float]:
    values = {_column(facts): patient_values(scores, name) for name, facts in metrics.items()}
    return {f"{column} {part}": getattr(of, part)() for column, of in values.items() for part in ("mean", "std")}


def _column(facts: MetricFacts) -> str:
    return f"{facts.short} {facts.shown_unit}"


def published_markdown(groups: Sequence[Group]) -> str:
    """Table 1 of the paper beside what was measured, and in what the two differ, folded up."""
    table = paper_table(groups)
    notes = "".join(f"- {note}\n" for note in table.notes)
    return "\n".join(
        [
            f"{table.caption}\n",
            markdown(replace(table, frame=table.frame.drop(columns=["edition", "table"]))),
            f"<details><summary>In what they differ</summary>\n\n{notes}\n</details>\n",
        ]
    )


def speed_markdown(rows: pd.DataFrame) -> str:
    """What `make speed` wrote: the reference loop in every way, of the samplers the fastest way alone."""
    reference = rows["nfe"] == rows["nfe"].max()
    fastest = rows["cached"] & (rows["precision"] == "bf16")
    chosen = rows[reference | fastest].drop_duplicates(["sampler", "nfe", "cached", "precision"])
    frame = pd.DataFrame(
        {
            "sampler": chosen["sampler"],
            "NFE": chosen["nfe"],
            "label map read": chosen["cached"].map(_WAYS),
            "precision": chosen["precision"],
            "ms per step": chosen["ms_per_step"],
            "s per image": chosen["seconds_per_image"],
            "times faster": chosen["times_reference"],
        }
    )
    formats = {"ms per step": ",.1f", "s per image": ",.3f", "times faster": ".3g"}
    return _with_words(Table("speed", f"{', '.join(_of_speeds(rows))}.", frame, formats))


def _of_speeds(rows: pd.DataFrame) -> Iterator[str]:
    """What was measured, how, and on what, as far as a file of speeds says it."""
    said: dict[str, Any] = {str(name): value for name, value in rows.dropna(axis=1, how="all").max().items()}
    yield f"`sdm`, preset `{said['preset']}`, {said['weights']:,} weights"
    yield f"batches of {said['batch']}, {said['size_px']} × {said['size_px']} pixels"
    if "extrapolated_from_steps" in said:
        yield f"longer loops extrapolated from {said['extrapolated_from_steps']:.0f} steps"
    found = {PROCESSOR: said.get("processor", f"processor {UNKNOWN}"), THREADS: str(said.get("threads", UNKNOWN))}
    yield in_words(found | {INSTRUCTIONS: said.get("instruction_sets", UNKNOWN)})


def _with_words(table: Table) -> str:
    """Caption, table and notes as paragraphs."""
    return "\n".join([f"{table.caption}\n", markdown(table), *(f"{note}\n" for note in table.notes)])
