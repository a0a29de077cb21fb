"""`paint`: no network, grey values of each tissue with speckle, in the sector. The floor.

Counted on the training frames: how grey each label is, the background at eight depths. Drawn: correlated noise whose
values are given the counted distribution of the label they fall on. There is nothing else to see: no grain that
follows the beam, no valve, no shadow.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, special

from echobench.data.base.errors import EchobenchError, require
from echobench.data.base.progress import Progress, silent
from echobench.data.base.saved import require_alike, taken_from
from echobench.data.base.settings import settings_from
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.data.maps import LabelMaps
from echobench.generators.base import Weightless
from echobench.generators.training.checkpoint import read, write

_TISSUES = tuple(label for label in Label if label != Label.BACKGROUND)
_NODES = np.linspace(-3.5, 3.5, 113)
"""Normal scores at which a distribution of grey values is tabulated; their quantiles run from 0.0002 to 0.9998."""


@dataclass(frozen=True)
class PaintSettings:
    """What is not counted on the frames.

    speckle_px: standard deviation of the Gaussian that correlates the noise. At 1.2 neighbours of the first and the
        second order correlate by 0.84 and 0.50; in 10 CAMUS 4C training frames of 256×256 they do by 0.83 and 0.50.
    common: share of the variance of an image's noise that its pixels have in common, as images differ in gain; in the
        same frames 0.24 of the wall's, 0.45 of the background's, 0.65 of the atrium's variance lies between frames.
    depths: at how many depths the background is tabulated; between them it is interpolated.
    """

    speckle_px: float = 1.2
    common: float = 0.4
    depths: int = 8

    def __post_init__(self) -> None:
        require(self, speckle_px=(0, inf), common=(0, 1), depths=(1, inf))


class Paint(Weightless):
    """Speckle with the grey values of the label it falls on."""

    summary: ClassVar[str] = "grey values of each label as noise with the grain of speckle: the floor"
    paper: ClassVar[str] = ""
    needs_source_images: ClassVar[bool] = False
    deforms: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {name: PaintSettings() for name in ("quick", "standard", "paper")}
    )

    settings: PaintSettings

    def __init__(self, settings: PaintSettings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self._tables: NDArray[np.float32] | None = None
        """(depths + tissues, nodes): grey value per normal score; background by depth, then `_TISSUES`."""

    def fit(self, frames: Frames, seed: int, *, folder: Path | None = None, progress: Progress = silent) -> Self:
        """Count grey values inside the sector.

        Raises EchobenchError where the frames lack a label: there would be nothing to paint it with.
        """
        counts = np.zeros((self.settings.depths + len(_TISSUES), 256), dtype=np.int64)
        for i in range(len(frames)):
            inside = frames.sector[i]
            rows = np.rint(_table_rows(frames.labels[i], inside, self.settings.depths)).astype(np.intp)
            counts += np.bincount(rows * 256 + frames.images[i][inside], minlength=counts.size).reshape(counts.shape)
        background, tissues = counts[: self.settings.depths], counts[self.settings.depths :]
        _check_present(dict(zip(Label, (background.sum(), *tissues.sum(axis=1)), strict=True)))
        # A depth at which no training frame shows background is painted like the background as a whole.
        background[background.sum(axis=1) == 0] = background.sum(axis=0)
        self._tables = np.array([_tabulate(row) for row in counts], dtype=np.float32)
        return self

    def sample(self, maps: LabelMaps, seeds: NDArray[np.int64], *, progress: Progress = silent) -> NDArray[np.uint8]:
        """Draw one image per map; see `Generator.sample`."""
        tables = self._fitted()
        images = np.zeros(maps.labels.shape, dtype=np.uint8)
        for i, seed in enumerate(seeds):
            inside = maps.sector[i]
            rows = _table_rows(maps.labels[i], inside, self.settings.depths)
            images[i][inside] = _look_up(tables, rows, self._score(maps.size, int(seed))[inside])
            progress(i + 1, len(maps))
        return images

    def save(self, path: Path) -> None:
        """Write settings and tables to one file, by rename."""
        content = {"generator": "paint", "settings": asdict(self.settings), "tables": torch.tensor(self._fitted())}
        write(path, content)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Read what `save` wrote; raises EchobenchError for another file."""
        content = read(path)
        if content.get("generator") != "paint":
            raise EchobenchError(f"{path} is a {content.get('generator')}, not a paint")
        with taken_from(path):
            painter = cls(settings_from(PaintSettings, content["settings"], path, {}), device)
            tables = content["tables"]
            require_alike(tables, torch.empty(painter.settings.depths + len(_TISSUES), len(_NODES)), "tables")
            if tables.min() < 0 or tables.max() > 255:
                raise ValueError("it has grey values outside of 0 to 255")
        painter._tables = tables.numpy()
        return painter

    def _score(self, size: tuple[int, int], seed: int) -> NDArray[np.float32]:
        """Normal scores (H, W) of one image: its speckle about a level of its own."""
        rng = np.random.default_rng(seed)
        common = np.float32(self.settings.common)
        level = np.sqrt(common) * np.float32(rng.standard_normal())
        return level + np.sqrt(1 - common) * speckle(size, rng, self.settings.speckle_px)

    def _fitted(self) -> NDArray[np.float32]:
        if self._tables is None:
            raise EchobenchError("this paint has no grey values yet: call fit or load first")
        return self._tables


def speckle(size: tuple[int, int], rng: np.random.Generator, sigma_px: float) -> NDArray[np.float32]:
    """Correlated standard normal noise (H, W): white noise under a Gaussian of `sigma_px`, rescaled."""
    white = rng.standard_normal(size, dtype=np.float32)
    # Wrapped around, every pixel has the same variance, which that of an impulse gives exactly.
    impulses = np.zeros(size[0]), np.zeros(size[1])
    gain = 1.0
    for impulse in impulses:
        impulse[0] = 1
        gain *= float(np.linalg.norm(ndimage.gaussian_filter1d(impulse, sigma_px, mode="wrap")))
    noise: NDArray[np.float32] = ndimage.gaussian_filter(white, sigma_px, mode="wrap") / np.float32(gain)
    return noise


def _table_rows(labels: NDArray[np.uint8], sector: NDArray[np.bool_], depths: int) -> NDArray[np.float32]:
    """Row of the tables for each pixel of the sector, (n,): for background a depth between 0 and depths - 1.

    Depth counts from the sector's first row to its last, as an image's scale differs between patients.
    """
    row = np.nonzero(sector)[0].astype(np.float32)
    if not len(row):
        return row
    top, bottom = row[0], row[-1]
    rows: NDArray[np.float32] = (row - top) * np.float32((depths - 1) / max(bottom - top, 1))
    inside = labels[sector]
    for k, label in enumerate(_TISSUES):
        rows[inside == label] = depths + k
    return rows


def _look_up(tables: NDArray[np.float32], rows: NDArray[np.float32], score: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey value for each row (interpolated) and normal score (nearest node), (n,)."""
    above = rows.astype(np.intp)
    below = np.minimum(above + 1, len(tables) - 1)
    step = _NODES[1] - _NODES[0]
    node = ((score - np.float32(_NODES[0] - step / 2)) / np.float32(step)).clip(0, len(_NODES) - 1).astype(np.intp)
    weight = rows - above
    grey = tables[above, node] * (1 - weight) + tables[below, node] * weight
    return np.rint(grey).astype(np.uint8)


def _tabulate(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The grey value at each of `_NODES`: the inverse of the distribution that `counts` (256,) states."""
    cumulative = np.cumsum(counts) / counts.sum()
    return np.searchsorted(cumulative, special.ndtr(_NODES)).astype(np.float64)


def _check_present(pixels: Mapping[Label, int]) -> None:
    if lacking := [label.name for label, n in pixels.items() if not n]:
        raise EchobenchError(
            f"paint needs every label in the training frames, and there is no {', '.join(lacking)} inside their sectors"
        )
