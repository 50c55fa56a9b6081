"""Spectra of oscillators."""

import numpy as np
import pytest

from openmm_cgaa.analysis.spectrum import density_of_states
from openmm_cgaa.errors import SimulationError


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
