"""Tables as pure functions of records; `formats` turns them into text."""

from collections.abc import Mapping, Sequence
from math import nan

import pandas as pd

from echobench.data.base.metric import DIAGONAL, MEASURED, MetricFacts
from echobench.data.labels import REGIONS, TABLE_REGIONS
from echobench.results.evidence.comparison import Group, maps_of
from echobench.results.evidence.cost import conditions, cost, told_once
from echobench.results.evidence.ejection import agreement_with_experts
from echobench.results.evidence.limits import limits, usual_seeds
from echobench.results.evidence.statistics import (
    MEAN,
    RULE,
    estimate,
    mean_regions,
    patient_means,
    patient_values,
    structures,
    verdict_on,
)
from echobench.results.records.ejection import read_ejection
from echobench.results.records.run import Run
from echobench.results.shown.formats import P_VALUE, Table

ROW_REGIONS = (*TABLE_REGIONS, MEAN, "LVmyo")
WHO, WHY = "trained on", "not finished"


def region_table(group: Group, metric: str = "dice") -> Table:
    """A metric per region, over all scored frames and per view and phase: mean ± std over patients, as in the paper.

    A row per run and group of frames, without numbers where a run was not scored by that metric, and one per failure,
    with its reason.
    """
    facts = group.metrics[metric]
    rows = [
        {WHO: run.label, "frames": frames} | _region_row(scores, metric)
        for run in group.runs
        for frames, scores in frame_groups(run.scores).items()
    ]
    return Table(
        name=facts.short,
        caption=f"{facts.label} in {facts.shown_unit}, {facts.better} is better: mean ± standard deviation over "
        f"{group.whom}. {group.title}. "
        f"mean: of {mean_regions(group.runs[0].scores)}.",
        frame=_frame(rows, group, {"frames": "all"}),
        formats=dict.fromkeys(ROW_REGIONS, facts.digits),
        notes=(_missed(facts), *group.notes),
    )


def _missed(metric: MetricFacts) -> str:
    words = {DIAGONAL: "as the image's diagonal in mm", MEASURED: "with the value that is measured there"}
    worst = words[metric.missed] if isinstance(metric.missed, str) else f"as {metric.missed:g}"
    return f"A structure that the U-Net misses counts {worst}; one that is absent from both maps does not count."


def summary_table(group: Group) -> Table:
    """Mean Dice of each run with its 95 % interval, the spread of patients beside that of U-Net seeds, the verdicts
    against `OPPONENTS`, EF if known, and what a row is not (see `limits`)."""
    rows, ejections = [], {one.run.label: agreement_with_experts(one) for one in read_ejection(group.runs)[0]}
    found_verdicts, usual = verdicts(group), usual_seeds(group.runs)
    for run in group.runs:
        found = estimate(run.scores)
        rows.append(
            {
                WHO: run.label,
                "Dice": found.mean,
                "Dice low": found.low,
                "Dice high": found.high,
                "patient std": found.patient_std,
                "seed std": found.seed_std,
                **found_verdicts[run.label],
                "EF MAE": ejections[run.label].mae if run.label in ejections else nan,
                "EF failures": ejections[run.label].failures if run.label in ejections else nan,
                "patients": found.patients,
                "U-Net seeds": found.seeds,
                "training images": run.record.training_images,
                LIMITS: limits(run, usual),
            }
        )
    return Table(
        name="summary",
        caption=f"Mean Dice in %, with its bootstrap interval over {group.whom}. {group.title}. Dice: the mean of "
        f"{mean_regions(group.runs[0].scores)}. seed std: of the mean over U-Net seeds. {_VERDICTS} {_LIMITS}"
        f"{_EF if ejections else ''}",
        frame=_frame(rows, group, {}),
        formats={"Dice": ".1f", "Dice 95 %": ".1f", "patient std": ".1f", "seed std": ".2f", "EF MAE": ".1f"},
        notes=group.notes,
    )


OPPONENTS = ("warp", "real")
"""Whom every generator is held against: the real frames deformed, which it has to beat, and the real frames."""
LIMITS = "limits"
_VERDICTS = "vs: the verdict against that row, by the rule of the evidence, p corrected for all pairs of the table."
_LIMITS = "limits: how much of the published training the generator had; one U-Net seed."


def verdicts(group: Group) -> dict[str, dict[str, str | float]]:
    """By label, the verdict on each run against each of `OPPONENTS`, as the columns "vs warp" and "vs real".

    Of several such rows, the one for the same label maps is taken. NaN where there is none, or the row is itself one.
    """
    return {
        run.label: {
            f"vs {name}": verdict_on(group.pairs, run.label, opponent.label) if opponent else nan
            for name in OPPONENTS
            for opponent in [_opponent(run, group.runs, name)]
        }
        for run in group.runs
    }


def _opponent(run: Run, runs: Sequence[Run], name: str) -> Run | None:
    if name == run.record.generator or run.is_reference:
        return None
    named = [other for other in runs if other.record.generator == name]
    alike = [other for other in named if maps_of(other.record) == maps_of(run.record)]
    return next((found[0] for found in (named, alike) if len(found) == 1), None)


_EF = (
    " EF MAE: mean absolute error of the ejection fraction, in points, against the experts' masks, where there is one; "
    "failures: of patients × U-Net seeds, those without."
)


def missed_table(group: Group) -> Table:
    """Structures that the U-Nets did not find, and those that they found where there are none, per region."""
    rows = []
    for run in group.runs:
        maps = structures(run.scores)
        missed = maps[(maps["n_ref"] > 0) & (maps["n_pred"] == 0)].groupby("region").size()
        invented = maps[(maps["n_ref"] == 0) & (maps["n_pred"] > 0)].groupby("region").size()
        counts = {f"{region} missed": int(missed.get(region, 0)) for region in REGIONS}
        counts |= {f"{region} invented": int(invented.get(region, 0)) for region in REGIONS}
        rows.append({WHO: run.label} | counts | {"predicted maps": len(maps) // maps["region"].nunique()})
    return Table(
        name="missed",
        caption=f"Structures missed, and structures found where the expert drew none. {group.title}. "
        f"predicted maps: frames of {group.whom} × U-Net seeds.",
        frame=_frame(rows, group, {}),
        notes=group.notes,
    )


def cost_table(group: Group) -> Table:
    """Parameters, seconds, evaluations and memory of each generator."""
    rows, notes = [], []
    said, columns = told_once([conditions(run.record.machine, run.record.stages) for run in group.runs])
    for run, own in zip(group.runs, columns, strict=True):
        spent = cost(run.record)
        rows.append(
            {
                WHO: run.label,
                "parameters": run.record.parameters,
                "training s": spent.training_seconds,
                "NFE": run.record.evaluations or nan,
                "s per image": spent.seconds_per_image,
                "images per hour": spent.images_per_hour,
                "memory MB": spent.peak_memory_mb,
                "GPU memory MB": spent.peak_gpu_memory_mb,
                "training Wh": spent.training_watt_hours,
                "J per image": spent.joules_per_image,
                "U-Net s": spent.unet_seconds,
                "whole run s": spent.total_seconds,
            }
            | own
        )
        if spent.interrupted:
            notes.append(
                f"{run.label} was interrupted in {', '.join(spent.interrupted)}: those seconds are of the last attempt."
            )
        if spent.taken:
            notes.append(f"{run.label} took {', '.join(spent.taken)} from an earlier run, with what it cost there.")
    return Table(
        name="cost",
        caption=f"Cost of each generator, measured on {said}. {group.title}. NFE: network evaluations "
        "per image. memory: highest while the generator trained or drew. Wh, J: all that the machine used meanwhile, "
        "as far as its processor and GPU tell. U-Net: one of them, the mean over seeds.",
        frame=_frame(rows, group, {}),
        formats={
            "training s": ",.0f",
            "s per image": ".3g",
            "images per hour": ",.0f",
            "training Wh": ".3g",
            "J per image": ".3g",
        },
        notes=(*notes, *group.notes),
    )


def evidence_table(group: Group) -> Table:
    """Every pair of runs with what speaks for a difference, and the verdict on the first."""
    return pair_table(group.pairs, group.title, group.notes)


def pair_table(pairs: pd.DataFrame, title: str, notes: Sequence[str]) -> Table:
    """What `compared_pairs` found."""
    return Table(
        name="evidence",
        caption=f"Mean Dice of the first minus the second, in points of %, on the same patients. {title}.",
        frame=pairs,
        formats={
            "difference": "+.2f",
            "difference 95 %": "+.2f",
            "p": P_VALUE,
            "p Holm": P_VALUE,
            "seed margin": ".2f",
        },
        notes=(RULE, *notes),
    )


def missed_structures(scores: pd.DataFrame) -> int:
    """How many structures the U-Nets did not find at all, over frames and seeds.

    A structure is what has a label of its own: LVepi, which is two of them, is not counted again.
    """
    drawn = structures(scores[scores["region"] != "LVepi"])
    return int(((drawn["n_ref"] > 0) & (drawn["n_pred"] == 0)).sum())


def frame_groups(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Raw scores of all frames, and of each view and phase, "4C ED"."""
    return {"all": scores} | {
        f"{view} {phase}": rows for (view, phase), rows in scores.groupby(["view", "phase"], sort=True)
    }


def _region_row(scores: pd.DataFrame, metric: str) -> dict[str, float]:
    row: dict[str, float] = {}
    if not (scores["metric"] == metric).any():
        return row
    for region in ROW_REGIONS:
        values = patient_values(scores, metric, region)
        row[f"{region} mean"], row[f"{region} std"] = float(values.mean()), float(values.std())
    return row | {"patients": len(patient_means(scores, metric)), "missed": missed_structures(scores)}


def _frame(rows: Sequence[Mapping[str, object]], group: Group, same: Mapping[str, str]) -> pd.DataFrame:
    """The rows, then one per failure with its reason; same: what a failure's row has in other columns."""
    failed = [{WHO: failure.label, **same, WHY: failure.reason} for failure in group.failures]
    return pd.DataFrame([*rows, *failed])
