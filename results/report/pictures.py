"""Pictures as part of a page: files and figures as data URIs, the panel of label maps, what runs have left."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from echobench.results.records.run import Run

CONTOURS = ".contours.png"
"""The ending, in place of .png, of a transparent picture that lies on top of another."""
_LEFT = {
    "drawn": "what was drawn for label maps of validation patients, above the real frames",
    "predicted": "what the expert and the U-Net outline in the frames that are scored",
}
"""Pictures that a run leaves in its folder `pictures`; a committed record has them, if any, beside run.json."""


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
        (name, tuple(PanelCell(_png(folder / f"{m}.png"), _png(folder / f"{m}{CONTOURS}")) for m in maps))
        for name, folder in pictures.items()
    )
    return Panel(maps, rows) if maps else None


def left_pictures(runs: Iterable[Run]) -> list[Left]:
    """What runs have left in their folders; nothing of runs of which only the record is there."""
    return [
        Left(run.label, shows, uri)
        for run in runs
        for name, shows in _LEFT.items()
        for folder in (run.folder / "pictures", run.folder)
        if (uri := _png(folder / f"{name}.png"))
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


def _png(path: Path) -> str:
    return data_uri("image/png", path.read_bytes()) if path.is_file() else ""
