"""A generator's class in a file of its own, which no package declares: FILE.py:CLASS."""

import hashlib
import re
import sys
import traceback
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isabstract
from pathlib import Path
from types import ModuleType

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path

_FORM = re.compile(r"(?P<path>.+\.py)(?::(?P<name>.*))?", re.DOTALL)


@dataclass(frozen=True)
class ClassInFile:
    """Where a class stands. name: its own; empty where nothing stands behind the file."""

    path: Path
    name: str

    @property
    def label(self) -> str:
        """What tables, records and folders call it: the file by its last part."""
        return f"{self.path.name}:{self.name}"

    def resolved(self) -> str:
        """The name by which every process finds it, whatever folder it is in."""
        return f"{self.path.resolve()}:{self.name}"

    def content(self) -> bytes:
        """Of the file. Raises EchobenchError where it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise EchobenchError(f"generator {self.label}: {self.path} cannot be read ({error.strerror})") from error

    def load(self, code: str | None = None) -> object:
        """What the file calls by the name, with the file imported once for each content that it has.

        code: the SHA-256 that the file must have; None for any. Raises EchobenchError, with file and line, for a file
        that cannot be imported, for one of another content, and for a name that is not in it.
        """
        content = self.content()
        sha256 = hashlib.sha256(content).hexdigest()
        if code not in (None, sha256):
            raise EchobenchError(
                f"{self.path} is not what it was when the run began: put it back, or begin another run with it"
            )
        module = _imported(self.path.resolve(), content, sha256)
        if not hasattr(module, self.name):
            there = ", ".join(f"{self.path.name}:{name}" for name in _generators(module))
            raise EchobenchError(
                f"{self.path} has no class {self.name!r}; its generators: {there or 'none'}"
                if self.name
                else f"generator {self.path.name} needs a class behind a colon; its generators: {there or 'none'}"
            )
        return getattr(module, self.name)


def file_of(name: str) -> ClassInFile | None:
    """The place of a generator called FILE.py:CLASS; None for every other name."""
    if name.startswith("folder:") or not (match := _FORM.fullmatch(name)):
        return None
    return ClassInFile(typed_path(match["path"]), match["name"] or "")


def code_of(name: str) -> str | None:
    """SHA-256 of the file of a generator called FILE.py:CLASS; None for every other name."""
    found = file_of(name)
    return None if found is None else hashlib.sha256(found.content()).hexdigest()


def _imported(path: Path, content: bytes, sha256: str) -> ModuleType:
    """The module of a file, under a name that is the same in every process, and another one once the file changes."""
    name = f"echobench_in_file_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}_{sha256[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)  # where dataclasses and pickle look for it
    try:
        # Not by the loader: Python would take an earlier content from its cache where size and second are the same.
        exec(compile(content, str(path), "exec"), vars(module))
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, (Exception, SystemExit)):
            raise EchobenchError(f"{path}{_line(error, path)} cannot be imported: {_reason(error)}") from error
        raise
    return module


def _line(error: BaseException, path: Path) -> str:
    """Where the file went wrong, as far as the error tells."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
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
