"""Settings (nested frozen dataclasses) from the plain dictionaries that files hold."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from echobench.data.base.errors import EchobenchError

Settings = TypeVar("Settings")
Precision = Literal["bf16-mixed", "32-true"]
"""Of a training, as Fabric calls it."""


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
    kind: type[Settings], values: Mapping[str, Any], path: Path, kinds: Mapping[str, str] | None, prefix: str = ""
) -> Settings:
    """The inverse of `dataclasses.asdict`. Raises EchobenchError for an unknown or a missing key, or kind.

    path: the file that the values come from, for the message. kinds: what `kinds_of` said; None in files from before
    it was kept, whose settings differ in their fields. prefix: of the paths in kinds.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if set(values) != names:
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        raise EchobenchError(f"{path} holds other settings than {kind.__name__}: unknown {unknown}, missing {missing}")
    hints = get_type_hints(kind)
    read = {name: _value(hints[name], value, path, kinds, f"{prefix}{name}") for name, value in values.items()}
    return kind(**read)


def _kinds(hint: Any) -> list[type]:
    return [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)]


def _value(hint: Any, value: Any, path: Path, kinds: Mapping[str, str] | None, at: str) -> Any:
    known = {kind.__name__: kind for kind in _kinds(hint)}
    if not known:
        return value
    if len(known) == 1:
        (kind,) = known.values()
    elif kinds is None:
        fitting = [kind for kind in known.values() if {field.name for field in fields(kind)} == set(value)]
        kind = (fitting or [*known.values()])[0]
    elif (named := kinds.get(at)) in known:
        kind = known[named]
    else:
        raise EchobenchError(f"{path} holds settings {at} of the kind {named}; known: {', '.join(known)}")
    return settings_from(kind, value, path, kinds, f"{at}.")


def sources(settings: Any) -> dict[str, Any]:
    """What the docstring under each field of nested settings says, keyed like the settings: where a value is from."""
    result: dict[str, Any] = {}
    documented = _field_docstrings(type(settings))
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            result[field.name] = sources(value)
        elif field.name in documented:
            result[field.name] = documented[field.name]
    return result


def _field_docstrings(kind: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed([base for base in kind.__mro__ if is_dataclass(base)]):
        definition = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                    found[name] = " ".join(docstring.split())
    return found
