"""Settings (nested frozen dataclasses) from the plain dictionaries that files hold."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from echobench.data.errors import EchobenchError

Settings = TypeVar("Settings")
Precision = Literal["bf16-mixed", "32-true"]
"""Of a training, as Fabric calls it."""


def settings_from(kind: type[Settings], values: Mapping[str, Any], path: Path) -> Settings:
    """The inverse of `dataclasses.asdict`. Raises EchobenchError for an unknown or a missing key.

    path: the file that the values come from, for the message.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if set(values) != names:
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        raise EchobenchError(f"{path} holds other settings than {kind.__name__}: unknown {unknown}, missing {missing}")
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value, path) for name, value in values.items()})


def _value(hint: Any, value: Any, path: Path) -> Any:
    """A field's value. Where several kinds of settings may stand, the one that has just these fields is meant."""
    kinds = [kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)]
    if not kinds:
        return value
    fitting = [kind for kind in kinds if {field.name for field in fields(kind)} == set(value)]
    return settings_from((fitting or kinds)[0], value, path)  # type: ignore[arg-type]


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
