"""How a long stage reports where it is, without knowing who listens."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Called with steps done, steps in all, and figures to show beside the bar (a loss, say)."""

    def __call__(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None: ...


def silent(done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
    """Report to nobody."""
