"""`python -m tests.campaign`, from the root of the repository."""

from importlib import import_module

import click

PARTS = {
    "fuzz": "tests.campaign.fuzz",
    "kills": "tests.campaign.kills",
    "soak": "tests.campaign.soak",
}
"""Name → module with a click command `main`, imported on use."""


class Parts(click.Group):
    """Parts are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return import_module(PARTS[cmd_name]).main if cmd_name in PARTS else None


if __name__ == "__main__":
    Parts(help=__doc__)()
