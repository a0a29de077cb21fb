"""The contract of a generator, as checks that its author can call.

In a plug-in's tests:

    from echobench.generators.testing import CHECKS, check_generator, examples

    def test_contract():
        check_generator(Mine(tiny_settings), *examples(Mine))

or one test per check:

    @pytest.mark.parametrize("check", CHECKS)
    def test_contract(check):
        check(Mine(tiny_settings), *examples(Mine))

Every check fits copies of the generator, so its settings should be tiny: a few steps, few channels.
"""

import inspect
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.data.maps import LabelMaps, label_maps, undeformed_maps
from echobench.data.phantom.dataset import phantom_patient
from echobench.data.sector import sector_mask
from echobench.generators.base import Generator

Check = Callable[[Generator, Frames, LabelMaps], None]
"""Takes a generator that was not fitted, frames to fit it on, and maps to draw; raises AssertionError."""

PRESETS = ("quick", "standard")
"""Presets that every generator has; `paper` is only for one that reproduces a paper."""

TOLERANCE = 1
"""Grey values by which two drawings of one image may differ: batches change the order of floating-point sums."""


def examples(backend: type[Generator], size: int = 32, patients: int = 4) -> tuple[Frames, LabelMaps]:
    """Phantom frames (4C, both phases) to fit a generator on, and maps of them such as the harness would hand it."""
    drawn = [
        (number, frame)
        for number in range(1, patients + 1)
        for frame in phantom_patient(0, number, size).frames
        if frame.view == "4C"
    ]
    frames = Frames(
        images=np.array([frame.image for _, frame in drawn]),
        labels=np.array([frame.labels for _, frame in drawn]),
        sector=np.array([sector_mask(frame.image) for _, frame in drawn]),
        spacing_mm=np.array([frame.spacing_mm for _, frame in drawn]),
        patient=np.array([f"patient{number:04d}" for number, _ in drawn]),
        view=np.array([frame.view for _, frame in drawn]),
        phase=np.array([frame.phase for _, frame in drawn]),
        source=np.array(["phantom"] * len(drawn)),
    )
    # Real frames have stray lit pixels outside of their sector; generators are held to none.
    frames = replace(frames, images=np.where(frames.sector, frames.images, np.uint8(0)))
    maps = label_maps(frames, strength=1.0, repeats=1, seed=0) if backend.deforms else undeformed_maps(frames)
    return frames, maps


def check_generator(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """Run every check on a generator; raises AssertionError with a sentence on the first that it fails.

    generator: not fitted, of settings that train in moments. frames, maps: see `examples`.
    """
    for check in CHECKS:
        check(generator, frames, maps)


def check_class_variables(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """What the class says of itself is there and of the right type."""
    backend = type(generator)
    assert not inspect.isabstract(backend), f"{backend.__name__} leaves methods of Generator abstract"
    for name in ("summary", "paper"):
        text = getattr(backend, name, None)
        assert isinstance(text, str) and "\n" not in text, f"{name} must be one line of text, got {text!r}"
    assert backend.summary, "summary is empty"
    for name in ("trained", "needs_source_images", "deforms", "stochastic"):
        assert isinstance(getattr(backend, name, None), bool), f"{name} must be True or False"
    assert isinstance(backend.presets, Mapping), "presets must be a mapping of names to settings"
    for preset in {*PRESETS, *backend.presets}:
        settings = backend.presets.get(preset)
        dataclass_parameters: Any = getattr(settings, "__dataclass_params__", None)
        frozen = dataclass_parameters is not None and dataclass_parameters.frozen
        assert frozen, f"presets[{preset!r}] must be a frozen dataclass, got {settings!r}"


def check_counts(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """Weights and network evaluations are counted, before a training and after it alike."""
    before = _new(generator).parameters
    fitted = _fitted(generator, frames)
    for name, value in (("parameters", fitted.parameters), ("evaluations", fitted.evaluations)):
        assert isinstance(value, int) and value >= 0, f"{name} must be an integer of at least 0, got {value!r}"
    assert before == fitted.parameters, f"parameters are {before} before fit and {fitted.parameters} after it"
    assert bool(fitted.parameters) == fitted.trained, f"trained is {fitted.trained} with {fitted.parameters} parameters"


def check_fit(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """`fit` returns its generator and changes neither settings nor frames; `sample` leaves the maps alone."""
    fresh, before = _new(generator), frames.fingerprint()
    labels, sector, source = maps.labels.copy(), maps.sector.copy(), maps.source.fingerprint()
    assert fresh.settings is generator.settings, "the constructor must store the settings that it is given"
    assert fresh.fit(frames, 0) is fresh, "fit must return the generator itself"
    assert fresh.settings == generator.settings, "fit changed the settings"
    assert frames.fingerprint() == before, "fit changed the frames that it was given"
    _sample(fresh, maps)
    kept = np.array_equal(maps.labels, labels) and np.array_equal(maps.sector, sector)
    assert kept and maps.source.fingerprint() == source, "sample changed the maps that it was given"


def check_images(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """One grey image per map, lit somewhere in the sector and black outside of it, for the largest seeds, too."""
    images = _sample(_fitted(generator, frames), maps)
    assert isinstance(images, np.ndarray) and images.dtype == np.uint8, "sample must return a uint8 array"
    assert images.shape == maps.labels.shape, f"{maps.labels.shape} maps became {images.shape} images"
    outside = int((images[~maps.sector] > 0).sum())
    assert not outside, f"{outside} pixels outside the sector are not black"
    for i, image in enumerate(images):
        assert len(np.unique(image[maps.sector[i]])) > 1, f"image {i} has a single grey value in its sector"


def check_seeds(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """Equal seeds give equal images, whatever the global random state; other seeds give others, if `stochastic`."""
    first = _sample(_fitted(generator, frames), maps)
    with _global_state_elsewhere():
        again = _sample(_fitted(generator, frames), maps)
    _assert_same(first, again, "two trainings and drawings from the same seeds differ")
    other = _sample(_fitted(generator, frames), maps, _seeds(maps) - len(maps))
    if not generator.stochastic:
        _assert_same(first, other, "images depend on the seed, and stochastic is False")
        return
    for i in range(len(maps)):
        assert (first[i] != other[i]).any(), f"image {i} is the same for another seed, and stochastic is True"


def check_batch_and_order(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """An image does not depend on what is drawn in the same call, nor in which order."""
    fitted, seeds = _fitted(generator, frames), _seeds(maps)
    images = _sample(fitted, maps)
    backwards = np.arange(len(maps))[::-1]
    turned = _sample(fitted, maps.select(backwards), seeds[backwards])[backwards]
    _assert_same(images, turned, "images depend on the order of the maps")
    alone = [_sample(fitted, maps.select(slice(i, i + 1)), seeds[i : i + 1])[0] for i in range(len(maps))]
    _assert_same(images, np.array(alone), "images depend on the batch that they are drawn in")


def check_file(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """What `save` writes, one file, `load` reads: the same settings, counts and images."""
    fitted = _fitted(generator, frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.pt"
        fitted.save(path)
        written = [file.name for file in Path(folder).iterdir()]
        assert written == [path.name], f"save must write {path.name} and nothing else, it wrote {written}"
        loaded = type(generator).load(path, generator.device)
    assert isinstance(loaded, type(generator)), f"load returned a {type(loaded).__name__}"
    assert loaded.settings == fitted.settings, "load gives other settings than were saved"
    counts = (loaded.parameters, loaded.evaluations), (fitted.parameters, fitted.evaluations)
    assert counts[0] == counts[1], f"(parameters, evaluations) are {counts[0]} after load, {counts[1]} before save"
    _assert_same(_sample(fitted, maps), _sample(loaded, maps), "a loaded generator draws other images")


def check_redraw(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """Drawn again with the settings that it has, a fitted generator draws the same images, and is itself unchanged."""
    fitted = _fitted(generator, frames)
    before, again = _sample(fitted, maps), fitted.redraw(replace(fitted.settings))
    assert isinstance(again, type(generator)), f"redraw returned a {type(again).__name__}"
    _assert_same(before, _sample(again, maps), "redraw with the same settings draws other images")
    _assert_same(before, _sample(fitted, maps), "redraw changed the generator that it was called on")


def check_needs_its_training(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """A trained generator without weights says so."""
    if generator.trained:
        _assert_refused(lambda: _sample(_new(generator), maps), "sample before fit or load")


def check_sees_only_what_it_may(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """A map's image does not depend on other patients' images, nor on its own source's unless that is declared.

    Fitted on some patients, it draws maps of all: with the images of all other sources black, and of all.
    """
    known = np.unique(frames.patient)[: max(len(np.unique(frames.patient)) // 2, 1)]
    fitted, seeds = _fitted(generator, frames.where(patients=list(known))), _seeds(maps)
    images = fitted.sample(maps, seeds)
    for i, j in enumerate(maps.source_index):
        own = np.arange(len(maps.source)) == j
        shown = own if generator.needs_source_images else np.zeros_like(own)
        lit = np.where(shown[:, None, None], maps.source.images, np.uint8(0))
        alone = replace(maps, source=replace(maps.source, images=lit)).select(slice(i, i + 1))
        _assert_same(
            images[i : i + 1], fitted.sample(alone, seeds[i : i + 1]), f"image {i} depends on images of others"
        )


def check_global_state(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """No method leaves a trace in the global state of Python, numpy or torch."""
    # From a state of our own: what an earlier training set would look untouched when it is set again.
    with _global_state_elsewhere():
        before = _global_state()
        fitted = _fitted(generator, frames)
        _sample(fitted, maps)
        with tempfile.TemporaryDirectory() as folder:
            fitted.save(Path(folder) / "generator.pt")
            _sample(type(generator).load(Path(folder) / "generator.pt", generator.device), maps)
        after = _global_state()
    touched = [name for name in before if before[name] != after[name]]
    assert not touched, f"the generator changed global state: {', '.join(touched)}"


def check_maps_never_seen(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """A map without a structure that every training frame has, and one without any, are drawn like all others."""
    if not generator.deforms:
        return
    fitted, present = _fitted(generator, frames), [label for label in Label if label != Label.BACKGROUND]
    for missing in ([Label.LA], present):
        bare = np.where(np.isin(maps.labels, missing), np.uint8(Label.BACKGROUND), maps.labels)
        images, names = _sample(fitted, replace(maps, labels=bare)), " and ".join(label.name for label in missing)
        assert images.dtype == np.uint8 and images.shape == bare.shape, f"a map without {names} has no image"
        assert not images[~maps.sector].any(), f"a map without {names} is lit outside the sector"
        for i, image in enumerate(images):
            lit = len(np.unique(image[maps.sector[i]])) > 1
            assert lit, f"image {i}, of a map without {names}, has a single grey value in its sector"


def check_unfit_frames(generator: Generator, frames: Frames, maps: LabelMaps) -> None:
    """Frames that a generator cannot use raise an EchobenchError before any training; nothing else is raised."""
    nothing = frames.select(slice(0, 0))
    if generator.trained:
        _assert_refused(lambda: _fitted(generator, nothing), "fit on no frames")
    narrow = replace(
        frames, images=frames.images[:, :29, :23], labels=frames.labels[:, :29, :23], sector=frames.sector[:, :29, :23]
    )
    bare = replace(frames, labels=np.full_like(frames.labels, int(Label.BACKGROUND)))
    for what, unfit in (("no frames", nothing), ("frames of 29×23 pixels", narrow), ("frames without labels", bare)):
        steps: list[int] = []
        try:
            _new(generator).fit(unfit, 0, progress=lambda done, total, figures=None, s=steps: s.append(done))
        except EchobenchError as error:
            assert not steps, f"fit trained {len(steps)} steps on {what} before it raised: {error}"
            assert len(str(error)) > 20, f"fit on {what} raises an error that says nothing: {error}"
        except Exception as error:
            raise AssertionError(f"fit on {what} must work or raise EchobenchError; it raised {error!r}") from error


CHECKS: tuple[Check, ...] = (
    check_class_variables,
    check_counts,
    check_fit,
    check_images,
    check_seeds,
    check_batch_and_order,
    check_file,
    check_redraw,
    check_needs_its_training,
    check_sees_only_what_it_may,
    check_global_state,
    check_maps_never_seen,
    check_unfit_frames,
)


def _new(generator: Generator) -> Generator:
    return type(generator)(generator.settings, generator.device)


def _fitted(generator: Generator, frames: Frames) -> Generator:
    return _new(generator).fit(frames, 0)


def _seeds(maps: LabelMaps) -> NDArray[np.int64]:
    """The largest seeds that there are."""
    return np.iinfo(np.int64).max - np.arange(len(maps), dtype=np.int64)


def _sample(fitted: Generator, maps: LabelMaps, seeds: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
    """Draw as the harness does: source images only for a generator that declares them."""
    visible = maps if fitted.needs_source_images else maps.without_images()
    return fitted.sample(visible, _seeds(maps) if seeds is None else seeds)


def _assert_same(first: NDArray[np.uint8], second: NDArray[np.uint8], complaint: str) -> None:
    apart = int(np.abs(first.astype(int) - second).max(initial=0))
    assert apart <= TOLERANCE, f"{complaint}: by up to {apart} grey values"


def _assert_refused(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except EchobenchError:
        return
    except Exception as error:
        raise AssertionError(f"{what} must raise EchobenchError; it raised {error!r}") from error
    raise AssertionError(f"{what} must raise EchobenchError; it raised nothing")


def _global_state() -> dict[str, Any]:
    numpy_state = np.random.get_state()  # noqa: NPY002 (the legacy state is what must not change)
    return {
        "random": random.getstate(),
        "numpy.random": [np.asarray(part).tolist() for part in numpy_state],
        "torch's random state": torch.get_rng_state().tolist(),
        "torch's threads": torch.get_num_threads(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "torch's matmul precision": torch.get_float32_matmul_precision(),
    }


_ELSEWHERE = 20_231  # no seed that anybody would choose


@contextmanager
def _global_state_elsewhere() -> Iterator[None]:
    """Inside, the global random states are others; afterwards they are what they were."""
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(_ELSEWHERE)
    np.random.seed(_ELSEWHERE)  # noqa: NPY002
    torch.manual_seed(_ELSEWHERE)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])
