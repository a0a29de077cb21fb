"""Cells as jobs of Slurm: submitit's local executor in its place, and what sbatch is asked for."""

import re
import signal
import sys
import time
from threading import Thread

import psutil
import pytest

from echobench.benchmark.cells import compare
from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Serial, find_executor
from echobench.benchmark.cells.parts import parts_of
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import silent
from echobench.results.records.run import read_record

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'echobench[slurm]'")

from echobench.benchmark.cells import slurm

LONGER = ["generator.training.steps=200"]


@pytest.fixture
def cells_in(tiny, camus_folder, tmp_path):
    """Two cells in a folder of this name; the generator of one takes long enough to be ended on the way."""

    def planned(name):
        asked = {"view": "4C", "data": str(camus_folder), "preset": "tiny"}
        return [
            Cell(
                resolve(generator=who, assignments=LONGER if who == "sdm" else (), **asked), tmp_path / name / who, who
            )
            for who in ("warp", "sdm")
        ]

    return planned


def end_part(cell, number):
    """Once a generator is under way, a signal to the process that trains it, as far as the part's lock says who."""
    holder, deadline = cell.folder / "stages" / ".images.lock.holder", time.monotonic() + 600
    checkpoint = cell.folder / "stages" / "fit-4C" / "training.pt"
    before = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0
    while not (checkpoint.is_file() and checkpoint.stat().st_mtime_ns > before and holder.is_file()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process = psutil.Process(int(re.search(r"process (\d+) on .*executor slurm", holder.read_text())[1]))
    process.send_signal(number)
    process.wait(120)


def test_an_array_of_two_cells_of_which_one_is_requeued_and_then_lost(cells_in, tmp_path):
    Serial(1).carry_out(cells_in("one"), "cpu", lambda stage: silent)
    cells, ended = cells_in("out"), []

    def end_twice():
        for number in (
            signal.SIGUSR2,
            signal.SIGKILL,
        ):  # what Slurm sends where a job's time is over; and without a word
            end_part(cells[-1], number)
            ended.append(number)

    (killer := Thread(target=end_twice)).start()
    find_executor("slurm", slurm=("cluster=local",), threads=1).carry_out(cells, "cpu", lambda stage: silent)
    killer.join()
    assert len(ended) == 2
    for cell in cells:
        assert (cell.folder / "scores.csv").read_bytes() == (tmp_path / "one" / cell.title / "scores.csv").read_bytes()
    assert {stage.name: stage.attempts for stage in read_record(cells[-1].folder)[0].stages}["fit-4C"] == 3
    assert any("Caught signal SIGUSR2" in log.read_text() for log in (tmp_path / "out" / slurm.LOGS).glob("*.err"))


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Stands for Slurm: takes every job, and keeps what it was given."""
    (place := tmp_path / "bin").mkdir()
    for name, does in {"sbatch": f"cp $1 {place}/given.sh; echo Submitted batch job 77", "srun": ":"}.items():
        (place / name).write_text(f"#!/bin/sh\n{does}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    return lambda: set((place / "given.sh").read_text().splitlines())


def test_sbatch_is_asked_for_an_array_with_what_the_options_and_the_part_say(cells_in, sbatch, tmp_path):
    (tmp_path / "site.toml").write_text(
        'account = "heart"\ntime = 60\n[unet]\ntime = 30\n[images]\ngres = "gpu:a100:1"\n'
    )
    asked = (str(tmp_path / "site.toml"), "partition=gpu", "mem=9GB")
    executor = find_executor("slurm", slurm=asked, threads=3, jobs=2)
    images, unets = ([part for part in parts_of(cells_in("out")) if part.step == step] for step in ("images", "unet-0"))
    jobs = slurm._Jobs(executor, 3, "cuda")
    jobs._submit(images)
    wanted = {
        "array=0-1%2",
        "partition=gpu",
        "account=heart",
        "time=60",
        "gres=gpu:a100:1",
        "cpus-per-task=3",
        "mem=9GB",
    }
    assert {f"#SBATCH --{flag}" for flag in wanted} <= sbatch()
    assert not [line for line in sbatch() if "gpus-per-node" in line]
    jobs._submit(unets)
    assert {f"#SBATCH --{flag}" for flag in ("time=30", "gpus-per-node=1", "job-name=echobench-unet")} <= sbatch()


def test_the_published_network_has_jobs_of_its_own_with_more_memory(cells_in, sbatch, tmp_path, monkeypatch):
    large = Cell(resolve(generator="sdm", view="4C", preset="paper"), tmp_path / "out" / "large", "large")
    jobs, submit, asked = slurm._Jobs(find_executor("slurm"), 1, "cpu"), slurm._Jobs._submit, []

    def submitted(self, parts):
        submit(self, parts)
        (memory,) = (line.rpartition("=")[2] for line in sbatch() if line.startswith("#SBATCH --mem="))
        asked.append(({part.cell.title for part in parts}, memory))

    monkeypatch.setattr(slurm._Jobs, "_submit", submitted)
    for part in parts_of([*cells_in("out"), large]):
        if part.trains_generator:
            jobs.give(part)
    list(jobs.outcomes(lambda stage: silent))
    assert ({"large"}, "18GB") in asked and ({"sdm"}, "4GB") in asked


def test_what_cannot_be_asked_for_is_one_sentence(tiny, tmp_path, monkeypatch):
    with pytest.raises(
        EchobenchError, match="--slurm takes KEY=VALUE, such as partition=gpu, or a TOML file, and gpu is"
    ):
        find_executor("slurm", slurm=("gpu",))
    (tmp_path / "a.toml").write_text("[unets]\ntime = 30\n")
    with pytest.raises(EchobenchError, match="has a table 'unets'; known parts: generator, images, unet, record"):
        find_executor("slurm", slurm=(str(tmp_path / "a.toml"),))
    with pytest.raises(EchobenchError, match="time is 'noon'; it must be minutes"):
        find_executor("slurm", slurm=("time=noon",))
    with pytest.raises(EchobenchError, match="the executor serial has no slurm"):
        find_executor("serial", slurm=("time=1",))
    cells = compare.plan(tmp_path / "out", preset="tiny", generators=["real"])
    with pytest.raises(EchobenchError, match=r'Slurm takes no jobs here: .*"srun"'):
        find_executor("slurm").carry_out(cells, "cpu", lambda stage: silent)
    monkeypatch.setitem(sys.modules, "submitit", None)
    monkeypatch.delitem(sys.modules, "echobench.benchmark.cells.slurm")
    with pytest.raises(EchobenchError, match=r"needs submitit \(.*\): pip install 'echobench\[slurm\]'"):
        find_executor("slurm")
