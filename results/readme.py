"""The README's tables, written from the measured records: `python -m echobench.results.readme README.md DIR`."""

import re
import sys
from pathlib import Path

from echobench.results.record import RECORD, RunRecord, read_record
from echobench.results.tables import dice_markdown

_TABLE = re.compile(r"(<!-- table: (?P<dataset>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str, measured: Path) -> str:
    """The text with each table between its markers made anew from the records of that dataset."""
    records = [read_record(path.parent) for path in sorted(measured.glob(f"*/{RECORD}"))]

    def table(match: re.Match[str]) -> str:
        chosen = [pair for pair in records if pair[0].dataset.lower() == match["dataset"]]
        return f"{match[1]}{dice_markdown(sorted(chosen, key=lambda pair: _order(pair[0])))}{match[3]}"

    return _TABLE.sub(table, text)


def _order(record: RunRecord) -> tuple[bool, str]:
    return record.generator != "real", record.generator


def main(readme: Path, measured: Path) -> None:
    readme.write_text(with_tables(readme.read_text(), measured))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
