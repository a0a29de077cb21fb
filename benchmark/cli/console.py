"""What a person sees: progress bars on stderr; an answer and its table on stdout, no wider than the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from pandas.api.types import is_numeric_dtype
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from echobench.benchmark.run.stages import WHOLE, Reporter
from echobench.results.report.ends import End
from echobench.results.shown import formats

_NAME, _BAR, _FIGURES = 26, 10, 16
"""Widths of what a bar has, so that a line of it has 79 columns at most while there are no million steps."""
_BETWEEN = 2
"""Spaces between two columns of a table."""
_ENDED_BARS = 12
"""That stay on the screen. A comparison of hundreds of runs has thousands."""


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Reporter]:
    """A bar with the remaining time for every stage that reports, and one for all of it (`WHOLE`) above them."""
    bars = Progress(
        TextColumn("{task.description}", table_column=Column(justify="right", max_width=_NAME, overflow="fold")),
        BarColumn(_BAR),
        MofNCompleteColumn(table_column=Column(no_wrap=True, justify="right")),
        _Left(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[figures]}", table_column=Column(max_width=_FIGURES, overflow="fold")),
        console=console or Console(stderr=True),
    )
    whole = _Bar(bars, WHOLE)
    try:
        yield lambda stage: whole if stage == WHOLE else _Bar(bars, stage)
    finally:
        if bars.live.is_started:
            bars.stop()


class _Left(TimeRemainingColumn):
    """The remaining time; of the whole, whose parts are few and of any length, by all that it took so far."""

    def render(self, task: Task) -> Text:
        if task.description != WHOLE:
            return super().render(task).append(" left")
        done = task.completed - task.fields["before"]
        if not (done and task.elapsed and task.total):
            return Text("-:--:-- left", style="progress.remaining")
        seconds = task.elapsed / done * (task.total - task.completed)
        return Text(f"{timedelta(seconds=round(seconds))} left", style="progress.remaining")


class _Bar:
    """One stage's progress. Its bar appears at the first report, and goes when many others have come to their end."""

    def __init__(self, bars: Progress, stage: str) -> None:
        self._bars, self._stage, self._task = bars, escape(stage), TaskID(-1)

    def __call__(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        shown = " ".join(f"{name}\N{NO-BREAK SPACE}{value:.4g}" for name, value in (figures or {}).items())
        if self._stage != WHOLE:  # which is shown once something is done
            self._bars.start()
        if self._task not in self._bars.task_ids:
            self._task = self._bars.add_task(self._stage, figures="", before=done)
        self._bars.update(self._task, completed=done, total=total, figures=shown)
        ended = [task.id for task in self._bars.tasks if task.finished and task.description != WHOLE]
        for task in ended[:-_ENDED_BARS]:
            self._bars.remove_task(task)


def print_end(end: End) -> None:
    """Of every part the answer, its table and what is to be known of it; where everything else lies."""
    console = Console()
    for part in end.parts:
        if len(end.parts) > 1:
            console.rule(Text(part.title), align="left")
        for sentence in part.answer:
            console.print(Text(sentence))
        print_table(part.table)
        for note in part.notes:
            console.print(Text(note), style="dim")
    for note in end.notes:
        console.print(Text(note))
    for what, place in end.places.items():
        console.print(Text(f"{what}: {place}"), soft_wrap=True)


def print_table(table: formats.Table) -> None:
    """A table with its caption above and its notes below. No number and no word is cut, however narrow the terminal:
    texts and headings are wrapped, and where that does not do, a row is a list."""
    console, shown = Console(), formats.shown(table)
    names, rows = [*map(str, shown)], shown.to_numpy().tolist()
    numeric = {name: name not in table.frame or is_numeric_dtype(table.frame[name]) for name in names}
    sizes = [_sizes(name, shown[name].tolist(), whole=numeric[name]) for name in names]
    widths = _fitted(sizes, console.width - _BETWEEN * (len(sizes) - 1))
    console.print()
    console.print(Text(table.caption), style="italic")
    if widths is None:
        for row in rows:
            console.print()
            for name, text in zip(names, row, strict=True):
                console.print(Text(f"{name}: {text}"))
    else:
        printed = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _BETWEEN - 1, 0, 0))
        for name, width in zip(names, widths, strict=True):
            printed.add_column(Text(name), justify="right" if numeric[name] else "left", width=width, overflow="fold")
        for row in rows:
            printed.add_row(*map(Text, row))
        console.print(printed)
    for note in table.notes:
        console.print(Text(note), style="dim")
    console.print()


def _sizes(name: str, texts: Sequence[str], *, whole: bool) -> tuple[int, int]:
    """The least and the natural width of a column. whole: its texts are numbers, which are not wrapped."""
    unbroken = [*name.split(), *(texts if whole else (word for text in texts for word in text.split()))]
    return max(map(cell_len, unbroken), default=0), max(map(cell_len, (name, *texts)))


def _fitted(sizes: Sequence[tuple[int, int]], room: int) -> list[int] | None:
    """Widths that add up to no more than there is room for, the widest columns wrapped first; None where none do."""
    widths = [natural for _, natural in sizes]
    while sum(widths) > room:
        wide = [i for i, (least, _) in enumerate(sizes) if widths[i] > least]
        if not wide:
            return None
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths
