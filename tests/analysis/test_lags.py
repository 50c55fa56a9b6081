"""Displacements over lags, against their definition, and what is refused."""

import numpy as np
import pytest

from openmm_cgaa.analysis.diffusion import mean_square_displacement
from openmm_cgaa.analysis.lags import DEPTH, LAGS, Lags, decay_time, fitted_slope, time_with_error
from openmm_cgaa.errors import SimulationError


def squares(earlier, later):
    return np.square(later - earlier).sum(-1).mean(-1, keepdims=True)


def test_short_lags_are_those_of_all_frames_and_long_ones_of_every_second():
    walk = np.random.default_rng(1).normal(size=(500, 3, 3)).cumsum(axis=0)
    lags = Lags(squares)
    for number, frame in enumerate(walk):
        lags.add(0.2 * number, frame)
    found, curve, parts = lags.curves()
    assert found.tolist() == (0.2 * LAGS[LAGS <= 99]).tolist() and lags.length == pytest.approx(99.8)
    assert parts.shape == (5, len(found), 1)
    assert np.allclose(curve[:DEPTH, 0], mean_square_displacement(walk)[1 : DEPTH + 1])
    for place, step in ((DEPTH + 2, 2), (DEPTH + 9, 4)):
        lag = LAGS[place]
        starts = np.arange(0, 500 - lag, step)
        assert curve[place, 0] == pytest.approx(np.square(walk[starts + lag] - walk[starts]).sum(-1).mean())
    assert sorted(set(LAGS.tolist())) == LAGS.tolist()


def test_a_block_has_the_pairs_whose_later_frame_is_its_own():
    values = np.arange(50.0)[:, None, None]  # moves by one a frame, so that a lag's square is known
    values[40:] += 7.0 * np.arange(1, 11)[:, None, None]  # and by eight in the last block
    lags = Lags(squares)
    for number, frame in enumerate(values):
        lags.add(float(number), frame)
    _, _, parts = lags.curves()
    assert parts[:, 0, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 64.0]


def test_the_time_of_a_decay():
    """Of an exponential exact, however much of it is seen; nothing where it does not fall to 1/e."""
    lags = np.linspace(0.0, 10.0, 1001)
    for time in (0.5, 2.0, 9.0):
        assert decay_time(lags, np.exp(-lags / time)) == pytest.approx(time, rel=1e-3)
    assert np.isnan(decay_time(lags, np.exp(-lags / 11.0)))
    noise = np.where(lags > 8.0, 0.03, 0.0)  # beyond 5 %
    assert decay_time(lags, np.exp(-lags / 2.0) + noise) == pytest.approx(2.0, rel=1e-3)
    assert time_with_error(lags, np.ones(1001), np.ones((5, 1001))) is None
    found = time_with_error(lags, np.exp(-lags), np.exp(-lags / np.array([[0.8], [0.9], [1.0], [1.1], [1.2]])))
    assert found == pytest.approx((1.0, np.sqrt(0.025 / 5)), rel=1e-2)


def test_what_tells_no_lag_is_refused():
    lags = Lags(squares)
    for time in (0.0, 1.0, 2.0):
        lags.add(time, np.zeros((1, 3)))
    with pytest.raises(SimulationError, match="3 frames, too few for 5 blocks"):
        lags.curves()
    with pytest.raises(SimulationError, match="not evenly spaced: from 2 to 4 ps"):
        lags.add(4.0, np.zeros((1, 3)))
    still = Lags(squares)
    still.add(0.0, np.zeros((1, 3)))
    with pytest.raises(SimulationError, match="not evenly spaced"):
        still.add(0.0, np.zeros((1, 3)))
    assert fitted_slope([0, 1, 2, 3], [0, 2, 4, 9], 0, 2) == pytest.approx(2.0)
    with pytest.raises(SimulationError, match="there are 2 of this trajectory"):
        fitted_slope([0, 1, 2, 3], [0, 2, 4, 6], 0.5, 2)
