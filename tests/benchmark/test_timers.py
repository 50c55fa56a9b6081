"""Timers of models, calculators and teachers."""

import numpy as np
import pytest
from openmm import unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.benchmark import timers


def test_a_calculator_is_called_at_new_positions_each_time(solvent):
    pytest.importorskip("ase")

    class Counter:
        seen = []

        def get_potential_energy(self, atoms, force_consistent=False):
            self.seen.append(atoms.positions.copy())
            return 0.0

        def get_forces(self, atoms):
            return np.zeros_like(atoms.positions)

    topology, positions, _ = solvent
    timing = timers.time_calculator("counter", Counter(), topology, positions * unit.nanometer, calls=2)
    assert timing.steps == 2 and len(Counter.seen) == 3
    assert not np.array_equal(Counter.seen[1], Counter.seen[2])
    assert np.abs(Counter.seen[0] / 10.0 - positions).max() < 1e-3


def test_a_call_is_timed_at_new_positions_without_an_engine(solvent, tiny_conserving_path, monkeypatch):
    topology, positions, _ = solvent
    potential, seen = CGAAPotential(tiny_conserving_path), []
    made = potential.evaluator

    class Watched:
        def __init__(self, evaluator):
            self.evaluator, self.network, self.tensor = evaluator, evaluator.network, evaluator.tensor

        def __call__(self, at, box):
            seen.append(at.clone())
            return self.evaluator(at, box)

    monkeypatch.setattr(potential, "evaluator", lambda *given, **named: Watched(made(*given, **named)))
    timing = timers.time_evaluator(potential, "a call", topology, positions * unit.nanometer, calls=4)
    assert timing.steps == 4 and len(seen) == timers.WARM + 4 and timing.low <= timing.ms <= timing.high
    moved = [float((at - seen[0]).abs().max()) for at in seen[1:]]
    assert min(moved) > 0.0 and max(moved) < 2e-3


def test_the_spread_of_times_is_told():
    timing = timers.summarised("some", "CPU", [1.0, 2.0, 3.0, 4.0, 100.0], 5)
    assert timing.ms == 3.0 and timing.low == pytest.approx(1.4) and timing.high == pytest.approx(61.6)
