"""The campaign of kills in small, and that it would notice."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.__main__ import PARTS

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--kills", "2", "--points", "3", "--hostile", "1", "--seed", "5")
ONLY = ("run sdm", "points of run sdm", "quota")


def test_a_call_goes_on_from_kills_crash_points_and_a_quota():
    only = [word for name in ONLY for word in ("--only", name)]
    command = [sys.executable, "-m", "tests.campaign.kills", *SMALL]
    done = subprocess.run([*command, *only], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1 : len(ONLY) + 2]]
    assert all(int(row[-5]) >= 1 and row[-4] == row[-5] for row in rows)  # calls, equal


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_campaign_begins(part):
    command = [sys.executable, "-m", "tests.campaign", part, "--help"]
    assert "Usage: " in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


NOTICED = """
import json, sys
from pathlib import Path
from filelock import FileLock
from tests.campaign.forked import Ended
from tests.campaign.judged import Row, contents

work = Path(sys.argv[1]) / "work"
work.mkdir()
(work / "scores.csv").write_text("patient,value\\n1,0.5\\n")
(work / "run.json").write_text(json.dumps({"seconds": 1.0, "weights": "a"}))
wanted = contents(work)

def faults(code=0):
    row = Row("run")
    row.judge("call", work.parent, Ended(code, "", 0.0), wanted)
    return " ".join(row.faults)

(work / "run.json").write_text(json.dumps({"seconds": 2.0, "weights": "a"}))
assert faults() == ""
assert "ended with 1" in faults(code=1)
(work / "run.json").write_text(json.dumps({"seconds": 2.0, "weights": "b"}))
assert faults() == "call: differs in run.json"
(work / "run.json").write_text(json.dumps({"seconds": 2.0, "weights": "a"}))
(work / "scores.csv").write_text("patient,value\\n1,0.6\\n")
assert faults() == "call: differs in scores.csv"
(work / "scores.csv").write_text("patient,value\\n1,0.5\\n")
(work.parent / "cache" / ".phantom-1-6-x").mkdir(parents=True)
with FileLock(work.parent / "cache" / ".lock"):
    assert faults() == "call: left behind cache/.lock, cache/.phantom-1-6-x"
"""


def test_other_bytes_and_what_is_left_behind_would_be_noticed(tmp_path):
    done = subprocess.run([sys.executable, "-c", NOTICED, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
