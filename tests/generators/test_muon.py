"""Muon for kernels: PyTorch's steps, in the memory of the weights."""

import copy

import pytest
import torch
from torch import nn

from echobench.generators.training import muon
from echobench.generators.training.muon import MOMENTUM, KernelMuon, is_matrix, nearly_orthogonal

SHAPES = {"linear": (6, 10), "kernel": (6, 4, 3, 3), "pointwise": (6, 4, 1, 1)}


def weight_of(shape, seed=0):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return nn.Parameter(weight.to(memory_format=torch.channels_last) if len(shape) == 4 else weight)


def as_matrix(weight):
    return weight.detach().movedim(1, -1).flatten(1)


@pytest.mark.parametrize(("has_bf16", "tolerance"), [(True, 0.0), (False, 0.03)], ids=["bf16", "float32"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_step_is_that_of_pytorchs_muon_on_the_matrix(shape, has_bf16, tolerance, monkeypatch):
    monkeypatch.setattr(muon, "has_bf16", lambda kind: has_bf16)
    weight = weight_of(shape)
    matrix = nn.Parameter(as_matrix(weight).clone())
    ours = KernelMuon([weight], rate=0.1, weight_decay=0.5)
    theirs = torch.optim.Muon([matrix], 0.1, weight_decay=0.5, momentum=MOMENTUM)
    for step in range(3):
        gradient = weight_of(shape, seed=step + 1).detach()
        weight.grad, matrix.grad = gradient.contiguous(), as_matrix(gradient).clone()  # as a backward pass may lay it
        ours.step(), theirs.step()
        ours.zero_grad(), theirs.zero_grad()
        assert weight.grad is None
    apart = float((as_matrix(weight) - matrix.detach()).abs().max())
    assert apart <= tolerance * 3 * 0.1  # a share of three steps
    assert (apart == 0) is has_bf16, "float32 rounds otherwise"
    state, other = (next(iter(optimizer.state_dict()["state"].values())) for optimizer in (ours, theirs))
    torch.testing.assert_close(state, other, rtol=0, atol=0)


def test_the_iteration_in_float32_is_the_polynomial_of_each_singular_value():
    matrix = torch.randn((5, 9), generator=torch.Generator().manual_seed(0))
    a, b, c = 3.4445, -4.7750, 2.0315
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    values = values / values.norm()
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    expected = left @ values.diag() @ right
    torch.testing.assert_close(nearly_orthogonal(matrix, (a, b, c), 5), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(nearly_orthogonal(matrix.T, (a, b, c), 5), expected.T, rtol=1e-3, atol=1e-4)


def test_a_step_has_all_directions_at_one_pace():
    weight = weight_of(SHAPES["kernel"])
    before = as_matrix(weight).clone()
    weight.grad = weight_of(SHAPES["kernel"], seed=1).detach() * torch.logspace(-3, 0, 6)[:, None, None, None]
    gradient = torch.linalg.svdvals(as_matrix(weight.grad))
    KernelMuon([weight], rate=1.0, weight_decay=0.0).step()
    moved = torch.linalg.svdvals(as_matrix(weight) - before)
    assert gradient.max() > 100 * gradient.min()
    assert moved.max() < 4 * moved.min()


def test_weights_that_do_not_lie_as_they_must_are_refused_and_copies_are_not_moved():
    with pytest.raises(RuntimeError, match="view"):
        KernelMuon([nn.Parameter(torch.zeros(SHAPES["kernel"]))], 0.1, 0.0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3)).to(memory_format=torch.channels_last)
    kept = copy.deepcopy(network)
    optimizer = KernelMuon(filter(is_matrix, network.parameters()), 0.1, 0.0)
    network(torch.ones(1, 2, 4, 4)).square().sum().backward()
    optimizer.step()
    moved = [not torch.equal(one, other) for one, other in zip(network.parameters(), kept.parameters(), strict=True)]
    assert moved == [True, False, False, False]


@pytest.mark.parametrize("has_bf16", [True, False])
def test_a_weight_without_gradient_stays_a_faint_one_moves_as_far_and_a_closure_is_refused(has_bf16, monkeypatch):
    monkeypatch.setattr(muon, "has_bf16", lambda kind: has_bf16)
    weights = [weight_of(SHAPES["linear"]) for _ in range(3)]
    before = weights[0].detach().clone()
    gradient = weight_of(SHAPES["linear"], seed=1).detach()
    weights[1].grad, weights[2].grad = gradient, 1e-5 * gradient
    optimizer = KernelMuon(weights, 0.1, 0.0)
    optimizer.step()
    assert torch.equal(weights[0], before) and not torch.equal(weights[1], before)
    torch.testing.assert_close(weights[2], weights[1], rtol=0, atol=0.003)
    with pytest.raises(ValueError, match="closure"):
        optimizer.step(lambda: 0.0)
