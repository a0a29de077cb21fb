"""`import echobench`: a dozen names, at no cost until one is used; and what the README does with them."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import echobench
from echobench.benchmark.run import settings
from echobench.benchmark.run.settings import resolve
from echobench.generators import registry
from echobench.generators.paint import Paint

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"


@pytest.fixture
def here(tiny, tmp_path, monkeypatch):
    """In an empty folder, where the preset quick is a tiny one."""
    monkeypatch.chdir(tmp_path)
    for table in ("PRESETS", "UNET_PRESETS"):
        known = getattr(settings, table)
        monkeypatch.setattr(settings, table, known | {"quick": known["tiny"]})


def test_every_name_is_there_and_listed():
    assert echobench.__all__ == sorted(echobench.__all__) == dir(echobench)
    assert all(getattr(echobench, name) is not None for name in echobench.__all__)
    assert set(echobench._HOMES) | {"__version__"} == set(echobench.__all__)
    with pytest.raises(AttributeError, match=r"echobench has no 'train'; it has: .*\brun\b"):
        echobench.train  # noqa: B018


def test_the_import_loads_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import echobench\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert new <= {'echobench', *sys.stdlib_module_names}, new\n"
        "assert not [name for name in sys.modules if name.startswith('echobench.')]\n"
        "from echobench import EchobenchError; assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "echobench", "--version"], capture_output=True, text=True)
    assert done.stdout == f"echobench, version {echobench.__version__}\n"


@pytest.mark.parametrize("page", ["generator", "metric"])
def test_the_python_of_a_how_to_runs(here, page, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / f"{page}.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec("\n".join(blocks), names)
    assert len(names["scores"])


def test_the_notebook_of_the_readme_runs_and_plots(here):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    names: dict[str, object] = {}
    exec(code, names)
    assert plt.gca().has_data()
    plt.close("all")
    assert set(names["dice"]["generator"]) == {"real", "warp"}


def test_a_run_is_the_one_of_the_command_line(here):
    record, scores = echobench.run(generator="paint", seed=1)
    (folder,) = Path("runs").iterdir()
    assert folder.name == resolve(generator="paint", view="4C", seed=1).slug()
    assert echobench.read_record(folder)[0] == record and len(scores)
    with pytest.raises(TypeError, match="sed"):
        echobench.run(generator="paint", sed=1)


def test_a_dataset_is_the_one_that_a_run_sees(here, camus_folder):
    dataset = echobench.load_dataset(str(camus_folder))
    assert isinstance(dataset.frames, echobench.Frames) and set(dataset.frames.view) == {"4C"}


def test_a_registered_class_runs_under_its_name(here, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})

    class Mine(Paint):
        summary = "mine"

    echobench.register("mine", Mine)
    assert registry.names()[-1] == "mine"
    assert echobench.run(generator="mine")[0].generator == "mine"


@pytest.mark.parametrize(
    ("name", "backend", "sentence"),
    [
        ("real", Paint, "cannot be called 'real'"),
        ("folder:x", Paint, "cannot be called 'folder:x'"),
        ("mine", dict, "is not a Generator class"),
    ],
)
def test_what_cannot_be_registered_is_refused(name, backend, sentence):
    with pytest.raises(echobench.EchobenchError, match=sentence):
        echobench.register(name, backend)
