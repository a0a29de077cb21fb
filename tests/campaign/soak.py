"""The soak: hundreds of tiny runs in one folder by two jobs. The command that leads them must not grow with them.

`python -m tests.campaign soak --cells 200` prints what the command held as its runs came to their ends, and verifies
every record.
"""

import os
import tempfile
import time
from pathlib import Path

import click
import pandas as pd
import psutil

from tests.campaign.forked import call, prepare, start, wait
from tests.campaign.judged import TINY

EVERY_SECONDS = 1.0
GROWTH = 1.05
"""What the last fifth of the runs may have of the second fifth's; the first fifth begins workers and fills caches."""
HELD = ("memory_mb", "files", "threads", "workers")


def held(child: int) -> dict[str, float]:
    """What a process has: megabytes of its own, open files, threads, and processes that it has begun."""
    process = psutil.Process(child)
    return {
        "memory_mb": process.memory_info().rss / 2**20,
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "workers": len(process.children(recursive=True)),
    }


def watched(child: int, runs: Path) -> pd.DataFrame:
    """A row for every second until a child has ended: how many runs are finished, and `held`."""
    rows = []
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        rows.append({"finished": len(list(runs.glob("*/run.json"))), **held(child)})
        time.sleep(EVERY_SECONDS)
    return pd.DataFrame(rows)


def grown(rows: pd.DataFrame, cells: int) -> dict[str, tuple[float, float]]:
    """Of everything that is held: the median in the second fifth of the runs, and in the last, while runs are made."""
    fifth = rows.groupby(rows["finished"] * 5 // cells)[list(HELD)].median()
    return {name: (fifth.at[1, name], fifth.at[4, name]) for name in HELD}


@click.command()
@click.option("--cells", type=int, default=200, help="Runs in one folder.")
def main(cells: int) -> None:
    """Make hundreds of tiny runs by two jobs, and say what the command held. Exit code 1 for growth or a bad record."""
    prepare()
    strengths = ",".join(f"{i / 100:g}" for i in range(cells))
    words = ("--generators", "paint", "--strengths", strengths, "--unet-seeds", "1", "--jobs", "2", "--threads", "1")
    with tempfile.TemporaryDirectory() as base:
        work, cache = Path(base) / "work", Path(base) / "cache"
        began = time.monotonic()
        child = start(("sweep", *TINY, *words, "--out", "out"), work, cache)
        rows = watched(child, work / "out")
        ended = wait(child, work)
        click.echo(f"{cells} runs by 2 jobs in {time.monotonic() - began:.0f} s; exit code {ended.code}")
        found = grown(rows, cells)
        for name, (before, after) in found.items():
            click.echo(f"{name}: {before:.0f} in the second fifth of the runs, {after:.0f} in the last")
        verified = call(("verify", "out"), work, cache)
        click.echo(verified.said.strip()[-300:])
    if ended.code or verified.code or any(after > GROWTH * before for before, after in found.values()):
        raise SystemExit(f"FAULT {ended.said[-500:] if ended.code else 'see above'}")


if __name__ == "__main__":
    main()
