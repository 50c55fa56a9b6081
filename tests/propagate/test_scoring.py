"""Refinement: the distribution that annealed Langevin dynamics ends in, and what a score learns."""

import numpy as np
import pytest
import torch
from chains import chain_sequence, small_propagator

from openmm_cgaa.propagate.scoring import ALPHA, PER_LEVEL, annealed_langevin


def draws(seed):
    rng = np.random.default_rng(seed)
    return lambda like: torch.as_tensor(rng.standard_normal(like.shape))


def test_a_gaussian_gets_its_variance():
    """Of a Gaussian of width s the score at a noise is -x/(s^2 + noise^2).

    A linear map with noise, x' = (1 - a/v) x + sqrt(2 a) z, ends in the variance v / (1 - a/(2 v)).
    """
    width, last, alpha = 0.5, 0.2, 0.02
    start = torch.full((40000,), 7.0, dtype=torch.float64)
    levels = np.geomspace(2.0, last, 8)
    found = annealed_langevin(lambda x, s: -x / (width**2 + s**2), start, levels, draws(0), alpha, 100)
    variance = width**2 + last**2
    wanted = variance / (1.0 - alpha / (2.0 * variance))
    assert float(found.var()) == pytest.approx(wanted, rel=0.03)
    assert float(found.mean()) == pytest.approx(0.0, abs=0.02)


def test_a_step_by_hand():
    """x' = x + a s(x) + sqrt(2 a) z, at each level in turn."""
    seen = []

    def score(x, level):
        seen.append(level)
        return -x / level

    found = annealed_langevin(score, torch.tensor([2.0]), [0.5, 0.25], lambda x: torch.ones_like(x), 0.02, 1)
    first = 2.0 - 0.02 * 2.0 / 0.5 + 0.2
    assert float(found) == pytest.approx(first - 0.02 * first / 0.25 + 0.2) and seen == [0.5, 0.25]
    assert (ALPHA, PER_LEVEL) == (5e-5, 10)  # paper 002, appendix C: docs/papers.md


def test_the_loss_is_that_of_denoising():
    """With the weight sigma^2 it is half of |net + z|^2, whatever the level: none for a net that says -z."""
    model, chain = small_propagator(levels=3), chain_sequence("a", "test", frames=6)
    state = model.state(chain.positions[3:6].astype(float), chain.graph, None)
    moved, noise = torch.randn(3, 3), torch.randn(3, 3)
    sigma = torch.tensor([[0.1], [2.0], [0.5]])
    with torch.no_grad():
        latents = model(state, model.embedding(chain.graph)).latents
        net = model.score(latents, moved + sigma * noise, state)
        assert torch.allclose(
            model.score.loss(latents, moved, state, sigma, noise), 0.5 * (net + noise).square().mean()
        )
    model.score.forward = lambda latents, moved, state: -noise
    assert float(model.score.loss(latents, moved, state, sigma, noise)) == 0.0


def test_levels_are_evenly_spaced_in_their_logarithm():
    levels = small_propagator(levels=20).score.levels
    assert levels[0] == 10.0 and levels[-1] == pytest.approx(0.01)
    ratios = levels[:-1] / levels[1:]
    assert torch.allclose(ratios, ratios[:1].expand(19), rtol=1e-4) and ratios[0] > 1.0


def test_a_score_sees_where_groups_come_to():
    model, chain = small_propagator(levels=2), chain_sequence("a", "test", frames=6)
    state = model.state(chain.positions[3:6].astype(float), chain.graph, None)
    with torch.no_grad():
        latents = model(state, model.embedding(chain.graph)).latents
        moved = torch.randn(3, 3)
        one, other = (model.score(latents, moved + shift, state) for shift in (0.0, torch.tensor([[1.0, 0, 0]])))
    assert not torch.allclose(one, other)
