"""The campaign of kills: calls that end at any moment, or meet a full disk, go on to the files of an undisturbed one.

`python -m tests.campaign.kills --kills 100 --seed 0` kills every verb at random moments, starts it again until it is
done, and prints a row per verb. Then come crash points (`points.py`) and hostile circumstances (`hostile.py`).
"""

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tests.campaign import hostile, points
from tests.campaign.forked import call, prepare
from tests.campaign.judged import SDM, STRESS, TINY, Campaign, Reference, Row, shown

VERBS: Mapping[str, Sequence[str]] = {
    **{
        f"run {name}": ("run", "--generator", name, *TINY, "--out", "out")
        for name in ("real", "warp", "paint", "cyclegan")
    },
    "run sdm": SDM,
    "compare": ("compare", *TINY, "--generators", "real,warp", "--unet-seeds", "1"),
    "sweep": ("sweep", *TINY, "--generators", "warp", "--strengths", "0,1", "--unet-seeds", "1"),
    "stress": STRESS,
    "generate": ("generate", "--checkpoint", "../../given/generator.pt", "--maps", "../../given/maps", "--out", "out"),
    "cross": ("cross", *TINY, "--generators", "real", "--unet-seeds", "1"),
    "jobs": ("compare", *TINY, "--generators", "real,paint", "--unet-seeds", "2", "--jobs", "2", "--threads", "1"),
}
"""What is killed; a kill falls into any of them."""
KILLS_AT_ONCE = 3
"""So often a call is killed, at most, before it is left in peace."""
WORKER = 0.5
"""Share of the kills that fall on a worker, where there is one."""
EMPTY_CACHE = 0.3
"""Share of the calls that have to write the phantom themselves."""


def killed(what: str, count: int, campaign: Campaign) -> Row:
    """Kill a verb so often, in several calls."""
    row, began = Row(what), time.monotonic()
    reference = campaign.reference(VERBS[what])
    while row.kills < count and not campaign.over:
        _one(row, reference, count, campaign)
    row.seconds = time.monotonic() - began
    return row


def _one(row: Row, reference: Reference, count: int, campaign: Campaign) -> None:
    place = campaign.base / "killed"
    cache, chance = place / "cache", campaign.random
    if chance.random() > EMPTY_CACHE:
        shutil.copytree(campaign.cache, cache)
    for _ in range(min(KILLS_AT_ONCE, count - row.kills)):
        moment = chance.uniform(0, 1.1 * reference.seconds)
        worker = chance.random() if chance.random() < WORKER else None
        ended = call(reference.arguments, place / "work", cache, moment, worker=worker)
        row.kills += ended.lost_worker
        if ended.code is not None:
            break
        row.kills += 1
        row.restarts += 1
    if ended.code is None:
        ended = call(reference.arguments, place / "work", cache)
    row.judge(f"{row.what}, call {row.calls + 1}", place, ended, reference.contents)
    shutil.rmtree(place)


@click.command()
@click.option("--kills", "count", type=int, default=100, help="In all.")
@click.option("--points", "most", type=int, help="Crash points of each call.  [default: all]")
@click.option("--hostile", "times", type=int, default=5, help="How often each circumstance is met.")
@click.option("--seed", type=int, default=0, help="Of the moments.")
@click.option("--only", multiple=True, help="The rows whose name begins so. Repeatable.")
@click.option("--budget", type=float, default=3600, help="Seconds after which nothing new is begun.")
def main(count: int, most: int | None, times: int, seed: int, only: tuple[str, ...], budget: float) -> None:
    """Kill, crash and starve tiny calls of every verb, and say what came of it. Exit code 1 for a fault."""
    prepare()
    parts = {
        **{what: lambda c, w=what, n=n: killed(w, n, c) for what, n in _shares(count, only).items()},
        **{what: lambda c, w=what: points.crash_points(w, c, most) for what in points.CALLS},
        **{what: lambda c, w=what: hostile.meet(w, times, c) for what in hostile.CIRCUMSTANCES},
    }
    rows = []
    with tempfile.TemporaryDirectory() as base:
        campaign = Campaign(Path(base), seed, time.monotonic() + budget)
        for what, part in parts.items():
            if what.startswith(only or "") and not campaign.over:
                rows.append(part(campaign))
                click.echo(shown(rows[-1:]), err=True)
        over = campaign.over
    click.echo(shown(rows))
    if over:
        click.echo(f"FAULT the budget of {budget:g} seconds ended before all was done")
    if over or any(row.faults for row in rows):
        raise SystemExit(1)


def _shares(count: int, only: tuple[str, ...]) -> dict[str, int]:
    """How many of the kills each verb gets."""
    names = [what for what in VERBS if what.startswith(only or "")]
    return {what: count * (i + 1) // len(names) - count * i // len(names) for i, what in enumerate(names)}


if __name__ == "__main__":
    main()
