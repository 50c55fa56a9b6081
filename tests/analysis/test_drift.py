"""Slopes and means of series whose memory is known, and the drift of an energy."""

import numpy as np
import pytest

from openmm_cgaa.analysis import drift
from openmm_cgaa.errors import SimulationError


def correlated_noise(rng, size, memory):
    noise = rng.normal(size=size)
    for i in range(1, size):
        noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return noise


def test_inefficiency_of_an_autoregressive_series():
    memory = 0.9
    series = correlated_noise(np.random.default_rng(2), 50_000, memory)
    assert drift.inefficiency(series) == pytest.approx((1 + memory) / (1 - memory), rel=0.15)
    assert drift.inefficiency(np.ones(10)) == 1.0


def test_errors_of_means_and_slopes_are_honest_for_correlated_series():
    rng = np.random.default_rng(3)
    time = np.linspace(0.0, 10.0, 1000)
    series = [0.02 * time + correlated_noise(rng, 1000, 0.9) for _ in range(200)]
    slopes = np.array([drift.slope(time, s) for s in series])
    assert slopes[:, 0].mean() == pytest.approx(0.02, abs=4 * slopes[:, 0].std() / np.sqrt(200))
    assert slopes[:, 1].mean() == pytest.approx(slopes[:, 0].std(), rel=0.25)
    means = np.array([drift.mean(s - 0.02 * time) for s in series])
    assert means[:, 1].mean() == pytest.approx(means[:, 0].std(), rel=0.25)


def test_energy_drift_is_in_mev_per_atom_and_ps():
    time = np.linspace(0.0, 10.0, 101)
    value, error = drift.energy_drift(time, -5e5 + 96.48533212331002 * 0.24 * time, num_atoms=240)
    assert value == pytest.approx(1.0) and error == pytest.approx(0.0, abs=1e-6)


def test_slope_refuses_what_has_none():
    with pytest.raises(SimulationError, match="10 samples"):
        drift.slope([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(SimulationError, match="finite"):
        drift.slope(np.arange(20.0), [np.nan] * 20)
