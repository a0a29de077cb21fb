"""Stages of a run: each done once, timed, and found done when the run is started again."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from echobench.benchmark.run.machine import Meter
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import locked, write_whole
from echobench.data.base.progress import Progress
from echobench.results.records.ejection import EJECTION
from echobench.results.records.realism import REALISM
from echobench.results.records.run import CURVES, FAILED, GENERATOR_CURVES, RECORD, SCORES, Stage
from echobench.results.shown.cross import PREFIX

PICTURES, SYNTHETIC = "pictures", "synthetic"
_WORK, _SETTINGS, _DATA = "stages", "settings.json", "data.json"

Reporter = Callable[[str], Progress]
"""Gives each stage, by name, the progress that it reports to."""


class StageFolder:
    """Where a run keeps its finished stages, under the run's own folder.

    under_way: the stage that was begun last and is not finished, and how often it was begun; None between stages.
    """

    def __init__(self, run: Path, device: str) -> None:
        self.run, self.work = run, run / _WORK
        self.under_way: tuple[str, int] | None = None
        self._device = device

    def open(self, settings: dict[str, Any]) -> None:
        """Make the folder, or go on in it if it was begun with the same settings.

        Raises EchobenchError if it cannot be written, holds something else, or was begun with other settings.
        """
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            probe = self.work / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EchobenchError(f"cannot write to {self.run}: {error.strerror}; choose another --out") from error
        lock(self.run)
        path = self.work / _SETTINGS
        if path.is_file() and (begun := read_json(path)) != settings:
            raise EchobenchError(
                f"{self.run} was begun with other settings ({_first_difference(begun, settings)}); "
                "choose another --out, or --force to start over"
            )
        path.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")

    def claim(self, fingerprints: dict[str, str]) -> None:
        """Note what data the stages are of; raises EchobenchError where finished ones are of other data."""
        path = self.work / _DATA
        begun = read_json(path) if path.is_file() else fingerprints
        if differing := [name for name, value in fingerprints.items() if begun.get(name) != value]:
            raise EchobenchError(
                f"{self.run} was begun with other data: the {' and '.join(differing)} frames have changed since; "
                "choose another --out, or --force to start over"
            )
        write_whole(path, json.dumps(fingerprints) + "\n")

    def clear(self) -> None:
        """Remove what a run wrote, and what was measured of it, and nothing else; a folder of no run stays as it is."""
        if not any((self.run / name).is_file() for name in (RECORD, FAILED, f"{_WORK}/{_SETTINGS}")):
            return
        names = (RECORD, SCORES, CURVES, GENERATOR_CURVES, FAILED, REALISM, EJECTION)
        for path in (*(self.run / name for name in names), *self.run.glob(f"{PREFIX}*")):
            path.unlink(missing_ok=True)
        for name in (_WORK, PICTURES, SYNTHETIC):
            shutil.rmtree(self.run / name, ignore_errors=True)

    def finished(self, name: str) -> bool:
        return self._stage_file(name).is_file()

    @contextmanager
    def measured(self, name: str) -> Iterator[dict[str, int]]:
        """Time a stage and mark it finished at the end; what is put into the dictionary as "items" is kept."""
        attempts_file = self.work / f"{name}.attempts"
        begun_before = attempts_file.is_file() and not self.finished(name)
        attempts = len(attempts_file.read_text()) + 1 if begun_before else 1
        attempts_file.write_text("|" * attempts)
        self.under_way = (name, attempts)
        noted: dict[str, int] = {}
        with Meter(self._device) as meter:
            yield noted
        stage = Stage(
            name,
            round(meter.seconds, 3),
            round(meter.peak_memory_mb),
            None if meter.peak_gpu_memory_mb is None else round(meter.peak_gpu_memory_mb),
            attempts,
            noted.get("items"),
            None if meter.energy_joules is None else round(meter.energy_joules, 1),
            threads=torch.get_num_threads(),
        )
        self._finish(stage)
        self.under_way = None

    def take(self, name: str, other: "StageFolder") -> None:
        """Mark a stage finished that another run has finished, at the cost that it had there."""
        self._finish(replace(Stage(**read_json(other._stage_file(name))), taken=True))

    def stages(self) -> list[Stage]:
        """What every finished stage cost, in the order in which they were finished."""
        files = sorted(self.work.glob("*.stage.json"), key=lambda path: path.stat().st_mtime_ns)
        return [Stage(**read_json(path)) for path in files]

    def begun_with(self) -> dict[str, Any]:
        """The settings that `open` was given first. Raises EchobenchError where no run was begun."""
        if not (self.work / _SETTINGS).is_file():
            raise EchobenchError(f"{self.run} holds no run; name the folder of one, which `echobench run` prints")
        return read_json(self.work / _SETTINGS)

    def _finish(self, stage: Stage) -> None:
        write_whole(self._stage_file(stage.name), json.dumps(asdict(stage)))

    def _stage_file(self, name: str) -> Path:
        return self.work / f"{name}.stage.json"


_HELD = ExitStack()


def lock(folder: Path) -> None:
    """Keep other processes out of a folder until this one ends; see `locked`."""
    _HELD.enter_context(locked(folder))


def read_json(path: Path) -> dict[str, Any]:
    """A file that a run wrote; raises EchobenchError where it is damaged."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise EchobenchError(f"{path} is damaged; start over with --force") from error
    return content


def _first_difference(begun: dict[str, Any], now: dict[str, Any], prefix: str = "") -> str:
    for key in sorted(begun.keys() | now.keys()):
        old, new = begun.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return _first_difference(old, new, f"{prefix}{key}.")
        if old != new:
            return f"{prefix}{key}: {old} then, {new} now"
    return "none"
