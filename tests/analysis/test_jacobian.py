"""Jacobians and normal modes of forces whose answers are known."""

import numpy as np
import pytest

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis.jacobian import asymmetry, force_jacobian, normal_modes
from openmm_cgaa.errors import GeometryError
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
