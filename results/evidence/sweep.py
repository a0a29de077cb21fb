"""A sweep: the same generators at several values of one setting."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from echobench.data.base.differences import Facts
from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import (
    Failure,
    by_deformation,
    facts_of,
    failures_beside,
    labelled,
    own_settings,
    read_runs,
    shared_facts,
    titles_of,
)
from echobench.results.evidence.differences import key, told_apart
from echobench.results.records.run import FailedRun, Run, RunRecord

AXES: Mapping[str, str] = MappingProxyType(
    {"strength": "deformation strength of the label maps", "fraction": "fraction of the training patients"}
)
"""Settings that can be swept, in words."""


@dataclass(frozen=True, eq=False)
class Line:
    """One generator along the axis: its finished runs by value, ascending, and those that stopped."""

    label: str
    runs: Mapping[float, Run]
    failures: Mapping[float, Failure]

    @property
    def is_reference(self) -> bool:
        """Whether its images are the real frames themselves."""
        return any(run.is_reference for run in self.runs.values())


@dataclass(frozen=True, eq=False)
class Sweep:
    """Runs that differ in the generator and in one setting: same scored frames, split, view, patients and U-Net.

    axis: one of `AXES`. whom: what the scored patients are called. lines: generators by label. levels: of strength,
    what has undeformed maps alone and so no place on the axis, `real` above all. notes: what a reader must know.
    """

    axis: str
    title: str
    whom: str
    lines: tuple[Line, ...]
    levels: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()


def sweeps(folders: Iterable[Path], *, none: bool = False) -> list[Sweep]:
    """The sweeps of `AXES` among the runs in these folders, finished or failed. none: whether there may be none.

    Raises EchobenchError where there is none else, and for a record that is unfinished, damaged or of a newer schema.
    """
    runs, failures = read_runs(folders)
    if failures and not runs:
        raise EchobenchError(f"no run of the sweep has finished: {failures[0].label} {failures[0].reason}")
    found = [sweep for axis in AXES for sweep in _along(axis, runs, failures)]
    if not (found or none):
        raise EchobenchError(f"no generator has runs of two values of {' or '.join(AXES)} here: nothing was swept")
    return found


def _along(axis: str, runs: Sequence[Run], failures: Sequence[Failure]) -> Iterator[Sweep]:
    for title, part in comparable(axis, runs):
        sweep = _sweep(axis, title, [*part, *failures_beside(part, failures, [axis])])
        if sweep.lines:
            yield sweep


def comparable(axis: str, runs: Sequence[Run]) -> Iterator[tuple[str, list[Run]]]:
    """Runs that may stand in one table but for the setting that is swept, with the title of each such table."""
    together: dict[str, list[Run]] = {}
    for run in runs:
        together.setdefault(key(_without(axis, shared_facts(run.record))), []).append(run)
    parts = [part for alike in together.values() for part in by_deformation(alike)]
    titles = titles_of([_without(axis, facts_of(part)) for part in parts])
    return ((f"{title}, {axis}", part) for title, part in zip(titles, parts, strict=True))


def _sweep(axis: str, title: str, cells: Sequence[Run | Failure]) -> Sweep:
    families: dict[str, list[Run | Failure]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.label != "real", cell.label, _value(cell, axis))):
        families.setdefault(key(own_facts(cell, axis)), []).append(cell)
    swept = [cells for cells in families.values() if len({_value(cell, axis) for cell in cells}) > 1]
    single = [cells for cells in families.values() if cells not in swept]
    undeformed = [cells for cells in single if axis == "strength" and _value(cells[0], axis) == 0]
    labels = _labels([own_facts(cells[0], axis) for cells in (*swept, *undeformed)])
    lines = [_line(label, cells, axis) for label, cells in zip(labels, [*swept, *undeformed], strict=True)]
    levels = lines[len(swept) :]
    notes = [f"{line.label} has undeformed maps alone: a level beside the strengths" for line in levels]
    if alone := [cell.folder.name for cells in single if cells not in undeformed for cell in cells]:
        notes.append(f"left out, as nothing differs from them in {axis} alone: {', '.join(alone)}")
    kept = [run for line in lines for run in line.runs.values()]
    if twice := [run.folder.name for cells in swept for run in cells if isinstance(run, Run) and run not in kept]:
        notes.append(f"left out, as the same run is here twice: {', '.join(twice)}")
    notes += [
        f"{line.label} at {axis} {value:g} was to be gone on with and {failure.reason}"
        for line in lines
        for value, failure in line.failures.items()
        if value in line.runs
    ]
    notes += dict.fromkeys(
        f"{line.label}: {note}" for line in lines for run in line.runs.values() for note in run.record.notes
    )
    whom = next(cell.record.whom for cell in cells if isinstance(cell, Run))
    return Sweep(axis, title, whom, tuple(lines[: len(swept)]), tuple(levels), tuple(notes))


def _line(label: str, cells: Sequence[Run | Failure], axis: str) -> Line:
    return Line(
        label,
        runs={_value(cell, axis): cell for cell in cells if isinstance(cell, Run)},
        failures={_value(cell, axis): cell for cell in cells if isinstance(cell, Failure)},
    )


def _labels(owns: Sequence[Facts]) -> list[str]:
    """The generator and the mix of each line and, where lines share them, what sets them apart."""
    return [labelled(own["generator"], own["mix"], apart) for own, apart in zip(owns, apart_from(owns), strict=True)]


def apart_from(owns: Sequence[Facts]) -> Iterator[str]:
    """What sets each line apart from others of its generator and mix; empty where there is none."""
    for own in owns:
        namesakes = [one for one in owns if (one["generator"], one["mix"]) == (own["generator"], own["mix"])]
        yield told_apart(namesakes)[namesakes.index(own)] if len(namesakes) > 1 else ""


def _without(axis: str, facts: Facts) -> Facts:
    """What all runs of a sweep have in common, of the facts that the runs of a table share."""
    return {name: fact for name, fact in facts.items() if name not in _SWEPT.get(axis, ())}


_SWEPT: Mapping[str, Sequence[str]] = MappingProxyType(
    {"fraction": ("fraction", "training frames"), "patients": ("patients", "draw of patients", "training frames")}
)
"""Facts that the runs of a sweep do not share."""


def own_facts(cell: Run | Failure, axis: str) -> Facts:
    """What all runs of a line have in common beyond that."""
    settings = own_settings(_settings(cell))
    free = (axis, "preset", "unet_seeds")
    return {"generator": _origin(cell).generator} | {name: settings[name] for name in settings if name not in free}


def _value(cell: Run | Failure, axis: str) -> float:
    return float(_settings(cell)[axis])


def _settings(cell: Run | Failure) -> Facts:
    return _origin(cell).settings


def _origin(cell: Run | Failure) -> RunRecord | FailedRun:
    return cell.record if isinstance(cell, Run) else cell.failed
