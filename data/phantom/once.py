"""A folder of phantoms that appears complete or not at all, and is written once."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import locked

RECORD = "phantom.json"


def write_once(folder: Path, record: str, write: Callable[[Path], object]) -> Path:
    """Has `write` fill `folder` unless it holds `record` already, and returns it.

    record: the settings that decide every byte, kept in the folder as `RECORD`. write: gets a folder that is not
    there yet. One process at a time writes, others wait; what an earlier one was killed over is removed.
    Raises EchobenchError if `folder` holds anything else.
    """
    if _is_complete(folder, record):
        if any(folder.parent.glob(f".{escape(folder.name)}[-.]*")):  # of one that was killed at its very end
            with suppress(OSError, EchobenchError), _alone(folder, wait=False):
                pass
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        _alone(folder, wait=True),
        tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch,
    ):
        unfinished = Path(scratch) / folder.name
        if not _is_complete(folder, record):  # by the process that was waited for
            write(unfinished)
            (unfinished / RECORD).write_text(record, encoding="utf-8")
            os.replace(unfinished, folder)
    return folder


@contextmanager
def _alone(folder: Path, *, wait: bool) -> Iterator[None]:
    """No other process writes the folder meanwhile; nothing but the folder stays beside it."""
    lock = f".{folder.name}.lock"
    with locked(folder.parent, file=lock, patience=-1 if wait else 0):
        try:
            for abandoned in folder.parent.glob(f".{escape(folder.name)}-*"):
                shutil.rmtree(abandoned, ignore_errors=True)
            yield
        finally:
            (folder.parent / lock).unlink(missing_ok=True)


def _is_complete(folder: Path, record: str) -> bool:
    if not folder.exists():
        return False
    written = folder / RECORD
    if written.is_file() and written.read_text(encoding="utf-8") == record:
        return True
    raise EchobenchError(
        f"{folder} exists and is not the phantom asked for ({RECORD} is missing or differs); "
        "remove the folder or name another one"
    )
