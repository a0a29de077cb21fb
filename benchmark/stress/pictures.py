"""What generators drew for extreme maps: rows of deformations, columns of generators, `warp` the ideal."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy import ndimage

from echobench.benchmark.run.pictures import draw_contours, picture_grid, show_image, show_labels
from echobench.results.shown.figures import SMALL
from echobench.results.shown.palette import MARK

MOST_ROWS = 9
"""In one block on a page."""
MEANING = (
    "lost, doubt: what the table says of this map; arrow: where this image is most wrong; "
    "no image: no warping of a real frame makes this map"
)


@dataclass(frozen=True, eq=False)
class Row:
    """One deformation of one frame at one severity.

    labels, sector: (H, W). changed: (H, W), where the labels are not those of the undeformed map. images: by generator,
    (H, W); one without has an empty cell. seen: by generator, the map (H, W) that the judge sees there. lost,
    doubtful: the generators for whom the tables call the map so.
    """

    deformation: str
    patient: str
    labels: NDArray[np.uint8]
    changed: NDArray[np.bool_]
    sector: NDArray[np.bool_]
    spacing_mm: NDArray[np.float64]
    images: Mapping[str, NDArray[np.uint8]]
    seen: Mapping[str, NDArray[np.uint8]]
    lost: Collection[str]
    doubtful: Collection[str] = ()


def picture(rows: Sequence[Row], generators: Sequence[str], heading: str, *, contours: bool) -> Figure:
    """The label map, then the image of each generator; an arrow, a frame and a word where the map is lost, a word where
    that is in doubt.

    The arrow points at the largest area that the deformation changed and in which the judge sees another label than was
    asked for, or, where it sees none, at the largest that was changed. contours: outline the map in the images.
    """
    names, titles = [f"{row.deformation} {row.patient}" for row in rows], ["label map", *generators]
    with ladder_grid(names, titles, f"{heading}\n{MEANING}") as (figure, axes):
        for line, row in zip(axes, rows, strict=True):
            show_labels(line[0], row.labels, row.sector)
            for cell, name in zip(line[1:], generators, strict=True):
                _show(cell, row, name, contours=contours)
            for cell in line:
                cell.set_aspect(float(np.divide(*row.spacing_mm)))
    return figure


@contextmanager
def ladder_grid(
    names: Sequence[str], titles: Sequence[str], heading: str
) -> Iterator[tuple[Figure, NDArray[np.object_]]]:
    """`picture_grid` with titled columns; many rows stand in two blocks. Names are broken at hyphens and spaces."""
    broken = [name.replace("-", "\n").replace(" ", "\n") for name in names]
    blocks, lines = 2 if len(names) > MOST_ROWS else 1, max(name.count("\n") + 1 for name in broken)
    with picture_grid(broken, len(titles), heading, blocks=blocks, label_lines=lines) as (figure, axes):
        for first in range(0, len(names), -(-len(names) // blocks)):
            for cell, title in zip(axes[first], titles, strict=True):
                cell.set_title(title.replace(" (", "\n("), fontsize=SMALL)
        yield figure, axes


def _show(cell: Axes, row: Row, name: str, *, contours: bool) -> None:
    """The image of one generator, with what the tables say of it."""
    if name not in row.images:
        cell.text(0.5, 0.5, "no image", fontsize=SMALL, ha="center", va="center", transform=cell.transAxes)
        return
    show_image(cell, row.images[name])
    if contours:
        draw_contours(cell, row.labels)
    if name in row.lost:
        wrong = row.changed & (row.labels != row.seen[name])
        _mark(cell, wrong if wrong.any() else row.changed)
    if word := "lost" if name in row.lost else "doubt" if name in row.doubtful else "":
        cell.text(0.03, 0.97, word, fontsize=SMALL, color=MARK, ha="left", va="top", transform=cell.transAxes)


def _mark(axes: Axes, wrong: NDArray[np.bool_]) -> None:
    """A frame, and an arrow to the deepest point of what is wrong."""
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=MARK, linewidth=2))
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
    if not depth.any():
        return
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    side = -1 if column > wrong.shape[1] / 2 else 1  # from the nearer side, over the black corner
    axes.annotate(
        "", (column, row), (column - side * 0.22 * wrong.shape[1], row - 0.22 * wrong.shape[0]),
        arrowprops={"color": MARK, "width": 1.2, "headwidth": 5, "headlength": 5},
    )  # fmt: skip
