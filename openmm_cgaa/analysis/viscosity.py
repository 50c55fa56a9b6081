"""Shear viscosity by Green and Kubo: from how long a stress that arose by chance lives on.

``eta = V / (10 k T) * integral of <P(0) : P(t)> dt``, where P is the stress, symmetric and without its trace, and
``:`` sums over its nine elements, so that all directions of a liquid serve (Daivis and Evans, J. Chem. Phys. 100, 541
(1994)).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import irfft, next_fast_len, rfft
from scipy.integrate import cumulative_trapezoid

from ..errors import SimulationError
from ..units import BOLTZMANN_EV, MPA_S_PER_MPA2_PS_NM3_EV
from ..wording import counted
from .drift import Estimate
from .streaming import BLOCKS, Curve, block_error

EVEN = 0.01  # of an interval, that two of them may differ by, of rounding


class Viscosity(NamedTuple):
    """Of a liquid.

    Attributes
    ----------
    shear : Estimate, mPa s
    lags : array [lags], ps
    integral : Curve
        Up to each lag, mPa s.
    """

    shear: Estimate
    lags: np.ndarray
    integral: Curve


def shear_viscosity(
    time: ArrayLike, stress: ArrayLike, volume: float, temperature: float, begin: float, end: float
) -> Viscosity:
    """Mean of the running integral between two lags, with the standard error of five blocks in time.

    Take lags at which the integral has come to rest, and not yet begun to wander.

    Parameters
    ----------
    time : array [samples], ps
        Evenly spaced.
    stress : array [samples, 3, 3], MPa
    volume : float, nm^3
        That does not change.
    temperature : float, K
    begin, end : float, ps

    Raises
    ------
    SimulationError
        Samples are not evenly spaced or not finite, or half of a block is shorter than `end`.
    """
    time, stress = np.asarray(time, dtype=float), np.asarray(stress, dtype=float)
    steps = np.diff(time)
    if len(time) < 2 * BLOCKS:
        raise SimulationError(
            f"viscosity: {counted(len(time), 'row')} of the stress, too few for {BLOCKS} blocks in time; run longer"
        )
    if not (np.isfinite(stress).all() and np.isfinite(time).all()):
        raise SimulationError("viscosity: the stress is not finite everywhere; look at stress.csv, and run anew")
    if not (steps[0] > 0.0 and (np.abs(steps - steps[0]) < EVEN * steps[0]).all()):
        raise SimulationError("viscosity: rows of the stress are not evenly spaced; bring stress.csv back from a copy")
    interval = float(steps.mean())
    block, last = len(time) // BLOCKS, int(np.ceil(end / interval - EVEN))
    if 2 * last > block:
        raise SimulationError(
            f"viscosity from lags of {begin:g} to {end:g} ps: {time[-1] - time[0]:.4g} ps have blocks in time of "
            f"{block * interval:.4g} ps, and a lag must be shorter than half of one; run longer, or take shorter lags"
        )
    factor = MPA_S_PER_MPA2_PS_NM3_EV * volume / (10.0 * BOLTZMANN_EV * temperature)
    sheared = stress - np.trace(stress, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3.0
    parts = [sheared[k * block : (k + 1) * block] for k in range(BLOCKS)]
    lags = interval * np.arange(last + 1)

    def integrals(values: np.ndarray) -> np.ndarray:
        return factor * cumulative_trapezoid(_correlation(values.reshape(len(values), 9), last), dx=interval, initial=0)

    whole, each = integrals(sheared), np.array([integrals(part) for part in parts])
    flat = lags >= begin - EVEN * interval
    value, error = whole[flat].mean(), block_error(each[:, flat].mean(1))
    return Viscosity(Estimate(float(value), float(error)), lags, Curve(whole, block_error(each)))


def _correlation(values: np.ndarray, last: int) -> np.ndarray:
    """Mean of ``values(0) . values(t)`` [last + 1], over all pairs of rows [samples, columns] at a lag."""
    samples = len(values)
    size = next_fast_len(samples + last + 1, real=True)
    spectrum = np.abs(rfft(values, size, axis=0)) ** 2
    return irfft(spectrum.sum(1), size)[: last + 1] / (samples - np.arange(last + 1))
