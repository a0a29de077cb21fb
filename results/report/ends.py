"""What a verb says at its end: the answer, one table, and where the rest is. The same as plain values, for JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from math import isnan
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from echobench.results.evidence.comparison import Comparison, Failure, Group, group_beside
from echobench.results.evidence.cost import cost, machine
from echobench.results.evidence.limits import limits, usual_seeds
from echobench.results.evidence.realism import ADHERENCE, FID
from echobench.results.evidence.statistics import BETTER, EQUAL, UNDECIDED, WORSE
from echobench.results.evidence.stressed import stresses_beside
from echobench.results.evidence.sweep import AXES
from echobench.results.records.cross import PREFIX
from echobench.results.records.run import Run
from echobench.results.report.answer import answer, beside, dice_of
from echobench.results.report.contents import group_tables, paper_tables
from echobench.results.shown.formats import Table, duration, listed, rows, shown
from echobench.results.shown.overview import COPIES, DISTANCES, FLAGGED, GET_FID
from echobench.results.shown.tables import OPPONENTS, WHO, WHY, cost_table, region_table, summary_table
from echobench.results.shown.verdicts import elsewhere, verdict_rows

_VERDICTS = {BETTER: "better", WORSE: "worse", EQUAL: "not told apart", UNDECIDED: "undecided"}
"""In few words."""
ONE_SEED = "“Undecided” means that one U-Net seed cannot tell which is better; three can: --unet-seeds 3."


@dataclass(frozen=True, eq=False)
class Part:
    """An answer. table: the one that is printed. tables: all of them, whole. notes: sentences below the table."""

    title: str
    answer: tuple[str, ...]
    table: Table
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class End:
    """All that a verb says. places: files and folders, the most telling first. notes: sentences below every part.

    tables: those that are of several parts together; they are printed with none.
    """

    parts: tuple[Part, ...]
    places: Mapping[str, Path]
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def line(self) -> str:
        """The first sentence of every answer, and the first place."""
        first, *_ = self.places.values()
        return " ".join((*(part.answer[0] for part in self.parts), str(first)))

    @property
    def plain(self) -> dict[str, Any]:
        """For JSON: no number is rounded, and None is where there is none."""
        return {
            "parts": [
                {
                    "title": part.title,
                    "answer": list(part.answer),
                    "notes": list(part.notes),
                    "tables": _plain(part.tables),
                }
                for part in self.parts
            ],
            "tables": _plain(self.tables),
            "notes": list(self.notes),
            "places": {what: str(place) for what, place in self.places.items()},
        }


def run_end(folder: Path) -> End:
    """Of a finished run: its Dice, what it cost, and its place among the finished runs of its folder."""
    alone, together = Comparison.of([folder]).groups[0], group_beside(folder)
    (run,), record = alone.runs, alone.runs[0].record
    summary, dice, spent = summary_table(alone), region_table(alone), cost_table(alone)
    row = summary.frame.to_dict("records")[0]
    said = (
        f"{run.label}: Dice {dice_of(row)}, the mean over {row['patients']} {alone.whom} of {alone.title}.",
        beside(run.label, together),
        _took(run),
    )
    own = [*(note for note in spent.notes if note not in alone.notes), *(n for n in alone.notes if n in together.notes)]
    stages = Table("stages", "What each stage took.", pd.DataFrame([asdict(stage) for stage in record.stages]))
    regions = replace(dice, frame=dice.frame.drop(columns=[WHO, "patients"]), notes=())
    split = f"split: {record.split_origin}; {record.whom}: {len(record.scored_patients)}"
    part = Part(alone.title, said, regions, (summary, dice, spent, stages), tuple(own))
    return End((part,), {"record, scores and pictures": folder}, (split,))


def compare_end(comparison: Comparison, places: Mapping[str, Path]) -> End:
    """A part for every group, best Dice first; runs that stopped, with their reasons; what keeps groups apart."""
    failures = [failure for group in comparison.groups for failure in group.failures] + list(comparison.failures)
    return End(
        tuple(map(_compared, comparison.groups)),
        places,
        (*map(_stopped, failures), *comparison.differences),
        tuple(table for table, _ in paper_tables(comparison)),
    )


def sweep_end(tables: Sequence[Table], place: Path) -> End:
    """tables: those of every sweep, one sweep behind the other, as `cells.sweep.tabulate` gives them."""
    parts = [_of_sweep(title, *of_one) for title, of_one in groupby(tables, key=lambda table: table.of)]
    return End(tuple(parts), {"tables and figure": place})


def cross_end(tables: Sequence[Table], place: Path) -> End:
    """tables: those of every group, one behind the other, as `measure.cross.cross_runs` gives them."""
    parts: list[tuple[Table, ...]] = []
    for table in tables:
        if "difference" in table.frame:  # the evidence, behind the table of the same target
            parts[-1] += (table,)
        else:
            parts.append((table,))
    return End(tuple(map(_crossed, parts)), {"tables and figures": place})


def stress_end(title: str, said: Sequence[str], tables: Sequence[Table], place: Path) -> End:
    """said: as of `short_finding`. tables: the ladder first."""
    part = Part(title, (*said[-1:], *said[:-1]), replace(tables[0], notes=()), tuple(tables))
    return End((part,), {"tables, figures and pictures": place})


def _plain(tables: Sequence[Table]) -> dict[str, Any]:
    return {table.name: {"caption": table.caption, "rows": rows(table)} for table in tables}


def _stopped(failure: Failure) -> str:
    return f"{failure.label} is not in a table: {failure.reason}"


def _took(run: Run) -> str:
    """What a run took, and where."""
    spent = cost(run.record)
    parts = [f"{duration(spent.training_seconds)} to train the generator"] if run.record.parameters else []
    parts += [] if isnan(spent.seconds_per_image) else [f"{spent.seconds_per_image:.3g} s for an image"]
    parts += [] if isnan(spent.unet_seconds) else [f"{duration(spent.unet_seconds)} for a U-Net"]
    each = f": {listed(parts)}" if parts else ""
    return f"It took {duration(spent.total_seconds)}{each} ({machine(run.record)})."


def _compared(group: Group) -> Part:
    tables, stresses = group_tables(group), stresses_beside(group)
    of_name = {table.name: table for table in tables}
    summary, evidence = of_name["summary"].frame, of_name["evidence"].frame
    said = answer(group, summary, evidence, verdict_rows(group, stresses))
    said += [ONE_SEED] if UNDECIDED in set(evidence["verdict"]) else []
    notes = (*_against(summary), *_limits(group), *group.notes)
    return Part(group.title, tuple(said), _narrow(of_name["overview"], group), tables, notes)


def _narrow(overview: Table, group: Group) -> Table:
    """The overview in 80 columns, the best Dice first; what is typed for FID stands below."""
    frame = overview.frame.sort_values("Dice", ascending=False, ignore_index=True)
    notes = overview.notes
    if GET_FID in set(frame[FID.name]):
        notes += (f"FID needs weights: {GET_FID}",)
    frame[FID.name] = pd.to_numeric(frame[FID.name], errors="coerce")
    frame[COPIES] = frame[COPIES].str.replace(FLAGGED, " !")
    narrow = replace(overview, frame=frame, notes=notes)
    columns = shown(narrow).columns
    terms = [
        ([quantity.name for quantity in DISTANCES], "distances from real frames"),
        ([ADHERENCE.name], "Dice in % of the map asked for"),
        ([COPIES], "% of the images, ! where more than chance"),
    ]
    said = [
        f"{', '.join(known)}: {meaning}." for names, meaning in terms if (known := [n for n in names if n in columns])
    ]
    caption = " ".join([f"Mean Dice in % over {group.whom}, with its 95 % interval.", *said, f"{group.title}."])
    return replace(narrow, caption=caption)


def _against(summary: pd.DataFrame) -> Iterator[str]:
    """The verdicts on every row against the real frames, and against `warp`."""
    for whom in OPPONENTS:
        labels = summary.groupby(summary[f"vs {whom}"].map(_VERDICTS), sort=False)[WHO].agg(list)
        clauses = [f"{listed(who)} {'is' if len(who) == 1 else 'are'} {how}" for how, who in labels.items()]
        if clauses:
            yield f"Against {whom}: {'; '.join(clauses)}."


def _limits(group: Group) -> Iterator[str]:
    """What keeps rows from saying all they might; rows with the same limits together."""
    usual, found = usual_seeds(group.runs), dict[str, list[str]]()
    for run in group.runs:
        found.setdefault(limits(run, usual), []).append(run.label)
    return (f"{listed(labels)}: {said}" for said, labels in found.items() if said)


def _of_sweep(title: str, first: Table, *others: Table) -> Part:
    """One over numbers of patients has a single table, with its answer below it."""
    return _swept(title, first, *others) if others else Part(title, first.notes, replace(first, notes=()), (first,), ())


def _swept(title: str, dice: Table, best: Table, evidence: Table) -> Part:
    axis = next(axis for axis in AXES if axis in dice.frame)
    said = [_best(row, axis) for row in best.frame.to_dict("records")] or ["No generator has a finished run."]
    finished = dice.frame[dice.frame["Dice mean"].notna()]
    columns = [WHO, axis, "Dice mean", "Dice std", "Dice low", "Dice high", "seed std"]
    failed = dice.frame[dice.frame[WHY].notna()] if WHY in dice.frame else dice.frame[:0]
    stopped = [f"{row[WHO]} at {axis} {row[axis]:g} is not in the table: {row[WHY]}" for _, row in failed.iterrows()]
    table = replace(dice, frame=finished[columns], notes=())
    return Part(title, tuple(said), table, (dice, best, evidence), (*stopped, *best.notes[:1], *dice.notes))


def _best(row: Mapping[Any, Any], axis: str) -> str:
    """Which value serves a generator best, and what that is worth: of a row of `best_table`."""
    means = {"Dice": row["Dice mean"], "Dice low": row["Dice low"], "Dice high": row["Dice high"]}
    columns = {"better than": "better than", f"{EQUAL} from": "not told apart from", UNDECIDED: "undecided against"}
    clauses = [f"{words} {row[column]}" for column, words in columns.items() if row.get(column)]
    first = f"{row[WHO]}: best {axis} {row[f'best {axis}']:g}, Dice {dice_of(means)}"
    return f"{'; '.join((first, *clauses))}."


def _crossed(tables: tuple[Table, ...]) -> Part:
    gap, target = tables[0], tables[0].name.removeprefix(PREFIX)
    found = gap.frame.to_dict("records")
    first = max(found, key=lambda row: row["there mean"])
    highest = {"Dice": first["there mean"], "Dice low": first["there low"], "Dice high": first["there high"]}
    each = [f"{row[WHO]}: {elsewhere(target, *_gap(row), row['there mean']).words}" for row in found]
    table = replace(gap, frame=gap.frame.rename(columns=_NARROW)[_CROSSED], notes=())
    said = f"{first[WHO]} has the highest Dice on {target}: {dice_of(highest)}."
    return Part(gap.of, (said, f"{'; '.join(each)}."), table, tables)


def _gap(row: Mapping[Any, Any]) -> tuple[float, float, float]:
    return row["gap"], row["gap low"], row["gap high"]


_NARROW: Mapping[str, str] = MappingProxyType({"own mean": "own", "there mean": "there"})
_CROSSED = [WHO, "own", "there", "there low", "there high", "gap", "gap low", "gap high", "missed"]
"""Columns of a cross that are printed."""
