"""The semantic diffusion model: training that can be killed, images that depend on map and seed alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.data.deform import Deformation
from echobench.data.frames import Frames
from echobench.data.maps import LabelMaps
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.paint import Paint, PaintSettings
from echobench.generators.sdm import QUICK, SdmSettings, SemanticDiffusion

TINY = SdmSettings(
    schedule=ScheduleSettings(shift=1.0),
    network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
    training=TrainingSettings(steps=12, batch=4, warmup_steps=2, precision="32-true", checkpoint_seconds=0.0),
    sampling=SamplingSettings(steps=4, batch=3),
)


@pytest.fixture
def frames(make_frames: Callable[..., Frames]) -> Frames:
    return make_frames(patients=3, size=32)


@pytest.fixture
def maps(frames: Frames) -> LabelMaps:
    n = len(frames)
    still = Deformation(
        affine=np.tile(np.eye(2, 3), (n, 1, 1)),
        control=np.zeros((n, 2, 10, 10)),
        seed=np.zeros(n, dtype=np.int64),
        strength=np.zeros(n),
    )
    return LabelMaps(frames.labels, frames.sector, frames.without_images(), np.arange(n), still)


@pytest.fixture
def fitted(frames: Frames) -> SemanticDiffusion:
    return SemanticDiffusion(TINY).fit(frames, seed=1)


def weights(generator: SemanticDiffusion, path: Path) -> Mapping[str, torch.Tensor]:
    generator.save(path)
    saved: Mapping[str, torch.Tensor] = torch.load(path, weights_only=True)["weights"]
    return saved


def same_weights(first: SemanticDiffusion, second: SemanticDiffusion, folder: Path) -> bool:
    a, b = weights(first, folder / "first.pt"), weights(second, folder / "second.pt")
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Killed(Exception):
    """Stands for a power cut."""


def kill_at(step: int) -> Any:
    def progress(done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        if done == step:
            raise Killed

    return progress


class TestSample:
    def test_images_are_grey_inside_the_sector_and_black_outside(
        self, fitted: SemanticDiffusion, maps: LabelMaps
    ) -> None:
        images = fitted.sample(maps, np.arange(len(maps)))
        assert images.shape == maps.labels.shape and images.dtype == np.uint8
        assert not images[~maps.sector].any()
        assert images[maps.sector].any()

    def test_image_depends_on_its_map_and_seed_alone(self, fitted: SemanticDiffusion, maps: LabelMaps) -> None:
        seeds = np.arange(len(maps)) + 10
        images = fitted.sample(maps, seeds)
        backwards = np.arange(len(maps))[::-1]
        turned = fitted.sample(maps.select(backwards), seeds[backwards])[backwards]
        alone = np.concatenate(
            [fitted.sample(maps.select(slice(i, i + 1)), seeds[i : i + 1]) for i in range(len(maps))]
        )
        for other in (turned, alone):
            np.testing.assert_allclose(images.astype(int), other.astype(int), atol=1)

    def test_other_seed_other_image(self, fitted: SemanticDiffusion, maps: LabelMaps) -> None:
        one = maps.select(np.zeros(2, dtype=np.intp))
        first, second = fitted.sample(one, np.array([1, 2]))
        assert (first != second).mean() > 0.1

    def test_largest_seed_is_a_seed(self, fitted: SemanticDiffusion, maps: LabelMaps) -> None:
        fitted.sample(maps.select(slice(0, 1)), np.array([2**63 - 1]))

    def test_bf16_draws_nearly_the_same(self, fitted: SemanticDiffusion, maps: LabelMaps, tmp_path: Path) -> None:
        seeds = np.arange(len(maps))
        exact = fitted.sample(maps, seeds)
        half = replace(TINY, training=replace(TINY.training, precision="bf16-mixed"))
        fitted.settings = half
        assert np.abs(fitted.sample(maps, seeds).astype(int) - exact).mean() < 2

    def test_in_bf16_an_image_alone_is_that_of_the_batch(self, frames: Frames, maps: LabelMaps) -> None:
        half = replace(TINY, network=QUICK.network, training=replace(TINY.training, precision="bf16-mixed"))
        generator, seeds = SemanticDiffusion(half).fit(frames, seed=1), np.arange(4)
        together = generator.sample(maps.select(slice(0, 4)), seeds)  # three and a rest of one
        alone = [generator.sample(maps.select(slice(i, i + 1)), seeds[i : i + 1]) for i in range(4)]
        np.testing.assert_array_equal(np.concatenate(alone), together)

    def test_without_weights(self, maps: LabelMaps) -> None:
        with pytest.raises(EchobenchError, match="no weights yet"):
            SemanticDiffusion(TINY).sample(maps, np.arange(len(maps)))

    def test_reports_images_done(self, fitted: SemanticDiffusion, maps: LabelMaps) -> None:
        seen: list[tuple[int, int]] = []
        fitted.sample(maps, np.arange(6), progress=lambda done, total, figures=None: seen.append((done, total)))
        assert seen == [(3, 6), (6, 6)]


class TestFit:
    def test_loss_falls(self, frames: Frames) -> None:
        longer = replace(TINY, training=replace(TINY.training, steps=60, learning_rate=5e-3))
        curve = SemanticDiffusion(longer).fit(frames, seed=0).curve
        assert curve["loss"].iloc[-1] < 0.95 * curve["loss"].iloc[0]
        assert list(curve["step"]) == [10, 20, 30, 40, 50, 60]

    def test_same_seed_same_weights(self, fitted: SemanticDiffusion, frames: Frames, tmp_path: Path) -> None:
        assert same_weights(fitted, SemanticDiffusion(TINY).fit(frames, seed=1), tmp_path)
        assert not same_weights(fitted, SemanticDiffusion(TINY).fit(frames, seed=2), tmp_path)

    @pytest.mark.parametrize("killed_at", [1, 7, 11])
    @pytest.mark.parametrize("muon_rate", [None, 0.02])
    def test_killed_training_ends_at_the_same_weights(
        self, frames: Frames, tmp_path: Path, killed_at: int, muon_rate: float | None
    ) -> None:
        settings = replace(TINY, training=replace(TINY.training, muon_rate=muon_rate))
        fitted = SemanticDiffusion(settings).fit(frames, seed=1)
        folder = tmp_path / "run"
        with pytest.raises(Killed):
            SemanticDiffusion(settings).fit(frames, 1, folder=folder, progress=kill_at(killed_at))
        steps: list[int] = []
        resumed = SemanticDiffusion(settings).fit(
            frames, 1, folder=folder, progress=lambda done, total, figures=None: steps.append(done)
        )
        assert steps[0] == killed_at + 1, "did not go on from the checkpoint"
        assert same_weights(fitted, resumed, tmp_path)
        assert list(resumed.curve["loss"]) == list(fitted.curve["loss"])

    def test_finished_training_is_not_repeated(self, frames: Frames, tmp_path: Path) -> None:
        first = SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)
        again = SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path, progress=kill_at(12))
        assert same_weights(first, again, tmp_path)

    def test_curve_lies_beside_the_checkpoint(self, frames: Frames, tmp_path: Path) -> None:
        generator = SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)
        table = np.genfromtxt(tmp_path / "curve.csv", delimiter=",", names=True)
        assert table.dtype.names == ("step", "seconds", "loss")
        np.testing.assert_allclose(table["loss"], generator.curve["loss"])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"steps": 13}, r"settings\.training\.steps is 12, not 13"),
            ({"learning_rate": 1.0}, r"settings\.training\.learning_rate is 0\.0008, not 1\.0"),
        ],
    )
    def test_checkpoint_of_other_settings(
        self, frames: Frames, tmp_path: Path, change: dict[str, float], message: str
    ) -> None:
        SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)
        other = replace(TINY, training=replace(TINY.training, **change))
        with pytest.raises(EchobenchError, match=message):
            SemanticDiffusion(other).fit(frames, 1, folder=tmp_path)

    def test_checkpoint_of_other_resolution_and_seed(
        self, frames: Frames, make_frames: Callable[..., Frames], tmp_path: Path
    ) -> None:
        SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)
        with pytest.raises(EchobenchError, match=r"seed is 1, not 2; size is \[32, 32\], not \[64, 64\]"):
            SemanticDiffusion(TINY).fit(make_frames(patients=3, size=64), 2, folder=tmp_path)

    def test_checkpoint_of_other_vocabulary(self, frames: Frames, tmp_path: Path) -> None:
        SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)
        content = torch.load(tmp_path / "training.pt", weights_only=True)
        content["identity"]["vocabulary"]["LA"] = 4
        torch.save(content, tmp_path / "training.pt")
        with pytest.raises(EchobenchError, match=r"vocabulary\.LA is 4, not 3"):
            SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)

    def test_damaged_checkpoint(self, frames: Frames, tmp_path: Path) -> None:
        (tmp_path / "training.pt").write_bytes(b"half of a file")
        with pytest.raises(EchobenchError, match=r"training\.pt cannot be read"):
            SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)

    def test_size_that_does_not_fit(self, make_frames: Callable[..., Frames]) -> None:
        with pytest.raises(EchobenchError, match=r"sides divisible by 8, the frames have \(36, 36\)"):
            SemanticDiffusion(TINY).fit(make_frames(patients=1, size=36), 0)

    def test_leaves_no_trace_in_global_state(self, frames: Frames, maps: LabelMaps, tmp_path: Path) -> None:
        def state() -> list[Any]:
            return [
                torch.get_rng_state().tolist(),
                np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr] # noqa: NPY002
                torch.get_num_threads(),
                torch.get_float32_matmul_precision(),
                torch.are_deterministic_algorithms_enabled(),
                torch.is_grad_enabled(),
                torch.is_autocast_enabled("cpu"),
                torch.get_default_dtype(),
            ]

        before = state()
        generator = SemanticDiffusion(TINY).fit(frames, 1)
        generator.sample(maps, np.arange(len(maps)))
        generator.save(tmp_path / "sdm.pt")
        SemanticDiffusion.load(tmp_path / "sdm.pt")
        assert state() == before


class TestRedraw:
    def test_only_the_sampler_may_differ(self, fitted: SemanticDiffusion, maps: LabelMaps) -> None:
        faster = replace(TINY, sampling=replace(TINY.sampling, steps=2))
        seeds = np.arange(len(maps))
        before, redrawn = fitted.sample(maps, seeds), fitted.redraw(faster)
        assert (redrawn.evaluations, fitted.evaluations) == (2, 4)
        assert redrawn.settings == faster and fitted.settings == TINY
        assert (redrawn.sample(maps, seeds) != before).any()
        np.testing.assert_array_equal(redrawn.redraw(TINY).sample(maps, seeds), before)

    def test_what_needs_another_training_is_named(self, fitted: SemanticDiffusion) -> None:
        other = replace(
            TINY,
            sampling=replace(TINY.sampling, steps=2),
            training=replace(TINY.training, steps=13),
            schedule=ScheduleSettings(shift=2.0),
        )
        with pytest.raises(EchobenchError) as raised:
            fitted.redraw(other)
        assert str(raised.value) == (
            "the weights are of another training: schedule.shift is 1.0, not 2.0; training.steps is 12, not 13"
        )

    def test_a_generator_of_another_kind_may_differ_in_nothing(self) -> None:
        paint = Paint(PaintSettings())
        assert paint.redraw(PaintSettings()).settings == PaintSettings()
        with pytest.raises(EchobenchError, match=r"speckle_px is 1\.2, not 2\.0"):
            paint.redraw(PaintSettings(speckle_px=2.0))


class TestFile:
    def test_round_trip(self, fitted: SemanticDiffusion, maps: LabelMaps, tmp_path: Path) -> None:
        fitted.save(tmp_path / "sdm.pt")
        loaded = SemanticDiffusion.load(tmp_path / "sdm.pt")
        assert loaded.settings == TINY
        assert loaded.parameters == fitted.parameters == SemanticDiffusion(TINY).parameters
        seeds = np.arange(len(maps))
        np.testing.assert_array_equal(loaded.sample(maps, seeds), fitted.sample(maps, seeds))

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(EchobenchError, match=r"there is no file .*nowhere\.pt"):
            SemanticDiffusion.load(tmp_path / "nowhere.pt")

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("format", 99, "has format 99, this version of echobench reads format 1"),
            ("vocabulary", {"BACKGROUND": 0}, r"for the labels \{'BACKGROUND': 0\}, not for \{"),
            ("settings", {"network": {}}, "holds other settings than SdmSettings"),
        ],
    )
    def test_file_of_something_else(
        self, fitted: SemanticDiffusion, tmp_path: Path, key: str, value: Any, message: str
    ) -> None:
        fitted.save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt", weights_only=True)
        torch.save({**content, key: value}, tmp_path / "sdm.pt")
        with pytest.raises(EchobenchError, match=message):
            SemanticDiffusion.load(tmp_path / "sdm.pt")

    def test_maps_of_another_size(
        self, fitted: SemanticDiffusion, maps: LabelMaps, make_frames: Callable[..., Frames]
    ) -> None:
        larger = make_frames(patients=3, size=64)
        wrong = replace(maps, labels=larger.labels, sector=larger.sector)
        with pytest.raises(EchobenchError, match=r"trained at \(32, 32\) pixels and cannot draw \(64, 64\)"):
            fitted.sample(wrong, np.arange(len(wrong)))


@pytest.mark.parametrize("preset", SemanticDiffusion.presets)
def test_presets_fit_the_datasets(preset: str) -> None:
    settings = SemanticDiffusion.presets[preset]
    assert 256 % settings.network.divisor == 0
    assert SemanticDiffusion(settings).evaluations == settings.sampling.steps


def test_a_checkpoint_of_0_1_goes_on(make_frames, tmp_path):
    """0.1 kept the same things under other names."""
    frames, whole = make_frames(2), SemanticDiffusion(TINY).fit(make_frames(2), 4)

    class Killed(Exception):
        pass

    def kill(done, total, figures=None):
        if done == 3:
            raise Killed

    settings = replace(TINY, training=replace(TINY.training, checkpoint_seconds=0))
    with pytest.raises(Killed):
        SemanticDiffusion(settings).fit(frames, 4, folder=tmp_path, progress=kill)
    content = torch.load(tmp_path / "training.pt", weights_only=True)
    state = content["state"]
    old = {name: state[name] for name in ("step", "seconds", "curve", "average")}
    old |= {"losses": [state["sums"]["loss"] / 3] * 3, "denoiser": state["networks"]}
    old |= {"optimizer": state["optimizers"][0], "rate": state["rates"][0]}
    torch.save(content | {"state": old}, tmp_path / "training.pt")
    resumed = SemanticDiffusion(settings).fit(frames, 4, folder=tmp_path)
    for one, other in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


class TestKindsOfSettings:
    def test_a_file_names_the_kind_of_its_settings(self, make_frames, tmp_path):
        SemanticDiffusion(TINY).fit(make_frames(2), 0).save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt", weights_only=True)
        assert content["kinds"] == {
            "network": "NetworkSettings", "training": "TrainingSettings", "sampling": "SamplingSettings"
        }  # fmt: skip

    def test_the_same_fields_under_another_kind_are_refused(self, make_frames, tmp_path):
        SemanticDiffusion(TINY).fit(make_frames(2), 0).save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt", weights_only=True)
        content["kinds"]["sampling"] = "FlowSamplingSettings"
        torch.save(content, tmp_path / "sdm.pt")
        with pytest.raises(EchobenchError, match=r"settings sampling of the kind FlowSamplingSettings; known: "):
            SemanticDiffusion.load(tmp_path / "sdm.pt")

    def test_a_file_from_before_powers_places_and_muon_loads(self, make_frames, tmp_path):
        SemanticDiffusion(TINY).fit(make_frames(2), 0).save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt", weights_only=True)
        told = {"schedule": "power", "sampling": "power", "network": "placed", "training": "muon_rate"}
        for part, unsaid in told.items():
            del content["settings"][part][unsaid]
        torch.save(content, tmp_path / "sdm.pt")
        assert SemanticDiffusion.load(tmp_path / "sdm.pt").settings == TINY

    def test_the_published_training_has_no_power(self):
        paper = SemanticDiffusion.presets["paper"]
        with pytest.raises(EchobenchError, match=r"schedule\.power is 2, but the published training"):
            replace(paper, schedule=replace(paper.schedule, power=2.0))

    def test_a_file_from_before_kinds_were_named_loads(self, make_frames, tmp_path):
        SemanticDiffusion(TINY).fit(make_frames(2), 0).save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt", weights_only=True)
        del content["kinds"]
        torch.save(content, tmp_path / "sdm.pt")
        assert SemanticDiffusion.load(tmp_path / "sdm.pt").settings == TINY
