"""Whole grains and neighbour lists against brute force."""

import itertools

import numpy as np
import pytest
import torch

from openmm_cgaa.geometry import layout_of, whole_grains
from openmm_cgaa.neighbors import binned_pairs, build_graph, center_pairs

TRICLINIC = torch.tensor([[9.0, 0.0, 0.0], [2.0, 8.5, 0.0], [-3.0, 1.5, 9.5]], dtype=torch.float64)


def brute_force(points, box, cutoff, images=4):
    """All (i, j, distance) closer than the cutoff, images included, by trying every image."""
    found = []
    for n in itertools.product(range(-images, images + 1), repeat=3):
        shift = np.array(n) @ box
        distance = np.linalg.norm(points[None] + shift - points[:, None], axis=2)
        for i, j in zip(*np.where((distance < cutoff) & (distance > 1e-9))):
            found.append((i, j, round(distance[i, j], 6)))
    return sorted(found)


@pytest.fixture
def bound(liquid):
    grain_map = liquid.grain_map()
    positions = torch.tensor(liquid.positions[3]).double()
    return grain_map, layout_of(grain_map), positions, torch.tensor(liquid.cell[3])


@pytest.mark.parametrize("cutoff", [3.0, 10.0, 14.0])
def test_center_pairs_find_every_image(cutoff):
    points = torch.rand(7, 3, dtype=torch.float64) @ TRICLINIC
    j, k, shift = center_pairs(points, TRICLINIC, torch.full((7,), cutoff / 2, dtype=torch.float64))
    distance = (points[k] + shift - points[j]).norm(dim=1)
    ours = sorted((a.item(), b.item(), round(d.item(), 6)) for a, b, d in zip(j, k, distance))
    assert ours == brute_force(points.numpy(), TRICLINIC.numpy(), cutoff)
    assert cutoff < 10 or any(a == b for a, b, _ in ours)  # a grain sees its own images


def test_bins_find_the_same_pairs_as_all_pairs():
    box = 4.0 * TRICLINIC
    points = torch.rand(300, 3, dtype=torch.float64) @ box
    reach = torch.full((300,), 3.5, dtype=torch.float64)
    bins = torch.floor(1.0 / (7.0 * torch.linalg.norm(torch.linalg.inv(box), dim=0))).long()
    assert bins.min() >= 3

    def keys(pairs):
        j, k, shift = pairs
        distance = (points[k] + shift - points[j]).norm(dim=1)
        return sorted((a.item(), b.item(), round(d.item(), 6)) for a, b, d in zip(j, k, distance))

    assert keys(binned_pairs(points, box, bins, reach)) == keys(center_pairs(points, box, reach))


def test_atom_pairs_are_those_of_other_grains_and_images(bound):
    _, layout, positions, box = bound
    graph = build_graph(positions, box, layout, 8.0, 4.0, torch.float64)
    points, grain = graph.positions.numpy(), graph.atom_grain.numpy()
    i, j = graph.pair_index
    distance = (graph.positions[j] + graph.pair_shift - graph.positions[i]).norm(dim=1).numpy()
    assert distance.max() < 4.0
    inside = [
        (a, b, d)
        for a, b in itertools.product(range(len(points)), repeat=2)
        if a != b and grain[a] == grain[b] and (d := round(np.linalg.norm(points[a] - points[b]), 6)) < 4.0
    ]
    everything = brute_force(points, box.numpy(), 4.0, images=2)
    both_ways = [(a.item(), b.item(), round(d, 6)) for a, b, d in zip(i, j, distance)]
    both_ways += [(b, a, d) for a, b, d in both_ways]
    assert sorted(both_ways + inside) == everything


def test_grains_become_whole_wherever_their_atoms_lie(bound):
    _, layout, positions, box = bound
    whole = whole_grains(positions, box, layout)
    steps = torch.randint(-3, 4, positions.shape).double()
    assert torch.allclose(whole_grains(positions + steps @ box, box, layout), whole, atol=1e-9)
    bonds = (whole - whole[layout.parent]).norm(dim=1)
    assert bonds.max() < 2.0
    fractional = torch.stack([whole[layout.atom_grain == g].mean(0) for g in range(18)]) @ torch.linalg.inv(box)
    assert fractional.min() >= 0.0 and fractional.max() < 1.0


def test_without_a_box_nothing_moves(bound):
    _, layout, positions, _ = bound
    assert torch.equal(whole_grains(positions, None, layout), positions[layout.atom_index])
    graph = build_graph(positions, None, layout, 8.0, 4.0, torch.float64)
    assert graph.pair_shift.abs().sum() == 0 and graph.edge_shift.abs().sum() == 0
