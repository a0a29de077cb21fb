"""The pictures that a run leaves: what was drawn for which map, and what the U-Net saw in the scored frames."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from echobench.data.frames import Frames
from echobench.data.labels import Label, region_mask
from echobench.results.records.run import PICTURES, SCORED_ON
from echobench.results.shown.files import write_figure

COLUMNS = 8
CELL_INCHES = 2.2
_COLOURS = {Label.LV_ENDO: "#e4572e", Label.LV_MYO: "#76b041", Label.LA: "#4ea5d9"}
_OVERLAY = ListedColormap([_COLOURS.get(label, "black") for label in Label])


def save(
    folder: Path,
    drawn: Frames,
    read_back: NDArray[np.uint8] | None,
    scored: Frames,
    predicted: NDArray[np.uint8],
    real: Frames,
    *,
    whom: str = SCORED_ON["testing"],
) -> None:
    """Write pictures/drawn.png and pictures/predicted.png.

    drawn: what a generator drew for validation patients, on none of whom it was trained; real: the frames of these.
    read_back: the label maps (N, H, W) that the generator sees in what it drew, None for whoever has not learnt to.
    scored: the frames that the U-Nets are scored on, whose patients are called `whom`.
    """
    left = {"drawn": _drawn(drawn, read_back, real), "predicted": _predicted(scored, predicted, whom)}
    for name, figure in left.items():
        write_figure(figure, folder / PICTURES / f"{name}.png", dpi=100)


def _drawn(drawn: Frames, read_back: NDArray[np.uint8] | None, real: Frames) -> Figure:
    """Rows: label map, the image drawn for it, the real frame of that patient, view and phase, the map read back."""
    index = _spread(len(drawn))
    chosen = drawn.select(index)
    beside = [_same(real, chosen, i) for i in range(len(chosen))]
    nothing_drawn = all(np.array_equal(image, shown) for image, shown in zip(chosen.images, beside, strict=True))
    rows = ["label map", "real frame"] if nothing_drawn else ["label map", "drawn", "real frame"]
    if read_back is not None:
        rows.append("read back")
    figure, axes = _panel("validation patients", rows, len(chosen))
    for i in range(len(chosen)):
        show_labels(axes[0, i], chosen.labels[i], chosen.sector[i])
        axes[0, i].set_title(f"{chosen.patient[i]} {chosen.view[i]} {chosen.phase[i]}", fontsize=9)
        for row, image in zip(axes[1:, i], (chosen.images[i], beside[i]), strict=False):
            show_image(row, image)
        if read_back is not None:
            show_labels(axes[-1, i], read_back[index[i]], chosen.sector[i])
    return figure


def show_labels(axes: Axes, labels: NDArray[np.uint8], sector: NDArray[np.bool_]) -> None:
    """A label map in colours on the grey sector."""
    axes.imshow(sector, cmap="gray", vmin=0, vmax=4)
    shown = np.ma.masked_equal(labels, int(Label.BACKGROUND))
    axes.imshow(shown, cmap=_OVERLAY, vmin=0, vmax=len(Label) - 1, interpolation="nearest")


def _same(real: Frames, chosen: Frames, i: int) -> NDArray[np.uint8]:
    """The real frame of the same patient, view and phase; black for a patient whom the dataset does not have."""
    same = (real.patient == chosen.patient[i]) & (real.view == chosen.view[i]) & (real.phase == chosen.phase[i])
    return real.images[np.flatnonzero(same)[0]] if same.any() else np.zeros_like(chosen.images[i])


def _predicted(scored: Frames, predicted: NDArray[np.uint8], whom: str) -> Figure:
    """Rows: frame, the expert's contours, the U-Net's contours."""
    index = _spread(len(scored))
    figure, axes = _panel(whom, ["frame", "expert", "U-Net"], len(index))
    for column, i in enumerate(index):
        for row, labels in enumerate((None, scored.labels[i], predicted[i])):
            show_image(axes[row, column], scored.images[i])
            if labels is not None:
                draw_contours(axes[row, column], labels)
        axes[0, column].set_title(f"{scored.patient[i]} {scored.view[i]} {scored.phase[i]}", fontsize=9)
    return figure


def draw_contours(axes: Axes, labels: NDArray[np.uint8]) -> None:
    """Outline endocardium, epicardium and atrium of a label map, each in its colour."""
    for region, label in (("LVendo", Label.LV_ENDO), ("LVepi", Label.LV_MYO), ("LA", Label.LA)):
        if np.any(mask := region_mask(labels, region)):
            axes.contour(mask, levels=[0.5], colors=_COLOURS[label], linewidths=0.8)


def _panel(heading: str, row_names: Sequence[str], columns: int) -> tuple[Figure, NDArray[np.object_]]:
    size = CELL_INCHES * columns, CELL_INCHES * len(row_names) + 0.6
    figure, axes = plt.subplots(len(row_names), columns, figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(heading, fontsize=11)
    for row, name in enumerate(row_names):
        axes[row, 0].set_ylabel(name, fontsize=9)
        for cell in axes[row]:
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
    return figure, axes


def show_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)


def _spread(n: int) -> NDArray[np.intp]:
    """Up to `COLUMNS` indices, evenly over n."""
    return np.unique(np.linspace(0, n - 1, COLUMNS).round().astype(np.intp))
