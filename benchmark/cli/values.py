"""What options take: refused where there is no such thing, and completed by the shell. Nothing here imports torch."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

import click
from click.shell_completion import CompletionItem

from echobench.benchmark import RUNS
from echobench.data.base.differences import flat
from echobench.data.base.errors import EchobenchError, require_known
from echobench.data.base.files import typed_path
from echobench.generators import registry

_RUN_FILES = ("run.json", "failed.json", "stages/settings.json")
"""One of them is in the folder of every run, finished or not."""


class Value(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """What an option takes. A verb requires it before it does anything; the help and the completion do not."""

    def require(self, value: Any, option: str) -> None:
        """Raises EchobenchError where there is no such thing. option: as it is typed."""

    def _completed(self, names: Iterable[str], typed: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names if name.startswith(typed)]


class OneOf(Value):
    """A known name, or several with commas between them.

    what: it is the name of. known: "module:name" of a table or tuple of them, in echobench, imported on use.
    """

    name = "name"

    def __init__(self, what: str, known: str, *, several: bool = False) -> None:
        self._what, self._known, self._several = what, known, several

    def known(self) -> Sequence[str]:
        return tuple(resolve_name(f"echobench.{self._known}"))

    def require(self, value: Any, option: str) -> None:
        for name in value.split(",") if self._several else (value,):
            self.require_one(name.strip())

    def require_one(self, name: str) -> None:
        """Raises EchobenchError for a name that is not known."""
        require_known(self._what, name, self.known())

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if self._several else ("", "", incomplete)
        return self._completed([f"{before}{comma}{name}" for name in self.offered()], f"{before}{comma}{last}")

    def offered(self) -> Sequence[str]:
        """What the shell completes."""
        return self.known()


class GeneratorName(OneOf):
    """A generator, or several: a known name, folder:DIR, or FILE.py:CLASS."""

    name = "generator"

    def __init__(self, *, several: bool = False) -> None:
        super().__init__("generator", "generators.registry:BACKENDS", several=several)

    def require_one(self, name: str) -> None:
        if not (self._several and name == "all"):  # which the library takes or refuses
            registry.require_known(name)

    def offered(self) -> Sequence[str]:
        return [f"{name}:" if name == "folder" else name for name in registry.names()]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names, and where none begins so, files."""
        return super().shell_complete(ctx, param, incomplete) or [CompletionItem(incomplete, type="file")]


class Place(Value):
    """A path as a person types it. kind: "dir" or "file". there: whether it must exist. instead: what helps where it is
    of the other kind. text: whether the verb takes it as text. word: that is taken in place of a path."""

    name = "path"

    def __init__(self, kind: str, *, there: bool = True, instead: str = "", text: bool = False, word: str = "") -> None:
        self._kind, self._there, self._instead, self._text, self._word = kind, there, instead, text, word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if self._text or value == "" else typed_path(value)

    def require(self, value: Any, option: str) -> None:
        path, wanted = typed_path(value), "folder" if self._kind == "dir" else "file"
        asked = f" for {option}" if option else ""  # an argument has none
        if not self._there or str(value) == self._word or (path.is_dir() if self._kind == "dir" else path.is_file()):
            return
        if path.exists():
            raise EchobenchError(f"{path} is no {wanted}{asked}{self._instead and f'; {self._instead}'}")
        raise EchobenchError(f"there is no {wanted} {path}{asked}")

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self._kind)]


class RunPlace(Place):
    """The folder of a run; those in runs/ are offered beside all others."""

    def __init__(self, *, instead: str = "") -> None:
        super().__init__("dir", instead=instead)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = (str(folder) for folder in sorted(RUNS.glob("*/")) if any((folder / f).is_file() for f in _RUN_FILES))
        return [*super().shell_complete(ctx, param, incomplete), *self._completed(found, incomplete)]


class Assignment(Value):
    """KEY=VALUE of a setting. Its keys are those of the generators that the command line names, and of the U-Net; to
    know them takes the import of torch."""

    name = "assignment"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from echobench.segmentation.settings import PRESETS

        preset = ctx.params.get("preset") or "quick"
        named = [ctx.params.get("generator"), *(ctx.params.get("generators") or "").split(",")]
        keys = [*flat(PRESETS[preset].as_dict(), "unet.")] if preset in PRESETS else []
        for name in filter(None, named):
            with suppress(EchobenchError, KeyError):  # of a name that is not there
                keys += flat(asdict(registry.generator_class(name.strip()).presets[preset]), "generator.")
        return self._completed([f"{key}=" for key in dict.fromkeys(keys)], incomplete)


GENERATOR_HELP = f"Draws the training images: {', '.join(registry.BACKENDS)}:DIR, or a class in a file, FILE.py:CLASS."
"""Names ours alone, so that the help is the same everywhere; folder comes last."""

_VIEWS, _PHASES, _PRESETS = (f"benchmark.choices:{name}" for name in ("VIEW_CHOICES", "PHASE_CHOICES", "PRESETS"))
_RUN, _FOLDER, _FILE, _OUT = RunPlace(), Place("dir"), Place("file"), Place("dir", there=False)
_NETWORKS = "segmentation.networks:NETWORKS"
_ONE_VIEW, _DATA = OneOf("view", "data.frames:VIEWS"), Place("dir", text=True)
KINDS: Mapping[str, Value] = MappingProxyType(
    {
        "generator": GeneratorName(),
        "generators": GeneratorName(several=True),
        "view": OneOf("view", _VIEWS),
        "stress view": _ONE_VIEW,
        "generate view": _ONE_VIEW,
        "views": OneOf("view", _VIEWS, several=True),
        "phase": OneOf("phase", _PHASES),
        "phases": OneOf("phase", _PHASES, several=True),
        "preset": OneOf("preset", _PRESETS),
        "deformations": OneOf("deformation", "data.ladder.ladder:STRESSES", several=True),
        "network": OneOf("segmentation network", _NETWORKS),
        "networks": OneOf("segmentation network", _NETWORKS, several=True),
        "assignments": Assignment(),
        "scored_on": OneOf("patients to score on", "results.records.run:SCORED_ON"),
        "cross on": OneOf("data to score on", "benchmark.choices:CROSSED"),
        "subsets": OneOf("subset", "data.splits:SUBSETS"),
        "device": OneOf("device", "benchmark.choices:DEVICES"),
        "executor": OneOf("executor", "benchmark.choices:EXECUTORS"),
        "check layout": OneOf("layout of datasets", "data.datasets.registry:DATASETS"),
        "generate layout": OneOf("layout of drawn images", "benchmark.choices:LAYOUTS"),
        "data": _DATA,
        "data_echonet": _DATA,
        "data_camus": _FOLDER,
        "check folder": _FOLDER,
        "dataset": _FOLDER,
        "maps": _FOLDER,
        "inception": Place("file", word="download"),
        "config": _FILE,
        "checkpoint": Place("file", instead="a run's folder goes to --run"),
        "run": RunPlace(instead="a generator's file goes to --checkpoint"),
        "runs": _RUN,
        "folders": _RUN,
        "places": _RUN,
        "generator_from": _RUN,
        "report folder": _RUN,
        "phantom folder": _OUT,
        "out": _OUT,
    }
)
"""What a parameter of a name takes, in every verb; where a verb stands before it, in this one."""


def kind_of(verb: str | None, parameter: click.Parameter) -> Value | None:
    """What a parameter of a verb takes; None for what is in no table, such as numbers."""
    return KINDS.get(f"{verb} {parameter.name}", KINDS.get(parameter.name or ""))


def require_values(context: click.Context) -> None:
    """Raises EchobenchError for a value of a call that names what is not there: before anything is imported or made."""
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if not isinstance(parameter.type, Value) or not value:  # of an empty text, `refuse_idle` says it
            continue
        for one in value if isinstance(value, tuple) else (value,):
            parameter.type.require(one, parameter.opts[0] if isinstance(parameter, click.Option) else "")
