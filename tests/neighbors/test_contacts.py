"""How close grains come, over every boundary of a sheared box."""

import numpy as np
import pytest

from openmm_cgaa.neighbors.contacts import pairs_between, shortest_contact


def test_shortest_contact_is_that_of_all_images():
    random = np.random.default_rng(0)
    box = np.array([[3.0, 0.0, 0.0], [1.0, 2.8, 0.0], [-0.9, 0.8, 2.6]])
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3) @ box
    residues = np.repeat(np.arange(4), 3)
    pairs = pairs_between(residues)
    assert pairs.shape == (2, 12 * 9 // 2)
    for _ in range(20):
        positions = random.random((12, 3)) @ box
        delta = positions[None] - positions[:, None]
        every = np.linalg.norm(delta[:, :, None] + shifts, axis=-1).min(-1)
        every[residues[:, None] == residues] = np.inf
        distance, pair = shortest_contact(positions, box, pairs)
        assert distance == pytest.approx(every.min()) and every[tuple(pairs[:, pair])] == pytest.approx(distance)


def test_without_a_box_and_without_pairs():
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 9.0, 0.0]])
    assert shortest_contact(positions, None, pairs_between([0, 1, 2])) == (2.0, 0)
    assert shortest_contact(positions, None, pairs_between([0, 0, 0]))[0] == np.inf
