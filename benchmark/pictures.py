"""The pictures that a run leaves: what was drawn for which map, and what the U-Net saw in test frames."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from echobench.benchmark.stages import PICTURES
from echobench.data.frames import Frames
from echobench.data.labels import Label, region_mask

COLUMNS = 6
_COLOURS = {Label.LV_ENDO: "#e4572e", Label.LV_MYO: "#76b041", Label.LA: "#4ea5d9"}
_OVERLAY = ListedColormap([_COLOURS.get(label, "black") for label in Label])


def save(folder: Path, drawn: Frames, testing: Frames, predicted: NDArray[np.uint8], real: Frames) -> None:
    """Write pictures/drawn.png and pictures/predicted.png."""
    (folder / PICTURES).mkdir(exist_ok=True)
    for name, figure in (("drawn", _drawn(drawn, real)), ("predicted", _predicted(testing, predicted))):
        figure.savefig(folder / PICTURES / f"{name}.png", dpi=100)
        plt.close(figure)


def _drawn(drawn: Frames, real: Frames) -> Figure:
    """Rows: label map, the image drawn for it, a real frame of the same patient, view and phase."""
    chosen = drawn.select(_spread(len(drawn)))
    figure, axes = _panel(("label map", "drawn", "real"), len(chosen))
    for i in range(len(chosen)):
        same = (real.patient == chosen.patient[i]) & (real.view == chosen.view[i]) & (real.phase == chosen.phase[i])
        axes[0, i].imshow(chosen.sector[i], cmap="gray", vmin=0, vmax=4)
        labels = np.ma.masked_equal(chosen.labels[i], int(Label.BACKGROUND))
        axes[0, i].imshow(labels, cmap=_OVERLAY, vmin=0, vmax=len(Label) - 1, interpolation="nearest")
        axes[0, i].set_title(f"{chosen.patient[i]} {chosen.view[i]} {chosen.phase[i]}", fontsize=7)
        _grey(axes[1, i], chosen.images[i])
        if same.any():  # a folder of drawn frames may come from other patients
            _grey(axes[2, i], real.images[np.flatnonzero(same)[0]])
    return figure


def _predicted(testing: Frames, predicted: NDArray[np.uint8]) -> Figure:
    """Rows: test frame, the expert's contours, the U-Net's contours."""
    index = _spread(len(testing))
    figure, axes = _panel(("test frame", "expert", "U-Net"), len(index))
    for column, i in enumerate(index):
        for row, labels in enumerate((None, testing.labels[i], predicted[i])):
            _grey(axes[row, column], testing.images[i])
            if labels is not None:
                draw_contours(axes[row, column], labels)
        axes[0, column].set_title(f"{testing.patient[i]} {testing.view[i]} {testing.phase[i]}", fontsize=7)
    return figure


def draw_contours(axes: Axes, labels: NDArray[np.uint8]) -> None:
    """Outline endocardium, epicardium and atrium of a label map, each in its colour."""
    for region, label in (("LVendo", Label.LV_ENDO), ("LVepi", Label.LV_MYO), ("LA", Label.LA)):
        if np.any(mask := region_mask(labels, region)):
            axes.contour(mask, levels=[0.5], colors=_COLOURS[label], linewidths=0.8)


def _panel(row_names: tuple[str, ...], columns: int) -> tuple[Figure, NDArray[np.object_]]:
    figure, axes = plt.subplots(
        len(row_names), columns, figsize=(1.8 * columns, 1.9 * len(row_names)), squeeze=False, layout="constrained"
    )
    for row, name in enumerate(row_names):
        axes[row, 0].set_ylabel(name, fontsize=8)
        for cell in axes[row]:
            cell.set(xticks=[], yticks=[])
    return figure, axes


def _grey(axes: Axes, image: NDArray[np.uint8]) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)


def _spread(n: int) -> NDArray[np.intp]:
    """Up to `COLUMNS` indices, evenly over n."""
    return np.unique(np.linspace(0, n - 1, COLUMNS).round().astype(np.intp))
