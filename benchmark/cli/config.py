"""Files of options: `--config` takes what `--dry-run --format toml` prints, one table that is called like the verb."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from echobench.benchmark.cli.output import OUTPUT
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path
from echobench.data.base.text import read_text
from echobench.data.base.typed import typed

TYPED_ALONE = ("config", "dry_run", "form", "force", *OUTPUT)
"""Parameters that no file holds: they are about one call."""
_FILE = "echobench.config"
"""Where a context keeps which file was given."""
_KINDS: Mapping[type, type] = {click.types.IntParamType: int, click.types.FloatParamType: float}


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options that a file may hold, by their names in it: those of the command line, without the dashes."""
    options = [one for one in command.params if isinstance(one, click.Option) and one.name not in TYPED_ALONE]
    return {max(option.opts, key=len).removeprefix("--"): option for option in options}


def take(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Callback of `--config`, before all other options: what the file says is what they are if they are not typed."""
    if path is not None and not context.resilient_parsing:
        context.meta[_FILE] = path
        context.default_map = {**(context.default_map or {}), **options_in(path, context)}


with_config = click.option(
    "--config",
    metavar="FILE",
    type=typed_path,
    is_eager=True,
    expose_value=False,
    callback=take,
    help="Takes options from a TOML file, as --dry-run --format toml prints them. A typed option wins.",
)


def options_in(path: Path, context: click.Context) -> dict[str, Any]:
    """What a file says of a verb's parameters, by their names.

    Raises EchobenchError for a file that is none, is of another verb, or sets what is no option or of another type.
    """
    verb, known = str(context.command.name), options_of(context.command)
    prints = f"`echobench {verb} --dry-run --format toml` prints such a file"
    try:
        content = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise EchobenchError(f"{path} is not TOML: {error}; {prints}") from error
    options = content.get(verb)
    if set(content) != {verb} or not isinstance(options, dict):
        found = ", ".join(content) or "nothing"
        raise EchobenchError(f"{path} holds {found}; `echobench {verb}` takes one table, [{verb}]: {prints}")
    if unknown := [key for key in options if key not in known]:
        raise EchobenchError(f"{path} sets {unknown[0]}, which is no option of {verb}; known: {', '.join(known)}")
    return {str(known[key].name): _value(known[key], key, value, context) for key, value in options.items()}


def where_from(context: click.Context, parameter: click.Parameter) -> str | None:
    """How a person has given a parameter: the option, or its key in a file; None where nobody has.

    A file may say what holds anyway, so that one which names every setting goes with another option that is typed.
    """
    source = context.get_parameter_source(str(parameter.name))
    if source is ParameterSource.COMMANDLINE:
        return parameter.opts[0]
    if source is ParameterSource.DEFAULT_MAP and context.params.get(str(parameter.name)) not in ((), parameter.default):
        return f"{max(parameter.opts, key=len).removeprefix('--')} in {context.meta[_FILE]}"
    return None


def as_toml(context: click.Context, resolved: Mapping[str, Any]) -> str:
    """The options of a call as `options_in` reads them, but for those that the environment says.

    resolved: values of parameters that nobody has given, by name.
    """
    lines = [f"[{context.command.name}]"]
    for key, option in options_of(context.command).items():
        name, value = str(option.name), context.params.get(str(option.name))
        if context.get_parameter_source(name) is ParameterSource.ENVIRONMENT:
            continue
        value = resolved.get(name) if value is None else value
        if not (value is None or value is False or value == ()):
            lines.append(f"{key} = {_literal(value)}")
    return "\n".join(lines)


def _value(option: click.Option, key: str, value: Any, context: click.Context) -> Any:
    one = bool if option.is_flag else next((kind for of, kind in _KINDS.items() if isinstance(option.type, of)), str)
    try:
        return typed(value, list[one] if option.multiple else one, f"{key} in {context.meta[_FILE]}")  # type: ignore[valid-type]
    except ValueError as error:
        taken = "" if option.is_flag else f", as --{key} takes it: {option.make_metavar(context)}"
        raise EchobenchError(f"{error}{taken}") from error


def _literal(value: Any) -> str:
    """A value as TOML writes it, which is how JSON does for what options are: texts, numbers, true, and lists."""
    plain = [str(one) for one in value] if isinstance(value, tuple) else value
    text = json.dumps(str(plain) if isinstance(plain, Path) else plain, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")  # the one character that JSON takes as it is, and TOML does not
