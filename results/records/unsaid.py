"""What older runs and records leave unsaid of their settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NotRequired, TypedDict

FIRST_DEFORMATION = "0.1"
"""Version of the random deformation of runs that name none and deform: it was not yet the published one."""
UNSAID: Mapping[str, Any] = MappingProxyType(
    {"images": None, "phase": "all", "fraction": 1.0, "deformation": None, "scored_on": "testing"}
    | {"mix": None, "patients": None, "patient_draw": 0}
)
"""Settings that records have not always had and that are read by name here, each with what it was before."""


class Said(TypedDict):
    """The settings of a run that are read here; there are more."""

    generator: str
    view: Literal["2C", "4C", "all"]
    data: str | None
    preset: str
    strength: float
    repeats: int
    seed: int
    phantom_patients: int | None
    generator_settings: dict[str, Any]
    unet_settings: dict[str, Any]
    images: NotRequired[int | None]
    phase: NotRequired[Literal["ED", "ES", "all"]]
    fraction: NotRequired[float]
    deformation: NotRequired[str | None]
    scored_on: NotRequired[Literal["testing", "validation"]]
    mix: NotRequired[float | None]
    patients: NotRequired[int | None]
    patient_draw: NotRequired[int]


class SaidOfAll(Said):
    """The same, with how many U-Nets were trained, which is not part of what a run is."""

    unet_seeds: list[int]


def fill_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings, and behind them those that it leaves unsaid."""
    before = {**UNSAID, "deformation": FIRST_DEFORMATION if settings.get("strength") else None}
    return {**settings, **{name: value for name, value in before.items() if name not in settings}}
