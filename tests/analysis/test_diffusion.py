"""Diffusion of random walks."""

import numpy as np
import pytest

from openmm_cgaa.analysis.diffusion import diffusion, mean_square_displacement
from openmm_cgaa.errors import SimulationError


def test_square_displacement_is_its_definition():
    positions = np.random.default_rng(1).normal(size=(9, 4, 3)).cumsum(axis=0) + 100.0
    found = mean_square_displacement(positions)
    for lag in range(9):
        direct = np.square(positions[lag:] - positions[: 9 - lag]).sum(-1).mean()
        assert found[lag] == pytest.approx(direct, abs=1e-9)


def test_diffusion_of_a_random_walk():
    rng = np.random.default_rng(2)
    steps = rng.normal(scale=np.sqrt(2 * 1.5e-3 * 0.1), size=(4000, 30, 3))  # D = 1.5e-3 nm^2/ps
    found = diffusion(0.1 * np.arange(4000), steps.cumsum(axis=0), 2.0, 20.0)
    assert found.value == pytest.approx(1.5, abs=4 * found.error) and 0.0 < found.error < 0.2
    with pytest.raises(SimulationError, match="longer than the last lag"):
        diffusion(0.1 * np.arange(4000), steps, 2.0, 100.0)
