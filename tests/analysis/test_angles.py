"""Angles between neighbours, where they are known: a lattice, an ideal gas, and one by one."""

import mdtraj
import numpy as np
import pytest

from openmm_cgaa.analysis.angles import angular_distribution
from openmm_cgaa.errors import GeometryError


def points(positions, box=None):
    """A trajectory of points, [frames, points, 3] in nm."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(np.shape(positions)[1]):
        topology.add_atom("W", mdtraj.element.virtual, topology.add_residue("W", chain))
    made = mdtraj.Trajectory(np.asarray(positions, np.float32), topology)
    made.unitcell_vectors = None if box is None else np.tile(np.asarray(box, np.float32), (len(positions), 1, 1))
    return made


def test_a_cubic_lattice_has_right_angles_alone():
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(1, -1, 3) * 0.3
    found = angular_distribution(points(grid, 1.2 * np.eye(3)), cutoff=0.35, low=30.5, high=150.5)
    assert found.theta[found.p > 0].tolist() == [90.0] and np.isnan(found.error).all()


def test_an_ideal_gas_has_the_sine():
    """In a skewed box, which has no corner where a neighbour could be missed."""
    random, box = np.random.default_rng(2), np.array([[2.0, 0, 0], [0.7, 1.9, 0], [-0.6, 0.5, 1.8]])
    found = angular_distribution(points(random.random((60, 400, 3)) @ box, box), cutoff=0.4, width=5.0)
    away = found.p / found.p.mean() - np.sin(np.radians(found.theta)) / np.sin(np.radians(found.theta)).mean()
    assert np.abs(away).max() < 0.02
    assert (found.error[found.p < 1] > 0).any() and np.nanmax(found.error) < 0.05


def test_it_is_the_sum_over_triplets():
    random, box = np.random.default_rng(1), 0.9 * np.eye(3)
    positions = random.random((1, 12, 3)) * 0.9
    found = angular_distribution(points(positions, box), cutoff=0.3, low=0.0, high=180.0, width=10.0)
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3) * 0.9
    counts = np.zeros(18)
    for here in positions[0].astype(np.float32).astype(float):
        away = (positions[0].astype(np.float32) - here)[:, None] + images
        length = np.linalg.norm(away, axis=2)
        near = away[(length < 0.3) & (length > 0)]
        for a in range(len(near)):
            for b in range(a):
                cosine = near[a] @ near[b] / np.linalg.norm(near[a]) / np.linalg.norm(near[b])
                counts[min(int(np.degrees(np.arccos(cosine)) // 10), 17)] += 1
    assert np.allclose(found.p, counts / counts.max())


def test_points_without_a_box_and_without_neighbours():
    bent = np.array([[[0.3, 0, 0], [0, 0, 0], [0, 0.3, 0], [9.0, 9.0, 9.0]]])
    found = angular_distribution(points(bent), cutoff=0.4, low=30.5, high=150.5)
    assert found.theta[found.p == 1].tolist() == [90.0]
    with pytest.raises(GeometryError, match="no two neighbours within 0.1 nm .* take a larger cutoff"):
        angular_distribution(points(bent), cutoff=0.1)
    assert angular_distribution(points(bent), cutoff=0.5).p.max() == 1.0
