"""Lattices: one lattice in many boxes, and frames that are turned."""

import numpy as np
import openmm
import pytest

from openmm_cgaa.structures import lattice

ase = pytest.importorskip("ase")


def random_boxes(count=20, skew=6):
    """Short boxes, of both hands, and the same lattices in other bases."""
    rng = np.random.default_rng(3)
    for i in range(count):
        box = rng.uniform(2.0, 5.0, (3, 1)) * (np.eye(3) + 0.3 * rng.normal(size=(3, 3)))
        upper, lower = np.eye(3), np.eye(3)
        upper[np.triu_indices(3, 1)] = rng.integers(-skew, skew + 1, 3)
        lower[np.tril_indices(3, -1)] = rng.integers(-skew, skew + 1, 3)
        yield (box if i % 2 else -box), (upper @ lower) @ (box if i % 2 else -box)


def test_reduced_is_the_shortest_basis_of_the_same_lattice():
    from ase.geometry import minkowski_reduce

    for box, skewed in random_boxes():
        found = lattice.reduced(skewed)
        steps = found @ np.linalg.inv(box)
        assert np.allclose(steps, np.round(steps), atol=1e-8) and np.isclose(np.linalg.det(steps), 1.0)
        lengths = np.linalg.norm(minkowski_reduce(skewed)[0], axis=1)
        assert np.allclose(np.sort(np.linalg.norm(found, axis=1)), np.sort(lengths))


def test_short_boxes_stay_as_they_are():
    hexagonal = np.array([[3.0, 0, 0], [-1.5, 1.5 * 3**0.5, 0], [0, 0, 5.0]])
    for box in (np.diag([2.0, 3.0, 2.0]), hexagonal):
        assert np.array_equal(lattice.reduced(box), box)


def test_nearest_image_is_ases_below_half_the_height():
    from ase.geometry import find_mic

    rng = np.random.default_rng(4)
    for _, skewed in random_boxes():
        vectors = rng.uniform(-20, 20, (200, 3))
        right, lengths = find_mic(vectors, skewed)
        near = lengths < 0.5 * lattice.height(lattice.reduced(skewed))
        assert near.any()
        assert np.allclose(lattice.nearest_image(vectors, skewed)[near], right[near])


def test_a_turned_frame_has_the_same_distances_and_a_box_that_openmm_takes():
    from ase.geometry import get_distances

    rng = np.random.default_rng(5)
    for _, skewed in random_boxes():
        positions = rng.uniform(0, 5, (8, 3))
        lower, turn = lattice.triangular(skewed)
        turned = positions @ turn
        _, right = get_distances(positions, cell=skewed, pbc=True)
        _, found = get_distances(turned, cell=lower, pbc=True)
        assert np.allclose(found, right)
        # a proper rotation: no molecule becomes its mirror image
        before, after = (np.linalg.det(x[1:4] - x[0]) for x in (positions, turned))
        assert np.isclose(before, after)
        system = openmm.System()
        system.addParticle(1.0)
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in lower))
        openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))


def test_a_box_that_lies_so_is_not_touched():
    box = np.array([[3.0, 0, 0], [1, 3, 0], [0.5, 1, 4]])
    lower, turn = lattice.triangular(box)
    assert np.array_equal(lower, box) and np.array_equal(turn, np.eye(3))
