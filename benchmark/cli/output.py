"""What a verb tells, and whom: its result goes to stdout, progress and warnings to stderr, all of it into a log."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path

if TYPE_CHECKING:
    from echobench.benchmark.run.stages import Reporter
    from echobench.data.base.progress import Progress
    from echobench.results.report.ends import End

Function = Callable[..., Any]
OUTPUT = ("as_json", "quiet", "verbose", "log_file")
"""The parameters of `with_output`, which change what is told and nothing else."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Screen:
    """Where a verb tells what it found."""

    as_json: bool
    quiet: bool

    @contextmanager
    def progress(self) -> Iterator["Reporter"]:
        """Bars on stderr, unless nobody wants to see them; where stages begin and end is logged."""
        from echobench.benchmark.cli.console import progress_bars
        from echobench.data.base.progress import silent

        _log_machine()
        if self.quiet:
            yield logged(lambda stage: silent)
        else:
            with progress_bars() as report:
                yield logged(report)

    def show(self, end: "End") -> None:
        """The end of a verb: its line, its answers with their tables, or one JSON object."""
        if self.as_json or self.quiet:
            self.say(end.line, **end.plain)
            return
        from echobench.benchmark.cli.console import print_end

        print_end(end)

    def say(self, text: object, **plain: Any) -> None:
        """The result of a verb that has no table. plain: the same for JSON."""
        click.echo(json.dumps(plain, indent=1, allow_nan=False) if self.as_json else text)


def with_output(verb: Function) -> Function:
    """Options of what is told, which the verb gets as one parameter, `screen`."""

    @wraps(verb)
    def told(as_json: bool, quiet: bool, **others: Any) -> Any:
        return verb(screen=Screen(as_json, quiet), **others)

    verb_told = with_log(told)
    for option in (
        click.option("--quiet", is_flag=True, help="Prints the result in one line. Errors are shown, progress is not."),
        click.option("--json", "as_json", is_flag=True, help="Prints the result as one JSON object."),
    ):
        verb_told = option(verb_told)
    return verb_told


def with_log(verb: Function) -> Function:
    """Options of a verb that prints one line anyway."""

    @wraps(verb)
    def told(verbose: bool, log_file: Path | None, **others: Any) -> Any:
        quiet = others.get("quiet", False)
        if quiet and verbose:
            raise EchobenchError("--quiet and --verbose contradict each other; leave one of them out")
        with heard(quiet=quiet, verbose=verbose, log_file=log_file):
            return verb(**others)

    told = click.option(
        "--log",
        "log_file",
        metavar="FILE",
        type=typed_path,
        help="Adds what happens to this file, with the time of each line.",
    )(told)
    return click.option(
        "--verbose", is_flag=True, help="Says on stderr which stage begins, with which settings, on which machine."
    )(told)


def logged(report: "Reporter") -> "Reporter":
    """The same, and the log hears where stages begin and end."""
    from echobench.benchmark.run.stages import WHOLE

    whole = _Logged(WHOLE, report(WHOLE), every_step=True)
    return lambda stage: whole if stage == WHOLE else _Logged(stage, report(stage))


class _Logged:
    """A stage whose first and last step are logged, or each of its steps, which are few."""

    def __init__(self, stage: str, bar: "Progress", *, every_step: bool = False) -> None:
        self._stage, self._bar, self._every_step, self._done = stage, bar, every_step, -1

    def __call__(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        self._bar(done, total, figures)
        if done != self._done and (self._every_step or self._done < 0 or done >= total):
            known = "".join(f", {name} {value:.4g}" for name, value in (figures or {}).items())
            log.info("%s: %d of %d%s", self._stage, done, total, known)
        self._done = done


@contextmanager
def heard(*, quiet: bool, verbose: bool, log_file: Path | None) -> Iterator[None]:
    """Meanwhile, warnings are on stderr, and with all else that is logged in the file. quiet: errors alone are.

    verbose: all of it is on stderr as well, with the traceback of an error that nobody foresaw.
    """
    handlers: list[logging.Handler] = [_OnStderr(verbose=verbose, quiet=quiet)]
    handlers += [_log_into(log_file)] if log_file else []
    root, ours = logging.getLogger(), logging.getLogger("echobench")
    level = ours.level
    for handler in handlers:
        root.addHandler(handler)
    if verbose or log_file:
        ours.setLevel(logging.INFO)
    logging.captureWarnings(quiet or log_file is not None)
    _log_call()
    try:
        yield
        log.info("finished")
    except (Exception, KeyboardInterrupt) as error:
        _log_error(error, handlers, verbose=verbose)
        raise
    finally:
        logging.captureWarnings(False)
        ours.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class _OnStderr(logging.Handler):
    """Whatever stderr is at the moment: while bars are shown, what is written there stands above them."""

    def __init__(self, *, verbose: bool, quiet: bool) -> None:
        super().__init__(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record) if self._verbose else record.getMessage()}\n")


def _log_into(path: Path) -> logging.Handler:
    """Raises EchobenchError where the file cannot be written."""
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise EchobenchError(f"the log {path} cannot be written: {error.strerror}; name another file") from error
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    return handler


def _log_call() -> None:
    from importlib.metadata import version

    if log.isEnabledFor(logging.INFO):
        call = click.get_current_context()
        asked = (f"{name}={value}" for name, value in call.params.items() if name not in OUTPUT)
        log.info("%s, version %s: %s", call.command_path, version("echobench"), ", ".join(asked))


def _log_machine() -> None:
    from echobench.benchmark.run.machine import describe_machine
    from echobench.benchmark.run.settings import resolve_device

    if log.isEnabledFor(logging.INFO):
        device = resolve_device(click.get_current_context().params.get("device", "cpu"))
        log.info("machine: %s", ", ".join(f"{name} {value}" for name, value in describe_machine(device).items()))


def _log_error(error: BaseException, handlers: list[logging.Handler], *, verbose: bool) -> None:
    """What stopped a verb, with a traceback where nobody foresaw it; `entry` says it on stderr in any case."""
    if isinstance(error, click.exceptions.Exit):
        return
    foreseen = isinstance(error, (EchobenchError, click.ClickException, KeyboardInterrupt))
    trace = None if foreseen else (type(error), error, error.__traceback__)
    text = str(error) or type(error).__name__
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, text, (), trace)
    for handler in handlers[1:] if foreseen or not verbose else handlers:
        handler.handle(record)
