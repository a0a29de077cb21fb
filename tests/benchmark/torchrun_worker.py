"""One of the processes of `test_two_processes_make_one_run`: `echobench` with the preset tiny.

Every process but the first notes, in the file TOUCHED names, when it left and what it wrote, renamed or made.
"""

import os
import sys
import time
from pathlib import Path

import pytest
from conftest import make_known

from echobench.benchmark.cli.main import main

touched: list[str] = []


def note(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("os.rename", "os.mkdir") or (event == "open" and arguments[1] not in (None, "r", "rb")):
        touched.append(str(arguments[:2]))


make_known(pytest.MonkeyPatch())
if os.environ["RANK"] != "0":
    sys.addaudithook(note)
main(standalone_mode=False)
if os.environ["RANK"] != "0":
    left = time.time()
    Path(os.environ["TOUCHED"]).write_text("\n".join([str(left), *touched]))
