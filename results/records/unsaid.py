"""What older runs and records leave unsaid of their settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FIRST_DEFORMATION = "0.1"
"""Version of the random deformation of runs that name none and deform: it was not yet the published one."""
UNSAID: Mapping[str, Any] = MappingProxyType(
    {"images": None, "phase": "all", "fraction": 1.0, "deformation": None, "scored_on": "testing"}
)
"""Settings that records have not always had and that are read by name here, each with what it was before."""


def fill_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings, and behind them those that it leaves unsaid."""
    before = {**UNSAID, "deformation": FIRST_DEFORMATION if settings.get("strength") else None}
    return {**settings, **{name: value for name, value in before.items() if name not in settings}}
