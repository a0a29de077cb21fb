"""The one exception that a user can cause, and how others say that memory was short."""

import errno
from collections.abc import Collection
from math import inf

TOO_LARGE = "{path} cannot be read: there is too little memory for it; if it is a small file, it is damaged"
"""For a file over which memory was short: nobody knows whether the file is to blame."""
_SHORT = (
    "allocate memory",  # torch, ITK
    "out of memory",  # CUDA
    "could not create a primitive",  # oneDNN, beneath torch
    "std::bad_alloc",
    "can't start new thread",
    "failed to map segment from shared object",  # an import
)


class EchobenchError(Exception):
    """Bad input: says what is wrong, where, what to do, and the known choices.

    Raised anywhere, caught once, in the command line, which prints the sentence and exits with code 1.
    """


def is_short_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy, the system, torch, ITK or an import says that memory was short."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = isinstance(error, (RuntimeError, ImportError)) and any(words in str(error) for words in _SHORT)
    return isinstance(error, MemoryError) or said


def require(settings: object, **ranges: tuple[float, float]) -> None:
    """Raises EchobenchError for a setting that lies outside of its range, both ends of which are allowed.

    None is allowed. Of several values each must lie inside, and there must be one.
    """
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        if value == () or not all(low <= one <= high for one in values):
            limits = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
            raise EchobenchError(f"{name} is {value}; it must be {limits}")


def require_known(what: str, name: str, known: Collection[str]) -> None:
    """Raises EchobenchError, listing the known ones, for a name that is none of them. what: it is the name of."""
    if name not in known:
        raise EchobenchError(f"unknown {what} {name!r}; known: {', '.join(known)}")
