"""Arrays that are slow to read, kept on this machine until what they were read from changes."""

import atexit
import hashlib
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import platformdirs
from numpy.typing import NDArray

from echobench.data.base.files import typed_path, working_in, writing_whole

log = logging.getLogger(__name__)
_CHECKSUM = "checksum"
_DAMAGE = (OSError, EOFError, ValueError, TypeError, KeyError, NotImplementedError, BadZipFile, zlib.error)
"""What reading a cut, changed or missing entry raises."""


def cache_folder() -> Path:
    """Where the phantom and decoded frames are kept: `ECHOBENCH_CACHE`, or the user's cache folder.

    Where it cannot be written, which is said once, it is a folder that lives as long as this process.
    """
    return _writable(_named())


def _named() -> Path:
    try:
        return typed_path(os.environ.get("ECHOBENCH_CACHE") or platformdirs.user_cache_dir("echobench"))
    except RuntimeError:  # of platformdirs: a user without a home
        return Path("~/.cache/echobench")


@cache
def _writable(folder: Path) -> Path:
    """The folder, or one that this process has instead of it."""
    try:
        if folder.parts[0] == "~":  # nobody's home: a folder of that name would be made where one stands
            raise FileNotFoundError("there is no home folder")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        instead = Path(tempfile.mkdtemp(prefix="echobench-cache-"))
        atexit.register(shutil.rmtree, instead, ignore_errors=True)
        _say_uncached(folder, error)
        return instead


def _say_uncached(folder: Path, error: OSError) -> None:
    reason = error.strerror or error
    log.warning(
        "The cache folder %s cannot be used (%s): nothing is kept for the next call. "
        "Set ECHOBENCH_CACHE to a folder that can be written",
        folder,
        reason,
    )


def cached(
    kind: str, key: str, files: Iterable[Path], make: Callable[[], Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """What `make` gives, from the cache if it was made before of the same files; a damaged entry is made anew.

    kind: folder of the cache. key: all else that the arrays depend on, the reader's version included. A file counts by
    its place, size and time; it may be missing.
    """
    folder, name = cache_folder() / kind, f"{_stamp(key, files)}.npz"
    for entry in dict.fromkeys((folder / name, _named() / kind / name)):  # one that cannot be written may be read
        with suppress(*_DAMAGE), entry.open("rb") as kept, np.load(kept) as stored:
            arrays = dict(stored)
            if int(arrays.pop(_CHECKSUM)) == _checksum(arrays):
                return arrays
    made: dict[str, Any] = dict(make())
    try:
        with working_in(folder, patience=-1), writing_whole(folder / name) as stream:
            np.savez(stream, **made | {_CHECKSUM: np.int64(_checksum(made))})
    except OSError as error:  # a full disk, say
        _say_uncached(folder, error)
    return made


def _checksum(arrays: Mapping[str, NDArray[Any]]) -> int:
    """CRC-32 of names, types, shapes and bytes: another program may have changed an entry and left a sound file."""
    found = 0
    for name, array in sorted(arrays.items()):
        found = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), found)
        found = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, found)
    return found


def _stamp(key: str, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(key.encode())
    for path in files:
        status = path.stat() if path.is_file() else None
        stated = f"{status.st_size} {status.st_mtime_ns}" if status else "not there"
        digest.update(f"{path.resolve()} {stated}\n".encode())
    return digest.hexdigest()[:24]
