"""What a run cost, from the stages of its record."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

from echobench.results.records.run import RunRecord, Stage

FIT, DRAW, UNET = "fit-", "draw-", "unet-"
"""How the names of stages begin: the generator is trained, draws, and a U-Net is trained on what it drew."""

Conditions = Mapping[str, str]
"""What seconds hang on: `PROCESSOR`, `THREADS` and `INSTRUCTIONS`, each in words."""
PROCESSOR, THREADS, INSTRUCTIONS = "processor", "threads", "instruction sets"
UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, NaN where nothing of the kind was done or known.

    training_seconds: of the generators of all views. seconds_per_image: while drawing. unet_seconds: of one U-Net, the
    mean over seeds. peak_memory_mb, peak_gpu_memory_mb: highest while the generator trained or drew. total_seconds: of
    the whole run. training_watt_hours, joules_per_image: of the whole machine meanwhile, NaN where it did not tell.
    interrupted: stages that were begun more than once; their seconds and joules are of the last time. taken: those that
    an earlier run has done.
    """

    training_seconds: float
    seconds_per_image: float
    unet_seconds: float
    peak_memory_mb: float
    peak_gpu_memory_mb: float
    total_seconds: float
    training_watt_hours: float
    joules_per_image: float
    interrupted: tuple[str, ...]
    taken: tuple[str, ...]

    @property
    def images_per_hour(self) -> float:
        return 3600 / self.seconds_per_image if self.seconds_per_image else nan


def cost(record: RunRecord) -> Cost:
    """What a run cost."""
    elsewhere = record.is_drawn_elsewhere
    fits, draws, unets = (_of(record, kind) for kind in (FIT, DRAW, UNET))
    of_the_generator = [] if elsewhere else [*fits, *draws]
    drawn = sum(stage.items or 0 for stage in draws)
    return Cost(
        training_seconds=nan if elsewhere else _seconds(fits),
        seconds_per_image=nan if elsewhere or not drawn else _seconds(draws) / drawn,
        unet_seconds=_seconds(unets) / len(unets) if unets else nan,
        peak_memory_mb=max((stage.peak_memory_mb for stage in of_the_generator), default=nan),
        peak_gpu_memory_mb=max((mb for s in of_the_generator if (mb := s.peak_gpu_memory_mb) is not None), default=nan),
        total_seconds=_seconds(record.stages),
        training_watt_hours=nan if elsewhere or not fits else _joules(fits) / 3600,
        joules_per_image=nan if elsewhere or not drawn else _joules(draws) / drawn,
        interrupted=tuple(stage.name for stage in record.stages if stage.attempts > 1),
        taken=tuple(stage.name for stage in record.stages if stage.taken),
    )


def conditions(machine: Mapping[str, Any], stages: Collection[Stage] = ()) -> Conditions:
    """What the seconds of a record hang on, from its `machine`; where its stages know their threads, from these.

    Older records know neither their instruction sets nor the threads of each stage: theirs are the threads of the
    process that finished. A stage that was taken has its cost from there, and no part in this.
    """
    own = [stage for stage in stages if not stage.taken]
    processes = f", {machine['processes']} processes" if machine.get("processes", 1) > 1 else ""
    known, sets = machine.get("torch_threads"), machine.get("instruction_sets")
    threads = {known if stage.threads is None else stage.threads for stage in own} or {known}
    jobs = _beside(max((stage.jobs for stage in own), default=1))
    return {
        PROCESSOR: f"{' and '.join(processors(machine, stages))}{processes}{jobs}",
        THREADS: UNKNOWN if None in threads else " and ".join(map(str, sorted(filter(None, threads)))),
        INSTRUCTIONS: UNKNOWN if sets is None else ", ".join(sets) or "none that matter",
    }


def processors(machine: Mapping[str, Any], stages: Collection[Stage] = ()) -> list[str]:
    """Those that a run was computed on, that of its record first, see `in_one_line`."""
    others = (stage.processor for stage in stages if stage.processor and not stage.taken)
    return [*dict.fromkeys([in_one_line(machine), *others])]


def in_one_line(machine: Mapping[str, Any]) -> str:
    """A processor, its cores and its GPU."""
    device = "" if machine["device"] == "cpu" else f", {machine['device']}"
    return f"{machine['processor']}, {machine['cores']} cores{device}"


def machine(record: RunRecord) -> str:
    """What a run's seconds were measured on, in few words."""
    return in_words(conditions(record.machine, record.stages))


def training_elsewhere(record: RunRecord) -> str | None:
    """What an earlier run trained the generator on, "" where it does not say; None where this run did."""
    fits = [stage for stage in _of(record, FIT) if stage.taken]
    if not fits:
        return None
    return " and ".join(dict.fromkeys(f"{fit.processor}{_beside(fit.jobs)}" for fit in fits if fit.processor))


def hardware(record: RunRecord) -> str:
    """As `machine`, whatever ran beside."""
    return in_words(conditions(record.machine, [replace(stage, jobs=1) for stage in record.stages]))


def in_words(found: Conditions) -> str:
    """Conditions, or some of them, as part of a sentence."""
    return ", ".join(_in_words(name, value) for name, value in found.items())


def told_once(of_rows: Sequence[Conditions]) -> tuple[str, list[dict[str, str]]]:
    """What is said of all rows of a table together, and what each row has in columns of its own.

    Where processors differ, the sentence lists the machines, and a column has their numbers.
    """
    varying = [name for name in of_rows[0] if len({found[name] for found in of_rows}) > 1]
    if PROCESSOR in varying:
        numbers = {words: str(i) for i, words in enumerate(dict.fromkeys(map(in_words, of_rows)), start=1)}
        said = "; ".join(f"machine {number}: {words}" for words, number in numbers.items())
        return said, [{"machine": numbers[in_words(found)]} for found in of_rows]
    agreed = in_words({name: value for name, value in of_rows[0].items() if name not in varying})
    said = "; ".join(filter(None, (agreed, *(f"{name} in a column" for name in varying))))
    return said, [{name: found[name] for name in varying} for found in of_rows]


def _in_words(name: str, value: str) -> str:
    if name == PROCESSOR:
        return value
    if name == THREADS and value != UNKNOWN:
        return f"{value} thread" if value == "1" else f"{value} threads"
    return f"{name} {value}"


def _beside(jobs: int) -> str:
    return f", up to {jobs} jobs at a time" if jobs > 1 else ""


def _of(record: RunRecord, kind: str) -> list[Stage]:
    return [stage for stage in record.stages if stage.name.startswith(kind)]


def _joules(stages: Iterable[Stage]) -> float:
    return sum(nan if stage.energy_joules is None else stage.energy_joules for stage in stages)


def _seconds(stages: Iterable[Stage]) -> float:
    return sum(stage.seconds for stage in stages)
