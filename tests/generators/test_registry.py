"""The registry, and the reference row `real`."""

import numpy as np
import pytest

from echobench.data.errors import EchobenchError
from echobench.data.maps import label_maps, undeformed_maps
from echobench.generators.base import Generator
from echobench.generators.registry import BACKENDS, generator_class, names


@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_backend_is_a_generator_that_says_what_it_is(name):
    backend = generator_class(name)
    assert issubclass(backend, Generator)
    assert backend.summary
    for attribute in ("trained", "needs_source_images", "deforms"):
        assert isinstance(getattr(backend, attribute), bool)
    assert {"quick", "standard"} <= set(backend.presets)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(EchobenchError, match="unknown generator 'nobody'; known: real, sdm"):
        generator_class("nobody")


class FakePoint:
    def __init__(self, loaded):
        self.name, self.value, self._loaded = "theirs", "their_package:Theirs", loaded

    def load(self):
        return self._loaded


def test_a_package_adds_a_generator_through_its_entry_point(monkeypatch):
    real = generator_class("real")
    for loaded, fits in ((real, True), (dict, False)):
        points = lambda group, name=None, loaded=loaded: [FakePoint(loaded)]  # noqa: E731
        monkeypatch.setattr("echobench.generators.registry.entry_points", points)
        assert names()[-1] == "theirs"
        if fits:
            assert generator_class("theirs") is real
        else:
            with pytest.raises(EchobenchError, match="their_package:Theirs"):
                generator_class("theirs")


def test_real_hands_back_the_frames_and_refuses_deformed_maps(make_frames, tmp_path):
    frames = make_frames(3)
    backend = generator_class("real")
    real = backend(backend.presets["quick"]).fit(frames, 0)
    maps = undeformed_maps(frames)
    np.testing.assert_array_equal(real.sample(maps, np.zeros(6, dtype=np.int64)), frames.images)
    real.save(tmp_path / "weights")
    assert backend.load(tmp_path / "weights").parameters == 0
    with pytest.raises(EchobenchError, match="deformed"):
        real.sample(label_maps(frames, strength=1, repeats=1, seed=0), np.zeros(6, dtype=np.int64))


def test_maps_for_whoever_may_not_see_images_are_black(make_frames):
    maps = undeformed_maps(make_frames(2))
    assert maps.source.images.any()
    assert not maps.without_images().source.images.any()
    np.testing.assert_array_equal(maps.without_images().labels, maps.labels)
