"""One of the processes of `test_torchrun.py`: `echobench` with the preset tiny, call after call.

Every process but the first notes, in the file TOUCHED names, what it wrote, renamed or made.
"""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from echobench.benchmark.cli.entry import main
from echobench.generators.training import parallel

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark.conftest import make_known

touched: list[str] = []


def note(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("os.rename", "os.mkdir") or (event == "open" and arguments[1] not in (None, "r", "rb")):
        touched.append(str(arguments[:2]))


make_known(pytest.MonkeyPatch())
if os.environ["RANK"] != "0":
    sys.addaudithook(note)
calls = json.loads(sys.argv[1])
if len(calls) == 1:
    main(calls[0], standalone_mode=False)
else:  # processes can meet once: what each verb does is done for all of them here
    with parallel.in_company("cpu") as first:
        parallel.in_company = lambda device: nullcontext(True)
        for call in calls if first else ():
            main(call, standalone_mode=False)
if os.environ["RANK"] != "0":
    Path(os.environ["TOUCHED"]).write_text("\n".join(touched))
