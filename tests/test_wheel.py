"""The wheel: everything that the folders have, nothing else, and it works where nothing of the repository is near."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("benchmark", "data", "generators", "results", "segmentation")
NOT_INSTALLED = ("__pycache__", "measured")


def call(*command: object, folder: Path, **environment: str) -> str:
    """What it prints; no import path of ours is handed on."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as a build leaves files beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns(*NOT_INSTALLED))
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    call(sys.executable, "-c", "from setuptools.build_meta import build_wheel; build_wheel('.')", folder=source)
    (built,) = source.glob("*.whl")
    return built


def expected() -> Iterator[str]:
    """The files of the folders under their import names; benchmark/api is `echobench` itself."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT)
            if path.is_file() and not set(NOT_INSTALLED) & set(inside.parts):
                yield f"echobench/{inside.as_posix()}".replace("echobench/benchmark/api/", "echobench/")


def test_the_wheel_has_every_file_of_the_folders_and_no_other(wheel):
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == set(expected())


def test_a_package_index_shows_the_readme_without_a_link_that_leads_nowhere(wheel):
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        shown = archive.read(metadata).decode()
    assert "Description-Content-Type: text/markdown" in shown and "## Install" in shown
    targets = re.findall(r"\]\(([^)]+)\)", shown)
    assert targets and all(target.startswith("https://") for target in targets)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (None, "See a page.  [Paper](https://x.org/y)"),
        (
            "https://h.org/o/r",
            "See [a page](https://h.org/o/r/blob/HEAD/docs/a.md#b). ![A](https://h.org/o/r/raw/HEAD/p.png) "
            "[Paper](https://x.org/y)",
        ),
    ],
)
def test_links_are_absolute_where_the_source_can_be_seen(source, shown):
    for_an_index = runpy.run_path(str(ROOT / "setup.py"))["for_an_index"]
    assert for_an_index("See [a page](docs/a.md#b). ![A](p.png) [Paper](https://x.org/y)", source) == shown


def test_the_installed_wheel_runs_from_another_folder(wheel, camus_folder, tmp_path):
    """Into an environment of its own; of the one at hand it sees the libraries, but no editable install."""
    call(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", folder=tmp_path)
    site, bin_ = next(tmp_path.glob("venv/lib/python*/site-packages")), tmp_path / "venv" / "bin"
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ("-m", "pip", "--python", bin_ / "python", "install", "--quiet", "--no-deps", "--no-index")
    call(sys.executable, *install, "--ignore-installed", "--disable-pip-version-check", wheel, folder=tmp_path)
    where = call(bin_ / "python", "-c", "import echobench; print(echobench.__file__)", folder=tmp_path)
    assert Path(where.strip()) == site / "echobench" / "__init__.py"
    assert "Usage" in call(bin_ / "echobench", "--help", folder=tmp_path)
    tiny = ("unet.channels=[4,8]", "unet.image_size_px=32", "unet.batch_size=4", "unet.steps=2")
    changes = [word for change in (*tiny, "unet.validation_every_steps=1") for word in ("--set", change)]
    command = ("run", "--generator", "real", "--data", camus_folder, "--preset", "quick", "--out", "o", *changes)
    printed = call(bin_ / "echobench", *command, folder=tmp_path, OMP_NUM_THREADS="1")
    assert "record, scores and pictures: o" in printed and (tmp_path / "o" / "run.json").is_file()
