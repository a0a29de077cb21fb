"""Small worlds for the tests: frames in memory and CAMUS-layout folders, made here, seconds at most."""

import os
from collections.abc import Callable
from pathlib import Path

# Before torch is imported: tiny networks gain nothing from two threads, and wait for one another on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Verbs run their cells in the test's own process, where what it has put in place of something is there.
os.environ["ECHOBENCH_JOBS"] = "1"

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from echobench.data.datasets.medical_image import write_image
from echobench.data.frames import Frames
from echobench.data.labels import Label

SPACING_MM = (0.5, 0.4)


def toy_frame(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, label map and sector of a crude heart in a triangle of a sector: (size, size) each."""
    row, column = np.indices((size, size)) / size
    sector = np.abs(column - 0.5) < 0.05 + 0.45 * row
    centre_row, centre_column = 0.45 + 0.04 * rng.uniform(-1, 1, 2)
    radius = np.hypot((row - centre_row) / 1.5, column - centre_column)
    cavity = 0.11 + 0.03 * rng.uniform()
    labels = np.zeros((size, size), dtype=np.uint8)
    labels[radius < cavity + 0.06] = Label.LV_MYO
    labels[radius < cavity] = Label.LV_ENDO
    atrium = (np.abs(column - centre_column) < 0.1) & (row > centre_row + 1.5 * cavity) & (row < centre_row + 0.4)
    labels[atrium] = Label.LA
    brightness = np.array([90, 20, 180, 30])[labels]
    image = (brightness * rng.gamma(4, 0.25, (size, size))).clip(1, 255) * sector
    return image.astype(np.uint8), labels, sector


def toy_frames(patients: int = 4, size: int = 32, view: str = "4C", seed: int = 0, first: int = 1) -> Frames:
    """Both phases of some patients of one view."""
    rng = np.random.default_rng(seed)
    drawn = [toy_frame(rng, size) for _ in range(2 * patients)]
    names = [f"patient{first + i // 2:04d}" for i in range(2 * patients)]
    return Frames(
        images=np.array([d[0] for d in drawn]),
        labels=np.array([d[1] for d in drawn]),
        sector=np.array([d[2] for d in drawn]),
        spacing_mm=np.tile(SPACING_MM, (2 * patients, 1)),
        patient=np.array(names),
        view=np.array([view] * 2 * patients),
        phase=np.array(["ED", "ES"] * patients),
        source=np.array(["toy"] * 2 * patients),
    )


def write_camus(folder: Path, frames: Frames, split: tuple[int, int, int] | None) -> Path:
    """Write frames in the public CAMUS layout, with an official split of the given sizes or without one."""
    for i in range(len(frames)):
        patient = folder / "database_nifti" / frames.patient[i]
        patient.mkdir(parents=True, exist_ok=True)
        stem = f"{frames.patient[i]}_{frames.view[i]}H_{frames.phase[i]}"
        row, column = frames.spacing_mm[i]
        write_image(patient / f"{stem}.nii.gz", frames.images[i], (row, column))
        write_image(patient / f"{stem}_gt.nii.gz", frames.labels[i], (row, column))
    if split is not None:
        (folder / "database_split").mkdir()
        names = iter(sorted(set(frames.patient)))
        for subset, n in zip(("training", "validation", "testing"), split, strict=True):
            listed = "\n".join(next(names) for _ in range(n))
            (folder / "database_split" / f"subgroup_{subset}.txt").write_text(listed)
    return folder


@pytest.fixture
def camus_folder(tmp_path: Path) -> Path:
    """Five patients, 4C, 32×32, split 3 / 1 / 1."""
    return write_camus(tmp_path / "camus", toy_frames(5), (3, 1, 1))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache, and none takes real data for the default."""
    monkeypatch.setenv("ECHOBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("ECHOBENCH_CAMUS", raising=False)


REAL_CAMUS = os.environ.get("ECHOBENCH_CAMUS")


@pytest.fixture
def real_camus() -> Path:
    """The real dataset, where the user says where it is."""
    if not REAL_CAMUS:
        pytest.skip("ECHOBENCH_CAMUS is not set")
    return Path(REAL_CAMUS)


@pytest.fixture
def make_frames() -> Callable[..., Frames]:
    return toy_frames


@pytest.fixture
def make_camus() -> Callable[..., Path]:
    return write_camus


PAGE_INCHES = (7.2, 9.7)
"""Between the margins of a page; a figure that is larger is made smaller to fit."""


@pytest.fixture
def small_texts() -> Callable[[Figure], list[str]]:
    """Those texts of a figure that have less than 7 points at its printed size."""

    def below(figure: Figure) -> list[str]:
        scale = min(1.0, *(page / inches for page, inches in zip(PAGE_INCHES, figure.get_size_inches(), strict=True)))
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        assert texts, "a figure without text says nothing"
        return [text.get_text() for text in texts if text.get_fontsize() * scale < 7 - 1e-6]

    return below
