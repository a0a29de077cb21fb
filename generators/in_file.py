"""A generator's class in a file of its own, which no package declares: FILE.py:CLASS.

The file is a module whose name holds its place and the hash of its content. So every process can import it when another
process sends it one of its classes, and a changed file is another module.
"""

import hashlib
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from inspect import isabstract
from pathlib import Path
from types import CodeType, ModuleType

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path

_FORM = re.compile(r"(?P<path>.+\.py)(?::(?P<name>.*))?", re.DOTALL)
_PREFIX = "echobench_in_file_"


@dataclass(frozen=True)
class ClassInFile:
    """Where a class is. name: its own; empty where only the file is named."""

    path: Path
    name: str

    @property
    def label(self) -> str:
        """What tables, records and folders call it: the file by its last part."""
        return f"{self.path.name}:{self.name}"

    def resolved(self) -> str:
        """The name by which every process finds it, whatever folder it is in."""
        return f"{self.path.resolve()}:{self.name}"

    def code(self) -> str:
        """SHA-256 of the file. Raises EchobenchError where it cannot be read."""
        try:
            return _sha256(self.path.read_bytes())
        except OSError as error:
            raise EchobenchError(f"generator {self.label}: {self.path} cannot be read ({error.strerror})") from error

    def load(self, code: str | None = None) -> object:
        """What the file calls by the name.

        code: the SHA-256 that the file must have; None for any. Raises EchobenchError, with file and line, for a file
        that cannot be imported, for one of another content, and for a name that is not in it.
        """
        found = self.code()
        if code not in (None, found):
            raise EchobenchError(_CHANGED.format(path=self.path))
        module = import_module(f"{_PREFIX}{found}_{str(self.path.resolve()).encode().hex()}")
        if not hasattr(module, self.name):
            there = ", ".join(f"{self.path.name}:{name}" for name in _generators(module)) or "none"
            raise EchobenchError(
                f"{self.path} has no class {self.name!r}; its generators: {there}"
                if self.name
                else f"generator {self.path.name} needs a class behind a colon; its generators: {there}"
            )
        return getattr(module, self.name)


def file_of(name: str) -> ClassInFile | None:
    """The place of a generator called FILE.py:CLASS; None for every other name."""
    if name.startswith("folder:") or not (match := _FORM.fullmatch(name)):
        return None
    return ClassInFile(typed_path(match["path"]), match["name"] or "")


_CHANGED = "{path} is not what it was when the run began: put it back, or begin another run with it"


class _Finder(MetaPathFinder):
    """Finds a file by the name of its module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_PREFIX):
            return None
        code, _, place = fullname.removeprefix(_PREFIX).partition("_")
        file = bytes.fromhex(place).decode()
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, file, code))


class _Loader(SourceFileLoader):
    """Imports a file of one content. Raises EchobenchError, with file and line, where that cannot be."""

    def __init__(self, fullname: str, path: str, code: str) -> None:
        super().__init__(fullname, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        """Compiled anew: Python's own cache would take another content of the same second and size for this one."""
        content = Path(self.path).read_bytes()
        if _sha256(content) != self._code:
            raise EchobenchError(_CHANGED.format(path=self.path))
        compiled: CodeType = self.source_to_code(content, str(self.path))
        return compiled

    def exec_module(self, module: ModuleType) -> None:
        try:
            super().exec_module(module)
        except (Exception, SystemExit) as error:
            raise EchobenchError(
                f"{self.path}{_line(error, str(self.path))} cannot be imported: {_reason(error)}"
            ) from error


sys.meta_path.append(_Finder())  # for pickle, which imports the modules of what it reads by their names


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _line(error: BaseException, path: str) -> str:
    """Where a file went wrong, as far as the error tells."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines.append(error.lineno)
    return f", line {lines[-1]}," if lines and lines[-1] else ""


def _reason(error: BaseException) -> str:
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(said.split())[:200]}"


def _generators(module: ModuleType) -> list[str]:
    """The names in a module of classes that can draw."""
    from echobench.generators.base import Generator

    return [
        name
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, Generator) and not isabstract(found)
    ]
