"""Reading speed, on demand: `pytest tests/data/test_echonet_speed.py --benchmark-only -s`.

As many videos as EchoNet-Dynamic has for testing, of its usual size and length. The figure to look at is
`videos_per_second`; asked are 15 from AVI and 60 from decoded frames on two cores, and memory for little more than
the frames that come back.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from echobench.benchmark.run.machine import Meter
from echobench.data.datasets.dataset import Dataset
from echobench.data.datasets.echonet.reading import read_echonet
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS, VIDEOS, write_echonet

from .test_echonet import toy_video

COUNT, LENGTH, DISTINCT = 1277, 150, 4


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few videos, each many times under other names."""
    folder, videos = tmp_path_factory.mktemp("many"), []
    for i in range(DISTINCT):
        short = toy_video(f"V{i}", ed=LENGTH * 2 // 5 + i, es=LENGTH * 3 // 5 + i)
        videos.append(replace(short, frames=np.resize(short.frames, (LENGTH, *short.frames.shape[1:]))))
    write_echonet(folder, videos)
    for table in (FILE_LIST, TRACINGS):
        header, *rows = (folder / table).read_text().splitlines()
        own = [[row for row in rows if row.startswith(video.name)] for video in videos]
        copies = [f"C{i}{row}" for i in range(COUNT) for row in own[i % DISTINCT]]
        (folder / table).write_text("\n".join([header, *copies]) + "\n")
    for i in range(COUNT):
        name = f"V{i % DISTINCT}.avi"
        shutil.copy(folder / VIDEOS / name, folder / VIDEOS / f"C{i}{name}")
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECHOBENCH_CACHE", str(tmp_path))
    return tmp_path


def measure(benchmark: BenchmarkFixture, what: str, read: Callable[[], Dataset], **rounds: object) -> None:
    before = psutil.Process().memory_info().rss / 1e6
    with Meter("cpu") as meter:
        frames = benchmark.pedantic(read, **rounds).frames
    assert len(frames) == 2 * COUNT
    rate = COUNT / benchmark.stats.stats.median
    benchmark.extra_info["videos_per_second"] = rate
    print(
        f"\n{what}: {rate:.0f} videos/s on {os.cpu_count()} cores; at most {meter.peak_memory_mb - before:.0f} MB "
        f"more than before, {(frames.images.nbytes + frames.labels.nbytes) / 1e6:.0f} MB of it images and labels"
    )


def test_from_avi(benchmark: BenchmarkFixture, many: Path, own_cache: Path) -> None:
    measure(
        benchmark,
        "from AVI",
        lambda: read_echonet(many),
        rounds=2,
        setup=lambda: shutil.rmtree(own_cache / "echonet", True),
    )


def test_from_decoded_frames(benchmark: BenchmarkFixture, many: Path, own_cache: Path) -> None:
    read_echonet(many)
    measure(benchmark, "from decoded frames", lambda: read_echonet(many), rounds=3)
