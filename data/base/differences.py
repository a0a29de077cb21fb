"""What differs between settings and the like, the one place that says it."""

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
"""Settings and the like: name → value, such as JSON has; or nested mappings of these."""


def flat(settings: Facts, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: {"training": {"steps": 4}} becomes {"training.steps": 4}."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def differing(facts: Sequence[Facts]) -> list[str]:
    """Names of one level whose values are not the same throughout, in the order in which they come first."""
    names = dict.fromkeys(name for one in facts for name in one)
    return [name for name in names if any(one.get(name) != facts[0].get(name) for one in facts)]


def differences(found: Facts, wanted: Facts, words: str = "{name} is {found!r}, not {wanted!r}") -> list[str]:
    """Where two nested mappings differ, sorted by name: "training.steps is 100, not 200" for each entry.

    words: the sentence; None stands for what is not there.
    """
    one, other = flat(found), flat(wanted)
    names = sorted(differing((one, other)))
    return [words.format(name=name, found=one.get(name), wanted=other.get(name)) for name in names]
