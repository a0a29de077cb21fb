"""Settings (nested frozen dataclasses) from the plain dictionaries that files hold."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from echobench.data.errors import EchobenchError

Settings = TypeVar("Settings")


def settings_from(kind: type[Settings], values: Mapping[str, Any], path: Path) -> Settings:
    """The inverse of `dataclasses.asdict`. Raises EchobenchError for an unknown or a missing key.

    path: the file that the values come from, for the message.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if set(values) != names:
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        raise EchobenchError(f"{path} holds other settings than {kind.__name__}: unknown {unknown}, missing {missing}")
    hints = get_type_hints(kind)
    return kind(
        **{
            name: settings_from(hints[name], value, path) if is_dataclass(hints[name]) else value
            for name, value in values.items()
        }
    )
