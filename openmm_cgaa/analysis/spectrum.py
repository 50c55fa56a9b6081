"""Vibrational density of states from a trajectory."""

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SimulationError
from ..units import WAVENUMBER_PER_THZ
from ..wording import counted


def density_of_states(
    positions: ArrayLike, masses: ArrayLike, interval: float, width: float = 10.0
) -> tuple[np.ndarray, np.ndarray]:
    """Power of the mass-weighted velocities over wavenumbers.

    Velocities are differences of successive positions, and what a difference takes away from high frequencies,
    sinc^2(pi nu interval), is given back.

    Parameters
    ----------
    positions : array [frames, atoms, 3], nm
        Never wrapped; every few fs, or the fastest bonds alias.
    masses : array [atoms], Da
    interval : float
        fs between frames.
    width : float
        1/cm, standard deviation of the Gaussian that smooths the spectrum.

    Returns
    -------
    wavenumbers : array [frequencies], 1/cm
    density : array [frequencies], cm
        Its integral is 1.

    Raises
    ------
    SimulationError
        Fewer than 10 frames, or so far apart that what lies above 4,000 1/cm aliases.
    """
    positions, masses = np.asarray(positions, dtype=float), np.asarray(masses, dtype=float)
    if len(positions) < 10 or interval > 4.0:
        raise SimulationError(
            f"a vibrational spectrum of {counted(len(positions), 'frame')} {interval} fs apart: at least 10 are "
            "needed, not more than 4 fs apart"
        )
    velocities = np.diff(positions, axis=0)
    velocities -= velocities.mean(axis=0)
    window = np.hanning(len(velocities) + 2)[1:-1]
    power = np.zeros(len(velocities) + 1)
    for weight, atom in zip(masses, velocities.swapaxes(0, 1)):  # atom by atom: spectra are as large as trajectories
        power += weight * (np.abs(np.fft.rfft(window[:, None] * atom, 2 * len(atom), axis=0)) ** 2).sum(axis=1)
    frequency = np.fft.rfftfreq(2 * len(velocities), interval / 1000.0)  # THz
    power /= np.sinc(frequency * interval / 1000.0) ** 2
    wavenumbers = WAVENUMBER_PER_THZ * frequency
    spacing = wavenumbers[1]
    reach = np.arange(-int(np.ceil(4 * width / spacing)), int(np.ceil(4 * width / spacing)) + 1)
    kernel = np.exp(-0.5 * (reach * spacing / width) ** 2)
    half = len(reach) // 2
    mirrored = np.concatenate([power[half:0:-1], power, power[-2 : -half - 2 : -1]])  # even at both ends
    smooth = np.convolve(mirrored, kernel / kernel.sum(), mode="valid")
    return wavenumbers, smooth / (smooth.sum() * spacing)
