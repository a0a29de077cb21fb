"""Files whole or not at all, and locks that are given back."""

import errno
import subprocess
import sys
import threading

import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, locked, named, working_in, write_whole, writing_whole


class TestWritingWhole:
    def test_the_old_file_stays_until_the_new_one_is_whole(self, tmp_path):
        path = tmp_path / "made" / "file"
        write_whole(path, "old")
        with writing_whole(path) as stream:
            stream.write(b"new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"

    def test_an_error_leaves_the_old_file_and_nothing_beside_it(self, tmp_path):
        path = tmp_path / "file"
        write_whole(path, "old")
        with pytest.raises(OSError, match="full"), writing_whole(path) as stream:
            stream.write(b"half")
            raise OSError("the disk is full")
        assert [p.name for p in tmp_path.iterdir()] == ["file"] and path.read_text() == "old"

    def test_text_is_utf_8_whatever_the_locale(self, tmp_path):
        write_whole(tmp_path / "file", "µ≤")
        assert (tmp_path / "file").read_bytes() == "µ≤".encode()


def test_the_hash_is_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file").startswith("ba7816bf8f01cfea")  # FIPS 180-4, its first example


class TestLocked:
    def enter(self, folder):
        """Another process that tries to."""
        code = (
            "import sys, pathlib, echobench.data.base.files as files\n"
            "with files.locked(pathlib.Path(sys.argv[1])): pass"
        )
        return subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)

    def test_another_process_stays_out_until_it_is_left(self, tmp_path):
        with locked(tmp_path):
            assert "another echobench is at work" in self.enter(tmp_path).stderr
        assert self.enter(tmp_path).returncode == 0

    def test_an_error_gives_it_back(self, tmp_path):
        with pytest.raises(EchobenchError), locked(tmp_path):
            raise EchobenchError("stopped")
        assert self.enter(tmp_path).returncode == 0

    def test_whoever_is_inside_may_enter_again_and_stays_inside(self, tmp_path):
        with locked(tmp_path):
            with locked(tmp_path):
                pass
            assert self.enter(tmp_path).returncode != 0

    def test_who_waits_comes_in_when_it_is_left(self, tmp_path):
        came_in = threading.Event()

        def enter():
            with locked(tmp_path, patience=-1):
                came_in.set()

        with locked(tmp_path):
            other = threading.Thread(target=enter)
            other.start()
            assert not came_in.wait(0.2)
        other.join(10)
        assert came_in.is_set()


def test_halves_of_files_go_where_somebody_begins_to_work(tmp_path):
    left = [
        tmp_path / "a.1.partial",
        tmp_path / "tables" / "all" / "b.csv.2.partial",
        tmp_path / "other" / "c.3.partial",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with working_in(tmp_path, "tables", "figures"):
        assert [path.exists() for path in left] == [False, False, True]


def test_an_error_that_names_no_file_names_the_one_at_hand(tmp_path):
    with pytest.raises(OSError) as caught, named(tmp_path / "manifest.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "manifest.csv")


LIMITED = """
import resource, signal, sys, torch
from pathlib import Path
from echobench.data.base.files import writing_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with writing_whole(Path(sys.argv[1])) as stream:
        torch.save(torch.zeros(100_000), stream) if sys.argv[2] == "torch" else stream.write(bytes(100_000))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("writer", ["torch", "bytes"])
def test_a_quota_is_said_in_one_sentence_that_names_the_file(tmp_path, writer):
    path = tmp_path / "weights.pt"
    done = subprocess.run([sys.executable, "-c", LIMITED, path, writer], capture_output=True, text=True, check=True)
    kind, _, sentence = done.stdout.partition(" ")
    assert kind in ("EchobenchError", "OSError") and str(path) in sentence and sentence.count("\n") == 1
    assert not list(tmp_path.iterdir())
