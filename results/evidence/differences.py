"""Settings held against each other: the few that tell runs apart."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from echobench.data.base.differences import Facts, differing


def telling(facts: Sequence[Facts]) -> list[str]:
    """As few of the differing names as tell all facts apart that can be told apart."""
    chosen: list[str] = []
    candidates = differing(facts)
    while candidates and _distinct(facts, [*chosen, *candidates]) > _distinct(facts, chosen):
        best = max(candidates, key=lambda name: _distinct(facts, [*chosen, name]))
        chosen.append(best)
        candidates.remove(best)
    return chosen


def told_apart(facts: Sequence[Facts]) -> list[str]:
    """For each, a short "name value, …" that no other has, but for facts that are all the same.

    What more than half have goes without saying, see `unsaid`; so a text may be empty.
    """
    chosen, usual = telling(facts), unsaid(facts)
    last = [name.rpartition(".")[2] for name in chosen]
    short = {name: end if last.count(end) == 1 else name for name, end in zip(chosen, last, strict=True)}
    return [
        ", ".join(
            f"{short[name]} {shown(one.get(name))}"
            for name in chosen
            if name not in usual or key(one.get(name)) != key(usual[name])
        )
        for one in facts
    ]


def unsaid(facts: Sequence[Facts]) -> Facts:
    """The values that `told_apart` leaves out: of the telling names, those that more than half have."""
    found = {}
    for name in telling(facts):
        values = [one.get(name) for one in facts]
        (most, times), *_ = Counter(map(key, values)).most_common()
        if 2 * times > len(values):
            found[name] = next(value for value in values if key(value) == most)
    return found


def shown(value: Any) -> str:
    """A setting in few characters: a list with commas, a fingerprint by its first eight digits."""
    if isinstance(value, list):
        return ",".join(map(shown, value))
    if isinstance(value, str) and len(value) == 64:
        return value[:8]
    return "none" if value is None else str(value)


def key(value: Any) -> str:
    """The same text for equal values, and for no others."""
    return json.dumps(value, sort_keys=True)


def _distinct(facts: Sequence[Facts], names: Sequence[str]) -> int:
    return len({tuple(key(one.get(name)) for name in names) for one in facts})
