"""Which runs may stand in one table, what each is called there, and what keeps the others apart."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Self

import pandas as pd

from echobench.data.base.differences import Facts, differing, flat
from echobench.data.base.errors import EchobenchError
from echobench.data.base.metric import MetricFacts
from echobench.data.deform import VERSION
from echobench.results.evidence.cost import machine
from echobench.results.evidence.differences import key, shown, telling, told_apart, unsaid
from echobench.results.evidence.statistics import compared_pairs, drawn_regions
from echobench.results.records.run import (
    RECORD,
    SCORED_ON,
    FailedRun,
    Run,
    RunRecord,
    is_finished,
    read_failed,
    read_record,
)
from echobench.results.records.unsaid import FIRST_DEFORMATION


@dataclass(frozen=True)
class Failure:
    """A run that stopped."""

    folder: Path
    failed: FailedRun
    label: str

    @property
    def reason(self) -> str:
        """Where and why, for a row of a table."""
        stage = f" in {self.failed.stage}" if self.failed.stage else ""
        times = f", attempt {self.failed.attempts}" if self.failed.attempts > 1 else ""
        return f"failed{stage}{times}: {self.failed.error}"


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ in the generator and what it drew: same frames, split, view, patients and U-Net.

    runs: real first, then by label. failures: runs that would have belonged here. notes: what a reader must know.
    """

    title: str
    runs: tuple[Run, ...]
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> Facts:
        """What its runs have in common."""
        return facts_of(self.runs)

    @property
    def whom(self) -> str:
        """What the patients are called on whom the runs are scored."""
        return self.runs[0].record.whom

    @property
    def scores(self) -> dict[str, pd.DataFrame]:
        """Raw scores by label."""
        return {run.label: run.scores for run in self.runs}

    @property
    def metrics(self) -> dict[str, MetricFacts]:
        """By name, what any of its runs was scored by."""
        return {metric.name: metric for run in self.runs for metric in run.record.metrics}

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every pair of runs with the verdict on the first; p is corrected for all of them (`compared_pairs`)."""
        return compared_pairs(self.scores)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Groups of runs, each a table of its own.

    failures: those that match no group. differences: for every group after the first, a sentence that says what
    keeps it out of the earlier group that it is nearest to.
    """

    groups: tuple[Group, ...]
    failures: tuple[Failure, ...] = ()
    differences: tuple[str, ...] = ()

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Self:
        """Read the runs in these folders, finished or failed.

        Raises EchobenchError where there is none, and for a record that is unfinished, damaged or of a newer schema.
        """
        runs, failures = read_runs(folders)
        if not runs and not failures:
            raise EchobenchError("there are no runs to compare; name folders that `echobench run` has written")
        together: dict[str, list[Run]] = {}
        for run in runs:
            together.setdefault(key(shared_facts(run.record)), []).append(run)
        parts = [part for alike in together.values() for part in by_deformation(alike)]
        parts.sort(key=lambda part: _place(part[0].record))
        titles = titles_of([facts_of(part) for part in parts])
        placed = [failures_beside(part, failures) for part in parts]
        groups = tuple(map(_group, titles, parts, placed))
        homeless = [failure for failure in failures if not any(failure in belonging for belonging in placed)]
        return cls(groups, tuple(homeless), tuple(_differences(groups)))

    def across_views(self) -> list[tuple[Group, ...]]:
        """Groups of the same dataset, split, scored patients and U-Net, one for each view and phase that was run.

        They are what the paper's Table 1 takes. Where one has several groups, there is an answer for each; no answer
        mixes random deformations.
        """
        families: dict[str, dict[tuple[str, str], list[Group]]] = {}
        for group in self.groups:
            facts = group.facts
            kept = key({name: fact for name, fact in facts.items() if name not in _OF_THE_VIEW})
            families.setdefault(kept, {}).setdefault((facts["view"], facts["phase"]), []).append(group)
        answers: list[tuple[Group, ...]] = []
        for family in families.values():
            for version in _versions(group.runs for groups in family.values() for group in groups):
                fitting = (
                    [g for g in groups if g.facts["deformation"] in (None, version)] for groups in family.values()
                )
                answers += product(*filter(None, fitting))
        return answers


_OF_THE_VIEW = ("view", "phase", "training frames", "scored frames", "deformation")
_OF_THE_MAPS = ("strength", "seed", "images", "mix")
"""Settings that say for which label maps a generator draws."""
_OF_THE_PATIENTS = ("fraction", "patients", "patient_draw")
"""Settings that say which of the training patients there are."""
NETWORK, PAPERS_NETWORK = "unet.network", "unet"
"""What the settings of a U-Net leave unsaid where it is the paper's network, and so do titles."""


def _place(record: RunRecord) -> tuple[str, ...]:
    """Where a record's group is among the others."""
    facts = shared_facts(record)
    return facts["data"], facts["view"], facts["phase"]


def shared_facts(record: RunRecord) -> Facts:
    """What must be equal for two runs to stand in one table."""
    fingerprints, settings = record.fingerprints, record.settings
    return {
        "data": record.dataset,
        "view": record.view,
        "phase": settings["phase"],
        "fraction": settings["fraction"],
        "patients": settings["patients"],
        "draw of patients": settings["patient_draw"],
        "training frames": fingerprints["training"],
        "scored on": record.whom,
        "scored frames": fingerprints[record.scored_on],
        "split": fingerprints["split"],
        "scored patients": sorted(record.scored_patients),
    } | flat({"network": PAPERS_NETWORK} | record.settings["unet_settings"], "unet.")


def facts_of(runs: Sequence[Run]) -> Facts:
    """What runs of one table have in common: `shared_facts`, and the random deformation of those that deform."""
    return {**shared_facts(runs[0].record), "deformation": _deformation(runs)}


def by_deformation(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that drew for maps of one random deformation, latest first; one without, as real, is in each."""
    return [[run for run in runs if run.record.deformation in (None, one)] for one in _versions([runs])]


def _deformation(runs: Sequence[Run]) -> str | None:
    return _versions([runs])[0]


def _versions(parts: Iterable[Sequence[Run]]) -> Sequence[str | None]:
    """Of the random deformations of runs, latest first; None alone where nothing is deformed."""
    return sorted({one for runs in parts for run in runs if (one := run.record.deformation)}, reverse=True) or [None]


def maps_of(record: RunRecord) -> Facts:
    """What says for which label maps a run's images were drawn."""
    return {name: record.settings.get(name) for name in _OF_THE_MAPS}


def own_settings(settings: Facts) -> Facts:
    """A run's settings but for those that its group shares; the preset first, as it often says it all."""
    shared = ("preset", "data", "unet_settings", "generator", *_OF_THE_PATIENTS, "deformation", "scored_on")
    own = {name: value for name, value in settings.items() if name not in shared}
    return {"preset": settings["preset"]} | {
        name.removeprefix("generator_settings."): value for name, value in flat(own).items()
    }


def read_runs(folders: Iterable[Path]) -> tuple[list[Run], list[Failure]]:
    """The runs in these folders, finished and failed; what went on and failed is in both. See `Comparison.of`."""
    runs, failures = [], []
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        failed = read_failed(folder)
        if failed:
            failures.append(Failure(folder, failed, failed.generator))
        if is_finished(folder) or not failed:
            record, scores = read_record(folder)
            runs.append(Run(folder, record, scores, record.generator))
    return runs, failures


def group_beside(folder: Path) -> Group:
    """A finished run and those in sibling folders of the same group, preset and U-Net seeds, by other generators.

    Beside a run that deforms nothing stand those of today's random deformation. A damaged record is passed over. Raises
    EchobenchError where the folder's own cannot be read.
    """
    own, found = read_record(folder)[0], [folder]
    deformations = (None, own.deformation or VERSION)
    for path in sorted(folder.resolve().parent.glob(f"*/{RECORD}")):
        if path.parent == folder.resolve():
            continue
        try:
            other, _ = read_record(path.parent)
        except EchobenchError:
            continue
        alike = _beside(other) == _beside(own) and other.deformation in deformations
        if alike and other.generator != own.generator:
            found.append(path.parent)
    return Comparison.of(found).groups[0]


def _beside(record: RunRecord) -> tuple[Facts, str, list[int]]:
    return shared_facts(record), record.preset, record.settings["unet_seeds"]


def failures_beside(runs: Sequence[Run], failures: Sequence[Failure], swept: Sequence[str] = ()) -> list[Failure]:
    """The failures whose settings put them beside these runs, whatever they have for the settings that are swept."""
    shared = {"view", "phase", *_OF_THE_PATIENTS, "scored_on", "data", "phantom_patients", "unet_settings"} - {*swept}
    ours, deformations = runs[0].record.settings, {None, _deformation(runs)}
    return [
        f
        for f in failures
        if all(f.failed.settings.get(name) == ours.get(name) for name in shared)
        and (deformations == {None} or f.failed.settings["deformation"] in deformations)
    ]


def _group(title: str, runs: Sequence[Run], failures: Sequence[Failure]) -> Group:
    extending = [f for f in failures if f.folder in {run.folder for run in runs}]
    failures = [f for f in failures if f not in extending]
    labels, notes = _labels(runs, failures)
    named = [replace(run, label=label) for run, label in zip(runs, labels[: len(runs)], strict=True)]
    stopped = [replace(failure, label=label) for failure, label in zip(failures, labels[len(runs) :], strict=True)]
    label_of = {run.folder: run.label for run in named}
    notes += [f"{label_of[f.folder]} was to be gone on with and {f.reason}" for f in extending]
    if len(named) == 1:
        notes.append(f"only {named[0].label} was run: there is nothing to compare it with")
    notes += _other_maps(named)
    notes += _unmeasured(named)
    notes += [f"{run.label}: {note}" for run in named for note in run.record.notes]
    machines = dict.fromkeys(machine(run.record) for run in named)
    if len(machines) > 1:
        notes.append(f"seconds and memory are of different machines or threads: {'; '.join(machines)}")
    named.sort(key=lambda run: (not run.is_reference, _by_number(run.label)))
    return Group(title, tuple(named), tuple(stopped), tuple(notes))


def _unmeasured(runs: Sequence[Run]) -> list[str]:
    """Why there is a dash, or no table, where one is looked for."""
    metrics = {metric.name: metric for run in runs for metric in run.record.metrics}
    nowhere = sorted({*runs[0].scores["region"].unique()} - {*drawn_regions(runs[0].scores)}) if runs else []
    notes = [f"{', '.join(nowhere)}: no scored frame has it, so that it has no score"] if nowhere else []
    if metrics and not any(metric.is_distance for metric in metrics.values()):
        notes.append("the scored frames state no spacing: there are no distances in mm and no ejection fractions")
    return notes


def _labels(runs: Sequence[Run], failures: Sequence[Failure]) -> tuple[list[str], list[str]]:
    """A label for every run, then for every failure; and what differs beyond the labels, in sentences."""
    cells = [(run.record.generator, run.record.settings, run.folder) for run in runs]
    cells += [(failure.failed.generator, failure.failed.settings, failure.folder) for failure in failures]
    names = [labelled(generator, settings["mix"]) for generator, settings, _ in cells]
    labels, notes = [*names], []
    for name in dict.fromkeys(names):
        which = [i for i, other in enumerate(names) if other == name]
        if len(which) == 1:
            continue
        facts = [own_settings(cells[i][1]) for i in which]
        apart = told_apart(facts)
        if len(set(apart)) < len(apart):  # the same run made twice
            apart = _ends([cells[i][2] for i in which])
        for i, text in zip(which, apart, strict=True):
            labels[i] = labelled(cells[i][0], cells[i][1]["mix"], text)
        if usual := unsaid(facts):
            values = ", ".join(f"{name} {shown(value)}" for name, value in usual.items())
            notes.append(f"{name} has {values} where its label says nothing else")
        if rest := [name for name in differing(facts) if name not in telling(facts)]:
            each = (
                f"{labels[i]} has {', '.join(f'{name} {shown(one.get(name))}' for name in rest)}"
                for i, one in zip(which, facts, strict=True)
            )
            notes.append("; ".join(each))
    return labels, notes


def labelled(generator: str, mix: float | None, apart: str = "") -> str:
    """A run's name in tables: its generator's, its mix, and what tells it apart from others of that name."""
    inside = ", ".join(filter(None, ("" if mix is None else f"mix {mix:g}", apart)))
    return f"{generator} ({inside})" if inside else generator


def _by_number(label: str) -> list[str | int]:
    """A key by which 800 comes before 1600."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", label)]


def _ends(folders: Sequence[Path]) -> list[str]:
    """As much of the ends of different paths as tells them apart."""
    parts = max(len(folder.parts) for folder in folders)
    ends = ([Path(*folder.parts[-n:]).as_posix() for folder in folders] for n in range(1, parts + 1))
    return next(names for names in ends if len(set(names)) == len(names))


def _other_maps(runs: Sequence[Run]) -> Iterator[str]:
    """A sentence where generators did not draw for the same deformed label maps."""
    drawn: dict[str, dict[str, set[str]]] = {}
    for run in runs:
        if not run.is_reference and not run.record.is_drawn_elsewhere:
            for name, value in maps_of(run.record).items():
                drawn.setdefault(name, {}).setdefault(run.record.generator, set()).add(shown(value))
    for name, values in drawn.items():
        if len(set(map(frozenset, values.values()))) > 1:
            each = ", ".join(f"{generator} {' and '.join(sorted(one))}" for generator, one in values.items())
            yield f"generators did not draw for the same label maps: {name} {each}"


def titles_of(groups: Sequence[Facts]) -> list[str]:
    """What groups of runs are called, by the facts that the runs of each share."""
    titles = [
        f"{facts['data']}, {facts['view']}"
        + (f" {facts['phase']}" if facts["phase"] != "all" else "")
        + (f", fraction {facts['fraction']:g}" if facts.get("fraction", 1) != 1 else "")
        + (f", {n} patients, draw {facts['draw of patients']}" if (n := facts.get("patients")) else "")
        + (f", network {network}" if (network := facts.get(NETWORK, PAPERS_NETWORK)) != PAPERS_NETWORK else "")
        + (f", deformation of {FIRST_DEFORMATION}" if facts["deformation"] == FIRST_DEFORMATION else "")
        + (f", {facts['scored on']}" if facts["scored on"] != SCORED_ON["testing"] else "")
        for facts in groups
    ]
    for title in dict.fromkeys(titles):
        which = [i for i, other in enumerate(titles) if other == title]
        if len(which) > 1:
            apart = told_apart([groups[i] for i in which])
            for i, text in zip(which, apart, strict=True):
                titles[i] = f"{title}, {text}" if text else title
    return titles


def _differences(groups: Sequence[Group]) -> Iterator[str]:
    facts = [group.facts for group in groups]
    for i, group in enumerate(groups[1:], start=1):
        nearest = min(range(i), key=lambda j: len(_keeping_apart(facts[j], facts[i])))
        pair = (facts[nearest], facts[i])
        clauses = "; ".join(_difference(name, *pair) for name in _keeping_apart(*pair))
        first, second = (f"“{g.title}” ({', '.join(run.label for run in g.runs)})" for g in (groups[nearest], group))
        yield f"{first} and {second} are tables of their own: {clauses}"


def _keeping_apart(first: Facts, second: Facts) -> list[str]:
    """Facts that differ; a run that deforms nothing goes with any deformation."""
    names = differing((first, second))
    return [name for name in names if name != "deformation" or None not in (first[name], second[name])]


def _difference(name: str, first: Facts, second: Facts) -> str:
    one, other = first.get(name), second.get(name)
    if isinstance(one, list) and isinstance(other, list) and name == "scored patients":
        return f"{name} {len(one)} and {len(other)}, {len(set(one) & set(other))} of them in both"
    return f"{name} {shown(one)} and {shown(other)}"
