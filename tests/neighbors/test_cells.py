"""Pairs of grains by cells are those of all pairs, over every image."""

import numpy as np
import pytest
import torch

from openmm_cgaa.neighbors.build import all_pairs
from openmm_cgaa.neighbors.cells import pairs_from_cells

BOXES = {
    "no box": None,
    "large": np.diag([31.0, 28.0, 40.0]),
    "small": np.diag([5.0, 6.0, 4.5]),
    "flat": np.diag([40.0, 40.0, 5.0]),
    "triclinic": np.array([[20.0, 0.0, 0.0], [9.0, 18.0, 0.0], [-8.0, 7.0, 15.0]]),
}


def as_set(j, k, shift):
    """Each pair from the lower number, or from below its image."""
    found = set()
    for a, b, s in zip(j, k, np.round(shift, 6).tolist()):
        s = tuple(x + 0.0 for x in s)
        back = tuple(0.0 - x for x in s)
        turned = a > b or (a == b and s[::-1] < back[::-1])
        found.add((int(b), int(a), back) if turned else (int(a), int(b), s))
    return found


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("count", [1, 2, 60])
def test_pairs_are_those_of_all_pairs(name, count):
    rng = np.random.default_rng(1)
    box = BOXES[name]
    centers = rng.uniform(size=(count, 3)) @ (np.diag([35.0, 20.0, 300.0]) if box is None else box)
    for reach in (rng.uniform(1.0, 4.0, count), np.full(count, 2.6)):
        j, k, shift = pairs_from_cells(centers, box, reach)
        tensors = [None if each is None else torch.from_numpy(each) for each in (centers, box, reach)]
        wanted = as_set(*(each.numpy() for each in all_pairs(*tensors)))
        found = as_set(j, k, shift)
        assert found == wanted and len(found) == len(j)
        assert (j <= k).all()
        if name == "small":
            assert (j == k).any()


def test_centers_far_apart_and_in_one_place():
    for centers in (np.zeros((5, 3)), np.array([[0.0, 0.0, 0.0], [1e7, 0.0, 0.0], [1e7, 1.0, 0.0]])):
        j, k, shift = pairs_from_cells(centers, None, np.ones(len(centers)))
        apart = np.linalg.norm(centers[:, None] - centers, axis=2)
        assert len(j) == (np.triu(apart < 2.0, 1)).sum() and not shift.any()
