"""Where a run is and where its data are now: folders move, and what is in them stays what it was."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trial import fingerprints, load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path
from echobench.data.base.settings import settings_from
from echobench.data.datasets.dataset import Dataset
from echobench.results.records.run import RunRecord
from echobench.segmentation.networks import PAPER
from echobench.segmentation.settings import UNetSettings


def place_of(settings: RunSettings, runs: Path) -> Path:
    """The folder of a run in `runs`: that of its name, or the one of the same run whose data lay elsewhere then."""
    return found_place(
        runs, settings.slug(), settings.identity(), lambda: fingerprints(settings, load_dataset(settings))
    )


def found_place(runs: Path, name: str, identity: Mapping[str, Any], found: Callable[[], Mapping[str, str]]) -> Path:
    """runs/name, or where that is not there, another folder in it that was begun with the same settings and frames.

    name: ends with a hash of the settings, which is all that the other name may differ in. identity: the settings.
    found: gives the fingerprints of the frames as they are now.
    """
    if not (runs / name).exists():
        for folder in sorted(runs.glob(f"{escape(name.rpartition('-')[0])}-{'[0-9a-f]' * 8}")):
            with suppress(EchobenchError):  # a damaged folder is nobody's
                if StageFolder(folder, "cpu").was_begun_with(identity, found):
                    return folder
    return runs / name


def reread(run: Path, record: RunRecord, data: str | None = None) -> tuple[RunSettings, Dataset]:
    """Settings and data of a finished run, read again; data: the folder in which they lie now, None where they lay.

    Raises EchobenchError where they are not there, or no longer the same.
    """
    begun = StageFolder(run, "cpu").begun_with()
    try:
        unet = settings_from(UNetSettings, {"network": PAPER} | begun["unet_settings"], run)
        settings = RunSettings(**begun | {"unet_seeds": tuple(record.settings["unet_seeds"]), "unet_settings": unet})
    except (TypeError, ValueError) as error:
        raise EchobenchError(f"{run} was begun with settings that this version does not know") from error
    if settings.data is None and data is not None:
        raise EchobenchError(f"{run} is of the phantom, which is in the cache: leave --data out")
    if settings.data is not None:
        folder = typed_path(data or settings.data).resolve()
        if not folder.is_dir():
            raise EchobenchError(
                f"there is no folder {folder} with the data of {run}: say with --data DIR where they lie"
            )
        settings = replace(settings, data=str(folder))
    dataset = load_dataset(settings)
    now = fingerprints(settings, dataset)
    if differing := [name for name, value in now.items() if record.fingerprints.get(name, value) != value]:
        names, place = " and ".join(differing), settings.data or "the phantom"
        raise EchobenchError(f"the {names} frames in {place} are no longer those of the record")
    return settings, dataset
