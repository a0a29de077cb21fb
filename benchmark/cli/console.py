"""What a person sees: progress bars on stderr, tables on stdout."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from pandas.api.types import is_numeric_dtype
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from echobench.benchmark.run.stages import Reporter
from echobench.results.evidence.comparison import Comparison, Group
from echobench.results.evidence.cost import machine
from echobench.results.evidence.realism import agreements
from echobench.results.evidence.statistics import RULE
from echobench.results.report.answer import answer
from echobench.results.report.contents import group_tables, paper_tables
from echobench.results.shown import formats
from echobench.results.shown.tables import WHY, region_table, summary_table

_FILE_COLUMNS, _WIDEST, _REASON = 120, 1000, 60
_ENDED_BARS = 12
"""That stay on the screen. A comparison of hundreds of runs has thousands."""


@contextmanager
def progress_bars() -> Iterator[Reporter]:
    """A bar with the remaining time for every stage that reports."""
    columns = (
        TextColumn("{task.description:>18}"), BarColumn(20), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"),
    )  # fmt: skip
    bars = Progress(*columns, console=Console(stderr=True))
    try:
        yield lambda stage: _Bar(bars, stage)
    finally:
        if bars.live.is_started:
            bars.stop()


class _Bar:
    """One stage's progress. Its bar appears at the first report, and goes when many others have come to their end."""

    def __init__(self, bars: Progress, stage: str) -> None:
        self._bars, self._stage, self._task = bars, escape(stage), TaskID(-1)

    def __call__(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in (figures or {}).items())
        self._bars.start()
        if self._task not in self._bars.task_ids:
            self._task = self._bars.add_task(self._stage, figures="")
        self._bars.update(self._task, completed=done, total=total, figures=shown)
        ended = [task.id for task in self._bars.tasks if task.finished]
        for task in ended[:-_ENDED_BARS]:
            self._bars.remove_task(task)


PRINTED = ("summary", "dice", "evidence", "realism", "ejection", "cost")
"""Tables of a group that are printed; the others are in files."""


def print_comparison(comparison: Comparison) -> None:
    """The answer of every group, then its main tables; Table 1 of the paper; what keeps groups apart."""
    console = _console()
    for group in comparison.groups:
        tables = {table.name: table for table in group_tables(group)}
        console.rule(f"[bold]{escape(group.title)}", align="left")
        for sentence in answer(group, tables["summary"].frame, tables["evidence"].frame):
            console.print(escape(sentence))
        for name in PRINTED:
            if name in tables and len(tables[name].frame):
                print_table(tables[name])
        for sentence in agreements(group):
            console.print(escape(sentence))
    for failure in comparison.failures:
        console.print(escape(f"{failure.label}: {failure.reason}"))
    for table, _ in paper_tables(comparison):
        print_table(replace(table, notes=()))
    for sentence in comparison.differences:
        console.print(escape(sentence))


def print_table(table: formats.Table) -> None:
    """A table with its caption above and its notes below; no cell is cut, however narrow the terminal."""
    shown = formats.shown(table)
    printed = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in shown.columns:
        numeric = name not in table.frame or is_numeric_dtype(table.frame[name])
        width = _REASON if name == WHY else None
        printed.add_column(name, justify="right" if numeric else "left", no_wrap=width is None, max_width=width)
    for row in shown.itertuples(index=False):
        printed.add_row(*map(escape, row))
    console = _console()
    console.print()
    console.print(escape(table.caption), style="italic")
    needed = Measurement.get(console, console.options.update(width=_WIDEST), printed).maximum
    Console(width=max(console.width, needed)).print(printed)
    for note in table.notes:
        console.print(escape(note), style="dim")


def _console() -> Console:
    """As wide as the terminal; as wide as a page where the output goes into a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_COLUMNS)


def print_runs(group: Group) -> None:
    """Dice per region in per cent, mean ± std over patients; the evidence for it; what each run cost."""
    print_table(replace(region_table(group), notes=()))
    summary = summary_table(group)
    print_table(replace(summary, notes=(*summary.notes, RULE) if len(group.runs) > 1 else summary.notes))
    Console().print(_cost_table(group))


def _cost_table(group: Group) -> Table:
    machines = dict.fromkeys(machine(run.record) for run in group.runs)
    table = Table(
        title=f"Cost on {escape('; '.join(machines))}",
        caption="a stage with more than one attempt was interrupted; its seconds are the last's",
    )
    table.add_column("trained on", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    for name in ("seconds", "threads", "images/s", "peak MB", "attempts"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in group.runs:
        label, stages, known = escape(run.label), run.record.stages, run.record.machine.get("torch_threads", "")
        for i, stage in enumerate(stages):
            rate = f"{stage.items / stage.seconds:.1f}" if stage.items and stage.seconds else ""
            table.add_row(
                label if i == 0 else "", stage.name, f"{stage.seconds:.1f}", str(stage.threads or known), rate,
                f"{stage.peak_memory_mb:.0f}", str(stage.attempts), end_section=i == len(stages) - 1,
            )  # fmt: skip
    return table
