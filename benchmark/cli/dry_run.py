"""What `--dry-run` prints: every setting, the runs with where they lie, and what is left of them will cost."""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any

import click

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Executor
from echobench.benchmark.cells.forecast import Forecast, Probe, forecast
from echobench.benchmark.cells.parts import has_seeds
from echobench.benchmark.cli.config import as_toml
from echobench.benchmark.cli.options import is_idle
from echobench.benchmark.run.settings import resolve_device
from echobench.benchmark.run.trained import has_generators
from echobench.data.base.differences import flat

_LISTS = {"generators": "generator", "views": "view", "phases": "phase"}
"""Options that are lists, and the setting of a run of which each has values."""


def show_runs(
    facts: Mapping[str, Any], cells: Sequence[Cell], executor: Executor, device: str, *,
    left_open: Mapping[str, Any] = MappingProxyType({}), left_out: Sequence[str] = (),
) -> None:  # fmt: skip
    """`show` of a plan that is nothing but runs. left_open: see `resolved`. left_out: of the estimate."""
    device = resolve_device(device)
    cost = forecast(cells, executor, Probe(device)).followed_by({}, left_out)
    show({"device": device, **facts}, cells, cost, {**resolved(cells), **left_open})


def show(facts: Mapping[str, Any], cells: Sequence[Cell], cost: Forecast, left_open: Mapping[str, Any]) -> None:
    """Print the plan of a call in the form that it asks for.

    facts: its settings, nested, as JSON prints them. left_open: see `resolved`.
    """
    context = click.get_current_context()
    if context.params["form"] == "toml":
        click.echo("\n".join(f"# {line}" for line in [_again(context), *_listed(cells), *cost.sentences]))
        click.echo(as_toml(context, {name: one for name, one in left_open.items() if not is_idle(context, name)}))
    elif context.params["form"] == "json":
        click.echo(json.dumps({**facts, "estimate": cost.as_dict()}, indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join([*_settings(facts), *_listed(cells), *cost.sentences]))


def shared(cells: Sequence[Cell]) -> dict[str, Any]:
    """The settings that all runs of a plan have in common, and the runs with all of theirs."""
    settings = [flat(cell.settings.as_dict()) for cell in cells]
    alike = {
        name: value for name, value in (settings or [{}])[0].items() if all(one.get(name) == value for one in settings)
    }
    runs = [cell.settings.as_dict() | {"out": str(cell.folder), "finished": is_done(cell)} for cell in cells]
    return alike | {"runs": runs}


def resolved(cells: Sequence[Cell]) -> dict[str, Any]:
    """Values of the options that say which runs there are, where they were left open."""
    if not cells:
        return {}
    settings = [cell.settings for cell in cells]
    lists = {option: [getattr(one, name) for one in settings] for option, name in _LISTS.items()}
    found: dict[str, Any] = {"data": settings[0].data, "preset": settings[0].preset}
    if prod(len(set(values)) for values in lists.values()) == len(cells):  # not so for the paper's Table 1
        found |= {option: joined(values) for option, values in lists.items()}
    return found


def joined(values: Iterable[Any]) -> str | None:
    """ "A,B" of values that may come several times; None for none."""
    return ",".join(dict.fromkeys(map(str, values))) or None


def is_done(cell: Cell) -> bool:
    """Whether nothing of a cell is left."""
    if cell.force:
        return False
    if cell.generator_only:
        return has_generators(cell.folder, cell.settings.views)
    return has_seeds(cell.folder, cell.settings.unet_seeds)


def _again(context: click.Context) -> str:
    return f"echobench {context.command.name} --config FILE does this"


def _settings(facts: Mapping[str, Any]) -> list[str]:
    """A line for each, aligned; then the departures from the paper with their sources."""
    sources = facts.get("sources", {}).get("deviations", {})
    told = flat({name: value for name, value in facts.items() if name not in ("runs", "sources", "deviations")})
    width = max(map(len, told), default=0)
    lines = [f"{name:{width}}  {_text(value)}" for name, value in told.items()]
    departures = [
        f"- {sentence}  ({source})"
        for sentence, source in zip(facts.get("deviations", ()), sources.values(), strict=True)
    ]
    return [*lines, "", *(["departures from the paper:", *departures, ""] if departures else [])]


def _listed(cells: Sequence[Cell]) -> list[str]:
    """How many runs there are, and each of them."""
    finished = [cell for cell in cells if is_done(cell)]
    kind = "generator" if any(cell.generator_only for cell in cells) else "run"
    number = f"{len(cells)} {kind}s, {len(finished) or 'none'} of them finished" if len(cells) != 1 else f"1 {kind}"
    return [number, *(f"  {'finished' if one in finished else 'to do':8}  {one.folder}" for one in cells)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
