"""Which generators there are: ours in one table, other people's through the entry-point group."""

from importlib import import_module
from importlib.metadata import entry_points

from echobench.data.errors import EchobenchError
from echobench.generators.base import Generator

BACKENDS = {
    "real": "echobench.generators.real:Real",
    "sdm": "echobench.generators.sdm:SemanticDiffusion",
}
"""Name -> module:class, imported on use."""

ENTRY_POINTS = "echobench.generators"
"""A package that declares an entry point of this group adds a generator under the entry point's name."""


def names() -> list[str]:
    """Every known generator, ours first."""
    return [*BACKENDS, *sorted(point.name for point in entry_points(group=ENTRY_POINTS))]


def generator_class(name: str) -> type[Generator]:
    """The class behind a name; raises EchobenchError, listing the known ones, for a name that is not there."""
    if name in BACKENDS:
        module, _, attribute = BACKENDS[name].partition(":")
        backend: type[Generator] = getattr(import_module(module), attribute)
        return backend
    for point in entry_points(group=ENTRY_POINTS, name=name):
        loaded = point.load()
        if not (isinstance(loaded, type) and issubclass(loaded, Generator)):
            raise EchobenchError(f"the entry point {point.value} of generator {name} is not a Generator class")
        return loaded
    raise EchobenchError(f"unknown generator {name!r}; known: {', '.join(names())}")
