"""The command line."""

from echobench.benchmark.cli.entry import main

__all__ = ["main"]  # where console scripts of 0.1 look for it
