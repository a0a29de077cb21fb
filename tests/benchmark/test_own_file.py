"""`--generator FILE.py:CLASS`: a generator without a package, in every process, changed, moved and wrong."""

import hashlib
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import echobench
from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.parts import divide
from echobench.benchmark.cli.entry import main
from echobench.benchmark.generate import generate
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trained import kept_generator
from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.camus import find_frames
from echobench.data.datasets.medical_image import read_image
from echobench.generators.registry import generator_class

FLAT = """
from dataclasses import dataclass
import numpy as np
from echobench.generators.base import Weightless

@dataclass(frozen=True)
class Greys:
    of_labels: tuple[int, ...] = (80, 20, 160, 40)

class Flat(Weightless):
    summary, paper, needs_source_images, deforms = "one grey value for each label", "", False, True
    presets = dict.fromkeys(("quick", "standard", "paper", "tiny"), Greys())

    def sample(self, maps, seeds, *, progress=None):
        return (np.array(self.settings.of_labels)[maps.labels] * maps.sector).astype(np.uint8)
"""


@pytest.fixture
def file(tmp_path, monkeypatch, tiny):
    """A file with a generator in a folder of its own; elsewhere, an empty folder to work in."""
    (tmp_path / "own").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = tmp_path / "own" / "my_flat.py"
    path.write_text(FLAT)
    return path


def run(file, *words, data=None):
    at = ["run", "--generator", f"{file}:Flat", "--preset", "tiny", *(["--data", str(data)] if data else [])]
    return CliRunner().invoke(main, [*at, *map(str, words)])


def folders():
    return sorted(path.name for path in Path("runs").iterdir())


def test_a_class_in_a_file_runs_and_is_known_by_the_files_name(file, camus_folder):
    done = run(file, data=camus_folder)
    assert done.exit_code == 0, done.output
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(r"camus-my_flat\.py-Flat-4C-tiny-[0-9a-f]{8}", folder.name)
    record, _ = echobench.read_record(folder)
    assert record.generator == record.settings["generator"] == "my_flat.py:Flat"
    assert record.settings["code"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.needs_source_images is False
    assert str(file.parent) not in (folder / "run.json").read_text(), "places of this machine stay out of records"
    training = echobench.load_dataset(str(camus_folder), preset="tiny").subset("training", "4C")
    name, generator = kept_generator(folder, "4C", training, "cpu")
    assert (name, type(generator).__name__) == ("my_flat.py:Flat", "Flat"), "so a stress calls it"
    assert generate(folder, camus_folder, Path("drawn")) == 10
    before = (folder / "run.json").stat().st_mtime_ns
    assert run(file, data=camus_folder).exit_code == 0
    assert folders() == [folder.name] and (folder / "run.json").stat().st_mtime_ns == before, "it goes on"


def test_a_dry_run_shows_its_settings(file):
    done = run(file, "--dry-run", "--format", "json")
    assert done.exit_code == 0, done.output
    assert '"of_labels"' in done.stdout and hashlib.sha256(file.read_bytes()).hexdigest() in done.stdout
    assert not list(Path().iterdir())


def test_settings_of_the_class_can_be_set_and_reach_the_images(file, camus_folder):
    assert run(file, "--set", "generator.of_labels=[9,9,9,9]", "--out", "out", data=camus_folder).exit_code == 0
    record, _ = echobench.read_record("out")
    assert record.settings["generator_settings"] == {"of_labels": [9, 9, 9, 9]}
    drawn = [files.image for files in find_frames(Path("out/synthetic/training-4C"))]
    assert {value for path in drawn for value in np.unique(read_image(path).pixels)} == {0, 9}


def test_a_changed_file_is_another_run(file, camus_folder):
    assert run(file, data=camus_folder).exit_code == 0
    first = folders()
    assert run(file, "--out", "out", data=camus_folder).exit_code == 0
    file.write_text(FLAT.replace("80, 20", "90, 20"))
    assert run(file, data=camus_folder).exit_code == 0
    assert len(folders()) == 2 and set(first) < set(folders())
    refused = run(file, "--out", "out", data=camus_folder)
    assert refused.exit_code == 1 and "was begun with other settings (code: " in refused.output


def test_a_file_that_moved_is_the_same_run(file, camus_folder):
    assert run(file, data=camus_folder).exit_code == 0
    first = folders()
    moved = file.parent.parent / "my_flat.py"
    file.rename(moved)
    assert run(moved, data=camus_folder).exit_code == 0 and folders() == first
    assert run(moved.rename(moved.with_name("other.py")), data=camus_folder).exit_code == 0
    assert len(folders()) == 2, "tables would call it by another name"


def test_a_file_that_changes_in_the_middle_of_a_run_is_refused(file):
    settings = resolve(generator=f"{file}:Flat", view="4C", preset="tiny")
    assert settings.backend.summary.startswith("one grey value")
    file.write_text(FLAT + "\n")
    with pytest.raises(EchobenchError, match="is not what it was when the run began"):
        _ = settings.backend


def test_any_process_takes_its_parts(file):
    """It is pickled by its place: no process is told the class."""
    settings = resolve(generator=f"{file}:Flat", view="4C", preset="tiny", assignments=["generator.of_labels=[1,2]"])
    assert divide([Cell(settings, Path("runs/one"), "one")])[0] == [], "none of it is for this process alone"
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).generator_settings)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for dumps in (pickle.dumps, pytest.importorskip("cloudpickle").dumps):
        done = subprocess.run(
            [sys.executable, "-c", code], input=dumps(settings), capture_output=True, env=environment, cwd="/"
        )
        assert done.stdout.decode().strip() == "Greys(of_labels=(1, 2))", done.stderr.decode()


def test_several_jobs_train_on_what_it_drew(file, camus_folder):
    command = [sys.executable, Path(__file__).with_name("jobs_command.py"), "run", "--generator", f"{file}:Flat"]
    command += ["--preset", "tiny", "--data", camus_folder, "--unet-seeds", "2", "--jobs", "2", "--out", "out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert set(echobench.read_record("out")[1]["unet_seed"]) == {0, 1}


def test_it_stands_in_a_list_of_generators(file, camus_folder):
    words = ["compare", "--generators", f"real,{file}:Flat", "--preset", "tiny", "--unet-seeds", "1"]
    done = CliRunner().invoke(main, [*words, "--data", str(camus_folder)])
    assert done.exit_code == 0, done.output
    assert "my_flat.py:Flat" in done.stdout


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("x = (\n", ":Flat", r"my_flat.py, line 1, cannot be imported: SyntaxError: '\(' was never closed"),
        ("\nimport nowhere\n", ":Flat", "my_flat.py, line 2, cannot be imported: ModuleNotFoundError: No module named"),
        ("\n\n1 / 0\n", ":Flat", "my_flat.py, line 3, cannot be imported: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('no')\n", ":Flat", "my_flat.py, line 2, cannot be imported: SystemExit: no"),
        (FLAT, ":Fast", r"my_flat.py has no class 'Fast'; its generators: my_flat.py:Flat$"),
        (FLAT, "", r"generator my_flat.py needs a class behind a colon; its generators: my_flat.py:Flat$"),
        (FLAT, ":Greys", r"Greys in .*my_flat.py is not a Generator class: derive it from echobench.Generator"),
        (FLAT.replace("def sample", "def draw"), ":Flat", "is not a whole Generator: it lacks sample"),
        (
            FLAT.replace("needs_source_images, deforms =", "needs, more ="),
            ":Flat",
            "it lacks needs_source_images, deforms",
        ),
    ],
)
def test_a_file_that_will_not_do_is_a_sentence(file, text, name, sentence):
    file.write_text(text)
    with pytest.raises(EchobenchError, match=sentence):
        generator_class(f"{file}{name}")
    done = CliRunner().invoke(main, ["run", "--generator", f"{file}{name}"])
    assert done.exit_code == 1 and done.output.startswith("Error: ") and done.output.count("\n") == 1
    assert not list(Path().iterdir())


def test_a_file_is_imported_once_for_each_content_and_leaves_no_cache_beside_it(file):
    name = f"{file}:Flat"
    first = generator_class(name)
    assert generator_class(name) is first
    file.write_text(FLAT.replace("80, 20", "81, 20"))
    assert generator_class(name).presets["quick"].of_labels[0] == 81 and first.presets["quick"].of_labels[0] == 80
    assert [path.name for path in file.parent.iterdir()] == ["my_flat.py"]
