"""The answer to the question in two sentences, made from the tables, and what it does not say.

Who is better than whom is the verdict of `statistics.RULE` and nothing else; a mean that is higher is called that.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cost import FIT, cost, machine
from echobench.results.evidence.realism import copying
from echobench.results.evidence.statistics import BETTER, EQUAL, UNDECIDED, WORSE, verdict_on
from echobench.results.records.run import SCORED_ON, Run
from echobench.results.shown.tables import WHO

_WORDS = {
    BETTER: "is better than {}",
    WORSE: "is worse than {}",
    EQUAL: "is not distinguishable from {}",
    UNDECIDED: "is undecided against {} (one U-Net seed is too few)",
}

Means = Mapping[str, Mapping[Any, Any]]
"""A row of the summary table by label."""


def answer(group: Group, summary: pd.DataFrame, evidence: pd.DataFrame) -> list[str]:
    """Two sentences: which generator is best and from whom it is not told apart, then what it costs.

    summary, evidence: the frames of `summary_table` and `evidence_table` of the group. One sentence where only real
    frames were run.
    """
    means: Means = {row[WHO]: row for row in summary.to_dict("records")}
    generators = [run for run in group.runs if not run.is_reference]
    if not generators:
        return ["Only real frames were run: there is no generator to judge."]
    leader = max(generators, key=lambda run: float(means[run.label]["Dice"]))
    others = [run for run in generators if run is not leader]
    verdicts = {run.label: verdict_on(evidence, leader.label, run.label) for run in group.runs if run is not leader}
    equal = [run for run in others if verdicts[run.label] == EQUAL]
    return [
        f"{_standing(leader, others, verdicts, means)}{_against_real(group, verdicts, means)}.",
        f"{_costing(leader)}{_cheaper(leader, equal)}.",
    ]


def caveats(group: Group, evidence: pd.DataFrame) -> list[str]:
    """What the answer rests on, and what it leaves out."""
    found = []
    if one_seed := [run.label for run in group.runs if run.scores["unet_seed"].nunique() == 1]:
        found.append(
            f"{_listed(one_seed)}: one U-Net seed. How far other seeds would move the mean is not known, so that no "
            "difference is called one."
        )
    if group.whom != SCORED_ON["testing"]:
        found.append(f"Scored on {group.whom}, for choices to be made: the test patients have not been asked.")
    if EQUAL in set(evidence["verdict"]):
        found.append(
            "“Not distinguishable” says that the evidence does not tell two apart, not that they are equal: more "
            "patients or more U-Net seeds might."
        )
    if any(run.record.parameters for run in group.runs):
        found.append("A generator that is trained was trained once: what another training would give is not known.")
    found += [
        f"{run.label} was interrupted in training: its seconds are those since it went on."
        for run in group.runs
        if any(stage.startswith(FIT) for stage in cost(run.record).interrupted)
    ]
    found += [f"{label} is flagged as copying training patients; see Realism." for label in copying(group)]
    found += [f"{failure.label} is not in the answer: {failure.reason}." for failure in group.failures]
    if group.runs[0].record.dataset == "phantom":
        found.append("The phantom is made of formulas: which generator is best for patients, it cannot say.")
    return found


def _standing(leader: Run, others: Sequence[Run], verdicts: Mapping[str, str], means: Means) -> str:
    row = means[leader.label]
    interval = "" if isnan(row["Dice low"]) else f" (95 % interval {row['Dice low']:.1f} to {row['Dice high']:.1f})"
    dice = f"mean Dice {row['Dice']:.1f} %{interval}"
    if not others:
        return f"{leader.label} is the only generator here: {dice}"
    found = {verdict: [run.label for run in others if verdicts[run.label] == verdict] for verdict in _WORDS}
    clauses = _listed([_WORDS[verdict].format(_listed(labels)) for verdict, labels in found.items() if labels])
    if len(found[BETTER]) == len(others):
        return f"Best of {len(others) + 1} generators is {leader.label}: {dice}; it {clauses}"
    beginning = "" if found[BETTER] else "No generator is shown to be better than the others: "
    return f"{beginning}{leader.label} has the highest {dice}; it {clauses}"


def _against_real(group: Group, verdicts: Mapping[str, str], means: Means) -> str:
    clauses = [
        _WORDS[verdicts[run.label]].format(
            f"the U-Net trained on real frames ({run.label}, {means[run.label]['Dice']:.1f} %)"
        )
        for run in group.runs
        if run.is_reference
    ]
    return f"; it {_listed(clauses)}" if clauses else ""


def _costing(run: Run) -> str:
    if run.record.is_drawn_elsewhere:
        return f"What {run.label} cost is not known, as its images were drawn elsewhere"
    spent = cost(run.record)
    least = "at least " if any(stage.startswith(FIT) for stage in spent.interrupted) else ""
    training = (
        f"was trained for {least}{_time(spent.training_seconds)}" if run.record.parameters else "needed no training"
    )
    return f"{run.label} {training} and drew an image in {spent.seconds_per_image:.3g} s ({machine(run.record)})"


def _cheaper(leader: Run, equal: Sequence[Run]) -> str:
    """The cheapest of those that the leader is not told apart from, by the time to its training images."""
    if not equal:
        return ""
    cheapest = min((leader, *equal), key=_seconds_to_images)
    if cheapest is leader:
        return "; none of those that are not distinguishable from it is cheaper"
    return f"; the cheapest that is not distinguishable from it is {_costing(cheapest)}"


def _seconds_to_images(run: Run) -> float:
    """Training, and drawing what the U-Net was trained on; infinite where it is not known."""
    spent = cost(run.record)
    seconds = spent.training_seconds + spent.seconds_per_image * run.record.training_images
    return float("inf") if isnan(seconds) else seconds


def _listed(labels: Sequence[str]) -> str:
    *most, last = labels
    return f"{', '.join(most)} and {last}" if most else last


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
