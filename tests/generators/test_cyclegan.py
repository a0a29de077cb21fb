"""CycleGAN: pictures of maps, the pool, losses, resuming, and that nothing is left of who belonged to whom."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from echobench.benchmark.stress.boundaries import boundary_contrast
from echobench.data.base.errors import EchobenchError
from echobench.data.base.settings import settings_from
from echobench.data.labels import Label
from echobench.data.maps import undeformed_maps
from echobench.generators.cyclegan import QUICK, CycleGan, CycleGanSettings
from echobench.generators.testing import examples
from echobench.generators.training.draws import step_generator
from echobench.generators.training.pairs import Pairs, to_planes
from echobench.generators.translation.history import History
from echobench.generators.translation.network import Discriminator, Translator, TranslatorSettings
from echobench.generators.translation.rendering import NOISE, Renderer, labels_of_picture
from echobench.generators.translation.training import CycleSettings

TINY = CycleGanSettings(
    network=TranslatorSettings(channels=8, halvings=1, blocks=1, discriminator_channels=4),
    training=CycleSettings(steps=6, batch=2, history=3, checkpoint_seconds=0.0),
)


@pytest.fixture(scope="module")
def frames():
    return examples(CycleGan)[0]


def weights(generator):
    return [parameter.detach().clone() for parameter in generator.network.parameters()]


def rendered(frames, kind="echo", seed=0, right_heart=False):
    """Pictures of the frames' label maps, (N, 3, H, W)."""
    planes = to_planes(torch.from_numpy(frames.labels), torch.from_numpy(frames.sector))
    noise = torch.randn(len(frames), NOISE, *frames.size, generator=torch.Generator().manual_seed(seed))
    return Renderer(kind, right_heart)(planes, noise)


def grey(pictures):
    return ((pictures[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()


class TestRendering:
    def test_colours_come_back(self, frames):
        picture, sector = rendered(frames, "colours"), torch.from_numpy(frames.sector)
        assert picture.shape == (len(frames), 3, *frames.size)
        inside = torch.where(sector, torch.from_numpy(frames.labels), int(Label.BACKGROUND))
        torch.testing.assert_close(labels_of_picture(picture, sector), inside)

    @pytest.mark.parametrize("kind", ["echo", "colours"])
    def test_is_black_outside_the_sector_alone(self, frames, kind):
        black = (rendered(frames, kind) == -1).all(dim=1).numpy()
        np.testing.assert_array_equal(black, ~frames.sector)

    def test_blood_is_dark_in_every_echo(self):
        frames = examples(CycleGan, size=128)[0]
        for name, contrast in boundary_contrast(replace(frames, images=grey(rendered(frames)))).items():
            assert contrast.min() > 0.5 and contrast.mean() > 0.6, name

    def test_a_leaflet_parts_the_chambers_of_an_echo(self):
        frames = examples(CycleGan, size=128)[0]
        one = frames.labels[0]
        image = grey(rendered(frames))[0]
        seam = (one == Label.LV_ENDO)[:-1] & (one == Label.LA)[1:]
        assert seam.sum() > 5
        assert image[:-1][seam].mean() > 1.3 * image[one == Label.LV_ENDO].mean()

    def test_the_right_chambers_lie_left_of_the_septum(self, frames):
        without, shown = rendered(frames), rendered(frames, right_heart=True)
        darker = (without - shown)[:, 0].numpy()
        assert darker.min() > -1e-6 and darker.max() > 0.1
        columns = np.arange(frames.size[1])
        for one, labels in zip(darker, frames.labels, strict=True):
            assert (one.sum(axis=0) * columns).sum() / one.sum() < columns[(labels == Label.LV_ENDO).any(axis=0)].min()

    def test_an_echo_without_any_label_is_tissue(self, frames):
        bare = replace(frames, labels=np.zeros_like(frames.labels))
        assert rendered(bare, right_heart=True).isfinite().all()

    def test_a_seed_is_a_grain(self, frames):
        first, again, other = (rendered(frames, seed=seed) for seed in (0, 0, 1))
        torch.testing.assert_close(first, again, rtol=0, atol=0)
        assert (first != other).any()


class TestHistory:
    def test_fills_then_exchanges(self):
        pool, generator = History(2), step_generator(0, 0)
        numbers = torch.arange(200.0).reshape(100, 2, 1, 1, 1)
        seen = [pool.exchange(pair, generator) for pair in numbers]
        assert seen[0].flatten().tolist() == [0, 1]  # the pool was not full
        old = sum((shown < pair.min()).any().item() for pair, shown in zip(numbers, seen, strict=True))
        assert 40 < old < 95  # about three in four pairs hold an older picture, as each is exchanged with even odds
        everything = torch.cat(seen[1:]).flatten().tolist() + torch.stack(pool.pictures).flatten().tolist()
        assert sorted(everything) == list(range(200))  # nothing is lost or doubled


class TestNetwork:
    def test_paper_has_the_published_translator(self):
        # Zhu et al., appendix 7.2: c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3, counted layer by layer.
        def convolution(side, inputs, outputs):
            return side**2 * inputs * outputs + outputs

        wanted = convolution(7, 3, 64) + convolution(3, 64, 128) + convolution(3, 128, 256)
        wanted += 18 * convolution(3, 256, 256) + convolution(3, 256, 128) + convolution(3, 128, 64)
        read = sum(p.numel() for p in Translator(TranslatorSettings(), outputs=3).parameters())
        assert read == wanted + convolution(7, 64, 3)
        assert CycleGan(CycleGan.presets["paper"]).parameters == wanted + convolution(7, 64, 1)

    def test_a_verdict_sees_70_pixels(self):
        judge = Discriminator(TranslatorSettings(discriminator_channels=4)).eval()
        for layer in judge.modules():  # normalisation sees the whole picture
            if isinstance(layer, torch.nn.InstanceNorm2d):
                layer.forward = lambda x: x
        picture = torch.randn(1, 3, 256, 256, requires_grad=True)
        verdict = judge(picture)
        assert verdict.shape == (1, 1, 30, 30)
        verdict[0, 0, 15, 15].backward()
        rows = picture.grad[0].abs().sum(dim=(0, 2)).nonzero()
        assert rows.max() - rows.min() + 1 == 70


class TestTraining:
    def test_who_belongs_to_whom_does_not_matter(self, frames):
        one_sector = replace(frames, sector=np.broadcast_to(frames.sector[0], frames.sector.shape))
        dealt = replace(one_sector, images=np.roll(one_sector.images, 3, axis=0))
        fitted = CycleGan(TINY).fit(one_sector, 0)
        for a, b in zip(weights(fitted), weights(CycleGan(TINY).fit(dealt, 0)), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)

    def test_both_domains_are_shuffled_on_their_own(self, frames, monkeypatch):
        met = []

        original = Pairs.batch

        def spy(self, rows, generator, settings):
            met.append(rows.tolist())
            return original(self, rows, generator, settings)

        monkeypatch.setattr(Pairs, "batch", spy)
        longer = replace(TINY, training=replace(TINY.training, steps=2 * len(frames), batch=1))
        CycleGan(longer).fit(frames, 0)
        maps, images = met[0::2], met[1::2]
        for domain in (maps, images):  # every epoch shows each once
            epoch = sorted(row for step in domain[: len(frames)] for row in step)
            assert epoch == list(range(len(frames)))
        assert maps != images

    def test_resumes_to_the_same_weights(self, frames, tmp_path):
        whole = CycleGan(TINY).fit(frames, 0)

        def killed(done, total, figures=None):
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            CycleGan(TINY).fit(frames, 0, folder=tmp_path, progress=killed)
        resumed = CycleGan(TINY).fit(frames, 0, folder=tmp_path)
        for a, b in zip(weights(whole), weights(resumed), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert list(resumed.curve["loss_cycle"]) == list(whole.curve["loss_cycle"])

    @pytest.mark.parametrize("stop", [2, 3, 4])  # of six steps, three are at half the size
    def test_resumes_across_the_change_of_size(self, stop, tmp_path):
        frames = examples(CycleGan, size=64, patients=2)[0]
        growing = replace(TINY, training=replace(TINY.training, half_size=0.5))

        def killed(done, total, figures=None):
            if done == stop:
                raise KeyboardInterrupt

        whole = CycleGan(growing).fit(frames, 0)
        with pytest.raises(KeyboardInterrupt):
            CycleGan(growing).fit(frames, 0, folder=tmp_path, progress=killed)
        history = torch.load(tmp_path / "training.pt", weights_only=True)["state"]["history"]
        sizes = {tuple(picture.shape) for pictures in history.values() for picture in pictures}
        assert sizes == {(3, 32, 32) if stop < 4 else (3, 64, 64)}
        resumed = CycleGan(growing).fit(frames, 0, folder=tmp_path)
        for a, b in zip(weights(whole), weights(resumed), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)

    def test_blood_stays_dark(self):
        """Of colours one of the two is drawn inverted, which one depends on the seed."""
        frames = examples(CycleGan, size=64)[0]
        training = replace(TINY.training, steps=60, learning_rate=2e-3, identity_weight=0.5)
        fitted = CycleGan(replace(TINY, training=training)).fit(frames, 0)
        maps = undeformed_maps(frames)
        drawn = maps.with_images(fitted.sample(maps, np.arange(len(maps))))
        for name, contrast in boundary_contrast(drawn).items():
            assert contrast.min() > 0.5, name

    def test_refuses_the_checkpoint_of_another_training(self, frames, tmp_path):
        CycleGan(TINY).fit(frames, 0, folder=tmp_path)
        other = replace(TINY, training=replace(TINY.training, cycle_weight=5.0))
        with pytest.raises(EchobenchError, match=r"settings.training.cycle_weight is 10.0, not 5.0"):
            CycleGan(other).fit(frames, 0, folder=tmp_path)

    def test_learns_to_come_back(self, frames):
        # Colours, as the grain of an echo is more than so small a network can hand back.
        training = replace(TINY.training, steps=80, learning_rate=2e-3)
        longer = replace(TINY, training=training, rendering="colours")
        curve = CycleGan(longer).fit(frames, 0).curve
        assert list(curve["step"]) == list(range(10, 90, 10))
        assert curve["loss_cycle"].iloc[-1] < 0.5 * curve["loss_cycle"].iloc[0]
        # Who judges tells real from drawn, without being certain.
        assert 0 < (curve["judge_images_real"] - curve["judge_images_fake"]).iloc[-1] < 1

    def test_counts_epochs(self):
        assert CycleSettings().total_steps(800) == 160_000  # 200 epochs, one at a time
        assert CycleSettings(epochs=2, batch=3).total_steps(10) == 7

    def test_refuses_sides_that_cannot_be_halved(self, frames):
        odd = replace(frames, **{name: getattr(frames, name)[:, :, :30] for name in ("images", "labels", "sector")})
        with pytest.raises(EchobenchError, match="divisible by 4"):
            CycleGan(replace(TINY, network=replace(TINY.network, halvings=2))).fit(odd, 0)


def test_reads_colours_back_and_no_echoes(frames):
    fitted = CycleGan(replace(TINY, rendering="colours")).fit(frames, 0)
    maps = undeformed_maps(frames)
    images = fitted.sample(maps, np.zeros(len(maps), dtype=np.int64))
    labels = fitted.read_maps(images, maps.sector)
    assert labels.shape == images.shape and labels.dtype == np.uint8
    assert not labels[~maps.sector].any() and set(np.unique(labels)) <= {int(label) for label in Label}
    assert CycleGan(TINY).fit(frames, 0).read_maps(images, maps.sector) is None


class TestFilesOfBefore:
    """Those of before there was a choice of rendering: colours."""

    def test_weights_draw_as_they_did(self, frames, tmp_path):
        fitted = CycleGan(replace(TINY, rendering="colours")).fit(frames, 0)
        fitted.save(tmp_path / "new.pt")
        content = torch.load(tmp_path / "new.pt", weights_only=True)
        settings = content["settings"]
        del settings["rendering"], settings["training"]["half_size"]
        torch.save(content, tmp_path / "old.pt")
        maps, seeds = undeformed_maps(frames), np.arange(len(frames))
        loaded = CycleGan.load(tmp_path / "old.pt")
        assert loaded.settings == fitted.settings
        np.testing.assert_array_equal(loaded.sample(maps, seeds), fitted.sample(maps, seeds))
        np.testing.assert_array_equal(loaded.sample(maps, seeds), loaded.sample(maps, seeds + 1))

    @pytest.mark.parametrize("record", ["camus-cyclegan-standard", "phantom-cyclegan-quick"])
    def test_settings_of_committed_records(self, record):
        path = Path(__file__).parents[2] / "results" / "measured" / record / "run.json"
        kept = json.loads(path.read_text())["settings"]["generator_settings"]
        read = settings_from(CycleGanSettings, CycleGan.upgraded(kept), path)
        if "rendering" not in kept:
            assert read.rendering == "colours"
        assert asdict(read)["training"] == {"half_size": 0.0} | kept["training"]


def test_in_bf16_an_image_alone_is_that_of_the_batch(monkeypatch):
    """oneDNN may round one image alone otherwise than several; on one thread it happens not to."""
    frames, threads = examples(CycleGan)[0], torch.get_num_threads()
    half = CycleGanSettings(QUICK.network, replace(TINY.training, steps=1, precision="bf16-mixed"))
    maps = undeformed_maps(frames.select(slice(0, 3)))
    generator = CycleGan(half).fit(frames, 0)
    monkeypatch.setattr("echobench.generators.trained.BATCH", 2)  # two, and a rest of one
    try:
        torch.set_num_threads(2)
        together, (alone,) = (
            generator.sample(maps, np.arange(3)),
            generator.sample(maps.select(slice(0, 1)), np.arange(1)),
        )
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(alone, together[0])
