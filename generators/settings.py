"""What is said of settings: where their values are from."""

import ast
import inspect
import textwrap
from dataclasses import fields, is_dataclass
from typing import Any, Literal

Precision = Literal["bf16-mixed", "32-true"]
"""Of a training, as Fabric calls it; a processor without bf16 computes in float32, see `in_bf16`."""


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
