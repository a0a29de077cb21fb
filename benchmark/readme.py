"""Writes the README's tables, the commands below them, and its figures: `make readme`."""

import sys
from pathlib import Path

from echobench.benchmark.commands import commands
from echobench.results.shown.files import write_figures
from echobench.results.shown.readme import DPI, figures, with_tables


def main(readme: Path, measured: Path) -> None:
    readme.write_text(with_tables(readme.read_text(encoding="utf-8"), measured, commands), encoding="utf-8")
    for path, figure in figures(measured).items():
        write_figures({path.stem: figure}, path.parent, DPI)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
