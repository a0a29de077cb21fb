"""Locales that are not UTF-8, ~ in paths that a person types or sets, too little memory, files whole or not at all."""

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from echobench.benchmark.cli.entry import SHORT_OF_MEMORY, UNFORESEEN, main
from echobench.benchmark.generate import ORIGIN, _claim
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.data.base.saved import write_saved
from echobench.generators.folder import folder_of
from echobench.generators.training.checkpoint import read as read_checkpoint
from echobench.segmentation.segmenter import read_content

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmark", "generators", "segmentation", "results", "data")
BINARY = ("gzip.open", "av.open", "Image.open")


def opens_by_locale(call):
    """Whether a call reads or writes text in whatever encoding the machine has."""
    name = ast.unparse(call.func)
    if (not name.endswith((".read_text", ".write_text", ".open")) and name != "open") or name in BINARY:
        return False
    given = [ast.unparse(one) for one in call.args]
    named = any(word.arg == "encoding" for word in call.keywords) or any("utf-8" in one for one in given)
    return not named and not any(one in ("'rb'", "'wb'") for one in given)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_is_opened_with_its_encoding(folder):
    found = []
    for path in (ROOT / folder).rglob("*.py"):
        if "datasets" in path.parts:
            continue
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        found += [f"{path.relative_to(ROOT)}:{call.lineno}" for call in calls if opens_by_locale(call)]
    assert not found


IN_PLACE = {
    "data/base/files.py": "it writes whole files",
    "data/phantom/dataset.py": "a folder that appears whole",
    "data/phantom/once.py": "the same",
    "data/datasets/echonet/writing.py": "the list of files is written last, whole",
    "data/store.py": "a row is added; half of one is cut off at the next start",
}
"""Modules that write files otherwise than by rename, and why nobody who is killed there leaves half a file."""


def writes_in_place(call):
    """Whether a call writes into a file of that name, rather than a stream of `writing_whole`."""
    function, *given = ast.unparse(call.func), *map(ast.unparse, call.args)
    named = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if function.endswith((".write_text", ".write_bytes")):
        return True
    if function.endswith(("savefig", "np.savez", "np.savez_compressed", "imsave")):
        return "stream" not in given and "buffer" not in given
    if function.endswith(".open") or function == "open":
        return bool({"'w'", "'a'", "'wb'", "'x'"} & {*given, named.get("mode")})
    return function.endswith(".to_csv") and bool(given)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_written_whole_or_not_at_all(folder):
    found = {
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and writes_in_place(node)
    }
    assert not [place for place in found if place.partition(":")[0] not in IN_PLACE]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_home_folder_is_known_in_settings(home, monkeypatch):
    assert resolve(generator="real", view="4C", data="~/camus").data == str(home / "camus")
    monkeypatch.setenv("ECHOBENCH_CAMUS", "~/other")
    assert resolve(generator="real", view="4C").data == str(home / "other")
    assert folder_of("folder:~/drawn") == home / "drawn"


@pytest.mark.parametrize(
    "call", [["report", "~/none"], ["verify", "~/none"], ["data", "check", "~/none"], ["compare", "--runs", "~/none"]]
)
def test_the_home_folder_is_known_to_verbs(home, call):
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 1 and str(home / "none") in done.output.replace("\n", "")


@pytest.mark.parametrize("text", ["", "{", "3", "[" * 100_000])
def test_a_torn_origin_is_named(tmp_path, text):
    (tmp_path / ORIGIN).write_text(text)
    with pytest.raises(EchobenchError, match="is damaged"):
        _claim(tmp_path, {"seed": 0})


NOBODY = """
import pwd
def unknown(uid): raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
import echobench.segmentation.scores  # MONAI asks for the user's name
from echobench.data.base.cache import cache_folder
assert cache_folder().is_dir()
"""


def test_a_user_whom_the_machine_does_not_know_needs_no_home(tmp_path):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", NOBODY]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Set ECHOBENCH_CACHE to a folder" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(np.float64)),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("could not create a primitive"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
    ids=repr,
)
def test_too_little_memory_is_one_sentence(error, monkeypatch):
    def short(*arguments, **named):
        raise error

    monkeypatch.setattr("echobench.benchmark.run.settings.resolve", short)
    done = CliRunner().invoke(main, ["run", "--generator", "real"])
    assert done.exit_code == 1 and SHORT_OF_MEMORY in done.output


def test_another_fault_of_the_program_is_called_one_and_said_where_on_demand(monkeypatch, tmp_path):
    def broken(*arguments, **named):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("echobench.benchmark.run.settings.resolve", broken)
    call = ["run", "--generator", "real"]
    done = CliRunner().invoke(main, call)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (70, "", 1)
    assert UNFORESEEN in done.stderr and "(RuntimeError: mat1 and mat2 shapes cannot be multiplied)" in done.stderr
    for words in (["--verbose"], ["--log", str(tmp_path / "log")]):
        again = CliRunner().invoke(main, [*call, *words])
        told = again.stderr if words == ["--verbose"] else (tmp_path / "log").read_text()
        assert again.exit_code == 70 and "in broken" in told and ("Traceback" in again.stderr) == (len(words) == 1)


@pytest.mark.parametrize("read", [read_checkpoint, lambda path: read_content(path, set())], ids=["generator", "U-Net"])
def test_a_file_is_not_called_damaged_where_memory_is_short(read, monkeypatch, tmp_path):
    def short(*arguments, **named):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    write_saved(tmp_path / "a.pt", {})
    monkeypatch.setattr(torch, "load", short)
    with pytest.raises(EchobenchError, match=r"a\.pt cannot be read: there is too little memory for it"):
        read(tmp_path / "a.pt")


def test_numpy_is_told_of_one_thread_before_it_is_imported(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    said = "import os, sys, echobench.benchmark.cli; print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]
