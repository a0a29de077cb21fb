"""The answer to the README's question, from the records: who wins, who cannot be told apart from it, at what cost.

Short sentences, for a reader who knows no term yet. The verdicts are those of `statistics.RULE` and no others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cost import Cost, cost
from echobench.results.evidence.limits import limits, usual_seeds
from echobench.results.evidence.statistics import (
    BETTER,
    EQUAL,
    UNDECIDED,
    WORSE,
    Estimate,
    estimate,
    patient_values,
    verdict_on,
)
from echobench.results.records.run import Run
from echobench.results.records.unsaid import FIRST_DEFORMATION
from echobench.results.shown.formats import listed

_BESIDE: Mapping[str, str] = {
    BETTER: "It is better than {}.",
    EQUAL: "It cannot be told apart from {}: the evidence shows no difference, but there may be one.",
    UNDECIDED: "It cannot be judged against {}, because only one U-Net was trained.",
    WORSE: "It is worse than {}.",
}

_HELD: Mapping[str, str] = {
    BETTER: "better than real frames",
    EQUAL: "not distinguishable from real frames",
    UNDECIDED: "undecided against real frames",
    WORSE: "worse than real frames",
}


def answer_markdown(group: Group) -> str:
    """A list of a few sentences; empty where no generator was run."""
    generators = sorted((run for run in group.runs if not run.is_reference), key=_mean, reverse=True)
    if not generators:
        return ""
    best, *others = generators
    verdicts = {run.label: verdict_on(group.pairs, best.label, run.label) for run in group.runs if run is not best}
    equal = [run for run in others if verdicts[run.label] == EQUAL]
    found = {
        "Who wins?": _winner(group, best, others, verdicts),
        "Against real frames?": _against_real(group, verdicts),
        "At what cost?": filter(None, map(_costing, [best, *equal])),
        "With which limits?": _limits(group, [best, *others]),
        "From real images?": _sources([best, *others]),
    }
    lines = {question: " ".join(sentences) for question, sentences in found.items()}
    return "".join(f"- **{question}** {text}\n" for question, text in lines.items() if text)


def best_alone(group: Group) -> str:
    """A sentence on runs whose strength and number of images validation patients chose; empty without real frames."""
    real = next((run for run in group.runs if run.is_reference), None)
    drawing = sorted((run for run in group.runs if not run.is_reference), key=_mean, reverse=True)
    if real is None or not drawing:
        return ""
    rows = [
        f"`{run.label}` reaches {_mean(run):.1f} % ({_HELD[verdict_on(group.pairs, run.label, real.label)]})"
        for run in drawing
    ]
    seeds = len(real.record.settings["unet_seeds"])
    return (
        f"With the strength and the number of images that validation patients chose, {listed(rows)}. Real frames reach "
        f"{_mean(real):.1f} %, with {seeds} U-Nets each."
    )


def _winner(group: Group, best: Run, others: Sequence[Run], verdicts: Mapping[str, str]) -> Iterator[str]:
    found = estimate(best.scores)
    dataset = "the phantom" if best.record.dataset == "phantom" else best.record.dataset
    yield (
        f"On {dataset} (view {best.record.view}, {found.patients} {group.whom}), `{best.label}` has the highest mean "
        f"Dice of {len(others) + 1} compared: {found.mean:.1f} %{_interval(found)}."
    )
    for verdict, sentence in _BESIDE.items():
        if told := [run for run in others if verdicts[run.label] == verdict]:
            yield sentence.format(listed([f"`{run.label}` ({_mean(run):.1f} %)" for run in told]))


def _against_real(group: Group, verdicts: Mapping[str, str]) -> Iterator[str]:
    for run in group.runs:
        if run.is_reference:
            yield _BESIDE[verdicts[run.label]].format(f"a U-Net trained on the real frames ({_mean(run):.1f} %)")


def _costing(run: Run) -> str:
    """A sentence; empty where the images were drawn elsewhere, at a cost that nobody knows here."""
    spent = cost(run.record)
    if isnan(spent.seconds_per_image):
        return ""
    machine = run.record.machine
    where = f"{machine['cores']} processor cores" if machine["device"] == "cpu" else machine["device"]
    return f"`{run.label}` {_training(run, spent)} and draws an image in {spent.seconds_per_image:.2g} s on {where}."


def _training(run: Run, spent: Cost) -> str:
    if not run.record.parameters:
        return "needs no training"
    return f"trained for {spent.training_seconds / 60:,.0f} minutes"


def _limits(group: Group, runs: Sequence[Run]) -> Iterator[str]:
    """What keeps a row from saying all that it might."""
    usual = usual_seeds(group.runs)
    if any(run.record.deformation == FIRST_DEFORMATION for run in runs):
        yield f"Label maps were deformed as in version {FIRST_DEFORMATION}, more strongly than in the paper."
    for run in runs:
        for found in filter(None, limits(run, usual).split("; ")):
            trained = re.sub(r"^training: (\S+) of (\S+)", r"trained for \1 of the \2 published", found)
            yield f"`{run.label}` {trained if trained != found else f'was judged by {found}'}."


def _sources(runs: Sequence[Run]) -> Iterator[str]:
    """Which draw from real images, and which from a label map alone. It is unknown for images drawn elsewhere."""
    if real := _code(run for run in runs if run.record.uses_source_images):
        yield f"Images of {listed(real)} are changed real images: each of them shows a patient."
    if alone := _code(run for run in runs if run.record.uses_source_images is False):
        yield f"Images of {listed(alone)} are drawn from a label map alone."


def _code(runs: Iterable[Run]) -> list[str]:
    return [f"`{label}`" for label in dict.fromkeys(run.record.generator for run in runs)]


def _mean(run: Run) -> float:
    return float(patient_values(run.scores).mean())


def _interval(found: Estimate) -> str:
    return "" if isnan(found.low) else f" (95 % interval {found.low:.1f} to {found.high:.1f})"
