"""`echobench generators`."""

import click

from echobench.benchmark.cli.options import Verb
from echobench.data.base.errors import EchobenchError


@click.command(cls=Verb)
@click.option("--preset", metavar="quick|standard|paper", default="standard", help="Whose parameters are counted.")
def generators(preset: str) -> None:
    """List every generator there is, those of installed packages included."""
    from echobench.generators.registry import listed, names, presets

    known = presets()
    if preset not in known:
        raise EchobenchError(f"unknown preset {preset!r}; known: {', '.join(known)}")
    for name in names():
        try:
            entry = listed(name, preset)
        except EchobenchError as error:  # of one package, which ends no list
            click.echo(f"{name:<12}{error}")
            continue
        size = "not trained"
        if entry.trained:
            counted = (
                f"no preset {preset}" if entry.parameters is None else f"{entry.parameters:,} parameters ({preset})"
            )
            size = f"trained, {counted}"
        click.echo(f"{entry.name:<12}{entry.summary}")
        kind = f"{entry.kind}, " if entry.kind else ""
        click.echo(f"{'':<12}{kind}{size}{f'; {entry.paper}' if entry.paper else ''}")
