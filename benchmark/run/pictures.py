"""The pictures that a run leaves, and what all pictures of images and label maps are made of.

Everything is drawn for the width of a page; a legend says what the colours of `palette` are.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import TABLE_REGIONS, Label, region_mask
from echobench.results.records.run import PICTURES, SCORED_ON
from echobench.results.shown.figures import COLUMN_INCHES, PAGE_HEIGHT, PAGE_INCHES, SMALL, column_figure
from echobench.results.shown.files import write_figures
from echobench.results.shown.palette import LABEL_NAMES, LABELS, SECTOR
from echobench.segmentation.scores import region_dice

COLUMNS = 8
DPI = 250
LABEL_MAP, REAL_FRAME, PHANTOM_FRAME = "label map", "real frame", "phantom's frame"
_CONTOURS = (("LVendo", Label.LV_ENDO), ("LVepi", Label.LV_MYO), ("LA", Label.LA))
_OVERLAY = ListedColormap([LABELS.get(label, "black") for label in Label])
_LABEL_INCHES, _WIDEST_CELL, _LEGEND_INCHES = 0.3, 1.7, 4.2


def save(
    folder: Path,
    name: str,
    drawn: Frames,
    read_back: NDArray[np.uint8] | None,
    scored: Frames,
    predicted: NDArray[np.uint8],
    real: Frames,
    *,
    whom: str = SCORED_ON["testing"],
) -> None:
    """Write drawn and predicted into the folder pictures, see `write_figures`.

    drawn: what the generator `name` drew for validation patients, on none of whom it was trained; real: the frames of
    these. read_back: the label maps (N, H, W) that the generator sees in what it drew, None for one that has not learnt
    to. scored: the frames that the U-Nets are scored on, whose patients are called `whom`.
    """
    seen = None if read_back is None else replace(drawn, labels=read_back)
    left = {
        "drawn": panel({name: drawn}, real, COLUMNS, read_back=seen),
        "predicted": _predicted(scored, predicted, whom),
    }
    write_figures(left, folder / PICTURES, DPI)


def panel(
    drawn: Mapping[str, Frames],
    real: Frames,
    count: int = 6,
    *,
    contours: bool = False,
    read_back: Frames | None = None,
) -> Figure:
    """A column per label map, evenly over those that all have drawn; a row per generator.

    drawn: by generator, images with the maps that they were drawn for. Who draws the real frames themselves is left to
    the last row. real: the frames of the same patients. contours: outline what was asked for, and in real frames what
    the expert saw. read_back: the frames of the first generator with the maps that it sees in them, as another row.
    Raises EchobenchError where the generators have no label map in common.
    """
    maps, rows = panel_rows(drawn, real, count, read_back)
    heading = "label maps of validation patients, and what was drawn for each"
    with picture_grid(list(rows), len(maps), heading) as (figure, axes):
        for line, (name, frames) in zip(axes, rows.items(), strict=True):
            for i, cell in enumerate(line):
                if name in (LABEL_MAP, _READ_BACK):
                    show_labels(cell, frames.labels[i], frames.sector[i])
                    continue
                show_image(cell, frames.images[i])
                if contours:
                    draw_contours(cell, frames.labels[i])
        for cell, title in zip(axes[0], maps, strict=True):
            cell.set_title(_two_lines(title), fontsize=SMALL)
    return figure


_READ_BACK = "map read back"


def panel_rows(
    drawn: Mapping[str, Frames], real: Frames, count: int, read_back: Frames | None = None
) -> tuple[list[str], dict[str, Frames]]:
    """Names of the maps, and by row the frames that stand in it, one for each map; see `panel`."""
    if not drawn:
        raise EchobenchError("there is no generator to draw a panel of; name runs of one at least")
    index = _common(drawn)
    index = index.iloc[np.linspace(0, len(index) - 1, min(count, len(index))).round().astype(int)]
    chosen = {name: frames.select(index[name].to_numpy()) for name, frames in drawn.items()}
    first = next(iter(chosen.values()))
    beside = _beside(first, real)
    rows = {LABEL_MAP: first} | {n: f for n, f in chosen.items() if not np.array_equal(f.images, beside.images)}
    rows[PHANTOM_FRAME if set(real.source) == {"phantom"} else REAL_FRAME] = beside
    if read_back is not None:
        rows[_READ_BACK] = read_back.select(index.iloc[:, 0].to_numpy())
    return index.index.to_list(), rows


def _common(drawn: Mapping[str, Frames]) -> pd.DataFrame:
    """The maps that all have drawn, rows; where each has them, columns.

    Paired by patient, view and phase; a pair whose maps were deformed otherwise is none.
    """
    first = next(iter(drawn.values()))
    index = pd.DataFrame({name: _first_places(frames) for name, frames in drawn.items()}).dropna().astype(int)
    index = index.sort_values(next(iter(drawn)))
    same = [
        all(np.array_equal(drawn[name].labels[row[name]], first.labels[row.iloc[0]]) for name in drawn)
        for _, row in index.iterrows()
    ]
    if not any(same):
        raise EchobenchError(
            f"{', '.join(drawn)} have drawn no label map in common; take runs of one dataset, view, seed and strength"
        )
    return index[same]


def _first_places(frames: Frames) -> "pd.Series[int]":
    """Where the first frame of each patient, view and phase stands, by name."""
    names = pd.Series([frame_name(frames, i) for i in range(len(frames))])
    return pd.Series(names.index, index=names).groupby(level=0).first()


def frame_name(frames: Frames, i: int) -> str:
    """Patient, view and phase."""
    return f"{frames.patient[i]} {frames.view[i]} {frames.phase[i]}"


def _two_lines(name: str) -> str:
    return name.replace(" ", "\n", 1)


def _beside(chosen: Frames, real: Frames) -> Frames:
    """The real frames of the same patients, views and phases; black for a patient whom the dataset does not have."""
    places = _first_places(real).reindex([frame_name(chosen, i) for i in range(len(chosen))])
    rows: NDArray[np.intp] = np.asarray(places.fillna(0), dtype=np.intp)
    found = real.select(rows)
    known = places.notna().to_numpy()[:, None, None]
    return replace(found, images=found.images * known, labels=found.labels * known)


def _predicted(scored: Frames, predicted: NDArray[np.uint8], whom: str) -> Figure:
    """Rows: frame, the expert's contours, the U-Net's contours with its Dice."""
    index = np.unique(np.linspace(0, len(scored) - 1, COLUMNS).round().astype(np.intp))
    dice = mean_dice(scored.labels, predicted)
    with picture_grid(["frame", "expert", "U-Net"], len(index), f"frames of {whom}") as (figure, axes):
        for column, i in zip(axes.T, index, strict=True):
            column[0].set_title(_two_lines(frame_name(scored, i)), fontsize=SMALL)
            for cell, labels in zip(column, (None, scored.labels[i], predicted[i]), strict=True):
                show_image(cell, scored.images[i])
                if labels is not None:
                    draw_contours(cell, labels)
            column[-1].set_xlabel(f"Dice {dice[i]:.0f} %", fontsize=SMALL)
    return figure


def worst_cases(
    scored: Frames, predicted: Mapping[str, NDArray[np.uint8]], count: int = 6, *, whom: str = SCORED_ON["testing"]
) -> Figure:
    """The frames of the lowest Dice of each run, the lowest first: the expert's contours above the U-Net's.

    scored: frames of patients who are called `whom`. predicted: by run, label maps (N, H, W) of its U-Net for them,
    which no run stores: `Segmenter.load` a U-Net of its stages and `predict`.
    """
    names = [f"{run}: {who}" for run in predicted for who in ("expert", "U-Net")]
    columns = min(count, len(scored))
    with picture_grid(names, columns, f"lowest Dice on {whom}") as (figure, axes):
        for pair, labels in zip(axes.reshape(-1, 2, columns), predicted.values(), strict=True):
            dice = mean_dice(scored.labels, labels)
            for column, i in zip(pair.T, np.argsort(dice, kind="stable"), strict=False):
                for cell, shown in zip(column, (scored.labels[i], labels[i]), strict=True):
                    show_image(cell, scored.images[i])
                    draw_contours(cell, shown)
                column[0].set_title(_two_lines(frame_name(scored, int(i))), fontsize=SMALL)
                column[1].set_xlabel(f"Dice {dice[i]:.0f} %", fontsize=SMALL)
    return figure


def mean_dice(reference: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of label maps (N, H, W), for each the mean Dice in per cent over the regions of the paper's Table 1, (N,)."""
    of_regions = pd.DataFrame(region_dice(reference, predicted))[list(TABLE_REGIONS)]
    return 100 * of_regions.mean(axis=1).to_numpy(dtype=np.float64)


def show_labels(axes: Axes, labels: NDArray[np.uint8], sector: NDArray[np.bool_]) -> None:
    """A label map in colours on the grey sector."""
    axes.imshow(sector, cmap=ListedColormap(["black", SECTOR]), vmin=0, vmax=1, interpolation="nearest")
    shown = np.ma.masked_equal(labels, int(Label.BACKGROUND))
    axes.imshow(shown, cmap=_OVERLAY, vmin=0, vmax=len(Label) - 1, interpolation="nearest")


def draw_contours(axes: Axes, labels: NDArray[np.uint8]) -> None:
    """Outline endocardium, epicardium and atrium of a label map, each in its colour."""
    for region, label in _CONTOURS:
        if np.any(mask := region_mask(labels, region)):
            axes.contour(mask, levels=[0.5], colors=LABELS[label], linewidths=0.7)


def show_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    """An image in grey."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)


@contextmanager
def picture_grid(
    names: Sequence[str], columns: int, heading: str, *, blocks: int = 1, label_lines: int = 1
) -> Iterator[tuple[Figure, NDArray[np.object_]]]:
    """A figure for a page: axes without ticks, (rows, columns), a named row for each of `names`, and a legend.

    blocks: that stand beside each other, the rows going on from one to the next. label_lines: of the longest name.
    """
    lines = -(-len(names) // blocks)
    beside = (_LABEL_INCHES + 0.13 * (label_lines - 1)) * blocks
    cell = min(_WIDEST_CELL, (PAGE_INCHES - beside) / (blocks * columns), (PAGE_HEIGHT - 1.2) / lines)
    width = max(COLUMN_INCHES, beside + cell * blocks * columns)
    heading = wrapped(heading, width)
    colours = [Patch(color=LABELS[label], label=LABEL_NAMES[label]) for label in LABELS]
    beneath = 1 if width >= _LEGEND_INCHES else len(colours)
    text = 0.13 * (2 + heading.count("\n") + beneath - 1) + 0.5
    with column_figure(lines * max(cell, 0.72) + text, width) as figure:
        grid = figure.subplots(lines, blocks * columns, squeeze=False)
        axes = np.concatenate(np.split(grid, blocks, axis=1))
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_linewidth(0)
        for row, name in zip(axes, names, strict=False):
            row[0].set_ylabel(name, fontsize=SMALL)
        for axis in axes[len(names) :].flat:
            axis.set_axis_off()
        figure.suptitle(heading, fontsize=8)
        figure.legend(handles=colours, loc="outside lower center", ncols=len(colours) // beneath, frameon=False)
        figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.03, wspace=0.01, hspace=0.01)
        yield figure, axes[: len(names)]


def wrapped(text: str, inches: float) -> str:
    """Text of 8 points on as many lines as a width needs."""
    return "\n".join(textwrap.fill(line, int(inches * 72 / 4.4)) for line in text.splitlines())
