"""Cells on a Ray cluster of two machines with a CPU each: the tables of one process, whoever is killed on the way."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from echobench.benchmark.cells import compare
from echobench.benchmark.cells.execute import find_executor
from echobench.benchmark.cells.needs import KINDS, OWN, PAPER, UNET
from echobench.benchmark.cells.parts import GENERATOR, IMAGES, RECORD, parts_of
from echobench.benchmark.cli.entry import main
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import locked
from echobench.data.base.progress import silent
from echobench.results.records.run import read_record

pytest.importorskip("ray", reason="Ray is not installed: pip install 'echobench[ray]'")

from echobench.benchmark.cells import ray as on_ray

MEASURED = Path(__file__).parents[2] / "results" / "measured"
STAGES = {GENERATOR: ("fit",), IMAGES: ("fit", "draw"), UNET: ("unet",), RECORD: ("score",)}
"""Of a kind of part: how the names of the stages begin that take most memory."""
SMALL = {"object_store_memory": 80_000_000, "memory": 2_000_000_000}
SWEEP = [
    *("sweep", "--generators", "sdm", "--strengths", "0,1", "--preset", "tiny", "--unet-seeds", "1", "--device", "cpu"),
    *("--set", "generator.training.steps=100", "--set", "unet.steps=40", "--set", "unet.validation_every_steps=20"),
    *("--threads", "1"),
]


@pytest.fixture
def cluster(monkeypatch):
    """A head that computes nothing, and two machines of one CPU."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 0, "include_dashboard": False, **SMALL}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        made.add_node(num_cpus=1, **SMALL)
    yield made
    made.shutdown()


def wait_for(found, what, seconds=600):
    """What `found` gives, once it gives something."""
    end = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return it


def at_work(on):
    """The process of Ray that carries out a part, by its title."""
    for process in psutil.process_iter(["cmdline"]):
        if any(word.startswith(f"ray::{on}") for word in process.info["cmdline"] or ()):
            return process
    return None


def tables(out):
    return {path.name: path.read_bytes() for path in (out / "sweep" / "tables").rglob("*.csv")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("tiny")
def test_a_worker_a_machine_and_the_command_are_lost_and_the_tables_are_those_of_one_process(
    cluster, camus_folder, tmp_path
):
    call = [*SWEEP, "--data", str(camus_folder)]
    done = CliRunner().invoke(main, [*call, "--executor", "serial", "--out", str(tmp_path / "one")])
    assert done.exit_code == 0, done.output
    out, script = tmp_path / "out", Path(__file__).with_name("jobs_command.py")
    command = [sys.executable, script, *call, "--executor", "ray", "--address", cluster.address, "--out", out]
    environment = {**os.environ, "ECHOBENCH_JOBS": "1", "PYTHONWARNINGS": "ignore"}
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        wait_for(lambda: list(out.glob("*-sdm-*/stages/fit-4C/training.pt")), "a generator is under way")
        wait_for(lambda: at_work("sdm"), "its worker").kill()
        wait_for(lambda: list(out.glob("*/stages/unet-*.stage.json")), "a U-Net is trained")
        held = next(path.parent for path in out.glob("*/.lock") if not (path.parent / "run.json").is_file())
        who = rf"at work in .* \(process {first.pid} on .*, executor ray\): wait"
        with pytest.raises(EchobenchError, match=who), locked(held):
            pass
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        wait_for(lambda: len(list(out.glob("*/run.json"))), "a run is finished")
        assert first.poll() is None, (tmp_path / "log").read_text()
        first.kill()
        first.wait()
        again = subprocess.run(command, env=environment, stdout=log, stderr=log, timeout=600)
    assert again.returncode == 0, (tmp_path / "log").read_text()
    assert tables(out) == tables(tmp_path / "one") and len(tables(out)) == 3
    fits = [stage for folder in out.glob("*-sdm-*") for stage in read_record(folder)[0].stages if "fit" in stage.name]
    assert sorted(stage.taken for stage in fits) == [False, True] and {stage.attempts for stage in fits} == {2}


def test_what_a_cluster_has_not_is_said(tiny, tmp_path, monkeypatch):
    cell = compare.plan(tmp_path, preset="tiny", generators=["real"])
    with pytest.raises(EchobenchError, match=r"no Ray at 127\.0\.0\.1:9: start one with `ray start --head`"):
        find_executor("ray", address="127.0.0.1:9").carry_out(cell, "cpu", lambda stage: silent)
    with pytest.raises(EchobenchError, match="the executor processes has no address; it has: jobs, threads"):
        find_executor("processes", address="auto")
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "echobench.benchmark.cells.ray")
    with pytest.raises(EchobenchError, match=r"needs Ray \(.*\): pip install 'echobench\[ray\]'"):
        find_executor("ray")


@pytest.mark.parametrize(
    ("threads", "device", "sentence"),
    [(1, "cuda", "no machine of the Ray cluster has a GPU"), (3, "cpu", "no machine of the Ray cluster has 3 CPUs")],
)
def test_a_part_that_no_machine_can_hold_is_refused(tiny, tmp_path, monkeypatch, threads, device, sentence):
    (part, *_) = parts_of(compare.plan(tmp_path, preset="tiny", generators=["real"]))
    machines = [{"Alive": True, "Resources": {"CPU": 2.0, "memory": 1e9}}, {"Alive": False, "Resources": {"CPU": 9.0}}]
    monkeypatch.setattr(on_ray.ray, "nodes", lambda: machines)
    with pytest.raises(EchobenchError, match=sentence):
        on_ray.reserved(part, device, threads)
    assert on_ray.reserved(part, "cpu", 2) == {"num_cpus": 2, "num_gpus": 0, "memory": 1e9}


@pytest.mark.parametrize(("preset", "reserved"), [("paper", PAPER), ("any other", OWN)])
def test_memory_that_is_reserved_is_more_than_was_ever_measured(preset, reserved):
    records = [read_record(path.parent)[0] for path in MEASURED.rglob("run.json")]
    stages = [
        stage for one in records if (one.settings["preset"] == "paper") == (preset == "paper") for stage in one.stages
    ]
    for kind in KINDS:
        peak = max(stage.peak_memory_mb for stage in stages if stage.name.startswith(STAGES[kind])) / 1000
        assert peak < reserved[kind].memory_gb < peak + 1, kind
