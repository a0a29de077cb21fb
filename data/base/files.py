"""Files that are there whole or not at all, what is in them, and folders that one process works in at a time."""

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from echobench.data.base.errors import EchobenchError


def typed_path(text: str | Path) -> Path:
    """A path as a person types or sets it: ~ is the home folder, where there is one."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a user whom the machine does not know, or no HOME
        return Path(text)


@contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """A stream of bytes that takes the place of a file once it is closed and on the disk; folders are made.

    Whoever is killed on the way leaves the old file or none; after an error, nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with named(path):
            with partial.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
    except RuntimeError as error:  # torch's, where its writer could not write: a full disk, a quota
        if "PytorchStreamWriter" not in str(error) and "unexpected pos" not in str(error):
            raise
        raise EchobenchError(
            f"{path} cannot be written whole: the disk is full, or a quota is reached. Make room and go on with the "
            "same command"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of the system meanwhile that name no file, as those of a full disk, name this one."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_whole(path: Path, text: str) -> None:
    """A text in UTF-8, like `writing_whole`."""
    with writing_whole(path) as stream:
        stream.write(text.encode())


def file_sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


LOCK = ".lock"
"""The file that is locked in a folder. It stays when the lock is given back."""
_EXECUTOR: ContextVar[str] = ContextVar("_EXECUTOR", default="")
_LOCKS: WeakValueDictionary[Path, FileLock] = WeakValueDictionary()
"""By file: one object each, which a thread may enter again while it is inside."""


@contextmanager
def working_as(executor: str) -> Iterator[None]:
    """Meanwhile, who is kept out of a folder is told the name of the executor that works there."""
    token = _EXECUTOR.set(executor)
    try:
        yield
    finally:
        _EXECUTOR.reset(token)


class AtWork(EchobenchError):
    """Another process is at work in a folder, or at a part of what is done there."""


@contextmanager
def locked(folder: Path, *, file: str = LOCK, patience: float = 0) -> Iterator[None]:
    """Keeps other processes out of a folder meanwhile, where its file system can.

    file: what is locked in it. patience: seconds to wait for another one that is at work there; -1 waits for its end.
    Raises AtWork where it still is.
    """
    path = folder.resolve() / file
    lock = _LOCKS.setdefault(path, FileLock(path))
    holder = path.with_name(f"{path.name}.holder")  # the lock's own file is emptied by whoever tries
    try:
        lock.acquire(timeout=patience)
        with suppress(OSError):
            holder.write_text(f" (process {os.getpid()} on {platform.node()}{_executor()})", encoding="utf-8")
    except NotImplementedError:
        pass
    except Timeout as error:
        raise AtWork(
            f"another echobench is at work in {folder}{_read(holder)}: wait for it, or choose another --out"
        ) from error
    try:
        yield
    finally:
        if lock.lock_counter == 1:  # not entered again
            with suppress(OSError):
                holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def working_in(folder: Path, *parts: str, patience: float = 0) -> Iterator[None]:
    """`locked`, in a folder that is made. What an earlier process was killed over is removed first.

    parts: folders inside in which it is looked for as well, all the way down.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, patience=patience):
        remove_partial(folder, *parts)
        yield


def remove_partial(folder: Path, *parts: str) -> None:
    """Remove what `writing_whole` leaves in a folder where it is killed, and in parts of it, all the way down."""
    for place, pattern in ((folder, "*.partial"), *((folder / part, "**/*.partial") for part in parts)):
        for path in place.glob(pattern):
            path.unlink(missing_ok=True)


def _executor() -> str:
    return f", executor {name}" if (name := _EXECUTOR.get()) else ""


def _read(holder: Path) -> str:
    """Who has a lock, as far as it could be noted."""
    try:
        return holder.read_text(encoding="utf-8")
    except OSError:
        return ""
