"""`echobench weights`."""

import click

from echobench.benchmark.cli.options import Verb
from echobench.data.base.errors import EchobenchError


@click.command(cls=Verb)
@click.option("--get", "wanted", metavar="inception", help="Downloads this network's weights, if they are not here.")
def weights(wanted: str | None) -> None:
    """List the networks in whose features images are compared, where their weights are, and their hashes.

    \b
    Examples:
      echobench weights
      echobench weights --get inception
    """
    if wanted not in (None, "inception"):
        raise EchobenchError(f"unknown weights {wanted!r}; inception can be downloaded, a run of real trains its U-Net")
    from echobench.benchmark.measure.realism.weights import KNOWN, described, get_inception

    if wanted:
        get_inception()
    for name in KNOWN:
        for i, line in enumerate(described(name)):
            click.echo(f"{name if i == 0 else '':<12}{line}")
