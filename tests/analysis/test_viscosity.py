"""Viscosity by Green and Kubo, of a stress whose correlation is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from openmm_cgaa.analysis.viscosity import shear_viscosity
from openmm_cgaa.errors import SimulationError

VOLUME, KELVIN = 8.0, 300.0  # nm^3
INTERVAL, LIFE, SIGMA = 0.01, 0.5, 40.0  # ps, ps, MPa
EXACT = 1e3 * VOLUME * 1e-27 * (SIGMA * 1e6) ** 2 * LIFE * 1e-12 / (1.380649e-23 * KELVIN)  # mPa s: V <Pxy^2> tau / k T


def stress_of(samples, seed=1, offset=0.0):
    """Of an isotropic liquid: each shear decays as an exponential; the pressure is noise about an offset."""
    random = np.random.default_rng(seed)
    keep = np.exp(-INTERVAL / LIFE)
    noise = random.normal(size=(samples, 6)) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    live = SIGMA * lfilter([1.0], [1.0, -keep], noise, axis=0)
    stress = np.empty((samples, 3, 3))
    for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        stress[:, i, j] = stress[:, j, i] = live[:, k]
    for i in range(3):
        stress[:, i, i] = offset + np.sqrt(2.0) * live[:, 3 + i]  # less a third of the trace: 4/3 of the variance
    return INTERVAL * np.arange(samples), stress


def test_it_is_the_lifetime_of_the_stress():
    found = shear_viscosity(*stress_of(200_000, offset=500.0), VOLUME, KELVIN, 3.0, 5.0)
    assert found.shear.value == pytest.approx(EXACT, abs=4 * found.shear.error)
    assert 0.01 < found.shear.error / EXACT < 0.1
    grown = EXACT * (1.0 - np.exp(-found.lags / LIFE))
    assert np.abs(found.integral.value - grown)[1:].max() < 0.15 * EXACT
    assert found.integral.value[0] == 0.0 and found.lags[-1] == pytest.approx(5.0)


def test_the_error_is_that_of_runs_of_other_seeds():
    found = [shear_viscosity(*stress_of(20_000, seed), VOLUME, KELVIN, 2.0, 3.0).shear for seed in range(40)]
    values, errors = np.array(found).T
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.35)
    assert values.mean() == pytest.approx(EXACT, abs=4 * values.std() / np.sqrt(40))


def test_turning_the_liquid_and_another_pressure_change_nothing():
    time, stress = stress_of(3_000)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    one = shear_viscosity(time, stress, VOLUME, KELVIN, 1.0, 2.0)
    two = shear_viscosity(time + 7.0, turn @ stress @ turn.T + 100.0 * np.eye(3), VOLUME, KELVIN, 1.0, 2.0)
    np.testing.assert_allclose(two.shear, one.shear, rtol=1e-9)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t, s: (t[:9], s[:9]), "9 rows of the stress, too few"),
        (lambda t, s: (t[:400], s[:400]), "a lag must be shorter than half of one; run longer"),
        (lambda t, s: (np.delete(t, 50), np.delete(s, 50, 0)), "are not evenly spaced"),
        (lambda t, s: (t, np.where(np.arange(len(t))[:, None, None] == 3, np.nan, s)), "is not finite everywhere"),
    ],
)
def test_what_is_no_series_is_told(spoil, words):
    with pytest.raises(SimulationError, match=words):
        shear_viscosity(*spoil(*stress_of(3_000)), VOLUME, KELVIN, 1.0, 2.0)
