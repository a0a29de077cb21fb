"""Fuzzing: small valid inputs of every kind, changed at random, are given to their readers.

A reader may read what it is given, or refuse it with an `EchobenchError`. Another exception, more than `SECONDS` or
more than `MOST_MB` of memory is a fault. A case follows from its kind, the seed and its number alone.
"""

import faulthandler
import gc
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import click
import SimpleITK as sitk

from echobench.data.base.errors import EchobenchError
from tests.campaign.inputs import KINDS, Kind
from tests.campaign.mutations import mutate

SECONDS, MOST_MB = 10, 1000
REFUSED, READ = "refused", "read"


class Hang(BaseException):
    """A reader took longer than it may."""


@dataclass
class Tally:
    """What became of the cases of a kind. faults: by the number of the case, what happened."""

    kind: str
    cases: int = 0
    refused: int = 0
    read: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0

    def count(self, number: int, outcome: str) -> None:
        self.cases += 1
        self.refused += outcome == REFUSED
        self.read += outcome == READ
        if outcome not in (REFUSED, READ):
            self.faults[number] = outcome


def fuzz(kinds: Iterable[str], numbers: Sequence[int], seed: int) -> Iterator[Tally]:
    """The cases of these numbers, of every kind."""
    signal.signal(signal.SIGALRM, _hang)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory(prefix="echobench-fuzz-") as scratch:
        for name in kinds:
            yield _fuzz_kind(KINDS[name], Path(scratch), numbers, seed)


def _fuzz_kind(kind: Kind, scratch: Path, numbers: Sequence[int], seed: int) -> Tally:
    tally, began = Tally(kind.name), time.perf_counter()
    base, place = scratch / "base", scratch / "case"  # every case at the place where its input was made
    place.mkdir()
    kind.make(place)
    place.rename(base)
    shutil.copytree(base, place, symlinks=True)
    kind.read(place)  # what is sound must be read, or a refusal says nothing
    shutil.rmtree(place)
    gc.freeze()  # statsmodels collects garbage at every correction of p
    for number in numbers:
        shutil.copytree(base, place, symlinks=True)
        rng = Random(f"{kind.name} {seed} {number}")
        mutate(rng.choice(sorted(filter(Path.is_file, place.glob(kind.files)))), rng)
        if rng.random() < 0.6:
            kind.sealed(place)
        tally.count(number, _outcome(kind, place))
        shutil.rmtree(place)
    gc.unfreeze()
    shutil.rmtree(base)
    tally.seconds = time.perf_counter() - began
    return tally


def _outcome(kind: Kind, place: Path) -> str:
    """What a reader makes of a case: `REFUSED`, `READ`, or the fault."""
    before = _peak_mb()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    faulthandler.dump_traceback_later(10 * SECONDS, exit=True)  # of a library that no signal interrupts
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind.read(place)
        outcome = READ
    except EchobenchError:
        outcome = REFUSED
    except (Exception, Hang) as error:
        outcome = f"{type(error).__name__}: {str(error)[:200]} ({_where(error)})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    taken = _peak_mb() - before
    return outcome if taken < MOST_MB else f"took {taken:.0f} MB of memory ({outcome})"


def _where(error: BaseException) -> str:
    """The last lines of ours that the error went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "echobench" in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-4:-1])


def _hang(number: int, frame: object) -> None:
    raise Hang(f"more than {SECONDS} s")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@click.command(help=__doc__)
@click.option("--cases", type=click.IntRange(1), default=10_000, show_default=True, help="Of all kinds together.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every change.")
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Only these kinds of input.")
@click.option("--case", type=int, help="Only the case of this number, with --kind: repeats a fault.")
@click.pass_context
def main(ctx: click.Context, cases: int, seed: int, kinds: tuple[str, ...], case: int | None) -> None:
    chosen = kinds or tuple(KINDS)
    numbers = range(-(-cases // len(chosen))) if case is None else [case]
    click.echo(f"{'kind':18}{'cases':>9}{'refused':>9}{'read':>9}{'faults':>9}{'seconds':>9}")
    total = Tally("all")
    for tally in fuzz(chosen, numbers, seed):
        click.echo(_line(tally))
        for number, fault in tally.faults.items():
            click.echo(f"  --kind {tally.kind} --seed {seed} --case {number}: {fault}")
            total.faults[len(total.faults)] = fault
        total.cases, total.refused = total.cases + tally.cases, total.refused + tally.refused
        total.read, total.seconds = total.read + tally.read, total.seconds + tally.seconds
    click.echo(_line(total))
    ctx.exit(bool(total.faults))


def _line(tally: Tally) -> str:
    counts = (tally.cases, tally.refused, tally.read, len(tally.faults))
    return f"{tally.kind:18}" + "".join(f"{count:9}" for count in counts) + f"{tally.seconds:9.1f}"
