"""One of the processes of `test_two_processes_end_at_the_weights_of_one`; holds no test."""

import importlib.util
import json
import sys
from pathlib import Path

import torch


def main(folder: Path) -> None:
    here = Path(__file__).parent
    worlds = {
        name: _module(path) for name, path in (("paper", here / "test_paper.py"), ("toys", here.parent / "conftest.py"))
    }
    generator = worlds["paper"].SemanticDiffusion(worlds["paper"].TINY)
    frames = worlds["toys"].toy_frames(patients=3, size=worlds["paper"].SIZE)
    generator.fit(frames, 1, folder=folder / "checkpoint")
    rank = torch.distributed.get_rank()
    torch.save(generator.network.state_dict(), folder / f"rank{rank}.pt")
    (folder / f"rank{rank}.json").write_text(json.dumps(torch.distributed.get_world_size()))
    torch.distributed.destroy_process_group()


def _module(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]))
