"""`folder:DIR`: images that somebody drew elsewhere; `echobench.data.datasets.folder` says how the folder is laid out.

Departs from the paper [generator.folder]: nobody can tell from the images how they were drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path
from echobench.data.datasets.folder import PREFIX, fingerprint_of
from echobench.generators.real import Real


@dataclass(frozen=True)
class FolderSettings:
    """What is in the folder. sha256: over the names and bytes of its files, so that a run knows when they change."""

    sha256: str = ""

    @classmethod
    def of(cls, folder: Path) -> "FolderSettings":
        """The settings of a run on this folder; raises EchobenchError if there is no such folder."""
        return cls(fingerprint_of(folder))


class Folder(Real):
    """Ready-made images as a competitor: `real`, whose frames are those of the folder."""

    summary: ClassVar[str] = "ready-made images with their maps, in DIR: somebody else's generator"
    presets: ClassVar[Mapping[str, Any]] = MappingProxyType({name: FolderSettings() for name in Real.presets})

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        if path.is_file() and not path.stat().st_size:  # which no version wrote
            raise EchobenchError(f"{path} is damaged: it is empty; give the run's command again with --force")
        return super().load(path, device)


def folder_of(name: str) -> Path | None:
    """The DIR of a generator's name folder:DIR; None for every other name."""
    return typed_path(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
