"""The colours of everything drawn: one look per generator, by its name, and one palette for label maps.

The colours are of Okabe and Ito's palette and of seaborn's `colorblind`. A test holds the labels apart for deuteranopes
and protanopes; generators that come near each other for them have markers of different shapes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from zlib import crc32

from echobench.data.labels import Label


class Look(NamedTuple):
    """How a generator is drawn in every figure."""

    colour: str
    marker: str


REAL = Look("#595959", "o")
"""Grey is of `real`, the reference, alone."""
GENERATORS: Mapping[str, Look] = MappingProxyType(
    {
        "real": REAL,
        "warp": Look("#029e73", "^"),
        "sdm": Look("#0173b2", "s"),
        "cyclegan": Look("#d55e00", "D"),
        "paint": Look("#de9f0f", "v"),
        "flow": Look("#00787a", ">"),
        "spade": Look("#a02c2c", "8"),
        "inpaint": Look("#4c4cff", "H"),
    }
)
_OTHER_COLOURS = ("#cc78bc", "#56b4e9", "#8c613c", "#7a3e9d", "#b5a800", "#b00058")
_OTHER_MARKERS = "PX<*phd"

LABELS: Mapping[Label, str] = MappingProxyType({Label.LV_ENDO: "#56b4e9", Label.LV_MYO: "#f0e442", Label.LA: "#d55e00"})
"""Of areas in label maps, and of the contours around them."""
SECTOR = "#404040"
"""What lies in the sector and has no label."""
LABEL_NAMES: Mapping[Label, str] = MappingProxyType(
    {Label.LV_ENDO: "left ventricle, cavity", Label.LV_MYO: "left ventricle, wall", Label.LA: "left atrium"}
)
"""In a legend."""
MARK = "#ff5fd7"
"""Of frames and arrows on top of images; no label has it."""


def look(label: str) -> Look:
    """Of a generator, by its name or by the label of one of its runs, "sdm (images 400)".

    A generator that is not in the table, such as a plug-in, has a look that its name alone decides.
    """
    name = label.partition(" (")[0]
    if name in GENERATORS:
        return GENERATORS[name]
    marker, colour = divmod(crc32(name.encode()), len(_OTHER_COLOURS))
    return Look(_OTHER_COLOURS[colour], _OTHER_MARKERS[marker % len(_OTHER_MARKERS)])
