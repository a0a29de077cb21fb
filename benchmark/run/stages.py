"""Stages of a run: each done once, timed, and found done when the run is started again."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch

from echobench.benchmark.run.machine import (
    Meter,
    describe_machine,
    jobs_at_a_time,
    now,
    package_versions,
    source_commit,
)
from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import LOCK, file_sha256, locked, remove_partial, write_whole
from echobench.data.base.progress import Progress
from echobench.data.base.text import read_json, read_text
from echobench.data.base.typed import typed
from echobench.data.datasets.folder import PREFIX as FOLDER
from echobench.generators.in_file import file_of
from echobench.results.evidence.cost import in_one_line
from echobench.results.records.beside import MEASURED
from echobench.results.records.cross import PREFIX
from echobench.results.records.run import (
    FAILED,
    OWN_TABLES,
    PICTURES,
    RECORD,
    STAGES,
    SYNTHETIC,
    Stage,
    is_finished,
    read_record,
)
from echobench.results.records.soundness import stage_faults
from echobench.results.records.stress import STRESS, STRESS_SCORES
from echobench.results.records.unsaid import Said, fill_in

_SETTINGS, _DATA = "settings.json", "data.json"
_FILES = "files"
"""In the file of a finished stage: SHA-256 of each file that it wrote, by the place under `stages`."""

_PLACES = ("data", "generator")
"""Settings that may be the place of a folder or a file. What is in it counts, not the place."""
_AGAIN = "start over with --force"
_THREADS = re.compile(r"[0-9]{1,6}", re.ASCII)
PATIENCE_SECONDS = 10.0
"""Within which a worker notices that the call that started it was killed."""


class _Finished(TypedDict):
    files: NotRequired[dict[str, str]]


Reporter = Callable[[str], Progress]
"""Gives each stage, by name, the progress that it reports to."""
WHOLE = "all parts"
"""Called like a stage: how many parts of a long job are done, of how many in all."""


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
        with locked(self.run):
            self._outlive_workers()
            self.tidy()
            if force:
                self._clear()
            path, written = self.work / _SETTINGS, json.dumps(settings, indent=1, sort_keys=True) + "\n"
            if not path.is_file():
                write_whole(path, written)
            elif (begun := self._begun(settings)) != settings:
                first = next(iter(differences(begun, settings, "{name}: {found} then, {wanted} now")), "none")
                raise EchobenchError(
                    f"{self.run} was begun with other settings ({first}); "
                    "choose another --out, or --force to start over"
                )
            self._there, moved = self._places(), read_part(path) != settings
            try:
                yield
            except OSError:
                self.require_there()  # which says it better
                raise
            if moved and path.is_file():  # the same data, as it was seen meanwhile, elsewhere
                write_whole(path, written)

    def was_begun_with(self, settings: Mapping[str, Any], found: Callable[[], Mapping[str, str]]) -> bool:
        """Whether it was begun with these settings but for where folders lay, and on the same frames.

        found: gives their fingerprints as they are now.
        """
        if not (self.work / _SETTINGS).is_file() or self._begun(settings) != settings:
            return False
        known, present = self._known_data(), found()
        return bool(known) and all(known.get(name, value) == value for name, value in present.items())

    def _begun(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What it was begun with, as if its folders lay where those of these settings do.

        Where nothing says what was in them, they are those that they were.
        """
        begun = read_part(self.work / _SETTINGS)
        if not self._known_data():
            return begun
        return begun | {
            name: settings[name]
            for name in _PLACES
            if (kind := _kind_of_place(name, begun.get(name))) is not None
            and kind == _kind_of_place(name, settings.get(name))
        }

    def _known_data(self) -> dict[str, Any]:
        """Fingerprints of the frames that it was begun with, by subset; empty where none were kept."""
        if (path := self.work / _DATA).is_file():
            return read_part(path)
        return read_record(self.run)[0].fingerprints if is_finished(self.run) else {}

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

    @contextmanager
    def at_work(self, part: str) -> Iterator[None]:
        """Keeps every other process from a part of the run meanwhile, beside the call that has opened its folder."""
        with locked(self.work, file=f".{part}.lock", patience=PATIENCE_SECONDS):
            yield

    def _outlive_workers(self) -> None:
        """Wait for workers of a call that was killed. Raises EchobenchError where one is still at work."""
        for path in self.work.glob(".*.lock"):
            with locked(self.work, file=path.name, patience=PATIENCE_SECONDS):
                pass

    def tidy(self) -> None:
        """Remove what processes that are no more were writing. The caller has the folder, and nobody writes."""
        remove_partial(self.run, STAGES, PICTURES, SYNTHETIC)

    def claim(self, fingerprints: dict[str, str]) -> None:
        """Note what data the stages are of; raises EchobenchError where finished ones are of other data."""
        path = self.work / _DATA
        begun = read_part(path) if path.is_file() else fingerprints
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
        names = (RECORD, *OWN_TABLES, FAILED, *(table.name for table in MEASURED), STRESS, STRESS_SCORES)
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
        earlier = read_text(attempts_file) if begun_before else ""
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
            jobs=jobs_at_a_time(),
            processor=in_one_line(describe_machine(self._device)),
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
        known = [read_part(stage, _Finished).get(_FILES, {}) for stage in self.work.glob("*.stage.json")]
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
        noted = "".join(map(read_text, self.work.glob("*.attempts")))
        return sorted({int(number) for number in noted.split("|") if _THREADS.fullmatch(number)})

    def provenance(self, started: str) -> dict[str, Any]:
        """What a record of this folder says of where and by what it was made, the fields of `Provenance`."""
        return {
            "stages": self.stages(),
            "versions": package_versions(),
            "machine": describe_machine(self._device) | {"torch_threads_used": self.threads()},
            "commit": source_commit(),
            "started": started,
            "finished": now(),
        }

    def begun_with(self) -> dict[str, Any]:
        """The settings that `opened` was given first, and what older runs leave unsaid.

        Raises EchobenchError where no run was begun.
        """
        if not (self.work / _SETTINGS).is_file():
            raise EchobenchError(f"{self.run} holds no run; name the folder of one, which `echobench run` prints")
        return fill_in(read_part(self.work / _SETTINGS, Said))

    def _finish(self, stage: Stage, files: Sequence[Path]) -> None:
        self.require_there()
        hashes = {path.relative_to(self.work).as_posix(): file_sha256(path) for path in files if path.is_file()}
        write_whole(self._stage_file(stage.name), json.dumps(asdict(stage) | {_FILES: hashes}))

    def _stage_file(self, name: str) -> Path:
        return self.work / f"{name}.stage.json"


def _kind_of_place(name: str, value: Any) -> str | None:
    """What must be alike in two places of a setting for them to be the same, moved; None for what is no place."""
    if name == "data":
        return "" if value else None
    written = file_of(str(value))
    return written.label if written else FOLDER if str(value).startswith(FOLDER) else None


def read_part(path: Path, hint: Any = dict[str, Any]) -> Any:
    """What a file of a run under way holds, of this type (see `typed`); raises EchobenchError where it is damaged."""
    content = read_json(path, _AGAIN)
    try:
        return typed(content, hint)
    except ValueError as error:
        raise EchobenchError(f"{path} is damaged ({error}); {_AGAIN}") from error


def _stage(path: Path) -> Stage:
    """What a file says of a finished stage; raises EchobenchError where it is damaged."""
    stage: Stage = read_part(path, Stage)
    for fault in stage_faults([stage]):
        raise EchobenchError(f"{path} is damaged ({fault}); {_AGAIN}")
    return stage
