"""The arrows of the architecture, and what an installation may put into site-packages."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("benchmark", "data", "generators", "results", "segmentation")


def lint_imports(layout: Path) -> subprocess.CompletedProcess[str]:
    """Hold the contracts of pyproject.toml against a folder laid out as the import names are."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"]
    command += ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(command, capture_output=True, text=True, cwd=layout, env={**os.environ, "PYTHONPATH": "."})


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / "echobench" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "benchmark" / "api" / "__init__.py", tmp_path / "echobench")
    return tmp_path


def test_the_arrows_are_those_of_the_architecture(layout):
    done = lint_imports(layout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("segmentation/unet.py", "import echobench"),
        ("generators/real.py", "import echobench.segmentation.unet"),
        ("data/labels.py", "import echobench.results.shown.tables"),
        ("data/base/files.py", "import echobench.data.labels"),
        ("results/records/run.py", "import echobench.results.evidence.cost"),
        ("results/records/cross.py", "import echobench.generators.base"),
        ("results/evidence/cost.py", "import echobench.results.shown.formats"),
        ("results/shown/formats.py", "import echobench.results.report.contents"),
    ],
)
def test_a_forbidden_arrow_is_noticed(layout, file, line):
    with (layout / "echobench" / file).open("a") as stream:
        stream.write(f"\n{line}\n")
    done = lint_imports(layout)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_no_bare_module_name_is_installed():
    top_level = (distribution("echobench").read_text("top_level.txt") or "").split()
    assert top_level == ["echobench"]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["data", "check", "--help"]])
def test_help_imports_neither_torch_nor_pandas(arguments):
    code = (
        "import sys; from echobench.benchmark.cli.entry import main\n"
        f"main({arguments}, standalone_mode=False)\n"
        "assert not {'torch', 'pandas', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
