"""Sizes and shapes of chains, how long they remember them, and how far two distributions are apart."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from ..errors import SimulationError

NOISE = 0.1  # an autocorrelation below is not fitted


class Histogram(NamedTuple):
    """Density of a distribution.

    Attributes
    ----------
    edges : array [bins + 1]
    density : array [bins]
        Its integral is 1.
    """

    edges: np.ndarray
    density: np.ndarray


def distribution_of(values: np.ndarray, bins: int = 40, between: tuple[float, float] | None = None) -> Histogram:
    """That of all numbers of an array, in bins of one width."""
    density, edges = np.histogram(np.ravel(values), bins, between, density=True)
    return Histogram(edges, density)


def internal_distances(positions: np.ndarray) -> np.ndarray:
    """Mean distance <R(s)> of bodies that are s apart along a chain, for s = 1, 2, ..., [bodies - 1].

    Paper 002, appendix B (docs/papers.md): the mean over all such pairs and all frames.

    Parameters
    ----------
    positions : array [frames, bodies, 3]
        In the order of the chain, not wrapped.
    """
    count = positions.shape[1]
    return np.array(
        [np.linalg.norm(positions[:, s:] - positions[:, : count - s], axis=-1).mean() for s in range(1, count)]
    )


def contact_map(positions: np.ndarray) -> np.ndarray:
    """Mean distance of each pair of bodies, [bodies, bodies], of positions [frames, bodies, 3]."""
    found = np.zeros((positions.shape[1], positions.shape[1]))
    for frame in positions:  # all pairs of all frames would not fit into memory
        found += np.linalg.norm(frame[:, None] - frame[None], axis=-1)
    return found / len(positions)


def autocorrelation(series: np.ndarray) -> np.ndarray:
    """Normalised autocorrelation of the fluctuation of a series, for lags up to half of its length, [lags].

    Each lag is the mean over all pairs of frames that are so far apart.

    Parameters
    ----------
    series : array [frames] or [frames, molecules]
        Fluctuations are from the mean of each molecule; covariances are averaged over molecules.

    Raises
    ------
    SimulationError
        There are fewer than 4 frames, or nothing fluctuates.
    """
    values = np.asarray(series, float).reshape(len(series), -1)
    count = len(values)
    fluctuation = values - values.mean(0)
    if count < 4 or not np.square(fluctuation).sum() > 0.0:
        raise SimulationError("an autocorrelation needs 4 frames or more of what fluctuates; give a longer series")
    spectrum = np.abs(np.fft.rfft(fluctuation, 2 * count, axis=0)) ** 2
    lags = count // 2 + 1
    covariance = np.fft.irfft(spectrum, axis=0)[:lags].mean(1) / (count - np.arange(lags))
    return covariance / covariance[0]


def relaxation_time(correlation: np.ndarray, spacing: float) -> float:
    """Time after which an autocorrelation is 1/e, of the exponential that fits it best above the noise.

    Parameters
    ----------
    correlation : array [lags]
        Of `autocorrelation`.
    spacing : float
        Time of a lag.

    Returns
    -------
    float
        nan where the series is too short: its autocorrelation never falls to a tenth.
    """
    below = np.flatnonzero(correlation < NOISE)
    if not len(below):
        return float("nan")
    end = below[0] + 1
    lags = np.arange(end, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # two points have no error
        start = max(np.sum(correlation[:end]), 0.1)
        ((lag,), _) = curve_fit(
            lambda x, tau: np.exp(-x / tau), lags, correlation[:end], [start], bounds=(1e-3, np.inf)
        )
    return float(lag * spacing)
