"""`flow`: the straight path, its closed forms, and its solvers held to diffusers'."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler

from echobench.data.base.errors import EchobenchError
from echobench.generators.diffusion.flow import (
    SOLVERS,
    FlowMethod,
    FlowSamplingSettings,
    PathSettings,
    StraightPath,
    shifted,
)
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import draw
from echobench.generators.diffusion.schedule import TIMES
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.flow import Flow

PATH = StraightPath()
LIMIT = 50.0


def at(*times):
    return TIMES * torch.tensor(times)


def gaussian_velocity(mean, deviation):
    """Of images whose pixels are independent normal: the posterior mean of epsilon - x_0, which is linear."""

    def velocity(x_t, t):
        _, slope, _ = PATH.regression(t, torch.tensor(deviation**2).reshape(1, 1, 1))
        return slope * (x_t - PATH.alpha_sigma(t)[0] * mean) - mean

    return velocity


def test_noise_and_image_meet_on_a_line():
    x_0, epsilon = torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    t = at(0.0, 0.25, 1.0)
    x_t, v = PATH.add_noise(x_0, epsilon, t), PATH.velocity(x_0, epsilon, t)
    torch.testing.assert_close(x_t[0], x_0[0])
    torch.testing.assert_close(x_t[2], epsilon[2])
    torch.testing.assert_close(x_t - (t / TIMES)[:, None, None, None] * v, x_0, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("time", "variance"), [(0.1, 0.3), (0.5, 2.0), (0.9, 0.01)])
def test_the_linear_estimate_is_the_regression_of_samples(time, variance):
    generator = torch.Generator().manual_seed(0)
    x_0 = variance**0.5 * torch.randn(400_000, generator=generator, dtype=torch.float64)
    epsilon = torch.randn(400_000, generator=generator, dtype=torch.float64)
    x_t, v = (1 - time) * x_0 + time * epsilon, epsilon - x_0
    total, slope, rest = (value.item() for value in PATH.regression(at(time), torch.tensor(variance).reshape(1, 1, 1)))
    assert total == pytest.approx(x_t.var().item(), rel=0.01)
    assert slope == pytest.approx((v * x_t).mean().item() / x_t.square().mean().item(), abs=0.01)
    assert rest == pytest.approx((v - slope * x_t).var().item(), rel=0.01)


def test_clipping_holds_the_estimate_of_the_image():
    x_t, v = 9 * torch.randn(2, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    t = at(0.0, 0.2, 0.6, 1.0)
    clipped = PATH.clip(v, x_t, t, 2.0)
    assert torch.equal(clipped[0], v[0])
    assert (x_t - (t / TIMES)[:, None, None, None] * clipped)[1:].abs().max() <= 2.0 + 1e-4
    torch.testing.assert_close(PATH.clip(v, x_t, t, 1000.0), v, rtol=1e-4, atol=1e-3)


def test_times_are_logit_normal_and_shifted():
    method = FlowMethod(PathSettings(0.0, 1.0, 1.0), NetworkSettings(), TrainingSettings(1), FlowSamplingSettings())
    t = torch.cat([method.times(100, torch.Generator().manual_seed(seed)) for seed in range(50)]) / TIMES
    logit = torch.logit(t.double())
    assert logit.mean().item() == pytest.approx(0, abs=0.02)
    assert logit.std().item() == pytest.approx(1, abs=0.02)
    later = shifted(t, 4.0)
    torch.testing.assert_close(later / (1 - later), 4 * t / (1 - t), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sampler", SOLVERS)
def test_a_known_distribution_is_drawn(sampler):
    settings = FlowSamplingSettings(sampler, steps=60, shift=1.0)
    solver = SOLVERS[sampler](settings)
    x = draw(gaussian_velocity(0.3, 0.5), range(8), torch.ones(8, 1, 64, 64), solver, PATH, LIMIT)
    assert x.mean().item() == pytest.approx(0.3, abs=0.01)
    assert x.std().item() == pytest.approx(0.5, rel=0.03)


def test_heun_is_of_second_order():
    def error(sampler, steps):
        settings = FlowSamplingSettings(sampler, steps, shift=1.0)
        solver = SOLVERS[sampler](settings)
        x = draw(gaussian_velocity(0.0, 0.5), [0], torch.ones(1, 1, 64, 64), solver, PATH, LIMIT)
        exact = draw(gaussian_velocity(0.0, 0.5), [0], torch.ones(1, 1, 64, 64), fine(), PATH, LIMIT)
        return (x - exact).abs().mean().item()

    def fine():
        return SOLVERS["heun"](FlowSamplingSettings("heun", 400, shift=1.0))

    assert error("euler", 16) / error("euler", 32) == pytest.approx(2, rel=0.2)
    assert error("heun", 16) / error("heun", 32) == pytest.approx(4, rel=0.3)


def test_one_step_reaches_a_single_image():
    image = torch.full((1, 1, 8, 8), 0.7)
    solver = SOLVERS["euler"](FlowSamplingSettings("euler", 1))
    x = draw(lambda x_t, t: x_t - image, [0], torch.ones(1, 1, 8, 8), solver, PATH, LIMIT)
    torch.testing.assert_close(x, image)


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_euler_is_that_of_diffusers(steps):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=[1 - k / steps for k in range(steps)])
    ours = SOLVERS["euler"](FlowSamplingSettings("euler", steps, shift=3.0))
    torch.testing.assert_close(torch.tensor(ours.times), scheduler.timesteps, rtol=1e-5, atol=1e-3)
    follow(ours, scheduler)


@pytest.mark.parametrize("steps", [1, 3, 9])
def test_heun_is_that_of_diffusers_where_it_ends_with_a_step_of_euler(steps):
    scheduler = FlowMatchHeunDiscreteScheduler(shift=3.0)
    scheduler.sigma_min = scheduler.sigma_max / ((steps + 1) // 2)  # its grid begins where ours has its last interval
    scheduler.set_timesteps((steps + 1) // 2)
    ours = SOLVERS["heun"](FlowSamplingSettings("heun", steps, shift=3.0))
    torch.testing.assert_close(torch.tensor(ours.times), scheduler.timesteps, rtol=1e-5, atol=1e-3)
    follow(ours, scheduler)


def follow(ours, scheduler):
    """Both solvers, on the same velocities."""
    x = y = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for time, t in zip(ours.times, scheduler.timesteps, strict=True):
        x = ours.step(torch.sin(3 * x) + time / TIMES, x[:, :0], time, x, x)
        y = scheduler.step(torch.sin(3 * y) + t / TIMES, t, y, return_dict=False)[0]
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 20])
def test_evaluations_are_what_the_settings_say(sampler, steps):
    calls = []

    def counting(x_t, t):
        calls.append(t)
        return x_t

    settings = FlowSamplingSettings(sampler, steps)
    draw(counting, [0], torch.ones(1, 1, 8, 8), SOLVERS[sampler](settings), PATH, LIMIT)
    assert len(calls) == steps
    shown = Flow.presets["quick"]
    assert Flow(type(shown)(shown.path, shown.network, shown.training, settings)).evaluations == steps


@pytest.mark.parametrize("wrong", [{"sampler": "ddim"}, {"steps": 0}, {"shift": 0.0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(EchobenchError, match=next(iter(wrong))):
        FlowSamplingSettings(**wrong)
