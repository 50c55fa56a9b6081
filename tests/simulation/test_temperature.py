"""Jacobians, normal modes, diffusion and spectra of systems whose answers are known."""

import numpy as np
import pytest

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis.diffusion import diffusion, mean_square_displacement
from openmm_cgaa.analysis.jacobian import asymmetry, force_jacobian, normal_modes
from openmm_cgaa.analysis.spectrum import density_of_states
from openmm_cgaa.errors import GeometryError, SimulationError
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def spring(positions, k=30.0, length=1.2):
    """Two atoms, eV/Å."""
    bond = positions[1] - positions[0]
    distance = np.linalg.norm(bond)
    pull = k * (distance - length) * bond / distance
    return np.array([pull, -pull])


def test_a_spring_has_one_mode():
    masses = np.array([12.011, 15.999])
    jacobian = force_jacobian(spring, [[0.1, 0.0, 0.0], [0.1, 1.2, 0.0]])
    wavenumbers, modes = normal_modes(jacobian, masses)
    reduced = masses.prod() / masses.sum() * 1.66053906892e-27
    expected = np.sqrt(30.0 * 1.602176634e-19 / 1e-20 / reduced) / (2 * np.pi * 299792458e2)
    assert wavenumbers[-1] == pytest.approx(expected, rel=1e-5)
    assert np.abs(wavenumbers[:-1]).max() < 1.0
    assert np.abs(modes[[1, 4], -1]) == pytest.approx(np.sqrt(masses[::-1] / masses.sum()), rel=1e-5)
    assert asymmetry(jacobian) < 1e-9
    with pytest.raises(GeometryError, match="2 atoms"):
        normal_modes(jacobian, [12.0])


def test_imaginary_modes_are_negative():
    jacobian = force_jacobian(lambda positions: 2.0 * np.asarray(positions), np.zeros((1, 3)))
    assert (normal_modes(jacobian, [1.0])[0] < 0).all()


def test_asymmetry_tells_a_curl():
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert asymmetry(force_jacobian(lambda x: np.asarray(x) @ turn.T, np.ones((1, 3)))) == pytest.approx(2.0)


def test_asymmetry_of_the_networks(solvent, tiny_conserving_path, tiny_published_path):
    topology, positions, box = solvent

    def of(path):
        potential = CGAAPotential(path, precision="double")
        grain_map = potential.aligned(potential.grain_map(topology), positions, box)
        start = ANGSTROM_PER_NM * positions[:1]

        def forces_at(moved):  # of the first atom alone: a full Jacobian takes long
            shifted = np.concatenate([moved / ANGSTROM_PER_NM, positions[1:]])
            return potential.evaluate(grain_map, shifted, box)[1][:1] / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

        return asymmetry(force_jacobian(forces_at, start))

    assert of(tiny_conserving_path) < 1e-7
    assert of(tiny_published_path) > 1e-3


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


def test_spectrum_of_two_oscillators():
    """Equal energies: mass times the square of velocity counts, not the amplitude."""
    time = np.arange(4000)  # fs
    masses, wavenumbers = np.array([1.0, 16.0]), np.array([3000.0, 800.0])
    omega = 2 * np.pi * wavenumbers / 33356.40951981521  # 1/fs
    positions = np.zeros((len(time), 2, 3))
    positions[:, :, 0] = 1e-3 * np.sin(time[:, None] * omega) / (omega * np.sqrt(masses))
    axis, density = density_of_states(positions, masses, 1.0)
    spacing = axis[1]
    assert density.sum() * spacing == pytest.approx(1.0)
    for wavenumber in wavenumbers:
        near = np.abs(axis - wavenumber) < 60
        assert axis[near][density[near].argmax()] == pytest.approx(wavenumber, abs=spacing)
        assert density[near].sum() * spacing == pytest.approx(0.5, abs=0.01)
    with pytest.raises(SimulationError, match="4 fs"):
        density_of_states(positions, masses, 5.0)
