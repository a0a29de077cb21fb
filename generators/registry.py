"""Which generators there are: ours in one table, other people's through the entry-point group or in a file.

Names are listed without an import of any of them: nothing here imports torch before a class is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import TYPE_CHECKING, Any

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path
from echobench.generators.in_file import file_of

if TYPE_CHECKING:
    from echobench.generators.base import Generator

BACKENDS = {
    "real": "echobench.generators.real:Real",
    "warp": "echobench.generators.warp:Warp",
    "paint": "echobench.generators.paint:Paint",
    "cyclegan": "echobench.generators.cyclegan:CycleGan",
    "spade": "echobench.generators.spade:Spade",
    "flow": "echobench.generators.flow:Flow",
    "inpaint": "echobench.generators.inpaint:Inpaint",
    "sdm": "echobench.generators.sdm:SemanticDiffusion",
    "folder": "echobench.generators.folder:Folder",
}
"""Name -> module:class, imported on use. In the order of their kinds, see `kind_of`. The name folder is followed by a
colon and a path: folder:DIR.

Departs from the paper [generator]: its table has no augmentation and no floor to hold a generator against."""

ENTRY_POINTS = "echobench.generators"
"""A package that declares an entry point of this group adds a generator under the entry point's name."""

ALL = "all"
"""In a list of generators, the whole of `BACKENDS` but for folder, which needs a path."""
FEW = 10
"""Network evaluations per image of a few-step generator, at most."""

_NAME = re.compile(r"\w[\w.-]*")
"""Names of other people's generators."""

_registered: dict[str, type[Generator]] = {}


def register(name: str, backend: type[Generator]) -> None:
    """Make a class known under a name, in this process: in a notebook, and before there is a package of it.

    A later class of the name takes the place of the earlier. Raises EchobenchError for a name of ours, for one that no
    folder can have, and for what is no Generator.
    """
    if name in (ALL, *BACKENDS) or not name.replace("-", "_").isidentifier():
        raise EchobenchError(
            f"a generator cannot be called {name!r}; take letters, digits and -, and none of: "
            f"{', '.join((ALL, *BACKENDS))}"
        )
    _registered[name] = _checked(backend, repr(backend))


def is_known_here_alone(name: str) -> bool:
    """Whether it is a class that was registered in this process, which no other process knows."""
    return name in _registered


def names() -> list[str]:
    """Every known generator, ours first; a package's of the same name as one of ours is not reachable.

    Nor is one whose name could be a path: folders are named by it.
    """
    others = {point.name for point in _declared() if _NAME.fullmatch(point.name)}
    others |= set(_registered)
    return [*BACKENDS, *sorted(others - set(BACKENDS))]


def _declared() -> list[EntryPoint]:
    """What packages declare; one whose declarations cannot be read does not hide the others'."""
    try:
        return list(entry_points(group=ENTRY_POINTS))
    except Exception:  # whatever importlib.metadata makes of a damaged entry_points.txt
        return [point for package in distributions() for point in _declared_by(package)]


def _declared_by(package: Distribution) -> list[EntryPoint]:
    try:
        return list(package.entry_points.select(group=ENTRY_POINTS))
    except Exception:
        return []


def expanded(names: Collection[str], fits: Callable[[type[Generator]], bool] = lambda backend: True) -> list[str]:
    """Each of these names once, with all of ours that fit in the place of `ALL`."""
    ours = [name for name in BACKENDS if name != "folder" and fits(generator_class(name))] if ALL in names else []
    return list(dict.fromkeys(one for name in names for one in (ours if name == ALL else [name])))


def kind_of(generator: Generator) -> str:
    """How it draws: real (the frames as they are), classical (no network), one-pass, few-step (up to `FEW` evaluations
    of its network), or many-step."""
    if not generator.trained:
        return "real" if generator.needs_source_images and not generator.deforms else "classical"
    if generator.evaluations == 1:
        return "one-pass"
    return "few-step" if generator.evaluations <= FEW else "many-step"


@dataclass(frozen=True)
class Listed:
    """A generator as a list shows it; kind, parameters (the number of weights) and evaluations (per image) are those
    of the preset asked for, None without it."""

    name: str
    kind: str | None
    summary: str
    paper: str
    trained: bool
    parameters: int | None
    evaluations: int | None


def listed(name: str, preset: str = "standard") -> Listed:
    """What is known of a generator before it is run. Raises EchobenchError for another package's broken one."""
    try:
        return _listed(name, preset)
    except Exception as error:
        if name in BACKENDS:
            raise
        raise EchobenchError(f"cannot be used: {error}") from error


def _listed(name: str, preset: str) -> Listed:
    backend = generator_class(name)
    shown = "folder:DIR" if name == "folder" else name
    drawn = "drawn elsewhere" if name == "folder" else None
    if preset not in backend.presets:
        return Listed(shown, drawn, backend.summary, backend.paper, backend.trained, None, None)
    one = backend(backend.presets[preset])
    kind = drawn or kind_of(one)
    return Listed(shown, kind, backend.summary, backend.paper, backend.trained, one.parameters, one.evaluations)


def require_known(name: str) -> None:
    """Raises EchobenchError, listing the known ones, for a name that is not there, and for no such folder or file."""
    place = name.removeprefix("folder:")
    if place != name:
        if not typed_path(place).is_dir():
            raise EchobenchError(f"generator {name}: there is no folder {typed_path(place)}")
    elif written := file_of(name):
        written.code()
    elif name not in names():
        raise _unknown(name)


def generator_class(name: str, code: str | None = None) -> type[Generator]:
    """The class behind a name; raises EchobenchError, listing the known ones, for a name that is not there.

    code: the SHA-256 that the file of a class called FILE.py:CLASS must have, None for any. Raises EchobenchError, too,
    for a package or a file that cannot be imported, or whose class is no whole Generator.
    """
    ours = "folder" if name.startswith("folder:") else name
    if ours in BACKENDS:
        module, _, attribute = BACKENDS[ours].partition(":")
        backend: type[Generator] = getattr(import_module(module), attribute)
        return backend
    if written := file_of(name):
        return _checked(written.load(code), f"{written.name} in {written.path}")
    if name in _registered:
        return _registered[name]
    for point in (point for point in _declared() if point.name == name and _NAME.fullmatch(name)):
        try:
            loaded = point.load()
        except Exception as error:  # whatever the other package's module raises
            raise EchobenchError(f"generator {name} ({point.value}) cannot be imported: {error}") from error
        return _checked(loaded, f"the entry point {point.value} of generator {name}")
    raise _unknown(name)


def _unknown(name: str) -> EchobenchError:
    return EchobenchError(f"unknown generator {name!r}; known: {', '.join(names())}, or FILE.py:CLASS")


def _checked(found: Any, said: str) -> type[Generator]:
    """A class that the harness can use. Raises EchobenchError, which begins with `said`, for anything else."""
    from echobench.generators.base import Generator

    if not (isinstance(found, type) and issubclass(found, Generator)):
        raise EchobenchError(f"{said} is not a Generator class: derive it from echobench.Generator")
    stated = [name for name in Generator.__annotations__ if not hasattr(found, name)]
    if lacking := [*stated, *sorted(found.__abstractmethods__)]:
        raise EchobenchError(f"{said} is not a whole Generator: it lacks {', '.join(lacking)}")
    return found
