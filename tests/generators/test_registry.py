"""The registry, and the reference row `real`."""

import numpy as np
import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.entry import main
from echobench.data.base.errors import EchobenchError
from echobench.data.maps import label_maps, undeformed_maps
from echobench.generators import registry
from echobench.generators.base import Generator
from echobench.generators.registry import ALL, BACKENDS, expanded, generator_class, listed, names, register


@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_backend_is_a_generator_that_says_what_it_is(name):
    backend = generator_class(name)
    assert issubclass(backend, Generator)
    assert backend.summary
    for attribute in ("trained", "needs_source_images", "deforms"):
        assert isinstance(getattr(backend, attribute), bool)
    assert {"quick", "standard"} <= set(backend.presets)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(EchobenchError, match=f"unknown generator 'nobody'; known: {', '.join(BACKENDS)}"):
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


def test_a_package_that_cannot_be_imported_is_named(monkeypatch):
    class Broken(FakePoint):
        def load(self):
            raise ModuleNotFoundError("no module called nowhere")

    monkeypatch.setattr("echobench.generators.registry.entry_points", lambda group, name=None: [Broken(None)])
    with pytest.raises(EchobenchError, match=r"theirs \(their_package:Theirs\) cannot be imported: no module called"):
        generator_class("theirs")


def test_a_package_whose_declarations_cannot_be_read_hides_no_other(tmp_path, monkeypatch):
    for name, declared in (
        ("torn", b"[echobench.generators]\nno equals sign\n"),
        ("other", b"\xff\xfe["),
        ("whole", b"[echobench.generators]\ntheirs = echobench.generators.real:Real\n"),
    ):
        (folder := tmp_path / f"{name}-1.0.dist-info").mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_bytes(declared)
    monkeypatch.syspath_prepend(tmp_path)
    assert names()[-1] == "theirs" and generator_class("theirs") is generator_class("real")


def test_a_package_does_not_take_a_name_of_ours(monkeypatch):
    point = FakePoint(dict)
    point.name = "real"
    monkeypatch.setattr("echobench.generators.registry.entry_points", lambda group, name=None: [point])
    assert names() == list(BACKENDS)


def test_folder_takes_a_path_and_nobody_else_does():
    assert generator_class("folder:/some/where") is generator_class("folder")
    with pytest.raises(EchobenchError, match="unknown generator 'real:/some/where'"):
        generator_class("real:/some/where")


@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_backend_is_listed(name):
    entry = listed(name, "quick")
    assert entry.trained == (entry.parameters > 0)
    assert entry.name == ("folder:DIR" if name == "folder" else name)


def test_a_list_says_who_lacks_a_preset():
    entry = listed("real", "huge")
    assert (entry.kind, entry.parameters, entry.evaluations) == (None, None, None)


def test_generators_are_listed_by_kind():
    kinds = {name: listed(name).kind for name in BACKENDS}
    assert list(dict.fromkeys(kinds.values())) == [
        "real", "classical", "one-pass", "few-step", "many-step", "drawn elsewhere"
    ]  # fmt: skip
    assert [name for name, kind in kinds.items() if kind == "one-pass"] == ["cyclegan", "spade"]
    order = list(kinds.values())
    assert order == sorted(order, key=order.index), "one kind stands in two places"


def test_all_are_all_of_ours_that_need_no_path_and_that_fit():
    everyone = [name for name in BACKENDS if name != "folder"]
    assert expanded([ALL]) == everyone
    assert expanded(["sdm", ALL, "folder:x", "sdm"]) == [
        "sdm", *(name for name in everyone if name != "sdm"), "folder:x"
    ]  # fmt: skip
    assert expanded(["warp", "warp"]) == ["warp"]
    assert expanded([ALL], lambda backend: backend.deforms) == [name for name in everyone if name != "real"]


def test_nobody_is_called_all():
    with pytest.raises(EchobenchError, match=r"cannot be called 'all'; .*none of: all, real"):
        register(ALL, generator_class("paint"))


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


class Point:
    """An entry point of a package that is broken, or hostile."""

    value = "package:Class"

    def __init__(self, name):
        self.name = name

    def load(self):
        raise ImportError("no module called package")


def test_other_packages_neither_end_the_list_nor_leave_their_folder(monkeypatch):
    points = [Point("../../up"), Point("broken"), Point("/tmp/x")]
    monkeypatch.setattr(
        registry, "entry_points", lambda group, name=None: [p for p in points if name in (None, p.name)]
    )
    assert registry.names() == [*registry.BACKENDS, "broken"]
    for name in ("../../up", "/tmp/x"):
        with pytest.raises(EchobenchError, match="unknown generator"):
            registry.generator_class(name)
    done = CliRunner().invoke(main, ["generators"])
    assert done.exit_code == 0, done.output
    assert "broken      cannot be used: generator broken" in done.output and "sdm " in done.output
