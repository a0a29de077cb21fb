"""Stages of a run: each done once, timed, and found done when the run is started again."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from echobench.benchmark.run.machine import Meter
from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import LOCK, file_sha256, working_in, write_whole
from echobench.data.base.progress import Progress
from echobench.results.records.cross import PREFIX
from echobench.results.records.ejection import EJECTION
from echobench.results.records.realism import REALISM
from echobench.results.records.run import (
    CURVES,
    FAILED,
    GENERATOR_CURVES,
    PICTURES,
    RECORD,
    SCORES,
    STAGES,
    SYNTHETIC,
    Stage,
)
from echobench.results.records.stress import STRESS, STRESS_SCORES
from echobench.results.records.unsaid import fill_in

_SETTINGS, _DATA = "settings.json", "data.json"
_FILES = "files"
"""In the file of a finished stage: SHA-256 of each file that it wrote, by the place under `stages`."""

Reporter = Callable[[str], Progress]
"""Gives each stage, by name, the progress that it reports to."""


class StageFolder:
    """Where a run keeps its finished stages, under the run's own folder.

    under_way: the stage that was begun last and is not finished, and how often it was begun; None between stages.
    """

    def __init__(self, run: Path, device: str) -> None:
        self.run, self.work = run, run / STAGES
        self.under_way: tuple[str, int] | None = None
        self._device = device
        self._there: tuple[int | None, bool] | None = None

    @contextmanager
    def opened(self, settings: dict[str, Any], *, force: bool = False) -> Iterator[None]:
        """The folder, made or gone on with if it was begun with the same settings, without other processes in it.

        force: what was written there is removed first. Raises EchobenchError if it cannot be written, another process
        is at work in it, or it was begun with other settings.
        """
        try:
            self.run.mkdir(parents=True, exist_ok=True)
            probe = self.run / ".writable"
            probe.touch()
            probe.unlink(missing_ok=True)  # of another process that starts at the same moment
        except OSError as error:
            raise EchobenchError(f"cannot write to {self.run}: {error.strerror}; choose another --out") from error
        with working_in(self.run, STAGES, PICTURES, SYNTHETIC):
            if force:
                self._clear()
            path = self.work / _SETTINGS
            if not path.is_file():
                write_whole(path, json.dumps(settings, indent=1, sort_keys=True) + "\n")
            elif (begun := read_json(path)) != settings:
                first = next(iter(differences(begun, settings, "{name}: {found} then, {wanted} now")), "none")
                raise EchobenchError(
                    f"{self.run} was begun with other settings ({first}); "
                    "choose another --out, or --force to start over"
                )
            self._there = self._places()
            try:
                yield
            except OSError:
                self.require_there()  # which says it better
                raise

    def require_there(self) -> None:
        """Raises EchobenchError where somebody has removed the folder since it was opened."""
        if self._there is not None and self._places() != self._there:
            raise EchobenchError(
                f"{self.run} was removed or emptied while it was worked in: give the command again, which makes anew "
                "what is missing"
            )

    def _places(self) -> tuple[int | None, bool]:
        """The lock's file, which is another one in a folder that was made anew, and whether the settings are there."""
        lock = self.run / LOCK
        return lock.stat().st_ino if lock.is_file() else None, (self.work / _SETTINGS).is_file()

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

    def _clear(self) -> None:
        """Remove what a run wrote, and what was measured of it, and nothing else; a folder of no run stays as it is."""
        if not any((self.run / name).is_file() for name in (RECORD, STRESS, FAILED, f"{STAGES}/{_SETTINGS}")):
            return
        names = (RECORD, SCORES, CURVES, GENERATOR_CURVES, FAILED, REALISM.name, EJECTION.name, STRESS, STRESS_SCORES)
        for path in (*(self.run / name for name in names), *self.run.glob(f"{PREFIX}*")):
            path.unlink(missing_ok=True)
        for name in (STAGES, PICTURES, SYNTHETIC):
            shutil.rmtree(self.run / name, ignore_errors=True)

    def finished(self, name: str) -> bool:
        return self._stage_file(name).is_file()

    @contextmanager
    def measured(self, name: str, files: Sequence[Path] = ()) -> Iterator[dict[str, int]]:
        """Time a stage and mark it finished at the end; what is put into the dictionary as "items" is kept.

        files: those under `work` that the stage writes; their hashes are kept for `kept`. One may be missing.
        """
        self.require_there()
        attempts_file = self.work / f"{name}.attempts"
        begun_before = attempts_file.is_file() and not self.finished(name)
        earlier = attempts_file.read_text(encoding="utf-8") if begun_before else ""
        write_whole(attempts_file, f"{earlier}{torch.get_num_threads()}|")
        attempts = earlier.count("|") + 1
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
        self._finish(stage, files)
        self.under_way = None

    def take(self, name: str, other: "StageFolder", files: Sequence[Path] = ()) -> None:
        """Mark a stage finished that another run has finished, at the cost that it had there. files: see `measured`."""
        self._finish(replace(_stage(other._stage_file(name)), taken=True), files)

    def kept(self, path: Path) -> Path:
        """A file that a finished stage wrote. Raises EchobenchError where it is not what was written.

        Stages of before hashes were kept say nothing of their files.
        """
        name = path.relative_to(self.work).as_posix()
        known = [read_json(stage).get(_FILES, {}) for stage in self.work.glob("*.stage.json")]
        hashes = {hashes[name] for hashes in known if name in hashes}
        if hashes and not path.is_file():
            raise EchobenchError(f"{path} is missing, which a finished stage wrote; start over with --force")
        if hashes and file_sha256(path) not in hashes:
            raise EchobenchError(
                f"{path} is damaged or was changed since its stage wrote it; put back a copy, or use --force"
            )
        return path

    def stages(self) -> list[Stage]:
        """What every finished stage cost, in the order in which they were finished."""
        files = sorted(self.work.glob("*.stage.json"), key=lambda path: path.stat().st_mtime_ns)
        return [_stage(path) for path in files]

    def threads(self) -> list[int]:
        """The numbers of threads that torch has computed on, over all attempts at all stages that were not taken."""
        noted = "".join(path.read_text(encoding="utf-8") for path in self.work.glob("*.attempts"))
        return sorted({int(number) for number in noted.split("|") if number})

    def begun_with(self) -> dict[str, Any]:
        """The settings that `opened` was given first, and what older runs leave unsaid.

        Raises EchobenchError where no run was begun.
        """
        if not (self.work / _SETTINGS).is_file():
            raise EchobenchError(f"{self.run} holds no run; name the folder of one, which `echobench run` prints")
        return fill_in(read_json(self.work / _SETTINGS))

    def _finish(self, stage: Stage, files: Sequence[Path]) -> None:
        self.require_there()
        hashes = {path.relative_to(self.work).as_posix(): file_sha256(path) for path in files if path.is_file()}
        write_whole(self._stage_file(stage.name), json.dumps(asdict(stage) | {_FILES: hashes}))

    def _stage_file(self, name: str) -> Path:
        return self.work / f"{name}.stage.json"


def read_json(path: Path) -> dict[str, Any]:
    """A file that a run wrote; raises EchobenchError where it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _stage(path: Path) -> Stage:
    """What a file says of a finished stage; raises EchobenchError where it is damaged."""
    content = {name: value for name, value in read_json(path).items() if name != _FILES}
    try:
        return Stage(**content)
    except TypeError as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> EchobenchError:
    return EchobenchError(f"{path} is damaged; start over with --force")
