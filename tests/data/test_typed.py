"""Plain values held against types: what is read, what is refused, and where it stands."""

from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from echobench.data.base.typed import typed


@dataclass(frozen=True)
class Part:
    name: str
    size: float = 1.0


class Said(TypedDict):
    seeds: list[int]
    side: NotRequired[Literal["left", "right"]]


@pytest.mark.parametrize(
    ("value", "hint", "read"),
    [
        (1, float, 1.0),
        ([1, 2], tuple[int, ...], (1, 2)),
        ((1, 0.5), tuple[float, float], (1.0, 0.5)),
        (None, int | None, None),
        ({"name": "a", "of_a_later_version": 1}, Part, Part("a")),
        ({"seeds": [1], "more": None}, Said, {"seeds": [1], "more": None}),
        ({"a": [{"name": "x", "size": 2}]}, dict[str, list[Part]], {"a": [Part("x", 2.0)]}),
        (object, Any, object),
    ],
)
def test_what_fits_is_read(value, hint, read):
    assert typed(value, hint) == read
    assert type(typed(value, hint)) is type(read)


@pytest.mark.parametrize(
    ("value", "hint", "says"),
    [
        (True, int, "it must be a whole number"),
        (1.0, int, "it must be a whole number"),
        (2**63, int, "it must be a whole number"),
        (10**400, float, "it must be a number"),
        (float("nan"), float, "it must be a number"),
        (float("inf"), float | None, "it must be a number or null"),
        ([1, 2, 3], tuple[int, int], r"it must be a list like \[1, 2\], 2 of them, each a whole number"),
        ({"name": 1}, Part, r"it\.name must be a text"),
        ({}, Part, "it lacks name"),
        ({"seeds": [0, "x"]}, Said, r"it\.seeds\[1\] must be a whole number"),
        ({"seeds": [], "side": ["left"]}, Said, r"it\.side must be one of left, right"),
        ({1: 2}, dict[str, int], "a key of it must be a text"),
        ([], dict[str, int], "it must be a table"),
    ],
)
def test_what_does_not_fit_is_refused_and_its_place_named(value, hint, says):
    with pytest.raises(ValueError, match=says):
        typed(value, hint)
