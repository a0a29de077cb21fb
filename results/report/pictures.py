"""Pictures as part of a page: files and figures as data URIs, the panel of label maps, what runs have left."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from echobench.results.records.run import PICTURES, Run

CONTOURS = ".contours.png"
"""The ending, in place of .png, of a transparent picture that lies on top of another."""
_LEFT = {
    "drawn": "what was drawn for label maps of validation patients, above the frames of these patients",
    "predicted": "what the expert and the U-Net outline in the frames that are scored",
}
"""Pictures that a run leaves in its folder `pictures`; a committed record has them, if any, beside run.json."""
_STRESSED = {"severity-1": "what was drawn for the most extreme maps", "ladder": "what was asked for"}
"""Pictures that a stress leaves."""
WIDEST_PX = 1300
"""Of a picture on the page: as wide as its text column on a screen."""


@dataclass(frozen=True)
class PanelCell:
    """A picture of the panel and its contours, each a data URI; empty where there is none."""

    uri: str
    contours: str


@dataclass(frozen=True)
class Panel:
    """The same label maps drawn by every generator. rows: name, and a tile per map."""

    maps: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PanelCell, ...]], ...]


@dataclass(frozen=True)
class Left:
    """A picture that a run has left. shows: what, in words."""

    label: str
    shows: str
    uri: str


def panel(pictures: Mapping[str, Path]) -> Panel | None:
    """The panel of these folders, a row each, whose PNGs of one name are of one label map; None where there are none.

    A PNG that one folder lacks is a gap; the first folder says which maps there are.
    """
    first = next(iter(pictures.values()), None)
    if first is None:
        return None
    maps = tuple(sorted(path.stem for path in first.glob("*.png") if not path.name.endswith(CONTOURS)))
    rows = tuple(
        (name, tuple(PanelCell(thumbnail(folder / f"{m}.png"), thumbnail(folder / f"{m}{CONTOURS}")) for m in maps))
        for name, folder in pictures.items()
    )
    return Panel(maps, rows) if maps else None


def left_pictures(runs: Iterable[Run]) -> list[Left]:
    """What runs have left in their folders; nothing of runs of which only the record is there."""
    return [left for run in runs for left in _left(run.label, run.folder, _LEFT)]


def stress_pictures(folder: Path) -> list[Left]:
    """What a stress has left in its folder."""
    return _left("stress", folder, _STRESSED)


def _left(label: str, folder: Path, names: Mapping[str, str]) -> list[Left]:
    return [
        Left(label, shows, uri)
        for name, shows in names.items()
        for place in (folder / PICTURES, folder)
        if (uri := thumbnail(place / f"{name}.png"))
    ]


def svg(figure: Figure) -> str:
    """A figure as a data URI, the same for the same figure; text is outlines, so that no font is needed."""
    buffer = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "echobench"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return data_uri("image/svg+xml", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Content that a page carries itself, instead of a link."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def thumbnail(path: Path) -> str:
    """A PNG as a data URI of WebP, no wider than `WIDEST_PX`: without loss where it is transparent, as contours are.

    Nothing where there is no file. A picture that is opaque loses what nobody sees, and nine tenths of its size.
    """
    if not path.is_file():
        return ""
    with Image.open(path) as image:
        transparent = "A" in image.getbands() and image.getchannel("A").getextrema() != (255, 255)
        shown = image.convert("RGBA" if transparent else "RGB")
    shown.thumbnail((WIDEST_PX, 4 * WIDEST_PX))
    buffer = BytesIO()
    shown.save(buffer, "WEBP", quality=75, method=4, lossless=transparent)
    return data_uri("image/webp", buffer.getvalue())
