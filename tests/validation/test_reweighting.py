"""Radial distributions of the teacher's ensemble, from the student's frames, where both are known."""

import mdtraj
import numpy as np
import pytest

from openmm_cgaa.units import BOLTZMANN_EV
from openmm_cgaa.validation.peaks import beside
from openmm_cgaa.validation.reweighting import first_order, in_both_ensembles

KELVIN = 300.0


def test_weights_are_zwanzigs_first_order():
    """Small differences: the first order is the whole exponential, but for its square."""
    off = 1e-3 * np.random.default_rng(0).standard_normal(500)  # eV
    weights, numbers = first_order(off + 7.0, KELVIN)  # a constant says nothing
    whole = np.exp(-off / (BOLTZMANN_EV * KELVIN))
    assert weights == pytest.approx(whole / whole.mean(), abs=0.02) and weights.mean() == pytest.approx(1.0)
    assert numbers["frames"] == 500 and numbers["effective_frames_all_orders"] == pytest.approx(500, rel=0.01)
    assert numbers["spread_kT"] == pytest.approx(off.std() / (BOLTZMANN_EV * KELVIN))
    equal, numbers = first_order(np.full(4, 2.0), KELVIN)
    assert (equal == 1.0).all() and numbers["skewness"] == 0.0


def test_peak_of_the_teacher_is_found():
    """Pairs on a spring: a teacher whose spring is 0.02 Å longer has its peak there."""
    rng, sigma, shift = np.random.default_rng(1), 0.1, 0.02  # Å
    lengths = 4.0 + sigma * rng.standard_normal((2000, 50))
    stiffness = BOLTZMANN_EV * KELVIN / sigma**2
    off = 0.5 * stiffness * ((lengths - 4.0 - shift) ** 2 - (lengths - 4.0) ** 2).sum(1)
    topology = mdtraj.Topology()
    for _ in range(100):
        topology.add_atom("C", mdtraj.element.carbon, topology.add_residue("X", topology.add_chain()))
    xyz = rng.random((len(lengths), 50, 3)) * 50.0
    both = np.stack([xyz, xyz + np.einsum("fp,x->fpx", lengths, [1.0, 0.0, 0.0])], axis=2).reshape(len(lengths), 100, 3)
    trajectory = mdtraj.Trajectory(both / 10.0, topology)
    trajectory.unitcell_vectors = np.repeat(5.0 * np.eye(3)[None], len(lengths), axis=0)
    pairs = np.arange(100).reshape(50, 2)
    weights, _ = first_order(off, KELVIN)
    r, parts = in_both_ensembles(trajectory, pairs, weights, np.array_split(np.arange(len(lengths)), 10))
    found = beside(r, parts, 0.05)["shift_A"]  # student less teacher
    assert found["value"] == pytest.approx(-shift, abs=4 * found["error"]) and found["error"] < 0.005
