"""Which stress a table of runs goes with: the generators of both, trained on the same frames."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.adherence import Decay, decay
from echobench.results.evidence.comparison import Group
from echobench.results.records.run import Run
from echobench.results.records.stress import STRESS, StressRecord, read_stress


@dataclass(frozen=True, eq=False)
class Stressed:
    """A stress of generators that runs of a group have. of_runs: what each is called there, by the run's label."""

    folder: Path
    record: StressRecord
    scores: pd.DataFrame
    of_runs: Mapping[str, str]

    @cached_property
    def found(self) -> Decay:
        """What its scores say."""
        return decay(self.scores)


def stresses_beside(group: Group) -> list[Stressed]:
    """The stresses in the folders in which the group's runs lie, of generators that learnt from the same frames.

    A record that cannot be read is passed over: its own verb says what is wrong with it.
    """
    return list(_beside(group))


def _beside(group: Group) -> Iterator[Stressed]:
    first = group.runs[0].record
    places = dict.fromkeys(run.folder.resolve().parent for run in group.runs)
    for path in dict.fromkeys(path for place in places for path in sorted(place.glob(f"*/{STRESS}"))):
        try:
            record, scores = read_stress(path.parent)
        except EchobenchError:
            continue
        shared = all(record.fingerprints.get(name) == first.fingerprints[name] for name in ("training", "split"))
        if not shared or record.view != first.view:
            continue
        of_runs = {run.label: label for run in group.runs if (label := _label_of(run, record))}
        if of_runs:
            yield Stressed(path.parent, record, scores, of_runs)


def _label_of(run: Run, record: StressRecord) -> str | None:
    """What a run's generator is called in a stress: of its name, and of its weights where the run has kept theirs."""
    weights = set(run.record.weights_sha256.values()) if run.record.parameters else set()
    for label, one in record.generators.items():
        if one["name"] == run.record.generator and (not weights or one["weights_sha256"] in weights):
            return label
    return None
