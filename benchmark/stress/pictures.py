"""What generators drew for extreme maps: rows of deformations, columns of generators, `warp` the ideal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy import ndimage

from echobench.benchmark.run.pictures import draw_contours, show_image, show_labels

CELL_INCHES = (1.75, 1.5)
RED = "#ff2d2d"
MEANING = "red: the tables call this map lost for this generator; the arrow, where this image is most wrong"


@dataclass(frozen=True, eq=False)
class Row:
    """One deformation of one frame at one severity.

    labels, sector: (H, W). changed: (H, W), where the labels are not those of the undeformed map. images: by generator,
    (H, W); whoever has none has an empty cell. seen: by generator, the map (H, W) that the judge sees there. lost: the
    generators for whom the tables call the map lost.
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


def picture(rows: Sequence[Row], generators: Sequence[str], heading: str, *, contours: bool) -> Figure:
    """The label map, then the image of each generator; a red arrow and frame where the map is lost.

    The arrow points at the largest area that the deformation changed and in which the judge sees another label than was
    asked for, or, where it sees none, at the largest that was changed. contours: outline
    the map in the images. The figure is pyplot's: close it.
    """
    names = ["label map", *generators]
    size = CELL_INCHES[0] * len(names) + 0.9, CELL_INCHES[1] * len(rows) + 0.6
    figure, axes = plt.subplots(len(rows), len(names), figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(f"{heading}\n{MEANING}", fontsize=9)
    for line, row in zip(axes, rows, strict=True):
        line[0].set_ylabel(f"{row.deformation}\n{row.patient}", fontsize=7)
        show_labels(line[0], row.labels, row.sector)
        for cell, name in zip(line[1:], generators, strict=True):
            if name in row.images:
                show_image(cell, row.images[name])
                if contours:
                    draw_contours(cell, row.labels)
                if name in row.lost:
                    wrong = row.changed & (row.labels != row.seen[name])
                    _mark(cell, wrong if wrong.any() else row.changed)
            else:
                cell.text(0.5, 0.5, "no displacement\nmakes this map", fontsize=7, ha="center", va="center",
                          transform=cell.transAxes)  # fmt: skip
        for cell in line:
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
            cell.set_aspect(float(np.divide(*row.spacing_mm)))
    for cell, name in zip(axes[0], names, strict=True):
        cell.set_title(name, fontsize=9)
    return figure


def _mark(axes: Axes, wrong: NDArray[np.bool_]) -> None:
    """A red frame, and an arrow to the deepest point of what is wrong."""
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=RED, linewidth=2.5))
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
    if not depth.any():
        return
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    side = -1 if column > wrong.shape[1] / 2 else 1  # from the nearer side, over the black corner
    axes.annotate(
        "", (column, row), (column - side * 0.22 * wrong.shape[1], row - 0.22 * wrong.shape[0]),
        arrowprops={"color": RED, "width": 1.5, "headwidth": 6, "headlength": 6},
    )  # fmt: skip
