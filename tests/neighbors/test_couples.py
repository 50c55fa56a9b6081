"""Pairs of grains in lists of fixed length: those of cells are those of all pairs, and images are found."""

import pytest
import torch

from openmm_cgaa.neighbors.build import near_pairs
from openmm_cgaa.neighbors.couples import chosen_couples, couples_of, in_cells, no_room, roomier, select

TRICLINIC = torch.tensor([[9.0, 0.0, 0.0], [2.0, 8.5, 0.0], [-3.0, 1.5, 9.5]], dtype=torch.float64)


def pairs_below(points, box, cutoff, room):
    """(j, k, shift) of `near_pairs`, one direction, by couples."""
    reach = torch.tensor(cutoff, dtype=torch.float64)
    couples, _ = couples_of(points, box, reach, room)
    cell = torch.zeros(3, 3, dtype=torch.float64) if box is None else box
    j, k, shift, is_one, found = chosen_couples(
        couples, couples.distance2 < reach.square(), 4000, cell, torch.zeros_like(points)
    )
    assert int(found) == int(is_one.sum())
    return j[is_one], k[is_one], shift[is_one]


def keys(j, k, shift, twice):
    one = list(zip(j.tolist(), k.tolist(), *shift.round(decimals=6).T.add(0.0).tolist()))
    other = list(zip(k.tolist(), j.tolist(), *(-shift).round(decimals=6).T.add(0.0).tolist())) if twice else []
    return sorted(one + other)


@pytest.mark.parametrize("cutoff", [3.0, 6.0, 11.0])
@pytest.mark.parametrize("scale", [None, 0.6, 1.0, 3.0])
def test_couples_are_all_pairs_and_their_images(scale, cutoff):
    """Also of a grain with itself, in boxes smaller than the cutoff; and each once."""
    box = None if scale is None else scale * TRICLINIC
    points = torch.rand(9, 3, dtype=torch.float64) @ (TRICLINIC if box is None else box)
    wanted = couples_of(points, box, torch.tensor(cutoff, dtype=torch.float64), no_room())[1].tolist()
    room = roomier(no_room(), [*wanted, 0.0, 0.0, 0.0], 1.0)
    found = keys(*pairs_below(points, box, cutoff, room), twice=True)
    expected = near_pairs(points, box, torch.full((9,), cutoff / 2, dtype=torch.float64))
    assert found == keys(*expected, twice=False)
    assert cutoff < 6.0 or scale == 3.0 or len(found) > 10


@pytest.mark.parametrize("skew", [True, False])
def test_cells_give_the_pairs_of_all_pairs(skew):
    box = 3.0 * (TRICLINIC if skew else torch.diag(torch.tensor([9.0, 8.0, 10.0], dtype=torch.float64)))
    points = 3.0 * (torch.rand(300, 3, dtype=torch.float64) - 0.5) @ box  # wandered off
    room = no_room()._replace(couples=8)
    cut = room._replace(cells=[5, 4, 6], in_cell=20)
    all_pairs, by_cells = (keys(*pairs_below(points, box, 4.0, each), twice=True) for each in (room, cut))
    assert all_pairs == by_cells and len(all_pairs) > 400


def test_a_cell_tells_of_what_it_cannot_hold():
    points = torch.tensor([[0.01, 0.02, 0.03]] * 7 + [[0.9, 0.9, 0.9]], dtype=torch.float64)
    j, k, fullest = in_cells(points, [3, 3, 3], 7)
    pairs = {(a, b) for a, b in zip(j.tolist(), k.tolist()) if b >= 0}
    assert int(fullest) == 7 and len(pairs) == 28  # 21 in the cell, 7 over the corner
    assert int(in_cells(points, [3, 3, 3], 5)[2]) == 7


def test_select_gives_the_first_places_then_the_end():
    chosen = torch.tensor([[False, True, True], [False, False, True]])
    for room, places in ((2, [1, 2]), (3, [1, 2, 5]), (5, [1, 2, 5, 6, 6])):
        found, count = select(chosen, room)
        assert found.tolist() == places and int(count) == 3
    assert select(chosen[:0], 2)[0].tolist() == [0, 0]


def test_a_large_box_is_cut_into_cells_and_a_small_one_is_not():
    wide = [0.6] * 3 + [6.0, 5.5, 7.0] + [12.0, 100.0, 1000.0, 50.0]
    room = roomier(no_room(), wide, 1.25)
    assert room == ([0, 0, 0], [5, 5, 6], 23, 133, 1258, 70)
    assert roomier(room, wide[:3] + [4.0] * 3 + [0.0] * 4, 1.25).cells == [0, 0, 0]
    assert roomier(no_room(), [1.2] * 3 + [0.7] * 3 + [0.0] * 4, 1.25).images == [1, 1, 1]
    assert roomier(no_room(), [0.97] * 3 + [0.9] * 3 + [0.0] * 4, 1.25).images == [1, 1, 1]  # of a box a bit smaller
