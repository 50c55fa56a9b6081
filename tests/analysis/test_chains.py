"""Sizes of chains against what is known: ideal chains, processes of one memory, distributions that were shifted."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from openmm_cgaa.analysis.chains import (
    autocorrelation,
    contact_map,
    distribution_of,
    internal_distances,
    relaxation_time,
)
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.propagate.beadgroups import squared_gyration

BOND = 3.0  # Å, rms


def ideal(frames, beads, seed=0):
    """Gaussian chains: independent bonds of a mean square length."""
    rng = np.random.default_rng(seed)
    bonds = BOND / np.sqrt(3.0) * rng.standard_normal((frames, beads - 1, 3))
    return np.concatenate([np.zeros((frames, 1, 3)), bonds.cumsum(1)], 1)


def process(time, count, columns, seed=0):
    """An Ornstein-Uhlenbeck process at unit steps, whose autocorrelation is exp(-lag/time)."""
    rng, kept = np.random.default_rng(seed), np.exp(-1.0 / time)
    found = [rng.standard_normal(columns)]
    for _ in range(count - 1):
        found.append(kept * found[-1] + np.sqrt(1.0 - kept**2) * rng.standard_normal(columns))
    return np.array(found)


def test_the_size_of_an_ideal_chain():
    """<Rg^2> = b^2 (n^2 - 1) / (6 n) of n bodies: the mean of squared distances of all pairs."""
    for n in (2, 9, 40):
        found = squared_gyration(ideal(20000, n), np.ones(n)).mean()
        assert found == pytest.approx(BOND**2 * (n**2 - 1) / (6 * n), rel=0.03)


def test_distances_inside_an_ideal_chain():
    """<R(s)> = b sqrt(8 s / (3 pi)): the mean length of a Gaussian vector."""
    found = internal_distances(ideal(4000, 20))
    wanted = BOND * np.sqrt(8.0 * np.arange(1, 20) / (3.0 * np.pi))
    assert np.allclose(found, wanted, rtol=0.03)


def test_a_rod_by_hand():
    rod = np.array([[[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0]]])
    assert internal_distances(rod).tolist() == [1.0, 2.0, 3.0]
    assert np.allclose(contact_map(rod), np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))))


def test_a_contact_map_is_the_mean_distance_of_each_pair():
    positions = ideal(50, 6)
    found = contact_map(positions)
    assert found[1, 4] == pytest.approx(np.linalg.norm(positions[:, 1] - positions[:, 4], axis=1).mean())
    assert np.allclose(found, found.T) and np.allclose(np.diag(found), 0.0)
    assert np.diag(found, 2).mean() == pytest.approx(internal_distances(positions)[1])


def test_the_memory_of_a_process():
    found = autocorrelation(process(12.0, 20000, 3))
    assert found[0] == 1.0 and np.allclose(found[:30], np.exp(-np.arange(30) / 12.0), atol=0.06)
    assert relaxation_time(found, spacing=2.5) == pytest.approx(2.5 * 12.0, rel=0.1)


def test_an_autocorrelation_by_its_definition():
    series = np.random.default_rng(0).standard_normal((40, 2)).cumsum(0)
    off = series - series.mean(0)
    wanted = [np.mean(off[: 40 - lag] * off[lag:]) for lag in range(21)]
    assert np.allclose(autocorrelation(series), np.array(wanted) / wanted[0])


def test_an_exponential_has_its_time():
    assert relaxation_time(np.exp(-np.arange(200) / 17.0), 4.0) == pytest.approx(68.0, rel=1e-6)
    assert relaxation_time(np.array([1.0, 0.0, 0.0]), 1.0) < 0.5  # white noise forgets at once


def test_a_series_that_is_too_short_has_no_time():
    assert np.isnan(relaxation_time(np.exp(-np.arange(20) / 17.0), 1.0))
    for series in (np.ones(50), np.arange(3.0)):
        with pytest.raises(SimulationError, match="needs 4 frames or more of what fluctuates; give a longer series"):
            autocorrelation(series)


def test_a_distribution_is_normalised_and_its_distance_to_a_shifted_one_is_the_shift():
    values = np.random.default_rng(0).gamma(4.0, 2.0, (500, 4))
    edges, density = distribution_of(values, bins=25)
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0) and len(density) == 25
    assert edges[0] == values.min() and edges[-1] == values.max()
    assert wasserstein_distance(values.ravel(), values.ravel() + 1.25) == pytest.approx(1.25)
