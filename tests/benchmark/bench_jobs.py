"""What jobs gain, each command in a process of its own, in turn: `pytest tests/benchmark/bench_jobs.py -m slow -s`.

An hour on two cores with nothing else to do. It prints the seconds of each command, and what two jobs gain over one job
on as many threads, and over one job on all of them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from echobench.benchmark.calls import load_dataset
from echobench.benchmark.run.machine import cores, default_threads

pytestmark = [pytest.mark.slow, pytest.mark.skipif(cores() < 2, reason="one core carries out one job")]


@pytest.fixture(autouse=True)
def phantom_there(monkeypatch):
    """What is read is in the cache before anything is timed."""
    for name in ("OMP_NUM_THREADS", "ECHOBENCH_JOBS"):
        monkeypatch.delenv(name, raising=False)
    for preset in ("quick", "standard"):
        load_dataset(preset=preset)


def seconds_of(*words: object) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "echobench", *map(str, words)]
    subprocess.run(command, check=True, env=os.environ.copy(), stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def measured(words: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds by what is asked for: one job on all threads, one and two jobs on as many threads as are the default."""
    threads = default_threads()
    asked = {
        f"1 job on {cores()} threads": ["--jobs", "1", "--threads", cores()],
        f"1 job on {threads}": ["--jobs", "1"],
        f"2 jobs on {threads} each": ["--jobs", "2"],
    }
    found = {}
    for name, options in asked.items():
        found[name] = seconds_of(*words, *options, "--out", folder / name.replace(" ", "-"))
        print(f"{' '.join(words)}: {name}: {found[name]:.0f} s", flush=True)
    all_threads, one, two = found.values()
    print(
        f"2 jobs: {one / two:.2f} times one job on as many threads, {all_threads / two:.2f} times one on all",
        flush=True,
    )
    return found


def files_of(folder: Path, *patterns: str) -> dict[str, bytes]:
    found = [path for pattern in patterns for path in folder.rglob(pattern)]
    assert found
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def the_same(folder: Path, *patterns: str) -> None:
    """What one job and two have left on as many threads."""
    one, two = sorted(path for path in folder.iterdir() if not path.name.endswith(f"{cores()}-threads"))
    assert files_of(one, *patterns) == files_of(two, *patterns)


COMPARISON = ("compare", "--generators", "real,warp,paint,sdm", "--preset", "quick", "--unet-seeds", "3")
TABLES = ("dice", "evidence", "realism", "ejection", "hd95", "assd")
SCORED = ("scores.csv", "curves.csv", *(f"tables/**/{name}.csv" for name in TABLES))
"""What must be the same to the digit."""


def test_a_comparison_of_four_generators(tmp_path):
    _, one, two = measured(COMPARISON, tmp_path).values()
    the_same(tmp_path, *SCORED)
    assert one / two >= 1.35


def test_two_unets(tmp_path):
    words = ["run", "--generator", "real", "--preset", "standard", "--unet-seeds", "2", "--set", "unet.steps=500"]
    _, one, two = measured(words, tmp_path).values()
    the_same(tmp_path, "scores.csv", "curves.csv")
    assert one / two >= 1.2
