"""`echobench generators`."""

from dataclasses import asdict
from typing import Any

import click

from echobench.benchmark.cli.options import Verb
from echobench.benchmark.cli.output import Screen, with_output
from echobench.data.base.errors import EchobenchError


@click.command(cls=Verb)
@click.option(
    "--preset", metavar="quick|standard|paper", default="standard", help="Counts the parameters of this preset."
)
@with_output
def generators(preset: str, screen: Screen) -> None:
    """List all generators, including those of installed packages."""
    from echobench.generators.registry import listed, names

    lines: list[str] = []
    plain: list[dict[str, Any]] = []
    for name in names():
        try:
            entry = listed(name, preset)
        except EchobenchError as error:  # of one package, which ends no list
            lines.append(f"{name:<12}{error}")
            plain.append({"name": name, "error": str(error)})
            continue
        plain.append(asdict(entry))
        size = "not trained"
        if entry.trained:
            counted = (
                f"no preset {preset}" if entry.parameters is None else f"{entry.parameters:,} parameters ({preset})"
            )
            size = f"trained, {counted}"
        lines.append(f"{entry.name:<12}{entry.summary}")
        kind = f"{entry.kind}, " if entry.kind else ""
        lines.append(f"{'':<12}{kind}{size}{f'; {entry.paper}' if entry.paper else ''}")
    text = ", ".join(one["name"] for one in plain) if screen.quiet else "\n".join(lines)
    screen.say(text, preset=preset, generators=plain)
