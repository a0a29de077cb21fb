"""Which generator of synthetic echocardiograms can you trust, and what does it cost?

The front door for notebooks: `echobench.run(generator="real")`. A name is imported when it is first asked for, so that
`import echobench` costs nothing.
"""

import getpass
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from echobench.benchmark.calls import compare, cross, load_dataset, run, stress, sweep
    from echobench.data.base.errors import EchobenchError
    from echobench.data.frames import Frames
    from echobench.data.maps import LabelMaps
    from echobench.generators.base import Generator
    from echobench.generators.registry import register
    from echobench.results.records.run import read_record

    __version__: str

__all__ = [
    "EchobenchError",
    "Frames",
    "Generator",
    "LabelMaps",
    "__version__",
    "compare",
    "cross",
    "load_dataset",
    "read_record",
    "register",
    "run",
    "stress",
    "sweep",
]

_HOMES = {
    "EchobenchError": "data.base.errors",
    "Frames": "data.frames",
    "Generator": "generators.base",
    "LabelMaps": "data.maps",
    "read_record": "results.records.run",
    "register": "generators.registry",
} | dict.fromkeys(("compare", "cross", "load_dataset", "run", "stress", "sweep"), "benchmark.calls")


def _name_user() -> None:
    """A name for a user whom the machine does not know, as in a container: MONAI and PyTorch ask for one."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["LOGNAME"] = "unknown"


_name_user()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("echobench")
    if name not in _HOMES:
        raise AttributeError(f"echobench has no {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(f"echobench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
