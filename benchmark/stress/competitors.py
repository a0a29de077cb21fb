"""The trained generators that `stress` puts to the test: of runs that are named, or of those that `run` would make."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from echobench.benchmark.run.trained import kept_generator, kept_weights
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.data.frames import Frames
from echobench.generators.base import Generator
from echobench.results.evidence.adherence import IDEAL


@dataclass(frozen=True, eq=False)
class Competitor:
    """A trained generator. name: of its method; label: in tables; run: whose it is; weights_sha256: of its file."""

    name: str
    label: str
    generator: Generator
    run: Path
    weights_sha256: str


def competitors(runs: Sequence[Path], view: str, training: Frames, device: str) -> list[Competitor]:
    """The generators of these runs, each trained on `training`; labels that two share get the names of the folders.

    Raises EchobenchError for a folder without one, for one that has learnt from other frames, for one that draws no
    deformed maps, and for the ideal, which needs no run.
    """
    found = [_competitor(run, view, training, device) for run in dict.fromkeys(run.resolve() for run in runs)]
    shared = Counter(one.label for one in found)
    return [replace(one, label=f"{one.label} ({one.run.name})") if shared[one.label] > 1 else one for one in found]


def _competitor(run: Path, view: str, training: Frames, device: str) -> Competitor:
    name, generator = kept_generator(run, view, training, device)
    if name == IDEAL:
        raise EchobenchError(f"{run} has {IDEAL}, which is always shown beside the others: leave it out")
    if not generator.deforms:
        raise EchobenchError(f"{name} of {run} draws no deformed maps: there is nothing to put it to the test with")
    return Competitor(name, name, generator, run, file_sha256(kept_weights(run, view)))
