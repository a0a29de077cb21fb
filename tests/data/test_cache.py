"""The cache of decoded frames, of every reader."""

import hashlib
import os

import numpy as np
import pytest

from echobench.data.base.cache import cached


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


def test_an_entry_keeps_the_name_that_earlier_versions_gave_it(world):
    """Else every user decodes everything again."""
    os.utime(world, ns=(0, 10**9))
    read(world)
    (entry,) = world.parent.glob("cache/kind/*.npz")
    text = f"1{world.resolve()} 4 1000000000\n"
    assert entry.stem == hashlib.sha256(text.encode()).hexdigest()[:24]
