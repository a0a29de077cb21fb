"""Plain values, such as JSON and saved files have, held against the types that they are to be of."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_NAMES = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "null", dict: "a table",
    list: "a list",
}  # fmt: skip
_MOST = 2**63 - 1  # that numpy and torch take for a whole number


def typed(value: Any, hint: Any, at: str = "it") -> Any:
    """A value as one of a type; raises ValueError, which names the place, if it is none.

    hint: that of a field, a dataclass, or a TypedDict. What a dataclass does not know is dropped, what a TypedDict
    does not know stays as it is. A whole number is a number too; no number is NaN or infinite. at: names the place.
    """
    origin, kinds = get_origin(hint), get_args(hint)
    if hint is Any or (origin is Literal and isinstance(value, str) and value in kinds):
        return value
    if origin in (Union, UnionType):
        return _one_of(value, hint, at)
    if (is_dataclass(hint) or is_typeddict(hint)) and isinstance(value, Mapping):
        return _with_fields(value, hint, at)
    if origin is dict and isinstance(value, dict):
        key, entry = kinds
        return {typed(name, key, f"a key of {at}"): typed(one, entry, f"{at}.{name}") for name, one in value.items()}
    if origin in (list, tuple) and isinstance(value, list | tuple):
        each = kinds[:1] * len(value) if origin is list or kinds[1:] == (...,) else kinds
        if len(each) == len(value):
            return origin(
                [typed(one, kind, f"{at}[{i}]") for i, (one, kind) in enumerate(zip(value, each, strict=True))]
            )
    if type(value) is int and hint in (int, float) and abs(value) <= _MOST:
        return hint(value)
    if type(value) is hint and (hint is not float or isfinite(value)) and hint is not int:
        return value
    raise ValueError(f"{at} must be {described(hint)}")


def described(hint: Any) -> str:
    """A type in words."""
    origin, kinds = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(described, kinds))
    if origin is Literal:
        return f"one of {', '.join(kinds)}"
    if origin is tuple:
        many = "each" if kinds[1:] == (...,) else f"{len(kinds)} of them, each"
        return f"a list like [1, 2], {many} {described(kinds[0])}"
    table = is_dataclass(hint) or is_typeddict(hint)
    return _NAMES.get(dict if table else origin or hint, getattr(hint, "__name__", str(hint)))


def _one_of(value: Any, hint: Any, at: str) -> Any:
    reasons = []
    for kind in get_args(hint):
        try:
            return typed(value, kind, at)
        except ValueError as error:
            reasons.append(error)
    inside = [reason for reason in reasons if not str(reason).startswith(f"{at} must be")]
    raise inside[0] if inside else ValueError(f"{at} must be {described(hint)}")


def _with_fields(values: Mapping[str, Any], hint: Any, at: str) -> Any:
    hints = get_type_hints(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        needed = {one.name for one in fields(hint) if one.default is MISSING and one.default_factory is MISSING}
    else:
        needed = hint.__required_keys__
    if missing := sorted(needed - values.keys()):
        raise ValueError(f"{at} lacks {', '.join(missing)}")
    known = {name: typed(values[name], one, f"{at}.{name}") for name, one in hints.items() if name in values}
    return hint(**known) if is_dataclass(hint) else {**values, **known}  # type: ignore[operator]
