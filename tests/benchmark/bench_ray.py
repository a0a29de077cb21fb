"""The quick comparison on a Ray cluster that loses a worker, a machine and the command: the tables of two processes.

`pytest tests/benchmark/bench_ray.py -m slow -s`, most of an hour on two cores. With ECHOBENCH_UNDISTURBED=DIR, what
`echobench compare` with the same words and `--jobs 2 --threads 1` has left in DIR is not made again.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'echobench[ray]'")

from tests.benchmark.bench_jobs import COMPARISON, SCORED, files_of
from tests.benchmark.test_ray import at_work, cluster, wait_for  # noqa: F401 - the fixture

pytestmark = pytest.mark.slow


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "echobench", *COMPARISON, *map(str, words)]


@pytest.mark.filterwarnings("ignore")
def test_the_tables_of_a_cluster_that_loses_everything_once(cluster, tmp_path):  # noqa: F811
    undisturbed, out = Path(os.environ.get("ECHOBENCH_UNDISTURBED") or tmp_path / "jobs"), tmp_path / "ray"
    if not undisturbed.is_dir():
        subprocess.run(command("--jobs", 2, "--threads", 1, "--out", undisturbed), check=True)
    on_ray = command("--executor", "ray", "--address", cluster.address, "--threads", 1, "--out", out)
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - began:.0f} s: {what}", flush=True)

    first = subprocess.Popen(on_ray)
    wait_for(lambda: list(out.glob("*-sdm-*/stages/fit-4C/training.pt")), "the generator is under way", 3600)
    wait_for(lambda: at_work("sdm"), "its worker").kill()
    told("the worker that trains the generator was killed")
    wait_for(lambda: len(list(out.glob("*/stages/unet-*.stage.json"))) >= 3, "three U-Nets are trained", 3600)
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
    told("one of two machines was lost")
    wait_for(lambda: len(list(out.glob("*/stages/unet-*.stage.json"))) >= 5, "five U-Nets are trained", 3600)
    assert first.poll() is None
    first.kill()
    first.wait()
    cluster.add_node(num_cpus=1)
    told("the command was killed; a new machine came")
    subprocess.run(on_ray, check=True)
    told("the same command has gone on to the end")
    assert files_of(out, *SCORED) == files_of(undisturbed, *SCORED)
