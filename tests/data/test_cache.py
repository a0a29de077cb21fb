"""The cache of decoded frames, of every reader."""

import hashlib
import os

import numpy as np
import pytest

from echobench.data.base.cache import cache_folder, cached


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A file to read, in a world with a cache of its own."""
    monkeypatch.setenv("ECHOBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "file"
    path.write_text("some")
    return path


def read(path, key="1", value=7):
    """The array, and whether it was made."""
    made = []

    def make():
        made.append(True)
        return {"a": np.full(3000, value), "names": np.array(["µ", ""])}

    arrays = cached("kind", key, [path], make)
    assert list(arrays["names"]) == ["µ", ""]
    return arrays["a"][0], bool(made)


def test_arrays_are_made_once_for_a_key_and_a_state_of_the_files(world):
    assert read(world) == (7, True)
    assert read(world, value=8) == (7, False)
    assert read(world, key="2", value=8) == (8, True)
    os.utime(world, ns=(0, 0))
    assert read(world, value=9) == (9, True)
    world.unlink()
    assert read(world, value=10) == (10, True)


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:200] + b"!" + b[201:]])
def test_a_damaged_entry_is_made_anew(world, damage):
    read(world)
    (entry,) = world.parent.glob("cache/kind/*.npz")
    entry.write_bytes(damage(entry.read_bytes()))
    assert read(world, value=8) == (8, True)
    assert read(world, value=9) == (8, False)


def test_what_a_kill_left_half_written_goes(world):
    (half := world.parent / "cache" / "kind" / "a.npz.7.partial").parent.mkdir(parents=True)
    half.write_bytes(b"half")
    read(world)
    assert not half.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {"names": arrays["names"]},
        lambda arrays: arrays | {"more": arrays["a"]},
        lambda arrays: arrays | {"a": arrays["a"][:-1]},
        lambda arrays: arrays | {"a": arrays["a"] + 1},
        lambda arrays: arrays | {"a": arrays["a"].astype(np.float64)},
        lambda arrays: arrays | {"a": np.zeros(())},
        lambda arrays: arrays | {"checksum": np.array(["x"])},
    ],
)
def test_an_entry_that_another_program_wrote_is_made_anew(world, change):
    read(world)
    (entry,) = world.parent.glob("cache/kind/*.npz")
    with np.load(entry) as stored:
        arrays = dict(stored)
    np.savez(entry, **change(arrays))
    assert read(world, value=8) == (8, True)


def test_an_entry_keeps_the_name_that_earlier_versions_gave_it(world):
    """Else every user decodes everything again."""
    os.utime(world, ns=(0, 10**9))
    read(world)
    (entry,) = world.parent.glob("cache/kind/*.npz")
    text = f"1{world.resolve()} 4 1000000000\n"
    assert entry.stem == hashlib.sha256(text.encode()).hexdigest()[:24]


@pytest.fixture
def no_folder(tmp_path, monkeypatch):
    """A cache folder that nobody can make, not even root."""
    (tmp_path / "text").write_text("no folder")
    monkeypatch.setenv("ECHOBENCH_CACHE", str(tmp_path / "text" / "cache"))


def test_without_a_usable_folder_arrays_are_made_and_it_is_said_once(no_folder, tmp_path, caplog):
    file = tmp_path / "file"
    file.write_text("some")
    assert read(file) == (7, True)
    assert read(file, key="2") == (7, True)
    said = caplog.text
    assert said.count("ECHOBENCH_CACHE") == 1 and "text/cache cannot be used (Not a directory)" in said


def test_a_full_disk_does_not_stop_a_reading(world, monkeypatch, caplog):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("echobench.data.base.cache.writing_whole", full)
    assert read(world) == (7, True)
    assert "No space left on device" in caplog.text


def test_no_folder_called_tilde_is_made_for_a_user_without_a_home(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECHOBENCH_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    monkeypatch.setattr("pathlib.Path.expanduser", _nobody)
    assert cache_folder().is_dir()
    assert "there is no home folder" in caplog.text
    assert not list(tmp_path.iterdir())


def _nobody(path):
    raise RuntimeError("Could not determine home directory.")
