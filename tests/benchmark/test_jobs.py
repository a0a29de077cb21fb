"""Cells divided into parts, and parts carried out in several processes: the same scores, whoever is killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Serial, find_executor
from echobench.benchmark.cells.parts import Agenda, carry_out_part, divide, parts_of, share
from echobench.benchmark.cells.processes import Lost, Processes, work_off
from echobench.benchmark.run import machine
from echobench.benchmark.run.machine import default_jobs, default_threads
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.stages import WHOLE, StageFolder
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.generators import registry
from echobench.generators.paint import Paint
from echobench.results.records.run import is_finished, read_failed, read_record

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def cell_of(camus_folder, tmp_path):
    """A cell of a generator, in a folder of its name."""

    def made(generator, seeds=2, *, folder=None, teacher=None, generator_only=False, **asked):
        settings = resolve(
            generator=generator, view="4C", data=str(camus_folder), preset="tiny", unet_seeds=seeds, **asked
        )
        place = tmp_path / (folder or generator)
        return Cell(settings, place, place.name, teacher and tmp_path / teacher, generator_only)

    return made


@pytest.fixture
def scratch():
    """A folder for TMPDIR whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="eb-") as folder:
        yield Path(folder)


def quiet(stage):
    return silent


def names(parts):
    return [f"{part.cell.title} {part.step}" for part in parts]


def alive(pids):
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def wait_until(happened, what):
    end = time.monotonic() + 300  # on a busy machine
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.05)


# What a plan is divided into


def test_a_cell_is_images_then_unets_then_the_record(cell_of):
    parts = parts_of([cell_of("real"), cell_of("sdm", generator_only=True)])
    assert names(parts) == ["real images", "real unet-0", "real unet-1", "real record", "sdm generator"]
    images, first, second, record, _ = parts
    assert first.needs == second.needs == (images.name,) and record.needs == (first.name, second.name)


def test_who_takes_a_generator_waits_for_it_alone(cell_of):
    taker, teacher = cell_of("sdm", folder="taker", teacher="teacher"), cell_of("sdm", folder="teacher")
    parts = {f"{part.cell.title} {part.step}": part for part in parts_of([taker, teacher])}
    assert parts["taker images"].needs == (parts["teacher images"].name,)


def test_what_is_there_is_no_part(cell_of):
    cell = cell_of("real", seeds=1)
    run(cell.settings, cell.folder)
    assert names(parts_of([cell])) == ["real record"]
    more = cell_of("real", seeds=3)
    assert names(parts_of([more])) == ["real images", "real unet-1", "real unet-2", "real record"]
    here, parts = divide([cell, cell_of("warp")])
    assert here == [cell] and {part.cell.title for part in parts} == {"warp"}


def test_a_generator_that_is_trained_is_no_part(cell_of):
    cell = cell_of("paint", generator_only=True)
    assert names(divide([cell])[1]) == ["paint generator"]
    Serial().carry_out([cell], "cpu", quiet)
    assert divide([cell]) == ([cell], [])


def test_a_class_that_was_registered_here_is_carried_out_here(cell_of, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {"mine": Paint})
    here, parts = divide([cell_of("mine"), cell_of("real")])
    assert [cell.title for cell in here] == ["mine"] and {part.cell.title for part in parts} == {"real"}


# In which order


def test_generators_come_first_and_begun_cells_are_finished_before_others(cell_of):
    cells = [cell_of("real"), cell_of("warp"), cell_of("sdm")]
    with Agenda(parts_of(cells)) as agenda:
        fit, images = agenda.take(), agenda.take()
        assert names([fit, images]) == ["sdm images", "real images"]
        assert not cells[1].folder.exists(), "which nobody has begun"
        agenda.settle(images, None)
        assert names([agenda.take(), agenda.take()]) == ["real unet-0", "real unet-1"]
        assert names([agenda.take()]) == ["warp images"], "as all else waits"
        assert agenda.take() is None
        with pytest.raises(subprocess.TimeoutExpired):  # real is locked
            subprocess.run(lock_command(cells[0].folder), timeout=5, check=True)
    subprocess.run(lock_command(cells[0].folder), timeout=60, check=True)


def lock_command(folder):
    return [sys.executable, "-c", f"import filelock; filelock.FileLock({str(folder / '.lock')!r}).acquire()"]


def test_a_folder_is_let_go_with_its_last_part_and_nobody_waits_for_what_has_failed(cell_of):
    first, second = cell_of("real", seeds=1), cell_of("paint", seeds=1)
    with Agenda(parts_of([first, second])) as agenda:
        agenda.settle(agenda.take(), "no light")
        subprocess.run(lock_command(first.folder), timeout=60, check=True)
        assert names([agenda.take()]) == ["paint images"]
        assert not agenda.is_done and agenda.take() is None


def test_what_a_lost_worker_was_writing_goes_with_the_last_part(cell_of):
    cell = cell_of("real", seeds=1)
    half = cell.folder / "pictures" / "predicted.png.1.partial"
    with Agenda(parts_of([cell])) as agenda:
        while part := agenda.take():
            half.parent.mkdir(exist_ok=True)
            half.touch()
            agenda.settle(part, None)
    assert not half.exists() and half.parent.is_dir()


def test_a_folder_where_another_is_at_work_is_refused(cell_of, held_by_another):
    cell = cell_of("real")
    cell.folder.mkdir()
    refused = pytest.raises(EchobenchError, match="another echobench is at work in")
    with held_by_another(cell.folder), Agenda(parts_of([cell])) as agenda, refused:
        agenda.take()


def test_a_worker_that_has_outlived_its_command_is_waited_for_and_then_refused(cell_of, monkeypatch):
    cell = cell_of("real", seeds=1)
    (cell.folder / "stages").mkdir(parents=True)
    holder = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); input()"
    held = [sys.executable, "-c", holder, cell.folder / "stages" / ".unet-0.lock"]
    monkeypatch.setattr("echobench.benchmark.run.stages.PATIENCE_SECONDS", 0.1)
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        worker.stdout.readline()
        with pytest.raises(EchobenchError, match=f"another echobench is at work in {cell.folder}"):
            run(cell.settings, cell.folder)
        with (
            pytest.raises(EchobenchError, match="another echobench is at work in"),
            StageFolder(cell.folder, "cpu").at_work("unet-0"),
        ):
            raise AssertionError("two at the same part")
        worker.communicate("\n")
    run(cell.settings, cell.folder)


def test_drawn_images_are_not_touched_by_who_reads_them(cell_of):
    images, first, second, _ = parts_of([cell_of("warp")])
    with Agenda([images]) as agenda:
        assert carry_out_part(agenda.take(), "cpu", quiet) is None
    written = {path: path.stat().st_mtime_ns for path in (images.cell.folder / "synthetic").rglob("*.*")}
    (images.cell.folder / "stages" / "generator-4C.pt").rename(images.cell.folder / "kept")
    for part in (first, second):
        assert carry_out_part(part, "cpu", quiet) is None, "and it needs no generator"
    assert {path: path.stat().st_mtime_ns for path in written} == written


# How many


def test_threads_are_of_the_machine_and_not_of_the_jobs(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    found = {}
    for n in (1, 2, 3, 4, 6, 8, 16, 64):
        monkeypatch.setattr(machine, "cores", lambda n=n: n)
        found[n] = (default_threads(), default_jobs("cpu", default_threads()))
    assert found == {1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2), 6: (3, 2), 8: (4, 2), 16: (4, 4), 64: (4, 16)}
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert default_threads() == 5 and default_jobs("cpu", 100) == 1
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert default_jobs("cuda", 5) == 8


def test_a_container_has_the_cores_that_it_may_use(monkeypatch, tmp_path):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(64), raising=False)
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    found = [machine.cores()]
    for text in ("max 100000\n", "250000 100000\n", "50000 100000\n", "9900000 100000\n"):
        (tmp_path / "cpu.max").write_text(text)
        found.append(machine.cores())
    assert found == [64, 64, 2, 1, 64]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("cloud", {}, "unknown executor 'cloud'; known: serial, processes"),
        ("serial", {"jobs": 2}, "the executor serial has no jobs; it has: threads"),
        ("processes", {"address": "auto"}, "the executor processes has no address; it has: jobs, threads"),
        (None, {"jobs": 0}, "jobs"),
        (None, {"threads": 0}, "threads is 0; it must be at least 1"),
    ],
)
def test_an_executor_refuses_what_it_does_not_have(name, options, sentence):
    with pytest.raises(EchobenchError, match=sentence):
        find_executor(name, **options)


def test_an_executor_by_name_or_by_the_number_of_jobs():
    assert find_executor() == find_executor(None, jobs=1) == find_executor("serial", jobs=None) == Serial()
    assert find_executor(None, jobs=2, threads=3) == Processes(2, 3)
    assert find_executor(mine := Processes(4)) is mine


class Doomed:
    """A `Workforce` of one, which loses every part of a cell of `paint`."""

    have_room = True

    def __init__(self):
        self.given = []

    def give(self, part):
        self.given.append(part)
        self.have_room = False

    def outcomes(self, report):
        part, self.have_room = self.given[-1], True
        yield part, Lost("its process was ended by SIGKILL") if part.cell.title == "paint" else None


class Prompt(Doomed):
    """Nobody is lost."""

    def outcomes(self, report):
        self.have_room = True
        yield self.given[-1], None


def test_a_part_that_is_lost_twice_is_a_failure_of_its_cell_alone(cell_of, caplog):
    doomed, cells = Doomed(), [cell_of("paint", seeds=1), cell_of("real", seeds=1)]
    with Agenda(parts_of(cells)) as agenda:
        work_off(agenda, doomed, quiet)
    assert names(doomed.given) == ["paint images"] * 2 + ["real images", "real unet-0", "real record"]
    assert caplog.messages == ["paint images: its process was ended by SIGKILL"] * 2
    failed = read_failed(cells[0].folder)
    assert failed.error == "its process was ended by SIGKILL" and read_failed(cells[1].folder) is None


def test_the_bar_of_the_whole_counts_every_part_once_wherever_it_is_carried_out(cell_of, monkeypatch):
    cells, wholes = [cell_of("real"), cell_of("paint", seeds=1)], []
    total = len(parts_of(cells))
    assert total == 4 + 3

    def report(stage):
        return lambda done, of, figures=None: wholes.append((done, of)) if stage == WHOLE else None

    with Agenda(parts_of(cells)) as agenda:
        work_off(agenda, Prompt(), report)
    assert wholes == [(done, total) for done in range(total + 1)]
    wholes.clear()
    Serial().carry_out(cells, "cpu", report)
    found = list(dict.fromkeys(wholes))
    assert found[0] == (0, total) and found[-1] == (total, total) and found == sorted(found) and len(found) > 4
    wholes.clear()
    share(report, 3, 9)(WHOLE)(1, 4)
    assert wholes == [(4, 9)]


# Several processes


def test_the_number_of_jobs_changes_no_score(cell_of, capfd):
    """And one that fails says why in its folder, while the others go on."""
    cells = [cell_of("real"), cell_of("sdm"), cell_of("paint", images=7, folder="seven")]
    cells.append(cell_of("paint", seeds=1, mix=2, patients=2, patient_draw=1, folder="mixed"))
    failing = cell_of("real", images=1000, folder="failing")
    Processes(2, 1).carry_out([*cells, failing], "cpu", quiet)
    assert "but real has 6 training frames" in read_failed(failing.folder).error
    for cell in cells:
        alone, _ = run(cell.settings, cell.folder.with_name(f"{cell.title} alone"))
        record, _ = read_record(cell.folder)
        for name in ("scores.csv", "curves.csv"):
            there = cell.folder.with_name(f"{cell.title} alone") / name
            assert (cell.folder / name).read_bytes() == there.read_bytes()
        assert record.weights_sha256 == alone.weights_sha256
        assert [s.attempts for s in record.stages] == [1] * len(alone.stages)
        assert {s.jobs for s in record.stages if s.name != "read"} == {2} and {s.jobs for s in alone.stages} == {1}
        assert {s.name for s in record.stages} == {s.name for s in alone.stages}
    assert not psutil.Process().children() or "Traceback" not in capfd.readouterr().err


def test_a_lost_worker_costs_what_it_was_at(cell_of, caplog):
    cell, killed = cell_of("real", assignments=["unet.steps=300"]), []

    def report(stage):
        def progress(done, total, figures=None):
            if stage == "real unet-0" and done >= 6 and not killed:
                killed.append(worker_at(cell.folder / "stages" / ".unet-0.lock"))
                os.kill(killed[0], signal.SIGKILL)

        return progress

    Processes(2, 1).carry_out([cell], "cpu", report)
    assert killed and "real unet-0: its process was ended by SIGKILL" in caplog.text
    record, _ = read_record(cell.folder)
    attempts = {stage.name: stage.attempts for stage in record.stages}
    assert attempts == {"read": 1, "fit-4C": 1, "unet-0": 2, "unet-1": 1, "score": 1}
    run(cell.settings, cell.folder.with_name("alone"))
    assert (cell.folder / "scores.csv").read_bytes() == (cell.folder.with_name("alone") / "scores.csv").read_bytes()


def worker_at(lock):
    """The process that holds the lock of a part."""
    return next(
        child.pid
        for child in psutil.Process().children(recursive=True)
        if str(lock) in [f.path for f in child.open_files()]
    )


def test_whoever_ends_the_command_ends_its_workers_and_the_same_command_goes_on(
    cell_of, camus_folder, tmp_path, scratch
):
    """Ended twice: by Ctrl-C, and by a signal that nobody can catch."""
    cell = cell_of("real", assignments=["unet.steps=600"])
    checkpoint = cell.folder / "stages" / "unet-0.checkpoint"
    command = [
        sys.executable, Path(__file__).with_name("jobs_command.py"), "run", "--generator", "real", "--preset", "tiny",
        "--data", camus_folder, "--unet-seeds", "2", "--set", "unet.steps=600", "--jobs", "2", "--out", cell.folder,
    ]  # fmt: skip
    where = os.environ | {"TMPDIR": str(scratch)}

    def end_by(number):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=where) as one:
            wait_until(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns > before, "a U-Net is trained")
            children = [child.pid for child in psutil.Process(one.pid).children(recursive=True)]
            assert alive(children) and any(scratch.glob("pymp-*"))
            with pytest.raises(EchobenchError, match="another echobench is at work in"):
                run(cell.settings, cell.folder)
            one.send_signal(number)
            said = one.communicate(timeout=300)[1]
        wait_until(lambda: not alive(children), "workers end with their command")
        assert not any(scratch.glob("pymp-*"))
        assert number == signal.SIGKILL or (one.returncode == 130 and said.rstrip().endswith("to go on."))
        assert "Traceback" not in said
        assert not is_finished(cell.folder) and read_failed(cell.folder) is None

    end_by(signal.SIGINT)
    end_by(signal.SIGKILL)
    record, _ = run(cell.settings, cell.folder)
    assert {stage.name: stage.attempts for stage in record.stages}["unet-0"] == 3
    run(cell.settings, cell.folder.with_name("alone"))
    assert (cell.folder / "scores.csv").read_bytes() == (cell.folder.with_name("alone") / "scores.csv").read_bytes()


KILLED_AT_ONCE = """
import os, signal
from multiprocessing.util import get_temp_dir
from echobench.benchmark.cells.server import begin_server
begin_server()
print(get_temp_dir(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_a_command_that_is_killed_before_it_has_workers_leaves_no_folder(scratch, long):
    """However long the name of TMPDIR is: a socket's may have 107 bytes."""
    (folder := scratch / ("long" * 25 if long else "short")).mkdir()
    where = os.environ | {"TMPDIR": str(folder)}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_AT_ONCE], env=where, stdout=subprocess.PIPE, text=True, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    sockets = Path(ended.stdout.strip())
    assert sockets.parent == (Path("/tmp") if long else folder)
    wait_until(lambda: not sockets.exists(), "the server removes the folder of its socket")
