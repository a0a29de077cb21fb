"""The parts of denoising diffusion, against closed forms."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor
from torch.nn import functional

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.generators.diffusion.loss import DiffusionLoss
from echobench.generators.diffusion.network import COORDINATES, NetworkSettings, positions
from echobench.generators.diffusion.preconditioning import Denoiser, PatchStatistics
from echobench.generators.diffusion.sampling import SAMPLERS, SamplingSettings, Velocity, draw, solver_for, trailing
from echobench.generators.diffusion.schedule import TIMES, Schedule, ScheduleSettings, stratified_times
from echobench.generators.diffusion.training import new_denoiser
from echobench.generators.training.draws import rows_of_step, step_generator
from echobench.generators.training.pairs import LIMIT, PLANES, AugmentationSettings, Pairs, to_data, to_grey, to_planes

TINY = NetworkSettings(patch=4, channels=(16, 32), map_channels=16)
SIZE = 32
PLAIN = ScheduleSettings(shift=1.0)
COSINE = Schedule(PLAIN)
AS_RECORDED = AugmentationSettings(share=0.0)


@pytest.fixture
def tiny_frames(make_frames: Callable[..., Frames]) -> Frames:
    return make_frames(patients=2, size=SIZE)


def trained_like_network(seed: int = 0) -> Denoiser:
    """A tiny network without the zeros that a new one starts with, so that every layer matters."""
    network = new_denoiser(TINY, COSINE, seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def random_planes(n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n, SIZE, SIZE), generator=generator)
    return to_planes(labels, torch.rand(n, SIZE, SIZE, generator=generator) < 0.8)


class TestSchedule:
    def test_follows_the_squared_cosine(self) -> None:
        t = torch.arange(1, TIMES, dtype=torch.float64)  # the last beta is capped
        offset = 0.008
        closed = (((t / TIMES + offset) / (1 + offset)) * math.pi / 2).cos() ** 2
        closed /= math.cos(offset / (1 + offset) * math.pi / 2) ** 2
        torch.testing.assert_close(COSINE.alpha_bar[:-1], closed, rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize("shift", [1.0, 4.0])
    def test_shift_multiplies_the_ratio_of_noise_to_image(self, shift: float) -> None:
        ratio = [((1 - a) / a).sqrt() for a in (COSINE.alpha_bar, Schedule(ScheduleSettings(shift)).alpha_bar)]
        torch.testing.assert_close(ratio[1], shift * ratio[0])

    def test_betas_multiply_up_to_the_schedule(self) -> None:
        schedule = Schedule(ScheduleSettings(3.0))
        product = (1 - torch.tensor(schedule.betas, dtype=torch.float64)).cumprod(0)
        torch.testing.assert_close(product, schedule.alpha_bar, rtol=1e-3, atol=1e-8)

    def test_velocity_and_noisy_image_give_back_image(self) -> None:
        x_0, epsilon = torch.randn(2, 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        t = torch.tensor([0, 10, 500, 990, 999])
        schedule = COSINE
        alpha, sigma = schedule.alpha_sigma(t)
        x_t, v = schedule.add_noise(x_0, epsilon, t), schedule.velocity(x_0, epsilon, t)
        torch.testing.assert_close(alpha * x_t - sigma * v, x_0, rtol=0, atol=1e-5)
        torch.testing.assert_close(sigma * x_t + alpha * v, epsilon, rtol=0, atol=1e-5)

    def test_clipping_leaves_estimates_within_the_limit_alone(self) -> None:
        x_t, v = torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        t = torch.tensor([100, 500, 900])
        torch.testing.assert_close(COSINE.clip(v, x_t, t, 100.0), v, rtol=1e-4, atol=1e-4)

    def test_clipping_holds_the_estimate_within_the_limit(self) -> None:
        x_t, v = 9 * torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        t = torch.tensor([100, 500, 999])
        schedule = COSINE
        alpha, sigma = schedule.alpha_sigma(t)
        estimate = alpha * x_t - sigma * schedule.clip(v, x_t, t, LIMIT)
        assert estimate.abs().max() <= LIMIT + 1e-4


class TestNetwork:
    def test_modulation_computed_once_gives_the_same_velocity(self) -> None:
        network, planes = trained_like_network(), random_planes(3)
        x = torch.randn(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            cached = network.condition(planes)
            for time in (0, 400, 999):
                t = torch.full((3,), time)
                torch.testing.assert_close(
                    network(x, t, cached), network(x, t, network.condition(planes)), rtol=0, atol=1e-5
                )

    def test_images_of_a_batch_do_not_meet(self) -> None:
        network, planes = trained_like_network(), random_planes(4)
        x = torch.randn(4, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
        t = torch.tensor([3, 100, 500, 990])
        with torch.no_grad():
            together = network(x, t, network.condition(planes))
            alone = torch.cat(
                [network(x[i : i + 1], t[i : i + 1], network.condition(planes[i : i + 1])) for i in range(4)]
            )
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("told", [True, False])
    def test_a_map_that_is_alike_everywhere_says_where_it_is_only_if_the_encoder_is_told(self, told: bool) -> None:
        network = new_denoiser(replace(TINY, placed=told), COSINE, seed=0)
        with torch.no_grad():
            stem = network.condition(torch.ones(1, 5, 24 * TINY.patch, 24 * TINY.patch)).stem
        inside = stem[..., 8:16, 8:16]  # beyond the reach of the border's zeros
        assert torch.allclose(inside, inside[..., :1, :1].expand_as(inside), atol=1e-5) != told

    def test_positions_go_from_side_to_side(self) -> None:
        found = positions(torch.zeros(2, 7, 5, 9))
        assert found.shape == (COORDINATES, 5, 9)
        assert (found[0, 0, 0], found[0, -1, 0], found[1, 0, 0], found[1, 0, -1]) == (-1, 1, -1, 1)
        torch.testing.assert_close(found[:, 2, 4], torch.tensor([0.0, 0, 0, 0, 1, 1]))

    def test_every_spade_layer_is_modulated(self) -> None:
        network = trained_like_network()
        modulation = network.condition(random_planes(2))
        assert [[g.shape[1] for g, _ in level] for level in modulation.levels] == [[32, 16], [32, 32, 64, 32]]
        assert all(g.shape == b.shape for level in modulation.levels for g, b in level)

    def test_map_and_time_and_image_change_the_velocity(self) -> None:
        network = trained_like_network()
        x, t = torch.zeros(1, 1, SIZE, SIZE), torch.tensor([500])
        with torch.no_grad():
            modulation = network.condition(random_planes(1))
            base = network(x, t, modulation)
            assert not torch.allclose(base, network(x, t, network.condition(random_planes(1, seed=9))))
            assert not torch.allclose(base, network(x, t - 300, modulation))
            assert not torch.allclose(base, network(x + 1, t, modulation))

    def test_starts_from_zero_velocity(self) -> None:
        network = new_denoiser(TINY, COSINE, seed=0)
        velocity = network(torch.ones(1, 1, SIZE, SIZE), torch.tensor([1]), network.condition(random_planes(1)))
        assert not velocity.any()

    def test_seeded_and_without_a_trace_in_the_global_random_state(self) -> None:
        before = torch.get_rng_state()
        first, second = new_denoiser(TINY, COSINE, 3), new_denoiser(TINY, COSINE, 3)
        assert torch.equal(torch.get_rng_state(), before)
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))

    def test_deeper_networks_take_their_modulations_in_order(self) -> None:
        settings = replace(TINY, channels=(16, 16, 32), blocks=2, attention=(False, True, True))
        network = new_denoiser(settings, COSINE, 0)
        x = torch.zeros(1, 1, SIZE, SIZE)
        assert network(x, torch.tensor([1]), network.condition(random_planes(1))).shape == x.shape


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_images(n: int, seed: int = 0) -> Tensor:
    """Images of 32×32 whose neighbouring pixels resemble one another, within uint8."""
    noise = torch.randn(n, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    smooth = functional.avg_pool2d(noise, 5, stride=1, padding=2)[:, 0]
    return (100 + 150 * smooth).clamp(0, 255).to(torch.uint8)


class TestPreconditioning:
    @pytest.fixture
    def statistics(self) -> PatchStatistics:
        return PatchStatistics(4).measure(smooth_images(50), torch.ones(50, SIZE, SIZE, dtype=torch.bool))

    def test_components_are_uncorrelated_and_have_their_variances(self, statistics: PatchStatistics) -> None:
        values = statistics.components(to_data(smooth_images(50))[:, None] - statistics.mean)
        covariance = torch.cov(values.movedim(1, 0).flatten(1))
        torch.testing.assert_close(covariance, torch.diag(statistics.variance), rtol=0.02, atol=0.02)
        assert statistics.variance[0] > 20 * statistics.variance[-1]

    def test_pixels_come_back(self, statistics: PatchStatistics) -> None:
        x = torch.randn(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(statistics.pixels(statistics.components(x)), x, rtol=0, atol=1e-5)

    def test_squares_that_leave_the_sector_do_not_count(self) -> None:
        images, sector = smooth_images(50), torch.ones(50, SIZE, SIZE, dtype=torch.bool)
        sector[:, :, 14:] = False
        spoilt = images.clone()
        spoilt[:, :, 12:] = 255
        whole, part = (PatchStatistics(4).measure(i, sector).variance for i in (images, spoilt))
        assert torch.equal(whole, part)

    def test_on_the_edge_of_the_sector_the_mean_is_that_of_the_pixels_inside(self) -> None:
        images, labels, t = smooth_images(100) // 3, torch.zeros(100, SIZE, SIZE), torch.full((100,), 300)
        everywhere = torch.ones_like(images, dtype=torch.bool)
        sector = everywhere.clone()
        sector[:, :, 14:] = False  # a square of four is cut in two
        planes = to_planes(labels, sector)
        x_0, noise = to_data(images)[:, None] * planes[:, -1:], torch.randn(100, 1, SIZE, SIZE, generator=seeded(0))
        x_t = COSINE.add_noise(x_0, noise, t) * planes[:, -1:]
        alpha, sigma = COSINE.alpha_sigma(t)
        errors = {}
        for placed in (False, True):
            denoiser = new_denoiser(replace(TINY, placed=placed), COSINE, 0)
            denoiser.statistics.measure(images, everywhere)
            with torch.no_grad():
                found = alpha * x_t - sigma * denoiser(x_t, t, denoiser.condition(planes))
            squared = (found - x_0).square().mean((0, 1, 2))
            errors[placed] = squared[12:14].mean() / squared[:12].mean()
        assert errors[True] < 2 and errors[False] > 2 * errors[True]

    @pytest.mark.parametrize("time", [100, 500, 900])
    def test_a_network_that_says_nothing_leaves_the_best_linear_estimate(self, time: int) -> None:
        denoiser = new_denoiser(TINY, COSINE, 0)
        images = smooth_images(200)
        denoiser.statistics.measure(images, torch.ones_like(images, dtype=torch.bool))
        x_0, t = to_data(images)[:, None], torch.full((200,), time)
        epsilon = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(1))
        x_t, v = denoiser.schedule.add_noise(x_0, epsilon, t), denoiser.schedule.velocity(x_0, epsilon, t)
        with torch.no_grad():
            modulation = denoiser.condition(random_planes(200))
            error = denoiser.statistics.components(v - denoiser(x_t, t, modulation)).square().mean((0, 2, 3))
        alpha, sigma = (value[0].item() for value in denoiser.schedule.alpha_sigma(t))
        variance = denoiser.statistics.variance
        torch.testing.assert_close(error, variance / (alpha**2 * variance + sigma**2), rtol=0.05, atol=1e-3)


class TestLoss:
    def test_zero_velocity_costs_the_variance_of_the_velocity(self) -> None:
        x_0 = torch.zeros(64, 1, SIZE, SIZE)
        epsilon = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
        t = stratified_times(64, torch.Generator().manual_seed(0))
        loss = DiffusionLoss(new_denoiser(TINY, COSINE, 0))(x_0, random_planes(64), t, epsilon)
        expected = COSINE.alpha_bar[t].mean()  # v = alpha epsilon, of variance alpha_bar
        torch.testing.assert_close(loss.double(), expected, rtol=0.02, atol=0)

    def test_nothing_outside_the_sector_matters(self) -> None:
        loss = DiffusionLoss(trained_like_network())
        planes = random_planes(2)
        x_0, epsilon = torch.randn(2, 2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        t = torch.tensor([100, 900])
        outside = 1 - planes[:, -1:]
        assert torch.equal(loss(x_0, planes, t, epsilon), loss(x_0 + 5 * outside, planes, t, epsilon - 7 * outside))


class TestDraws:
    def test_a_step_is_a_function_of_seed_and_step(self) -> None:
        def words(seed: int, step: int) -> list[int]:
            return torch.randint(2**40, (4,), generator=step_generator(seed, step)).tolist()

        assert words(1, 2) == words(1, 2)
        assert words(1, 2) != words(2, 1)

    def test_an_epoch_sees_every_frame_once(self) -> None:
        rows = torch.cat([rows_of_step(10, 4, seed=7, step=step) for step in range(5)])
        assert sorted(rows[:10].tolist()) == sorted(rows[10:].tolist()) == list(range(10))
        assert rows[:10].tolist() != rows[10:].tolist()

    def test_a_batch_may_be_larger_than_the_data(self) -> None:
        assert rows_of_step(3, 8, seed=0, step=0).bincount().tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])

    def test_times_are_spread_evenly(self) -> None:
        t = stratified_times(10, torch.Generator().manual_seed(0))
        assert sorted((t // 100).tolist()) == list(range(10))

    def test_a_power_above_one_learns_more_of_little_noise(self) -> None:
        t = stratified_times(10_000, torch.Generator().manual_seed(0), power=2.0)
        for share in (0.1, 0.5, 0.9):
            assert (t < TIMES * share**2).float().mean().item() == pytest.approx(share, abs=2e-3)


class TestPairs:
    @pytest.fixture
    def pairs(self, tiny_frames: Frames) -> Pairs:
        return Pairs.of(tiny_frames, torch.device("cpu"))

    def test_planes_are_one_hot_inside_the_sector_and_empty_outside(self) -> None:
        planes = random_planes(2)
        assert planes.shape == (2, PLANES, SIZE, SIZE)
        assert torch.equal(planes[:, :-1].sum(1), planes[:, -1])

    def test_grey_values_survive_the_scaling(self) -> None:
        grey = torch.arange(256, dtype=torch.uint8)
        assert torch.equal(to_grey(to_data(grey)), grey)
        assert to_data(grey).abs().max() == LIMIT

    def test_as_recorded(self, pairs: Pairs, tiny_frames: Frames) -> None:
        batch = pairs.batch(torch.tensor([1, 0]), torch.Generator(), AS_RECORDED)
        np.testing.assert_array_equal(
            to_grey(batch.x_0)[:, 0].numpy()[tiny_frames.sector[[1, 0]]],
            tiny_frames.images[[1, 0]][tiny_frames.sector[[1, 0]]],
        )

    def test_augmentation_moves_image_and_map_alike(self, tiny_frames: Frames) -> None:
        drawn = replace(tiny_frames, images=(tiny_frames.labels * 80).astype(np.uint8))
        pairs = Pairs.of(drawn, torch.device("cpu"))
        batch = pairs.batch(torch.arange(4), torch.Generator().manual_seed(0), AugmentationSettings(share=1.0))
        codes = batch.planes[:, :-1].argmax(1)
        inside = batch.mask[:, 0] > 0
        error = (to_grey(batch.x_0)[:, 0].float() - 80 * codes)[inside].abs()
        assert not torch.equal(codes, torch.from_numpy(drawn.labels).long())
        assert error.median() == 0  # only contours differ, by interpolation
        assert error.mean() < 8


def gaussian_denoiser(mean: float, deviation: float) -> Velocity:
    """The exact velocity for data that are independent normal numbers in every pixel."""
    schedule = COSINE

    def velocity(x_t: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule.alpha_sigma(t)
        variance = alpha**2 * deviation**2 + sigma**2
        x_0 = mean + alpha * deviation**2 / variance * (x_t - alpha * mean)
        epsilon = sigma / variance * (x_t - alpha * mean)
        return alpha * epsilon - sigma * x_0

    return velocity


def drawn(
    predict: Velocity, seeds: Sequence[int], mask: Tensor, settings: SamplingSettings, limit: float = LIMIT
) -> Tensor:
    return draw(predict, seeds, mask, solver_for(settings, COSINE), COSINE, limit)


@pytest.mark.filterwarnings(  # diffusers 0.42 hands a tensor to numpy 2 without saying whether to copy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
class TestSampling:
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_exact_denoiser_gives_the_data(self, sampler: str) -> None:
        settings = SamplingSettings(sampler=sampler, steps=100)
        x = drawn(gaussian_denoiser(0.3, 0.5), range(8), torch.ones(8, 1, 64, 64), settings, limit=50.0)
        assert x.mean().item() == pytest.approx(0.3, abs=0.02)
        assert x.std().item() == pytest.approx(0.5, rel=0.05)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_an_image_is_the_same_alone_and_in_any_order(self, sampler: str) -> None:
        settings, mask = SamplingSettings(sampler=sampler, steps=5), torch.ones(3, 1, 16, 16)
        together = drawn(gaussian_denoiser(0, 1), [5, 6, 7], mask, settings)
        turned = drawn(gaussian_denoiser(0, 1), [7, 6, 5], mask, settings)
        alone = drawn(gaussian_denoiser(0, 1), [6], mask[:1], settings)
        assert torch.equal(together, turned.flip(0))
        assert torch.equal(together[1:2], alone)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_a_wrong_network_cannot_make_it_explode(self, sampler: str) -> None:
        seen: list[float] = []

        def wild(x_t: Tensor, t: Tensor) -> Tensor:
            seen.append(x_t.abs().max().item())
            return 1e4 * torch.sin(50 * x_t)

        x = drawn(wild, [0], torch.ones(1, 1, 16, 16), SamplingSettings(sampler=sampler, steps=10))
        assert max(seen) < 10 and x.abs().max() <= LIMIT

    def test_steps_are_network_evaluations(self) -> None:
        calls: list[int] = []

        def counting(x_t: Tensor, t: Tensor) -> Tensor:
            calls.append(int(t[0]))
            return torch.zeros_like(x_t)

        for sampler in SAMPLERS:
            calls.clear()
            drawn(counting, [0], torch.ones(1, 1, 8, 8), SamplingSettings(sampler=sampler, steps=7))
            assert len(calls) == 7 and calls[0] == TIMES - 1 and calls == sorted(calls, reverse=True)

    @pytest.mark.parametrize("power", [1.0, 2.0])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_every_number_of_steps_has_as_many_times(self, sampler: str, power: float) -> None:
        for steps in range(1, TIMES + 1) if (sampler, power) == ("ddim", 1.0) else (1, 2, 7, 61, TIMES):
            times = solver_for(SamplingSettings(sampler, steps, power=power), COSINE).times
            assert len(times) == len(set(times)) == steps and times == sorted(times, reverse=True)
            assert times[-1] >= 0 and times[0] == TIMES - 1

    def test_a_power_above_one_puts_more_times_where_there_is_little_noise(self) -> None:
        assert trailing(4, power=1.0) == [999, 749, 499, 249]
        assert trailing(4, power=2.0) == [999, 561, 249, 61]

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_a_known_distribution_is_drawn_at_powers_of_the_times(self, sampler: str) -> None:
        settings = SamplingSettings(sampler, 80, eta=1.0, power=2.0)
        x = drawn(gaussian_denoiser(0.3, 0.5), list(range(8)), torch.ones(8, 1, 64, 64), settings)
        assert x.mean().item() == pytest.approx(0.3, abs=0.02)
        assert x.std().item() == pytest.approx(0.5, rel=0.05)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    @pytest.mark.parametrize("steps", [15, 20, 35, 60, 61, 501])
    def test_data_that_are_one_point_are_drawn_whatever_the_steps(self, sampler: str, steps: int) -> None:
        settings = SamplingSettings(sampler, steps)
        x = drawn(gaussian_denoiser(0.3, 1e-6), [0], torch.ones(1, 1, 8, 8), settings)
        torch.testing.assert_close(x, torch.full_like(x, 0.3), rtol=0, atol=1e-3)

    @pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("steps", [4, 20, 50])
    def test_ddim_step_is_that_of_diffusers_where_it_steps_evenly(self, steps: int, eta: float) -> None:
        theirs = DDIMScheduler(
            TIMES, trained_betas=COSINE.betas, clip_sample=False, prediction_type="v_prediction",
            timestep_spacing="trailing",
        )  # fmt: skip
        theirs.set_timesteps(steps)
        ours = solver_for(SamplingSettings("ddim", steps, eta), COSINE)
        assert ours.times == theirs.timesteps.tolist()
        x_t, velocity, noise = torch.randn(3, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        for time in ours.times[1:]:  # the first is where diffusers' betas are cut to 0.999
            expected = theirs.step(velocity, time, x_t, eta=eta, variance_noise=noise).prev_sample
            torch.testing.assert_close(ours.step(velocity, velocity, time, x_t, noise), expected, rtol=1e-3, atol=1e-3)

    def test_nothing_outside_the_mask(self) -> None:
        mask = torch.zeros(1, 1, 8, 8)
        mask[..., :4] = 1
        x = drawn(gaussian_denoiser(1, 1), [0], mask, SamplingSettings(steps=4))
        assert not x[..., 4:].any() and x[..., :4].all()

    def test_ancestral_with_the_least_variance_is_ddim_with_eta_1(self) -> None:
        mask = torch.ones(2, 1, 16, 16)
        ancestral, ddim = (
            drawn(gaussian_denoiser(0.3, 0.5), [3, 4], mask, SamplingSettings(sampler, TIMES))
            for sampler in ("ancestral", "ddim")
        )
        torch.testing.assert_close(ancestral, ddim, rtol=0, atol=2e-2)

    @pytest.mark.parametrize("steps", [7, TIMES])
    def test_ancestral_step_is_that_of_diffusers_with_a_learnt_range(self, steps: int) -> None:
        theirs = DDPMScheduler(
            TIMES,
            trained_betas=COSINE.betas,
            variance_type="learned_range",
            prediction_type="v_prediction",
            timestep_spacing="linspace",
            clip_sample=False,
        )
        theirs.set_timesteps(steps)
        ours = solver_for(SamplingSettings("ancestral", steps), COSINE)
        assert ours.times == theirs.timesteps.tolist()
        x_t, velocity, spread = torch.randn(3, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        for time in (ours.times[0], ours.times[steps // 2], ours.times[-2], 0):
            noise = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(time))
            output = torch.cat([velocity, spread], dim=1)
            expected = theirs.step(output, time, x_t, generator=torch.Generator().manual_seed(time)).prev_sample
            torch.testing.assert_close(ours.step(velocity, spread, time, x_t, noise), expected, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("steps", [0, TIMES + 1])
    def test_impossible_number_of_steps(self, steps: int) -> None:
        with pytest.raises(EchobenchError, match=f"in {steps} steps; choose 1 to 1000"):
            solver_for(SamplingSettings(steps=steps), COSINE)

    def test_unknown_sampler(self) -> None:
        with pytest.raises(EchobenchError, match=r"unknown sampler 'magic'; there are ancestral, ddim, dpm"):
            drawn(gaussian_denoiser(0, 1), [0], torch.ones(1, 1, 8, 8), SamplingSettings(sampler="magic"))
