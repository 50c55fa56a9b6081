"""Means and slopes of correlated series, with errors that know about the correlation; the drift of an NVE run."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SimulationError
from ..units import KJMOL_PER_EV


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def inefficiency(series: ArrayLike) -> float:
    """How many samples of a series count as one: 1 + 2 sum of its autocorrelation, up to its first zero.

    Chodera et al., J. Chem. Theory Comput. 3, 26 (2007), eq. 20, the sum ended where noise takes over; at least 1.
    """
    # pymbar.timeseries gives the same number (tests/analysis/test_equilibrium.py). It is no dependency: it sums lag by
    # lag, needs numexpr, prints notices when it is imported, and imports jax where that is installed.
    values = np.asarray(series, dtype=float)
    fluctuation = values - values.mean()
    n = len(fluctuation)
    variance = np.mean(fluctuation**2)
    if n < 3 or variance == 0.0:
        return 1.0
    spectrum = np.abs(np.fft.rfft(fluctuation, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n] / (variance * n)  # the weight (1 - lag/n) is in it
    crossings = np.flatnonzero(correlation <= 0.0)
    end = crossings[0] if len(crossings) else n
    return max(1.0, 1.0 + 2.0 * float(correlation[1:end].sum()))


def mean(series: ArrayLike) -> Estimate:
    """Mean of a correlated series and its standard error."""
    series = np.asarray(series, dtype=float)
    samples = len(series) / inefficiency(series)
    return Estimate(float(series.mean()), float(series.std() / np.sqrt(max(samples - 1.0, 1.0))))


def slope(time: ArrayLike, series: ArrayLike) -> Estimate:
    """Slope of the straight line of least squares, and its standard error.

    The textbook error holds for independent residuals; it grows by the square root of their inefficiency. Noise that
    stays correlated over more than a twentieth of the series (a random walk) cannot be told from a slope: the error is
    too small then.

    Raises
    ------
    SimulationError
        If there are fewer than 10 samples, or they are not finite.
    """
    time, series = np.asarray(time, dtype=float), np.asarray(series, dtype=float)
    if len(time) < 10:
        raise SimulationError(f"a slope with an error needs at least 10 samples, but there are {len(time)}")
    if not (np.isfinite(time).all() and np.isfinite(series).all()):
        raise SimulationError("a slope needs finite samples, but some are not")
    centered = time - time.mean()
    value = centered @ series / (centered @ centered)
    residual = series - series.mean() - value * centered
    samples = len(series) / inefficiency(residual)
    variance = residual @ residual / len(series) * samples / max(samples - 2.0, 1.0)
    error = np.sqrt(variance * len(series) / samples / (centered @ centered))
    return Estimate(float(value), float(error))


def energy_drift(time: ArrayLike, energy: ArrayLike, num_atoms: int) -> Estimate:
    """Drift of the total energy in meV/atom/ps.

    Parameters
    ----------
    time : array [samples], ps
    energy : array [samples], kJ/mol
        Potential and kinetic energy of an NVE run.
    num_atoms : int
    """
    factor = 1000.0 / KJMOL_PER_EV / num_atoms
    return Estimate(*(factor * number for number in slope(time, energy)))
