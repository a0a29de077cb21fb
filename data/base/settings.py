"""Settings (nested frozen dataclasses) from the plain dictionaries that files hold."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from echobench.data.base.errors import EchobenchError
from echobench.data.base.typed import typed

Settings = TypeVar("Settings")


def kinds_of(settings: Any, prefix: str = "") -> dict[str, str]:
    """Which dataclass stands in each field that may hold one of several, by the field's path with dots."""
    found: dict[str, str] = {}
    for name, hint in get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        if is_dataclass(value):
            if len(_kinds(hint)) > 1:
                found[f"{prefix}{name}"] = type(value).__name__
            found |= kinds_of(value, f"{prefix}{name}.")
    return found


def settings_from(
    kind: type[Settings],
    values: Mapping[str, Any],
    path: Path,
    kinds: Mapping[str, str] | None = None,
    prefix: str = "",
) -> Settings:
    """The inverse of `dataclasses.asdict`. Raises EchobenchError for an unknown or a missing key, kind or value.

    path: the file that the values come from, for the message. kinds: what `kinds_of` said; None in files from before
    it was kept, whose settings differ in their fields. prefix: of the paths in kinds.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise EchobenchError(f"{path} is damaged: {kind.__name__} are no settings by name")
    if set(values) != names:
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        raise EchobenchError(f"{path} holds other settings than {kind.__name__}: unknown {unknown}, missing {missing}")
    hints = get_type_hints(kind)
    try:
        read = {name: _value(hints[name], value, path, kinds, f"{prefix}{name}") for name, value in values.items()}
        return kind(**read)
    except ValueError as error:  # of `typed`, and of settings that check themselves
        raise EchobenchError(f"{path} holds settings that there are not: {error}") from error


def _kinds(hint: Any) -> list[type]:
    return [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)]


def _value(hint: Any, value: Any, path: Path, kinds: Mapping[str, str] | None, at: str) -> Any:
    known = {kind.__name__: kind for kind in _kinds(hint)}
    if not known:
        return typed(value, hint, at)
    if len(known) == 1:
        (kind,) = known.values()
    elif kinds is None:
        names = set(value) if isinstance(value, Mapping) else set()
        fitting = [kind for kind in known.values() if {field.name for field in fields(kind)} == names]
        kind = (fitting or [*known.values()])[0]
    elif (named := kinds.get(at)) in known:
        kind = known[named]
    else:
        raise EchobenchError(f"{path} holds settings {at} of the kind {named}; known: {', '.join(known)}")
    return settings_from(kind, value, path, kinds, f"{at}.")
