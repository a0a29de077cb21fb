"""A folder of phantoms that appears complete or not at all, and is written once."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from echobench.data.base.errors import EchobenchError

RECORD = "phantom.json"


def write_once(folder: Path, record: str, write: Callable[[Path], object]) -> Path:
    """Has `write` fill `folder` unless it holds `record` already, and returns it.

    record: the settings that decide every byte, kept in the folder as `RECORD`. write: gets a folder that is not
    there yet. Raises EchobenchError if `folder` holds anything else.
    """
    if _is_complete(folder, record):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / folder.name
        write(unfinished)
        (unfinished / RECORD).write_text(record, encoding="utf-8")
        try:
            os.replace(unfinished, folder)
        except OSError:
            # Another process may have finished the same dataset in the meantime.
            if not _is_complete(folder, record):
                raise
    return folder


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
