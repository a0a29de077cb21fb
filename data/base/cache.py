"""Arrays that are slow to read, kept on this machine until what they were read from changes."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import platformdirs
from numpy.typing import NDArray

from echobench.data.base.files import writing_whole


def cache_folder() -> Path:
    """Where the phantom and decoded frames are kept: `ECHOBENCH_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("ECHOBENCH_CACHE") or platformdirs.user_cache_dir("echobench"))


def cached(
    kind: str, key: str, files: Iterable[Path], make: Callable[[], Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """What `make` gives, from the cache if it was made before of the same files; a damaged entry is made anew.

    kind: folder of the cache. key: all else that the arrays depend on, the reader's version included. A file counts by
    its place, size and time; it may be missing.
    """
    entry = cache_folder() / kind / f"{_stamp(key, files)}.npz"
    if entry.is_file():
        with suppress(OSError, EOFError, ValueError, BadZipFile), entry.open("rb") as kept, np.load(kept) as stored:
            return dict(stored)
    made: dict[str, Any] = dict(make())
    with writing_whole(entry) as stream:
        np.savez(stream, **made)
    return made


def _stamp(key: str, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(key.encode())
    for path in files:
        status = path.stat() if path.is_file() else None
        stated = f"{status.st_size} {status.st_mtime_ns}" if status else "not there"
        digest.update(f"{path.resolve()} {stated}\n".encode())
    return digest.hexdigest()[:24]
