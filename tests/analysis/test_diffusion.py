"""Diffusion of random walks."""

import mdtraj
import numpy as np
import pytest
from short_runs import diatomics

from openmm_cgaa.analysis.diffusion import diffusion, mean_square_displacement, moving_centers
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.mapping.grains import GrainMap


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


def test_centers_move_against_that_of_all_masses():
    """Of C and O 1 nm apart along x the center is 15.999 / (12.011 + 15.999) nm from C."""
    topology = mdtraj.Topology.from_openmm(diatomics(side=1)[1])
    shift = np.array([[0.0, 0.0, 0.0], [5.0, 1.0, 2.0]], np.float32)
    xyz = np.array([[[0, 0, 0], [1, 0, 0]]] * 2, np.float32) + shift[:, None]
    still = moving_centers(mdtraj.Trajectory(xyz, topology), GrainMap.from_mdtraj(topology))
    assert still.keys() == {"CO"} and np.allclose(still["CO"], 0.0, atol=1e-6)
    topology = mdtraj.Topology.from_openmm(diatomics(side=2)[1])
    xyz = np.zeros((2, 16, 3), np.float32)
    xyz[1, 1, 0] = 1.0  # one O of eight molecules
    found = moving_centers(mdtraj.Trajectory(xyz, topology), GrainMap.from_mdtraj(topology))["CO"]
    moved = 15.999 / (12.011 + 15.999)
    assert found[1, :, 0] == pytest.approx([moved * 7 / 8] + [-moved / 8] * 7, abs=1e-4)
