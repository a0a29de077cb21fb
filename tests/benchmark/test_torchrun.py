"""Verbs under torchrun: the processes train a generator together and share its drawing, and the first does the rest."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.benchmark.run import drawing
from echobench.generators.paint import Paint, PaintSettings
from echobench.generators.sdm import SemanticDiffusion
from echobench.results.records.run import is_finished, read_record

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Where the relative paths of calls begin."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def alone(*calls):
    """The calls in this process."""
    for arguments in calls:
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output


def together(*calls):
    """The calls in two processes, and what these print; the second writes nothing into a folder of the test."""
    environment = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "TOUCHED": "touched"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, Path(__file__).with_name("torchrun_worker.py"), json.dumps(calls)]
    done = subprocess.run(command, env={**os.environ, **environment}, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(Path.cwd()) not in Path("touched").read_text() and "'out" not in Path("touched").read_text()
    return done.stdout


def options(**named):
    return list(chain(*((f"--{name.replace('_', '-')}", str(value)) for name, value in named.items())))


def drawn_by(folder):
    """Every image and every table of scores in a folder, byte by byte."""
    names = ("*.nii.gz", "*scores.csv", "realism.csv", "stress.csv", "cells/* sdm-*.npz")
    return {path.relative_to(folder): path.read_bytes() for name in names for path in folder.rglob(name)}


def test_two_processes_draw_the_images_of_one(small):
    tiny = options(preset="tiny", device="cpu")
    alone(["run", *options(generator="sdm", view="4C", out="sdm"), *tiny])
    taken = ["run", *options(generator="sdm", view="4C", strength=2, generator_from="sdm"), *tiny]
    generated = ["generate", *options(checkpoint="sdm/stages/generator-4C.pt", maps="maps", repeats=2, device="cpu")]
    stressed = ["stress", *options(runs="sdm", deformations="small", severities="0.5,1"), *tiny]
    compared = ["compare", *options(generators="real,cyclegan", unet_seeds=1), *tiny]
    calls = {"taken": taken, "generated": generated, "stressed": stressed, "compared": compared}
    alone(["data", "phantom", "maps", "--patients", "5"])
    alone(*([*call, "--out", f"one/{name}"] for name, call in calls.items()))
    printed = together(*([*call, "--out", f"out/{name}"] for name, call in calls.items()))
    for name in calls:
        one, two = drawn_by(small / "one" / name), drawn_by(small / "out" / name)
        assert len(one) > 1 and one == two, name
    assert printed.count("images: out/generated") == printed.count("record, scores and pictures: out/taken") == 1


def test_two_processes_train_a_generator_together_and_a_failure_stops_no_other(small, camus_folder):
    tiny = options(data=camus_folder, preset="tiny", device="cpu", unet_seeds=1)
    diverging = ["run", *options(generator="sdm", view="4C", out="out/diverging", set="generator.training.batch=3")]
    with pytest.raises(AssertionError, match="a batch of 3 frames cannot be divided among 2 processes"):
        together([*diverging, *tiny])
    assert (small / "out" / "diverging" / "failed.json").is_file()
    compared = ["compare", *options(generators="real,sdm", out="out"), *tiny]
    printed = together(compared)
    assert printed.count("all tables and figures: ") == 1
    (folder,) = (folder for folder in (small / "out").glob("*-sdm-*") if is_finished(folder))
    record, _ = read_record(folder)
    assert {stage.name: stage.attempts for stage in record.stages}["fit-4C"] == 1
    assert record.machine["processes"] == 2


def test_verbs_that_neither_train_nor_draw_are_not_for_torchrun():
    launched = {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2"}
    result = CliRunner().invoke(main, ["generators"], env=launched)
    assert result.exit_code == 1 and "generators trains and draws nothing: give it without torchrun" in result.output
    assert CliRunner().invoke(main, ["generators"], env={"WORLD_SIZE": "2"}).exit_code == 0, "no launcher"


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("written", [0, 1, 5, 9, 10])
def test_an_image_is_drawn_in_one_batch_whoever_draws_and_wherever_a_kill_came(monkeypatch, processes, written):
    monkeypatch.setattr(drawing, "CHUNK", 5)
    monkeypatch.setattr(drawing, "company", lambda: processes)
    generator = SemanticDiffusion(SemanticDiffusion.presets["tiny"])  # batches of 4
    parts = [rows for chunk in drawing.chunks(generator, written, 10) for rows in batches_of(generator, chunk)]
    whole = [(0, 4), (4, 8), (8, 10)]
    assert parts == [rows for rows in whole if rows[1] > written]


def batches_of(generator, chunk):
    return [
        (chunk.start + b.start, min(chunk.start + b.stop, chunk.stop))
        for b in generator.batches(chunk.stop - chunk.start)
    ]


def test_whoever_learns_no_weights_draws_alone():
    assert Paint(PaintSettings()).batch == 1 and not Paint.together
    assert list(drawing.chunks(Paint(PaintSettings()), 3, 100)) == [slice(3, 67), slice(67, 100)]
