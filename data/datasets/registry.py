"""Which layouts of datasets there are, and which of them a folder has."""

from importlib import import_module
from pathlib import Path

from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress, silent
from echobench.data.datasets.copies import require_unseen
from echobench.data.datasets.dataset import (
    SIZE,
    Asked,
    Dataset,
    DatasetReport,
    Finding,
    Reader,
    count_frames,
)
from echobench.data.datasets.folder import read_folder
from echobench.data.datasets.soundness import report_of, require_upright, sound

DATASETS = {
    "echonet": "echobench.data.datasets.echonet.reading:Echonet",
    "camus": "echobench.data.datasets.camus:Camus",
    "folder": "echobench.data.datasets.folder:Drawn",
}
"""Name -> module:class, imported on use. A folder is of the first layout that recognises it."""


def reader_called(name: str) -> Reader:
    """The reader behind a name; raises EchobenchError, listing the known ones, for a name that is not there."""
    if name not in DATASETS:
        raise EchobenchError(f"unknown layout of datasets {name!r}; known: {', '.join(DATASETS)}")
    module, _, attribute = DATASETS[name].partition(":")
    reader: Reader = getattr(import_module(module), attribute)()
    return reader


def layout_of(folder: Path) -> str:
    """The name of a folder's layout; raises EchobenchError for a folder that is not there or of no known layout."""
    known = {name: reader_called(name) for name in DATASETS}
    for name, reader in known.items():
        if folder.is_dir() and reader.recognises(folder):
            return name
    wanted = ", or ".join(reader.layout.removeprefix("expected ") for reader in known.values())
    lacks = "no dataset of a known layout in" if folder.is_dir() else "no folder"
    raise EchobenchError(f"there is {lacks} {folder}; expected {wanted}")


def read_dataset(
    folder: Path, *, view: str | None = None, seed: int = 0, size: tuple[int, int] = SIZE, progress: Progress = silent
) -> Dataset:
    """Read a folder of any known layout; see `Reader.read`.

    Raises EchobenchError too where two subsets share an image, and for what else makes the whole unsound.
    """
    return sound(reader_called(layout_of(folder)).read(folder, Asked(view, seed, size, progress)), seed)


def check_dataset(folder: Path, layout: str | None = None) -> DatasetReport:
    """What a folder holds and what is wrong with it; layout: a name of `DATASETS`, None for the first that it has."""
    return reader_called(layout or layout_of(folder)).check(folder)


def check_drawn(folder: Path, dataset: Path) -> DatasetReport:
    """What is wrong with a folder of images that were drawn for a dataset's maps: see `read_drawn`."""
    try:
        drawn = read_drawn(folder, read_dataset(dataset))
    except EchobenchError as error:
        return DatasetReport(count_frames([], None), "none", (Finding(str(error), unsound=True),))
    return report_of(drawn, None)


def read_drawn(
    folder: Path, dataset: Dataset, *, view: str | None = None, seed: int = 0, scored_on: str = "testing",
    progress: Progress = silent,
) -> Dataset:  # fmt: skip
    """Read a folder of images that were drawn for a dataset's maps, see `read_folder`, to train on.

    scored_on: the subset of the dataset whose frames are scored. Raises EchobenchError too where one of those, or a
    frame of a test patient, is among the images.
    """
    drawn = read_folder(folder, dataset.split, view=view, seed=seed, size=dataset.frames.size, progress=progress)
    locked = {patient for subset in ("testing", scored_on) for patient in dataset.split.patients(subset)}
    require_unseen(drawn.frames, dataset.frames.where(patients=locked), str(folder))
    return require_upright(drawn)
