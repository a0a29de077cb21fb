"""`check_echonet` and its command: everything wrong with a folder in one list."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.echonet.check import check_echonet
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS, write_echonet

from .test_check import texts
from .test_echonet import (
    BROKEN,
    FIRST,
    SECOND,
    THIRD,
    avi,
    beyond,
    change,
    toy_video,
    truncate,
    without,
    write_toy,
)


def test_a_copy_of_a_video_in_another_subset(folder):
    listed = {
        row.split(",")[0]: row.rstrip().split(",")[-1] for row in (folder / FILE_LIST).read_text().splitlines()[1:]
    }
    testing = next(name for name, subset in listed.items() if subset == "TEST")
    training = next(name for name, subset in listed.items() if subset == "TRAIN")
    (folder / "Videos" / f"{testing}.avi").write_bytes((folder / "Videos" / f"{training}.avi").read_bytes())
    report = check_echonet(folder)
    assert not report.sound
    assert (
        f"an image of {testing} (testing) is the same image as one of {training} (training)" in texts(report, True)[0]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "echonet")


def test_a_sound_folder_has_counts_and_no_findings(folder):
    report = check_echonet(folder)
    assert report.sound
    assert not report.findings
    assert report.split_origin == "official"
    assert report.counts.set_index(["subset", "view", "phase"])["frames"].to_dict() == {
        ("training", "4C", "ED"): 1, ("training", "4C", "ES"): 1,
        ("validation", "4C", "ED"): 1, ("validation", "4C", "ES"): 1,
        ("testing", "4C", "ED"): 3, ("testing", "4C", "ES"): 3,
    }  # fmt: skip


@pytest.mark.parametrize(("damage", "sentence"), BROKEN)
def test_a_broken_video_is_one_finding(folder, damage, sentence):
    damage(folder)
    report = check_echonet(folder)
    assert len(report.findings) == 1
    assert re.search(sentence, texts(report, unsound=True)[0])
    assert report.counts.set_index(["subset", "phase"])["frames"]["testing", "ED"] == 2


def test_all_problems_are_found_at_once(folder):
    avi(folder, FIRST).unlink()
    beyond(folder)
    truncate(folder, 0.6)
    avi(folder, THIRD).write_bytes(b"hello")
    change(folder / FILE_LIST, lambda t: t[t["FileName"] != "0X4D"])
    change(folder / TRACINGS, lambda t: t[t["FileName"] != "0X5E.avi"])
    report = check_echonet(folder)
    assert len(texts(report, unsound=True)) == 3
    assert texts(report, unsound=False) == [
        "VolumeTracings.csv has 0X4D, FileList.csv has not: not used",
        "FileList.csv has 0X5E, VolumeTracings.csv has not: not used",
    ]


def test_both_tables_are_looked_at(folder):
    without(FILE_LIST, "EF")(folder)
    without(TRACINGS, "X1")(folder)
    unsound = texts(check_echonet(folder), unsound=True)
    assert ["EF" in text or "X1" in text for text in unsound] == [True, True]


def test_a_video_cut_off_behind_its_traced_frames_is_a_note(folder):
    truncate(folder, 0.85)
    report = check_echonet(folder)
    assert report.sound
    assert re.search(f"{SECOND}.avi is truncated behind the traced frames", texts(report, unsound=False)[0])


def test_a_folder_without_traces_or_that_is_not_there(tmp_path):
    untraced = write_echonet(tmp_path / "untraced", [toy_video(FIRST, traced=False)])
    assert "there is no traced video" in texts(check_echonet(untraced), unsound=True)[0]
    with pytest.raises(EchobenchError, match=f"there is no folder .*; expected {FILE_LIST}"):
        check_echonet(tmp_path / "nowhere")


@pytest.mark.parametrize("chosen", [(), ("--format", "echonet")])
def test_the_command_knows_the_format_and_lists_problems(folder, chosen):
    arguments = ["data", "check", str(folder), *chosen]
    sound = CliRunner().invoke(main, arguments)
    assert sound.exit_code == 0
    assert re.search(r"No problems found: \d+ frames can be used.\n$", sound.output)
    avi(folder).unlink()
    unsound = CliRunner().invoke(main, arguments)
    assert unsound.exit_code == 1
    assert "UNSOUND: there is no" in unsound.output
    assert "1 problems" in unsound.output
