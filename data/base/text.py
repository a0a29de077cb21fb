"""Text that others wrote: read in the encoding it has, or refused."""

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Any

from echobench.data.base.errors import EchobenchError

_MOST_BYTES = 2**28


def read_text(path: Path, *, otherwise: str | None = None) -> str:
    """A file in UTF-8, with or without a byte order mark, or in UTF-16 with one; line ends become "\\n".

    otherwise: the encoding of a file that is not UTF-8; None for there is none. Raises EchobenchError for a file that
    cannot be read, and for what is no text.
    """
    try:
        if not path.is_file():
            raise EchobenchError(f"{path} cannot be read: {'it is no file' if path.exists() else 'there is none'}")
        if path.stat().st_size > _MOST_BYTES:
            raise EchobenchError(f"{path} has {path.stat().st_size} bytes; at most {_MOST_BYTES} are read as text")
        content = path.read_bytes()
    except OSError as error:
        raise EchobenchError(f"{path} cannot be read: {error.strerror or error}") from error
    text = _decoded(path, content, otherwise)
    if "\0" in text:
        raise EchobenchError(f"{path} is not text; save it as text in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, again: str) -> dict[str, Any]:
    """The object that a JSON file of ours holds. Raises EchobenchError for anything else; again: what then helps."""
    try:
        content = json.loads(read_text(path))
        json.dumps(content, ensure_ascii=False).encode()  # half a pair of surrogates is no text that can be shown
    except (ValueError, RecursionError, EchobenchError) as error:
        raise EchobenchError(f"{path} is damaged or half-written; {again}") from error
    if not isinstance(content, dict):
        raise EchobenchError(f"{path} is damaged or half-written; {again}")
    return content


def _decoded(path: Path, content: bytes, otherwise: str | None) -> str:
    marked = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        if otherwise is None or marked:
            raise EchobenchError(f"{path} is not text in UTF-8; save it in that encoding") from error
        return content.decode(otherwise, errors="replace")


def require_name(name: str, where: str) -> str:
    """A name that is one, and no path; raises EchobenchError, which begins with `where`, for anything else."""
    if not name or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name):
        raise EchobenchError(
            f"{where} has the name {name!r}; a name must not be empty, begin with a dot or hold a slash"
        )
    return name


def is_shown(path: Path) -> bool:
    """Whether a file or folder is there to be read: `._x` and `.DS_Store` are what macOS leaves beside those."""
    return not path.name.startswith(".")
