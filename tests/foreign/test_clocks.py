"""Clocks that jump: no result, no budget and no file may hang on the time of day.

borgbackup/borg#1936 is a sample of the kind: durations that become negative when the clock is set.
"""

import itertools
import time

import numpy as np
import pytest
from short_runs import SHORT, diatomics, same_run, table

from openmm_cgaa.simulation.run import simulate


@pytest.fixture
def jumping(monkeypatch):
    """`time.time` jumps by days, forwards and backwards, at each call."""
    true, days = time.time, itertools.cycle([0.0, 3.0, -400.0, 0.5])
    monkeypatch.setattr(time, "time", lambda: true() + 86400.0 * next(days))


@pytest.mark.parametrize("progress", [False, True])
def test_a_run_is_the_same_run(tmp_path, jumping, monkeypatch, progress):
    simulate(*diatomics(), tmp_path / "jumping", SHORT, progress=progress)
    monkeypatch.undo()
    simulate(*diatomics(), tmp_path / "even", SHORT, progress=False)
    same_run(tmp_path / "jumping", tmp_path / "even")
    assert np.isfinite(table(tmp_path / "jumping" / "state.csv")["ns_per_day"]).all()
