"""Writes the README's tables, the commands below them, and its figures: `make readme`."""

import sys
from pathlib import Path

from echobench.benchmark.commands import commands
from echobench.data.base.files import write_whole
from echobench.results.shown.files import write_figure
from echobench.results.shown.readme import DPI, figures, with_tables


def main(readme: Path, measured: Path) -> None:
    write_whole(readme, with_tables(readme.read_text(encoding="utf-8"), measured, commands))
    for path, figure in figures(measured).items():
        write_figure(figure, path, dpi=DPI)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
