"""What differs, in whatever words it is said."""

from echobench.data.base.differences import differences, differing

FOUND = {"seed": 1, "training": {"steps": 100, "batch": 4}, "old": True}
WANTED = {"seed": 1, "training": {"steps": 200, "batch": 4}, "name": "a"}


def test_each_difference_is_said_once_by_its_whole_name() -> None:
    assert differences(FOUND, WANTED) == [
        "name is None, not 'a'", "old is True, not None", "training.steps is 100, not 200",
    ]  # fmt: skip
    assert differences(FOUND, FOUND) == []


def test_the_words_are_the_callers() -> None:
    assert differences({"a": 1}, {"a": "b"}, "{name}: {found} then, {wanted} now") == ["a: 1 then, b now"]


def test_names_come_in_the_order_of_the_facts() -> None:
    assert differing([{"b": 1, "a": [1]}, {"b": 2, "a": [1]}, {"c": 3, "a": [2]}]) == ["b", "a", "c"]
