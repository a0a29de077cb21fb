"""Runs that are made here from nothing: scored again, and held against a committed record and a stated mark."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli import main
from echobench.benchmark.measure.verify import Verdict, verify_folder
from echobench.results.evidence.statistics import estimate
from echobench.results.records.run import read_record

pytestmark = pytest.mark.slow
MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"


def made(out: Path, *arguments: str) -> Verdict:
    """The verdict on a run of `real` on the processor that is made in `out`."""
    command = ["run", "--generator", "real", "--view", "4C", "--device", "cpu", "--out", str(out), *arguments]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return verify_folder(out, "made")


def test_a_committed_record_can_be_made_again_from_nothing(tmp_path):
    verdict = made(tmp_path)
    assert not verdict.wrong and not verdict.unverified
    assert verdict.verified[-1] == "384 scores re-made from 1 U-Net, all equal"
    record, scores = read_record(tmp_path)
    committed, known = read_record(MEASURED / "phantom-real-quick")
    assert record.fingerprints == committed.fingerprints  # the phantom's patients are the same bytes everywhere
    assert record.settings["unet_settings"] == committed.settings["unet_settings"]
    # On another machine a seed gives other weights, as another seed does here.
    assert estimate(scores).mean == pytest.approx(estimate(known).mean, abs=3 * estimate(known).seed_std)


def test_real_frames_of_camus_teach_the_u_net_within_a_thousand_steps(tmp_path, real_camus):
    short = ("--preset", "quick", "--set", "unet.steps=1000", "--set", "unet.balance_steps=500")
    verdict = made(tmp_path, "--data", str(real_camus), *short)
    assert not verdict.wrong and not verdict.unverified
    record, scores = read_record(tmp_path)
    assert len(record.test_patients) == 50 and len(scores) == 1600
    assert estimate(scores).mean > 70  # three seeds gave 77, 78 and 83
