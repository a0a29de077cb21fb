"""What a table has to know of a metric; the functions behind it are the segmentation harness's."""

import re
from dataclasses import dataclass
from typing import Literal

_DIGITS = re.compile(r"[+,]?\.\d[fge]")
Better = Literal["higher", "lower"]
DIAGONAL: Literal["diagonal"] = "diagonal"
"""What a missed structure counts as where the worst distance is meant: the image's diagonal in mm."""
MEASURED: Literal["measured"] = "measured"
"""The same where the metric has a value for it, as for any other structure."""


@dataclass(frozen=True)
class MetricFacts:
    """A metric as records keep it.

    name: in scores.csv, its unit at the end where that is not 1. label: in words. unit: of the values in scores.csv; 1
    is a fraction, which is shown in per cent. digits: Python's format specification of what is shown. better: which
    values are. missed: the value of a structure that one of two maps lacks.
    """

    name: str
    label: str
    unit: str
    digits: str
    better: Better
    missed: float | Literal["diagonal", "measured"]

    def __post_init__(self) -> None:
        if not _DIGITS.fullmatch(self.digits):
            raise ValueError(f"digits of {self.name} are {self.digits!r}; they must be such as .1f")

    @property
    def short(self) -> str:
        """The name without the unit: "hd95"."""
        return self.name.removesuffix(f"_{self.unit}")

    @property
    def is_distance(self) -> bool:
        """Whether it is measured in mm, which takes frames whose spacing is known."""
        return "mm" in self.unit

    @property
    def shown_unit(self) -> str:
        """The unit in tables."""
        return "%" if self.unit == "1" else self.unit
