"""The README's tables, written from the measured records: `python -m echobench.results.readme README.md DIR`."""

import re
import sys
from pathlib import Path

import pandas as pd

from echobench.results.formats import Table, markdown
from echobench.results.record import RECORD, RunRecord, read_record
from echobench.results.tables import dice_markdown

_TABLE = re.compile(r"(<!-- table: (?P<dataset>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SPEED = re.compile(r"(<!-- speed: (?P<preset>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WAYS = {True: "once", False: "at every step"}


def with_tables(text: str, measured: Path) -> str:
    """The text with each table between its markers made anew from the records of that dataset."""
    records = [read_record(path.parent) for path in sorted(measured.glob(f"*/{RECORD}"))]

    def table(match: re.Match[str]) -> str:
        chosen = [pair for pair in records if pair[0].dataset.lower() == match["dataset"]]
        return f"{match[1]}{dice_markdown(sorted(chosen, key=lambda pair: _order(pair[0])))}{match[3]}"

    def speed(match: re.Match[str]) -> str:
        path = measured / f"speed-{match['preset']}.csv"
        return f"{match[1]}{speed_markdown(pd.read_csv(path)) if path.is_file() else ''}{match[3]}"

    return _SPEED.sub(speed, _TABLE.sub(table, text))


def speed_markdown(rows: pd.DataFrame) -> str:
    """What `make speed` wrote, as Markdown: the reference loop in every way, of the samplers the fastest way alone."""
    reference = rows["nfe"] == rows["nfe"].max()
    fastest = rows["cached"] & (rows["precision"] == "bf16")
    chosen = rows[reference | fastest].drop_duplicates(["sampler", "nfe", "cached", "precision"])
    table = pd.DataFrame(
        {
            "sampler": chosen["sampler"],
            "NFE": chosen["nfe"],
            "label map read": chosen["cached"].map(_WAYS),
            "precision": chosen["precision"],
            "ms per step": chosen["ms_per_step"],
            "s per image": chosen["seconds_per_image"],
            "times faster": chosen["times_reference"],
        }
    )
    formats = {"ms per step": ".1f", "s per image": ",.3f", "times faster": ".3g"}
    return markdown(Table("speed", "", table, formats))


def _order(record: RunRecord) -> tuple[bool, str]:
    return record.generator != "real", record.generator


def main(readme: Path, measured: Path) -> None:
    readme.write_text(with_tables(readme.read_text(), measured))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
