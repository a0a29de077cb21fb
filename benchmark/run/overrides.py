"""Single settings of a preset replaced by a user: `--set generator.sampling.steps=50`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, get_origin, get_type_hints

from echobench.data.base.errors import EchobenchError
from echobench.data.base.typed import described, typed

Settings = TypeVar("Settings")
Changes = Mapping[tuple[str, ...], str]
"""Text of the new value by the path to its field."""


def overridden(parts: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Settings (nested frozen dataclasses) by name, with the assignments `name.field.field=value` made in them.

    A value is read as the type of its field: a text as it is, all else as JSON (50, 1e-4, true, null, [96, 128]).
    Raises EchobenchError for a key that is not there, with those that are, and for a value of another type.
    """
    changes: dict[str, dict[tuple[str, ...], str]] = {name: {} for name in parts}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        name, *path = key.split(".")
        if not equals:
            raise EchobenchError(f"--set {assignment} must be KEY=VALUE, such as unet.steps=4000")
        if name not in parts:
            raise EchobenchError(f"--set {key}: a setting starts with {' or '.join(f'{part}.' for part in parts)}")
        if tuple(path) in changes[name]:
            raise EchobenchError(f"--set {key} is there twice: which of the two is meant?")
        changes[name][tuple(path)] = text
    return {name: _changed(settings, changes[name], name) for name, settings in parts.items()}


def _changed(settings: Settings, changes: Changes, name: str) -> Settings:
    """`settings`, called `name`, with its fields or those further down replaced."""
    known = [field.name for field in fields(settings)]  # type: ignore[arg-type]
    below: dict[str, dict[tuple[str, ...], str]] = {}
    for path, text in changes.items():
        if not path or path[0] not in known:
            raise EchobenchError(
                f"--set {'.'.join((name, *path))}: {name} has the settings {', '.join(known) or '(none)'}"
            )
        below.setdefault(path[0], {})[path[1:]] = text
    values = {field: _value(settings, field, deeper, f"{name}.{field}") for field, deeper in below.items()}
    try:
        return replace(settings, **values)  # type: ignore[type-var]
    except ValueError as error:  # settings that check themselves
        raise EchobenchError(f"--set {', '.join(f'{name}.{field}' for field in values)}: {error}") from error


def _value(settings: Any, field: str, changes: Changes, key: str) -> Any:
    current = getattr(settings, field)
    if is_dataclass(current):
        return _changed(current, changes, key)
    if set(changes) != {()}:
        raise EchobenchError(f"--set {key} is a single value, there are no settings below it")
    hint, text = get_type_hints(type(settings))[field], changes[()]
    try:
        return typed(text if hint is str or get_origin(hint) is Literal else json.loads(text), hint)
    except (ValueError, RecursionError) as error:
        raise EchobenchError(f"--set {key}={text[:80]}: the value must be {described(hint)}") from error
