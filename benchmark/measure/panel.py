"""The same label maps drawn by every generator, and the scored frames that each U-Net does worst on.

As Figures 3 and 5 of "Echo from noise". Both show frames of real patients: they are for the disk of anyone who has the
data, not for a record that is passed on.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from echobench.benchmark.run import pictures
from echobench.benchmark.run.drawing import drawn_frames
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trained import first_unet, kept_by
from echobench.benchmark.run.trial import reopen
from echobench.data.base.files import writing_whole
from echobench.data.frames import Frames
from echobench.results.records.run import SCORED_ON
from echobench.results.report.pictures import CONTOURS
from echobench.results.shown.files import write_figure, write_figures
from echobench.segmentation.segmenter import Segmenter

PANEL = "panel"
_TILE_DPI = 100


def save_panel(drawn: Mapping[str, Frames], real: Frames, folder: Path, count: int = 6) -> dict[str, Path]:
    """The cells of `pictures.panel` as single pictures for the report: a folder by row, the first of maps.

    Contours lie beside a picture, transparent, in a file of their own.
    """
    maps, rows = pictures.panel_rows(drawn, real, count)
    folders = {name: folder / f"{number}" for number, name in enumerate(rows)}
    for name, frames in rows.items():
        for title, image, labels, sector in zip(maps, frames.images, frames.labels, frames.sector, strict=True):
            path = folders[name] / f"{title}.png"
            if name == pictures.LABEL_MAP:
                _write(path, frames.size, partial(pictures.show_labels, labels=labels, sector=sector))
            else:
                with writing_whole(path) as stream:
                    Image.fromarray(image).save(stream, format="png")
                _write(path.with_suffix(CONTOURS), frames.size, partial(pictures.draw_contours, labels=labels))
    return folders


def picture_runs(runs: Mapping[str, tuple[RunSettings, Path]], folder: Path, device: str) -> dict[str, Path]:
    """panel, panel-contours and worst-cases of finished runs, each a PNG and a PDF, and what `save_panel` gives.

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
    worst = pictures.worst_cases(scored, predicted, whom=SCORED_ON[one.settings.scored_on])
    write_figures({"worst-cases": worst}, folder, pictures.DPI)
    drawn = {
        label: drawn_frames(trial, partial(kept_by, trial), "validation")
        for label, trial in trials.items()
        if trial.settings.backend.deforms
    }
    if not drawn:
        return {}
    panels = {PANEL: pictures.panel(drawn, real), "panel-contours": pictures.panel(drawn, real, contours=True)}
    write_figures(panels, folder, pictures.DPI)
    return save_panel(drawn, real, folder / PANEL)


def _write(path: Path, size: tuple[int, int], draw: Callable[[Axes], object]) -> None:
    """What `draw` draws on axes of (H, W) pixels, and nothing else, as a PNG of as many."""
    height, width = size
    figure = plt.figure(figsize=(width / _TILE_DPI, height / _TILE_DPI))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    draw(axes)
    write_figure(figure, path, dpi=_TILE_DPI, transparent=True)
