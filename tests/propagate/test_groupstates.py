"""Edges between groups: bonds and neighbours over a box, and systems side by side."""

import numpy as np
import pytest
from chains import chain_sequence, small_propagator

from openmm_cgaa.errors import GeometryError
from openmm_cgaa.propagate.groupstates import edges_of, joined_states

BOX = np.array([20.0, 24.0, 30.0])


def by_hand(positions, bonds, radius, box):
    """{(to, from): (way, bonded)} of all edges."""
    found = {}
    for i, here in enumerate(positions):
        for j, there in enumerate(positions):
            way = here - there
            if box is not None:
                way = way - box * np.round(way / box)
            bonded = [min(i, j), max(i, j)] in np.asarray(bonds).tolist()
            if i != j and (bonded or np.linalg.norm(way) <= radius):
                found[i, j] = way, bonded
    return found


@pytest.mark.parametrize("box", [None, BOX])
def test_edges_are_bonds_and_pairs_within_the_radius(box):
    rng = np.random.default_rng(0)
    positions, bonds = rng.uniform(-60, 60, (30, 3)) if box is None else rng.uniform(-60, 60, (30, 3)), [[0, 1], [1, 2]]
    ends, ways, bonded = edges_of(positions, bonds, 9.0, box)
    wanted = by_hand(positions, bonds, 9.0, box)
    assert {tuple(pair) for pair in ends.T.tolist()} == wanted.keys() and ends.shape[1] == len(wanted)
    for pair, way, own in zip(ends.T.tolist(), ways, bonded):
        assert np.allclose(way, wanted[tuple(pair)][0]) and own == wanted[tuple(pair)][1]


def test_a_place_a_digit_below_zero_is_in_the_box():
    positions = np.array([[-1e-18, 5.0, 5.0], [1.0, 5.0, 5.0]])
    assert edges_of(positions, [], 5.0, BOX)[0].shape == (2, 2)


def test_a_box_that_is_too_small():
    with pytest.raises(GeometryError, match="looks 11 Å far, but the box is 20.00 Å wide; take a box of 22 Å or more"):
        edges_of(np.zeros((2, 3)), [], 11.0, BOX)
    edges_of(np.zeros((2, 3)), [], 11.0, np.full(3, 22.0))


def test_systems_side_by_side_have_no_edges_between_them():
    model, one = small_propagator(), chain_sequence("a", "test", frames=5)
    state = model.state(one.positions[:3], one.graph, None)
    both = joined_states([state, state])
    assert len(both.masses) == 6 and both.ends.shape[1] == 2 * state.ends.shape[1]
    assert ((both.ends[0] < 3) == (both.ends[1] < 3)).all()
