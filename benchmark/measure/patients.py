"""What a dataset says of the patients on whom finished runs are scored, beside their records."""

from pathlib import Path

from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.trial import frames_of, load_dataset, phantom_folder
from echobench.data.datasets.dataset import Dataset
from echobench.data.datasets.registry import read_dataset
from echobench.results.records.patients import PATIENTS
from echobench.results.records.run import RunRecord, read_record


def describe_patients(settings: RunSettings, folder: Path) -> None:
    """Write patients.csv into a finished run's folder, unless it is there and of the same scores."""
    record, _ = read_record(folder)
    if not PATIENTS.is_current(folder, record.scores_sha256):
        _describe(record, folder, load_dataset(settings))


def describe_patients_of(folder: Path, data: Path) -> bool:
    """The same for a record that was passed on, from the dataset in a folder; records of the phantom need none.

    Whether the dataset's frames are those that the run was scored on.
    """
    record, _ = read_record(folder)
    if PATIENTS.is_current(folder, record.scores_sha256):
        return True
    of_phantom = record.dataset == "phantom"
    size = (record.settings["unet_settings"]["image_size_px"],) * 2
    dataset = read_dataset(
        phantom_folder(record.settings["phantom_patients"]) if of_phantom else data,
        view=None if record.view == "all" else record.view,
        seed=record.settings["seed"],
        size=size,
    )
    return _describe(record, folder, dataset)


def _describe(record: RunRecord, folder: Path, dataset: Dataset) -> bool:
    """Whether the record is of the dataset. Nothing is written where that says nothing of its patients."""
    if frames_of(record, dataset, record.scored_on).fingerprint() != record.fingerprints[record.scored_on]:
        return False
    known = dataset.clinical.reindex(record.scored_patients)[list(PATIENTS.columns[1:])]
    if known.notna().any(axis=None):
        PATIENTS.write(folder, record.scores_sha256, known.rename_axis("patient").reset_index())
    return True
