"""The same label maps drawn by every generator, and the scored frames that each U-Net does worst on.

As Figures 3 and 5 of "Echo from noise". Both show frames of real patients: they are for the disk of whoever has the
data, not for a record that is passed on.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from echobench.benchmark.run import pictures
from echobench.benchmark.run.drawing import drawn_frames
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trained import first_unet, kept_by
from echobench.benchmark.run.trial import reopen
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import writing_whole
from echobench.data.frames import Frames
from echobench.data.labels import TABLE_REGIONS
from echobench.results.records.run import SCORED_ON
from echobench.results.report.pictures import CONTOURS
from echobench.results.shown.files import write_figure
from echobench.segmentation.scores import region_dice
from echobench.segmentation.segmenter import Segmenter

LABEL_MAP, REAL_FRAME = "label map", "real frame"
_DPI = 100


def panel(drawn: Mapping[str, Frames], real: Frames, count: int = 6, *, contours: bool = False) -> Figure:
    """A column per label map, evenly over those that all have drawn; a row per generator.

    drawn: by generator, images with the maps that they were drawn for; `real` itself, whose maps are the experts', is
    left to the last row. real: the frames of the same patients. contours: outline what was asked for, and in real
    frames what the expert saw. The figure is pyplot's: close it.
    Raises EchobenchError where the generators have no label map in common.
    """
    maps, rows = _rows(drawn, real, count)
    figure, axes = pictures._panel("the same label maps", list(rows), len(maps))
    for line, (name, frames) in zip(axes, rows.items(), strict=True):
        for i, cell in enumerate(line):
            if name == LABEL_MAP:
                pictures.show_labels(cell, frames.labels[i], frames.sector[i])
                cell.set_title(maps[i], fontsize=9)
                continue
            pictures.show_image(cell, frames.images[i])
            if contours:
                pictures.draw_contours(cell, frames.labels[i])
    return figure


def save_panel(drawn: Mapping[str, Frames], real: Frames, folder: Path, count: int = 6) -> dict[str, Path]:
    """The cells of `panel` as single pictures for the report, a folder per row; by row, the first the label maps.

    Contours lie beside a picture, transparent, in a file of their own.
    """
    maps, rows = _rows(drawn, real, count)
    folders = {name: folder / f"{number}" for number, name in enumerate(rows)}
    for name, frames in rows.items():
        for title, image, labels, sector in zip(maps, frames.images, frames.labels, frames.sector, strict=True):
            path = folders[name] / f"{title}.png"
            if name == LABEL_MAP:
                _write(path, frames.size, partial(pictures.show_labels, labels=labels, sector=sector))
            else:
                with writing_whole(path) as stream:
                    Image.fromarray(image).save(stream, format="png")
                _write(path.with_suffix(CONTOURS), frames.size, partial(pictures.draw_contours, labels=labels))
    return folders


def picture_runs(runs: Mapping[str, tuple[RunSettings, Path]], folder: Path, device: str) -> dict[str, Path]:
    """panel.png, panel-contours.png and worst-cases.png of finished runs, and what `save_panel` gives, in a folder.

    runs: by label, settings and folder, of one dataset, view, phase, seed and strength. The panel is of those that
    draw for deformed maps; without any, there is none and nothing is returned. Validation patients are in the panel,
    the patients who are scored among the worst cases: the pictures are made when everything is settled.
    """
    trials = {label: reopen(settings, StageFolder(run, device), device) for label, (settings, run) in runs.items()}
    one = next(iter(trials.values()))
    scored, real = one.scored, one.frames("validation")
    predicted = {
        label: Segmenter.load(first_unet(t.stages.run), device=device).predict(scored.images)
        for label, t in trials.items()
    }
    _save(worst_cases(scored, predicted, whom=SCORED_ON[one.settings.scored_on]), folder / "worst-cases.png")
    drawn = {
        label: drawn_frames(trial, partial(kept_by, trial), "validation")
        for label, trial in trials.items()
        if trial.settings.backend.deforms
    }
    if not drawn:
        return {}
    _save(panel(drawn, real), folder / "panel.png")
    _save(panel(drawn, real, contours=True), folder / "panel-contours.png")
    return save_panel(drawn, real, folder / "panel")


def worst_cases(
    scored: Frames, predicted: Mapping[str, NDArray[np.uint8]], count: int = 6, *, whom: str = SCORED_ON["testing"]
) -> Figure:
    """The frames of the lowest Dice of each run, the lowest first: the expert's contours above the U-Net's.

    scored: frames of patients who are called `whom`. predicted: by run, label maps (N, H, W) of its U-Net for them,
    which no run stores: `Segmenter.load` a U-Net of its stages and `predict`. Dice is the mean of the regions of the
    paper's Table 1. The figure is pyplot's: close it.
    """
    names = [f"{run}: {who}" for run in predicted for who in ("expert", "U-Net")]
    figure, axes = pictures._panel(f"lowest Dice on {whom}", names, min(count, len(scored)))
    for number, labels in enumerate(predicted.values()):
        dice = pd.DataFrame(region_dice(scored.labels, labels))[list(TABLE_REGIONS)].mean(axis=1)
        for column, i in enumerate(dice.argsort(kind="stable")[:count]):
            for row, shown in zip(
                axes[2 * number : 2 * number + 2, column], (scored.labels[i], labels[i]), strict=True
            ):
                pictures.show_image(row, scored.images[i])
                pictures.draw_contours(row, shown)
            axes[2 * number, column].set_title(f"{_name(scored, i)}, {100 * dice[i]:.0f} %", fontsize=9)
    return figure


def _rows(drawn: Mapping[str, Frames], real: Frames, count: int) -> tuple[list[str], dict[str, Frames]]:
    """Names of the maps, and by row the frames that stand in it, one for each map."""
    if not drawn:
        raise EchobenchError("there is no generator to draw a panel of; name runs of one at least")
    index = _common(drawn)
    index = index.iloc[np.linspace(0, len(index) - 1, min(count, len(index))).round().astype(int)]
    chosen = {name: frames.select(index[name].to_numpy()) for name, frames in drawn.items()}
    first = next(iter(chosen.values()))
    return index.index.to_list(), {LABEL_MAP: first} | chosen | {REAL_FRAME: _beside(first, real)}


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
    names = pd.Series([_name(frames, i) for i in range(len(frames))])
    return pd.Series(names.index, index=names).groupby(level=0).first()


def _name(frames: Frames, i: int) -> str:
    return f"{frames.patient[i]} {frames.view[i]} {frames.phase[i]}"


def _beside(chosen: Frames, real: Frames) -> Frames:
    """The real frames of the same patients, views and phases; black for a patient whom the dataset does not have."""
    places = _first_places(real).reindex([_name(chosen, i) for i in range(len(chosen))])
    rows: NDArray[np.intp] = np.asarray(places.fillna(0), dtype=np.intp)
    found = real.select(rows)
    known = places.notna().to_numpy()[:, None, None]
    return replace(found, images=found.images * known, labels=found.labels * known)


def _save(figure: Figure, path: Path) -> None:
    write_figure(figure, path, dpi=_DPI)


def _write(path: Path, size: tuple[int, int], draw: Callable[[Axes], object]) -> None:
    """What `draw` draws on axes of (H, W) pixels, and nothing else, as a PNG of as many."""
    height, width = size
    figure = plt.figure(figsize=(width / _DPI, height / _DPI))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    draw(axes)
    write_figure(figure, path, dpi=_DPI, transparent=True)
