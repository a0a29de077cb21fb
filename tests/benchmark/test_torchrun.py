"""`echobench run` under torchrun: the processes train the generator together, and the first does the rest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.main import main
from echobench.benchmark.run import pipeline as pipeline
from echobench.benchmark.run import trained
from echobench.benchmark.run.settings import resolve
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")


def test_two_processes_make_one_run(camus_folder, tmp_path):
    script = Path(__file__).with_name("torchrun_worker.py")
    environment = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "TOUCHED": str(tmp_path / "touched")}
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script,
        "run", "--generator", "sdm", "--data", camus_folder, "--preset", "tiny", "--device", "cpu",
        "--out", tmp_path / "out",
    ]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, **environment}, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("record and pictures") == 1
    record, scores = read_record(tmp_path / "out")
    assert len(scores) == 24
    assert {stage.name: stage.attempts for stage in record.stages}["fit-4C"] == 1
    left, *touched = (tmp_path / "touched").read_text().splitlines()
    assert not [paths for paths in touched if str(tmp_path / "out") in paths]
    assert float(left) < (tmp_path / "out" / "stages" / "score.stage.json").stat().st_mtime


def test_other_verbs_say_that_torchrun_is_not_for_them():
    launched = {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2"}
    result = CliRunner().invoke(main, ["generators"], env=launched)
    assert result.exit_code == 1 and "`echobench run` alone, not generators" in result.output
    assert CliRunner().invoke(main, ["generators"], env={"WORLD_SIZE": "2"}).exit_code == 0, "no launcher"


def test_the_others_are_told_when_there_is_nothing_to_train(camus_folder, tmp_path, monkeypatch):
    told = []

    def listening(views, device):
        told.append(list(views))
        return list(views)

    for module in (pipeline, trained):
        monkeypatch.setattr(module, "agreed", listening)
    settings = resolve(generator="paint", view="4C", data=str(camus_folder), preset="tiny")
    run = pipeline.run
    run(settings, tmp_path / "out")
    run(settings, tmp_path / "out")  # is read
    (tmp_path / "out" / "run.json").unlink()
    run(settings, tmp_path / "out")  # goes on
    run(settings, tmp_path / "taken", generator_from=tmp_path / "out")
    assert told == [["4C"], [], [], []]
