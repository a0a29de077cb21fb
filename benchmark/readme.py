"""Writes the README's tables, the commands below them, its figures, and the plan in docs/scale.md: `make readme`."""

import sys
from pathlib import Path

from echobench.benchmark.commands import commands
from echobench.benchmark.scale import with_plans
from echobench.results.shown.readme import DPI, figures, with_tables


def main(readme: Path, measured: Path, scale: Path) -> None:
    readme.write_text(with_tables(readme.read_text(encoding="utf-8"), measured, commands), encoding="utf-8")
    scale.write_text(with_plans(scale.read_text(encoding="utf-8"), measured), encoding="utf-8")
    for path, figure in figures(measured).items():
        figure.savefig(path, dpi=DPI)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
