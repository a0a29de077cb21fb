"""The published model: network, loss, guidance, training on one process and on two, files."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.maps import LabelMaps, undeformed_maps
from echobench.generators.diffusion import training
from echobench.generators.diffusion.learned_variance import (
    GREY_STEP,
    all_steps,
    gaussian_divergence,
    grey_log_likelihood,
)
from echobench.generators.diffusion.paper import (
    HybridLoss,
    PaperDenoiser,
    PaperMethod,
    PaperSamplingSettings,
    PaperTrainingSettings,
)
from echobench.generators.diffusion.paper_network import PaperNetworkSettings, PaperUNet
from echobench.generators.diffusion.schedule import TIMES, Schedule, ScheduleSettings
from echobench.generators.sdm import PAPER, QUICK, SdmSettings, SemanticDiffusion
from echobench.generators.training.pairs import Pairs, to_planes

PLAIN = ScheduleSettings(shift=1.0)
NETWORK = PaperNetworkSettings(
    channels=8, multipliers=(1, 2), blocks=1, attention=(False, True), head_channels=8, spade_channels=4, groups=4
)
TINY = SdmSettings(
    schedule=PLAIN,
    network=NETWORK,
    training=PaperTrainingSettings(steps=4, batch=4, learning_rate=1e-3, precision="32-true", checkpoint_seconds=0),
    sampling=PaperSamplingSettings(steps=3, batch=2),
)
SIZE = 16


@pytest.fixture
def frames(make_frames: Callable[..., Frames]) -> Frames:
    return make_frames(patients=3, size=SIZE)


@pytest.fixture
def maps(frames: Frames) -> LabelMaps:
    return undeformed_maps(frames).without_images()


def trained_like(seed: int = 0) -> PaperDenoiser:
    """A tiny denoiser without the zeros that a new one starts with."""
    denoiser = PaperDenoiser(NETWORK, PLAIN)
    generator = torch.Generator().manual_seed(seed)
    for parameter in denoiser.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return denoiser.eval()


def planes_of(frames: Frames) -> Tensor:
    return to_planes(torch.tensor(frames.labels), torch.tensor(frames.sector))


def with_guidance(settings: SdmSettings) -> SdmSettings:
    """The same with guidance, and the training that it needs."""
    training = replace(settings.training, map_dropout=0.1)  # type: ignore[call-arg]
    return replace(settings, training=training, sampling=replace(settings.sampling, guidance=1.5))  # type: ignore[call-arg]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class TestNetwork:
    def test_has_the_published_number_of_weights(self) -> None:
        with torch.device("meta"):
            count = sum(p.numel() for p in PaperUNet(PaperNetworkSettings()).parameters())
        assert count == 652_198_918
        assert SemanticDiffusion(PAPER).parameters == count
        assert round(count / 1e6, 1) == 652.2

    def test_cached_partly_cached_and_uncached_modulation_give_the_same(self, frames: Frames) -> None:
        denoiser, planes = trained_like(), planes_of(frames)
        x, t = noise(len(frames), 3, SIZE, SIZE), torch.arange(len(frames)) * 150
        whole = denoiser.condition(planes)
        size = sum(part.numel() * 4 for layer in whole.layers if layer is not None for part in layer)
        half, none = (denoiser.condition(planes, budget_bytes=bytes_) for bytes_ in (size // 2, 0))
        assert whole.layer_bytes == size and half.layer_bytes <= size // 2 and none.layer_bytes == 0
        assert all(part.untyped_storage().nbytes() == part.nbytes for layer in whole.layers if layer for part in layer)
        kept = [sum(layer is not None for layer in m.layers) for m in (whole, half, none)]
        assert kept[0] == len(whole.layers) > kept[1] > kept[2] == 0
        with torch.no_grad():
            expected = denoiser(x, t, whole)
            for modulation in (half, none):
                torch.testing.assert_close(denoiser(x, t, modulation), expected, rtol=0, atol=1e-5)

    def test_images_of_a_batch_do_not_meet(self, frames: Frames) -> None:
        denoiser, planes = trained_like(), planes_of(frames)
        x, t = noise(len(frames), 3, SIZE, SIZE), torch.arange(len(frames)) * 150
        with torch.no_grad():
            together = denoiser(x, t, denoiser.condition(planes))
            alone = denoiser(x[2:3], t[2:3], denoiser.condition(planes[2:3]))
        torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-3)

    def test_maps_are_one_hot_of_five_classes_and_the_null_map_is_none_of_them(self, frames: Frames) -> None:
        denoiser, planes = trained_like(), planes_of(frames)
        assert torch.equal(denoiser.condition(planes).classes.sum(1), torch.ones(len(frames), SIZE, SIZE))
        assert not denoiser.condition(planes, keep=0.0).classes.any()

    def test_recomputed_activations_give_the_same_gradient(self, frames: Frames) -> None:
        gradients = []
        for checkpointing in (False, True):
            denoiser = trained_like()
            denoiser.network.checkpointing = checkpointing
            modulation = denoiser.condition(planes_of(frames), budget_bytes=0)
            denoiser(noise(len(frames), 3, SIZE, SIZE), torch.full((len(frames),), 500), modulation).sum().backward()
            gradients.append([p.grad for p in denoiser.parameters()])
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other)


class TestVariance:
    def test_divergence_of_gaussians(self) -> None:
        difference, log_variance, other = torch.tensor(0.7), torch.tensor(0.3), torch.tensor(-0.4)
        one = torch.distributions.Normal(0.0, (0.5 * log_variance).exp())
        two = torch.distributions.Normal(difference, (0.5 * other).exp())
        expected = torch.distributions.kl_divergence(one, two)
        torch.testing.assert_close(gaussian_divergence(difference, log_variance, other), expected)

    def test_probabilities_of_the_grey_values_add_up(self) -> None:
        greys = torch.arange(256) * GREY_STEP - 1
        for mean, deviation in ((0.1, 0.01), (-0.999, 0.1), (0.5, 2.0)):
            log = grey_log_likelihood(greys, torch.tensor(mean), torch.tensor(2 * math.log(deviation)))
            assert log.exp().sum().item() == pytest.approx(1, abs=1e-4)

    def test_spread_interpolates_between_the_extremes(self) -> None:
        steps, t = all_steps(Schedule(PLAIN)), torch.tensor([1, 400, 998])
        ones = torch.ones(3, 1, 1, 1)
        least, middle, most = (steps.log_variance(spread * ones, t).flatten() for spread in (-1, 0, 1))
        beta = torch.tensor(Schedule(PLAIN).betas)[t]
        alpha_bar = Schedule(PLAIN).alpha_bar
        tilde = (beta * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])).float()
        torch.testing.assert_close(most.exp(), beta, rtol=2e-3, atol=0)
        torch.testing.assert_close(least.exp(), tilde, rtol=2e-3, atol=0)
        torch.testing.assert_close(middle, (least + most) / 2)

    def test_bound_is_that_of_the_two_gaussians(self) -> None:
        schedule = Schedule(PLAIN)
        steps, t = all_steps(schedule), torch.tensor([2, 300, 700])
        x_0, epsilon, predicted = 0.3 * noise(3, 1, 4, 4), noise(3, 1, 4, 4, seed=1), noise(3, 1, 4, 4, seed=2)
        spread = noise(3, 1, 4, 4, seed=3)
        alpha, sigma = schedule.alpha_sigma(t)
        x_t = schedule.add_noise(x_0, epsilon, t)
        of_image, of_noisy = (f[t].float()[:, None, None, None] for f in (steps.mean_of_image, steps.mean_of_noisy))
        true = of_image * x_0 + of_noisy * x_t
        guessed = of_image * (x_t - sigma * predicted) / alpha + of_noisy * x_t
        q = torch.distributions.Normal(true, (0.5 * steps.log_variance(-torch.ones_like(spread), t)).exp())
        p = torch.distributions.Normal(guessed, (0.5 * steps.log_variance(spread, t)).exp())
        expected = torch.distributions.kl_divergence(q, p).mean((1, 2, 3)) / math.log(2)
        torch.testing.assert_close(steps.bound(x_0, epsilon, predicted, spread, t), expected, rtol=1e-3, atol=1e-4)

    def test_last_step_is_the_likelihood_of_the_grey_values(self) -> None:
        steps, t = all_steps(Schedule(PLAIN)), torch.tensor([0])
        x_0, epsilon, spread = torch.full((1, 1, 2, 2), 0.25), noise(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
        expected = -grey_log_likelihood(x_0, x_0, steps.log_variance(spread, t)).mean() / math.log(2)
        torch.testing.assert_close(steps.bound(x_0, epsilon, epsilon, spread, t), expected[None])

    @pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
    @pytest.mark.parametrize("error", [-0.5, 0.5])
    def test_bound_of_the_last_step_is_about_the_mean_that_the_network_predicts(
        self, value: float, error: float
    ) -> None:
        schedule, t = Schedule(PLAIN), torch.tensor([0])
        x_0, spread = torch.full((1, 1, 1, 1), value), torch.zeros(1, 1, 1, 1)
        epsilon = torch.full_like(x_0, 0.2)
        alpha, sigma = schedule.alpha_sigma(t)
        estimate = (schedule.add_noise(x_0, epsilon, t) - sigma * (epsilon + error)) / alpha
        steps = all_steps(schedule)
        expected = -grey_log_likelihood(x_0, estimate, steps.log_variance(spread, t)).mean() / math.log(2)
        torch.testing.assert_close(
            steps.bound(x_0, epsilon, epsilon + error, spread, t), expected[None], rtol=1e-4, atol=1e-4
        )

    def test_bound_moves_the_variance_and_not_the_mean(self) -> None:
        predicted, spread = noise(4, 1, 4, 4, seed=1).requires_grad_(), noise(4, 1, 4, 4, seed=2).requires_grad_()
        t = torch.tensor([0, 1, 500, TIMES - 1])
        bound = all_steps(Schedule(PLAIN)).bound(
            0.5 * noise(4, 1, 4, 4).tanh(), noise(4, 1, 4, 4), predicted, spread, t
        )
        gradient = torch.autograd.grad(bound.sum(), (predicted, spread), allow_unused=True, materialize_grads=True)
        assert not gradient[0].any()
        assert gradient[1].isfinite().all() and gradient[1][1:].any()


class Says(nn.Module):
    """In place of a network: whatever it is shown, it predicts this noise and this spread, (B, C, H, W) each."""

    def __init__(self, predicted: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.schedule, self._said = Schedule(PLAIN), (predicted, spread)

    def condition(self, planes: Tensor, keep: Tensor, budget_bytes: float) -> None:
        return None

    def noise(self, x_t: Tensor, t: Tensor, modulation: None) -> tuple[Tensor, Tensor]:
        return self._said


def published_terms(
    x_0: NDArray[np.float64], epsilon: NDArray[np.float64], predicted: NDArray[np.float64],
    spread: NDArray[np.float64], t: int,
) -> tuple[float, float]:  # fmt: skip
    """Squared error, and the bound at time t in bits per number, of one image: from the papers' equations alone.

    Cosine schedule and learnt variance: Nichol & Dhariwal 2021, eq. 17 and 15; posterior: Ho et al. 2020, eq. 7 and 13.
    """
    cosine = np.cos((np.arange(TIMES + 1) / TIMES + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1 - cosine[1:] / cosine[:-1], 0.999)
    after = np.cumprod(1 - betas)
    before = np.concatenate([[1.0], after[:-1]])
    tilde = betas * (1 - before) / (1 - after)
    tilde[0] = tilde[1]

    def step(image: NDArray[np.float64], x_t: NDArray[np.float64]) -> NDArray[np.float64]:
        share = betas[t] * np.sqrt(before[t]) / (1 - after[t])
        return share * image + np.sqrt(1 - betas[t]) * (1 - before[t]) / (1 - after[t]) * x_t

    x_t = np.sqrt(after[t]) * x_0 + np.sqrt(1 - after[t]) * epsilon
    mean = step((x_t - np.sqrt(1 - after[t]) * predicted) / np.sqrt(after[t]), x_t)
    v = (spread + 1) / 2
    variance = np.exp(v * np.log(betas[t]) + (1 - v) * np.log(tilde[t]))
    if t == 0:
        deviation = np.sqrt(variance)
        above = np.where(x_0 > 0.999, 1, stats.norm.cdf(x_0 + 1 / 255, mean, deviation))
        below = np.where(x_0 < -0.999, 0, stats.norm.cdf(x_0 - 1 / 255, mean, deviation))
        nats = -np.log(above - below)
    else:
        apart = (step(x_0, x_t) - mean) ** 2
        nats = 0.5 * (np.log(variance / tilde[t]) + (tilde[t] + apart) / variance - 1)
    return float(np.mean((epsilon - predicted) ** 2)), float(np.mean(nats) / np.log(2))


class TestTraining:
    @pytest.mark.parametrize("t", [0, 1, 40, 600, 999])
    def test_loss_is_the_published_one(self, t: int) -> None:
        greys = np.random.default_rng(0).integers(0, 256, (2, 3, SIZE, SIZE))
        greys[:, :, 0, :2] = 0, 255
        x_0 = torch.tensor(greys / 127.5 - 1).float()
        epsilon, spread = noise(*x_0.shape), noise(*x_0.shape, seed=1)
        predicted = epsilon + 0.1 * noise(*x_0.shape, seed=2)
        numbers = [part.double().numpy() for part in (x_0, epsilon, predicted, spread)]
        squared, bits = np.mean([published_terms(*(n[i] for n in numbers), t) for i in range(2)], axis=0)
        loss = HybridLoss(Says(predicted, spread))  # type: ignore[arg-type]
        found = float(loss(x_0, torch.zeros(2, 5, 1, 1), torch.ones(2), torch.tensor([t, t]), epsilon))
        assert found == pytest.approx(squared + 0.001 * bits, rel=1e-4)
        assert found - squared == pytest.approx(0.001 * bits, rel=1e-2, abs=1e-7)

    def test_loss_of_a_silent_network_is_that_of_the_noise_and_of_the_bound(self, frames: Frames) -> None:
        denoiser = PaperMethod(PLAIN, NETWORK, TINY.training, TINY.sampling).new_denoiser(0)  # type: ignore[arg-type]
        x_0, epsilon = torch.zeros(6, 3, SIZE, SIZE), noise(6, 3, SIZE, SIZE)
        t = torch.full((6,), 600)
        loss = HybridLoss(denoiser)(x_0, planes_of(frames), torch.ones(6), t, epsilon)
        zero = torch.zeros_like(epsilon)
        bound = all_steps(Schedule(PLAIN)).bound(x_0, epsilon, zero, zero, t).mean()
        torch.testing.assert_close(loss, epsilon.square().mean() + 0.001 * bound)

    def test_batches_are_mirrored_and_maps_dropped_as_often_as_stated(self, frames: Frames) -> None:
        training = replace(TINY.training, flip=0.25, map_dropout=0.5)
        method = PaperMethod(PLAIN, NETWORK, training, TINY.sampling)  # type: ignore[arg-type]
        pairs = Pairs.of(frames, torch.device("cpu"))
        images, planes, keep, t, epsilon = method.batch(pairs, torch.zeros(400, dtype=torch.long), torch.Generator())
        plain = torch.tensor(frames.images[0]).float() / 127.5 - 1
        mirrored = (images[:, 0] == plain.flip(-1)).all(-1).all(-1)
        assert ((images[:, 0] == plain).all(-1).all(-1) | mirrored).all()
        assert 0.18 < mirrored.float().mean() < 0.32 and 0.42 < keep.mean() < 0.58
        sector = torch.tensor(frames.sector[0]).float()
        assert torch.equal(planes[mirrored][0, -1], sector.flip(-1))
        assert torch.equal(images[:, 0], images[:, 2]) and epsilon.shape == images.shape
        assert t.min() < 100 and t.max() > 900

    def test_learns_from_end_diastole_alone(self, frames: Frames) -> None:
        method = SemanticDiffusion(TINY).method
        assert set(method.frames(frames).phase) == {"ED"}
        with pytest.raises(EchobenchError, match="no ED frames to learn from"):
            method.frames(frames.where(phases=["ES"]))

    def test_rate_falls_to_zero_along_a_line(self) -> None:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
        rate = SemanticDiffusion(TINY).method.rate(optimizer)
        seen = []
        for _ in range(5):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            rate.step()
        assert seen == pytest.approx([2.0, 1.5, 1.0, 0.5, 0.0])

    def test_killed_training_ends_at_the_same_weights(self, frames: Frames, maps: LabelMaps, tmp_path: Path) -> None:
        class Killed(Exception):
            pass

        def kill(done: int, total: int, figures: object = None) -> None:
            if done == 2:
                raise Killed

        whole = SemanticDiffusion(TINY).fit(frames, 1)
        with pytest.raises(Killed):
            SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path, progress=kill)
        resumed = SemanticDiffusion(TINY).fit(frames, 1, folder=tmp_path)
        for generator, name in ((whole, "whole"), (resumed, "resumed")):
            generator.save(tmp_path / name)
        first, second = (torch.load(tmp_path / name)["weights"] for name in ("whole", "resumed"))
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_processes_that_would_go_on_from_different_steps_are_stopped(self) -> None:
        gathered = SimpleNamespace(all_gather=lambda step: torch.stack([step, torch.zeros_like(step)]))
        run = SimpleNamespace(step=2, device=torch.device("cpu"), fabric=gathered)
        with pytest.raises(EchobenchError, match="from the steps 2, 0: the run's folder must be one that all machines"):
            training.DiffusionTraining.together(run)  # type: ignore[arg-type]

    def test_parts_of_a_batch_have_the_gradient_of_the_whole(self, frames: Frames, monkeypatch) -> None:
        """Of five frames, two at a time: the last part is smaller, and counts for less."""
        seen: dict[int | None, list[int]] = {None: [], 2: []}
        forward, gradients, losses = HybridLoss.forward, {}, {}
        for size, sizes in seen.items():

            def noted(
                self: HybridLoss, x_0: torch.Tensor, *rest: torch.Tensor, sizes: list[int] = sizes
            ) -> torch.Tensor:
                sizes.append(len(x_0))
                return forward(self, x_0, *rest)

            monkeypatch.setattr(HybridLoss, "forward", noted)
            settings = replace(TINY, training=replace(TINY.training, batch=5, micro_batch=size, precision="32-true"))
            method = SemanticDiffusion(settings).method
            pairs = Pairs.of(method.frames(frames), torch.device("cpu"))
            run = training.DiffusionTraining(method, pairs, 1, torch.device("cpu"))
            batch = method.batch(pairs, torch.arange(5) % len(pairs), torch.Generator().manual_seed(0))
            losses[size] = run._backward(batch)
            gradients[size] = {name: weight.grad for name, weight in run.networks.named_parameters()}
        assert seen == {None: [5], 2: [2, 2, 1]}
        torch.testing.assert_close(losses[2], losses[None])
        for name, gradient in gradients[None].items():
            torch.testing.assert_close(gradients[2][name], gradient, rtol=1e-4, atol=1e-6)

    def test_no_part_of_a_batch_is_empty(self) -> None:
        with pytest.raises(EchobenchError, match="micro_batch is 0; it must be at least 1"):
            replace(TINY.training, micro_batch=0)

    def test_two_processes_end_at_the_weights_of_one(self, frames: Frames, tmp_path: Path) -> None:
        script = Path(__file__).with_name("test_paper_worker.py")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        subprocess.run([*launch, script, tmp_path], env=environment, check=True, timeout=300, capture_output=True)
        ranks = [torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1)]
        assert [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)] == [2, 2]
        alone = SemanticDiffusion(TINY).fit(frames, 1).network.state_dict()
        assert (tmp_path / "checkpoint" / "training.pt").is_file()
        for key, value in alone.items():
            assert torch.equal(ranks[0][key], ranks[1][key])
            torch.testing.assert_close(ranks[0][key], value, rtol=1e-4, atol=1e-6)


class TestSample:
    def test_image_depends_on_its_map_and_seed_alone(self, frames: Frames, maps: LabelMaps) -> None:
        generator = SemanticDiffusion(TINY).fit(frames, 1)
        generator._network = trained_like()
        seeds = np.arange(len(maps))
        images = generator.sample(maps, seeds)
        assert images.dtype == np.uint8 and not images[~maps.sector].any() and images[maps.sector].any()
        alone = generator.sample(maps.select(slice(2, 3)), seeds[2:3])
        np.testing.assert_allclose(images[2:3].astype(int), alone, atol=1)

    def test_memory_budget_does_not_change_the_images(self, frames: Frames, maps: LabelMaps) -> None:
        generator = SemanticDiffusion(TINY).fit(frames, 1)
        generator._network = trained_like()
        whole = generator.sample(maps, np.arange(len(maps)))
        generator.settings = replace(TINY, sampling=replace(TINY.sampling, modulation_gib=1e-6))
        np.testing.assert_allclose(generator.sample(maps, np.arange(len(maps))).astype(int), whole, atol=1)

    def test_guidance_is_equation_1_and_doubles_the_evaluations(self, frames: Frames) -> None:
        denoiser, planes = trained_like(), planes_of(frames)
        x, t = noise(len(frames), 3, SIZE, SIZE), torch.full((len(frames),), 500)
        with torch.no_grad():
            under, null = denoiser.condition(planes), denoiser.condition(planes[:1], keep=0.0)
            with_map, without = denoiser.noise(x, t, under)[0], denoiser.noise(x, t, null)[0]
            guided = denoiser(x, t, under, null, 1.5)
        alpha, sigma = denoiser.schedule.alpha_sigma(t)
        epsilon = alpha * guided[:, :3] + sigma * x
        torch.testing.assert_close(epsilon, with_map + 1.5 * (with_map - without), rtol=1e-3, atol=1e-3)
        settings = with_guidance(TINY)
        assert (SemanticDiffusion(TINY).evaluations, SemanticDiffusion(settings).evaluations) == (3, 6)

    def test_file_gives_back_settings_of_this_kind(self, frames: Frames, maps: LabelMaps, tmp_path: Path) -> None:
        generator = SemanticDiffusion(TINY).fit(frames, 1)
        generator.save(tmp_path / "sdm.pt")
        loaded = SemanticDiffusion.load(tmp_path / "sdm.pt")
        assert loaded.settings == TINY and loaded.size == (SIZE, SIZE)
        seeds = np.arange(len(maps))
        np.testing.assert_array_equal(loaded.sample(maps, seeds), generator.sample(maps, seeds))

    def test_guidance_needs_a_network_that_has_seen_empty_maps(self, frames: Frames, tmp_path: Path) -> None:
        sentence = "sampling.guidance is 1.5, but the network never sees an empty map.*map_dropout=0.1"
        with pytest.raises(EchobenchError, match=sentence):
            replace(TINY, sampling=replace(TINY.sampling, guidance=1.5))
        trained = SemanticDiffusion(TINY).fit(frames, 1)
        with pytest.raises(EchobenchError, match=r"training\.map_dropout is 0\.0, not 0\.1"):
            trained.redraw(with_guidance(TINY))
        trained.save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt")
        content["settings"]["sampling"]["guidance"] = 1.5
        torch.save(content, tmp_path / "sdm.pt")
        with pytest.raises(EchobenchError, match=sentence):
            SemanticDiffusion.load(tmp_path / "sdm.pt")
        willing = SemanticDiffusion(replace(TINY, training=with_guidance(TINY).training)).fit(frames, 1)
        assert willing.redraw(with_guidance(TINY)).evaluations == 6

    def test_weights_of_before_still_load_and_say_how_they_were_trained(self, frames: Frames, tmp_path: Path) -> None:
        old = replace(TINY, training=replace(TINY.training, map_dropout=0.2))
        SemanticDiffusion(old).fit(frames, 1).save(tmp_path / "sdm.pt")
        content = torch.load(tmp_path / "sdm.pt")
        del content["settings"]["training"]["bound_weight"]
        torch.save(content, tmp_path / "sdm.pt")
        loaded = SemanticDiffusion.load(tmp_path / "sdm.pt")
        assert loaded.settings.training == replace(old.training, bound_weight=1.0)
        with pytest.raises(EchobenchError, match=r"training\.bound_weight is 1\.0, not 0\.001"):
            loaded.redraw(old)

    def test_parts_of_two_kinds_are_refused(self) -> None:
        with pytest.raises(EchobenchError, match="mix the published model"):
            _ = SemanticDiffusion(replace(PAPER, training=QUICK.training)).evaluations
