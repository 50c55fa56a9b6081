"""Verlet loses a harmonic bond where omega times the step is 2, and a bond that softens beyond a swing."""

import numpy as np
import pytest

pytest.importorskip("ase")

from openmm_cgaa.validation.swings import ends, largest_swing, reduced_mass  # noqa: E402


def test_verlet_loses_a_bond_beyond_a_swing():
    x, mass, step = np.linspace(-0.2, 0.5, 15), 0.93, 2.0
    stiffest = 4.0 * mass * 103.6427 / step**2  # eV/Å^2, where omega times the step is 2
    harmonic = {scale: largest_swing(x, 0.5 * scale * stiffest * x**2, mass, step) for scale in (0.9, 1.1)}
    assert np.isinf(harmonic[0.9]) and harmonic[1.1] == pytest.approx(0.02)
    bond = 4.8 * (1.0 - np.exp(-1.85 * x)) ** 2  # about a C-H bond
    assert np.isinf(largest_swing(x, bond, mass, 1.0))
    assert 0.1 < largest_swing(x, bond, mass, 2.0) < 0.4


def test_masses_are_those_of_a_bonds_ends():
    assert ends("EMC C0-H7") == ("C", "H") and ends("PF6 P-F at Li+") == ("P", "F")
    assert reduced_mass("C", "H") == pytest.approx(12.011 * 1.008 / 13.019)
