"""The answer to the question in a few sentences, made from the tables, and what it leaves open.

Who is better than whom is the verdict of `statistics.RULE` and nothing else; a mean that is higher is called that.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cost import FIT, cost, hardware, machine, training_elsewhere
from echobench.results.evidence.realism import copying
from echobench.results.evidence.statistics import BETTER, EQUAL, UNDECIDED, WORSE, patient_values, verdict_on
from echobench.results.records.run import SCORED_ON, Run
from echobench.results.shown.formats import duration, listed, ordinal
from echobench.results.shown.tables import WHO
from echobench.results.shown.verdicts import NOT_MEASURED, TO, WORSE_IN, YES, Verdict, real_frames

_WORDS = {
    BETTER: "is better than {}",
    WORSE: "is worse than {}",
    EQUAL: "cannot be told apart from {}",
    UNDECIDED: "is undecided against {}",
}

Means = Mapping[str, Mapping[Any, Any]]
"""A row of the summary table by label."""


def answer(group: Group, summary: pd.DataFrame, evidence: pd.DataFrame, rows: Sequence[Verdict] = ()) -> list[str]:
    """Sentences: which generator is best, which cannot be told apart from it, what else is known of it, what it costs.

    summary, evidence: the frames of `summary_table` and `evidence_table` of the group. rows: its `verdict_rows`. One
    sentence where only real frames were run.
    """
    means: Means = {row[WHO]: row for row in summary.to_dict("records")}
    generators = [run for run in group.runs if not run.is_reference]
    if not generators:
        return [f"Only {real_frames(group)} were run: there is no generator to judge."]
    leader = max(generators, key=lambda run: float(means[run.label]["Dice"]))
    others = [run for run in generators if run is not leader]
    verdicts = {run.label: verdict_on(evidence, leader.label, run.label) for run in group.runs if run is not leader}
    references = {
        run.label: f"the U-Net trained on {real_frames(group)} ({run.label}, {means[run.label]['Dice']:.1f} %)"
        for run in group.runs
        if run.is_reference
    }
    equal = [run for run in others if verdicts[run.label] == EQUAL]
    beyond = [sentence for row in rows if row.label == leader.label for sentence in beyond_dice(row)]
    return [
        *standing(leader.label, means[leader.label], {run.label: verdicts[run.label] for run in others}),
        *(f"It {held_against(verdicts[label], [words])}." for label, words in references.items()),
        *beyond,
        f"{_costing(leader)}.",
        *_cheaper(leader, equal),
    ]


def standing(leader: str, row: Mapping[Any, Any], verdicts: Mapping[str, str]) -> list[str]:
    """Who has the highest Dice, and what that is worth. verdicts: on the leader, by the labels of other generators."""
    dice = dice_of(row)
    if not verdicts:
        return [f"{leader} is the only generator here: its mean Dice is {dice}."]
    found = {verdict: [label for label, one in verdicts.items() if one == verdict] for verdict in _WORDS}
    clauses = [held_against(verdict, labels) for verdict, labels in found.items() if labels]
    if len(found[BETTER]) == len(verdicts):
        first = f"{leader} is the best of {len(verdicts) + 1} generators: its mean Dice is {dice}."
    elif found[BETTER]:
        first = f"{leader} has the highest mean Dice, {dice}."
    else:
        first = f"No generator is shown to be better than the others: {leader} has the highest mean Dice, {dice}."
    return [first, f"It {_joined(clauses)}."]


def dice_of(row: Mapping[Any, Any]) -> str:
    """Mean Dice of a row of the summary table, with its interval where there is one."""
    interval = "" if isnan(row["Dice low"]) else f" (95 % interval {row['Dice low']:.1f} to {row['Dice high']:.1f})"
    return f"{row['Dice']:.1f} %{interval}"


def beside(label: str, group: Group) -> str:
    """Where a run stands by mean Dice among the runs of its group, and what that is worth."""
    means = {run.label: float(patient_values(run.scores).mean()) for run in group.runs}
    if len(means) == 1:
        return "There is no other finished run to compare it with."
    verdicts = {other: verdict_on(group.pairs, label, other) for other in means if other != label}
    found = [(how, [other for other, one in verdicts.items() if one == verdict]) for verdict, how in TO.items()]
    said = [f"{how} {listed(others)}" for how, others in found if others]
    why = f" ({UNDECIDED.partition(': ')[2]})" if UNDECIDED in verdicts.values() else ""
    place = sorted(means, key=lambda name: -means[name]).index(label) + 1
    return f"By Dice it is {ordinal(place)} of {len(means)} finished runs: {'; '.join(said)}{why}."


def held_against(verdict: str, whom: Sequence[str]) -> str:
    """A verdict with those whom it is against, as what a sentence says of its subject."""
    return _WORDS[verdict].format(listed(whom))


def _joined(clauses: Sequence[str]) -> str:
    """Clauses that may hold an “and” themselves."""
    *most, last = clauses
    return f"{', '.join(most)}, and {last}" if most else last


def beyond_dice(row: Verdict) -> list[str]:
    """What is known of a generator beside mean Dice and cost, as far as it was measured."""
    part, whom, realism, copies, map_, other, real = (
        row.answers[name]
        for name in (
            "weakest part", "for whom", "realism", "copies", "follows its map", "other data", "uses real images"
        )
    )  # fmt: skip
    said = [f"It is weakest in {part.words.replace(' in ', ' at ')} ({part.detail})."] if part.detail else []
    if whom.words.startswith(WORSE_IN):
        said.append(f"It does {whom.words} ({whom.detail}).")
    if realism.words != NOT_MEASURED:
        said.append(f"Its images are {realism.words}.")
    if copies.words != NOT_MEASURED:
        said.append(f"It is {copies.words} as copying training patients.")
    if map_.words.startswith(("follows", "does not")):
        said.append(f"It {map_.words}.")
    elif map_.words.startswith("in doubt"):
        said.append("It may not follow ordinary maps.")
    if other.words.startswith(("loses", "gains")):
        said.append(f"It {other.words}.")
    if real.words.startswith(YES):
        said.append(f"Its images are made of {real.words.removeprefix(YES)}.")
    return said


def caveats(group: Group, evidence: pd.DataFrame, *, stressed: bool = False) -> list[str]:
    """What the answer rests on, and what it leaves out."""
    found = []
    if one_seed := [run.label for run in group.runs if run.scores["unet_seed"].nunique() == 1]:
        found.append(
            f"{listed(one_seed)}: one U-Net seed. How far another seed would move the mean is unknown, so that "
            "nothing is called better or worse."
        )
    if group.whom != SCORED_ON["testing"]:
        found.append(f"Scored on {group.whom}, to choose settings: the test patients have not been used.")
    if EQUAL in set(evidence["verdict"]):
        found.append(
            "“Not distinguishable” means that the evidence shows no difference. More patients or more U-Net seeds "
            "might show one."
        )
    if any(run.record.parameters for run in group.runs):
        found.append("Each trained generator was trained only once: what another training would give is unknown.")
    found += [
        f"The training of {run.label} was interrupted: its seconds count from where it went on."
        for run in group.runs
        if any(stage.startswith(FIT) for stage in cost(run.record).interrupted)
    ]
    found += [f"{label} is flagged as copying training patients; see Realism." for label in copying(group)]
    found += [f"{failure.label} is not in the answer: {failure.reason}." for failure in group.failures]
    if group.runs[0].record.dataset == "phantom":
        found.append("The phantom is made of formulas. It cannot say which generator is best for patients.")
    if not stressed and any(not run.is_reference for run in group.runs):
        found.append(
            "Whether the generators follow extreme label maps was not tested: echobench stress was not run here."
        )
    return found


def _costing(run: Run) -> str:
    if run.record.is_drawn_elsewhere:
        return f"What {run.label} cost is unknown, because its images were drawn elsewhere"
    spent = cost(run.record)
    least = "at least " if any(stage.startswith(FIT) for stage in spent.interrupted) else ""
    training = (
        f"was trained for {least}{duration(spent.training_seconds)}" if run.record.parameters else "needed no training"
    )
    if where := training_elsewhere(run.record):
        training += f" ({where})"
    return f"{run.label} {training} and drew an image in {spent.seconds_per_image:.3g} s ({machine(run.record)})"


def _cheaper(leader: Run, equal: Sequence[Run]) -> list[str]:
    """The cheapest of those that cannot be told apart from the leader, by the time to its training images on the same
    machine."""
    beside = [run for run in equal if hardware(run.record) == hardware(leader.record)]
    if not beside:
        return []
    cheapest = min((leader, *beside), key=_seconds_to_images)
    if cheapest is leader:
        where = "" if len(beside) == len(equal) else " on the same machine"
        return [f"Nothing that performs as well costs less{where}."]
    return [f"{cheapest.label} is the cheapest of those that cannot be told apart from it.", f"{_costing(cheapest)}."]


def _seconds_to_images(run: Run) -> float:
    """Training, and drawing what the U-Net was trained on; infinite where it is not known."""
    spent = cost(run.record)
    seconds = spent.training_seconds + spent.seconds_per_image * run.record.training_images
    return float("inf") if isnan(seconds) else seconds
