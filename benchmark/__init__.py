"""The whole flow: the command line and the pipeline behind it."""

from pathlib import Path

RUNS = Path("runs")
"""Where runs go if nothing else is said."""
