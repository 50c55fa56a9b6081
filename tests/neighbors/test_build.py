"""Whole grains and neighbour lists against brute force.

Also `memory`.
"""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.mapping.whole import network_positions
from openmm_cgaa.neighbors.build import all_pairs, binned_pairs, build_graph, near_pairs

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
    j, k, shift = near_pairs(points, TRICLINIC, torch.full((7,), cutoff / 2, dtype=torch.float64))
    distance = (points[k] + shift - points[j]).norm(dim=1)
    ours = sorted((a.item(), b.item(), round(d.item(), 6)) for a, b, d in zip(j, k, distance))
    assert ours == brute_force(points.numpy(), TRICLINIC.numpy(), cutoff)
    assert cutoff < 10 or any(a == b for a, b, _ in ours)  # a grain sees its own images


@pytest.mark.parametrize("reach", [0.5, 3.5, 7.0])
@pytest.mark.parametrize("scale", [None, 0.5, 1.0, 2.0, 4.0])
def test_bins_find_the_same_pairs_as_all_pairs(scale, reach):
    """In boxes of no, one, two and many bins along an edge, with reaches that differ, and without a box."""
    box = None if scale is None else scale * TRICLINIC
    points = (torch.rand(30, 3, dtype=torch.float64) - 0.3 * (box is None)) @ (4.0 * TRICLINIC if box is None else box)
    reaches = reach * (1.0 - 0.5 * torch.rand(30, dtype=torch.float64))

    def keys(pairs):
        j, k, shift = pairs
        return sorted(zip(j.tolist(), k.tolist(), *shift.round(decimals=6).T.add(0.0).tolist()))

    found = keys(binned_pairs(points, box, reaches))
    assert found == keys(all_pairs(points, box, reaches)) and len(set(found)) == len(found)


def test_bins_reach_any_distance_without_a_box():
    """Points some 10^7 Å apart, where the bins have repeated, see those that are near."""
    near = torch.rand(40, 3, dtype=torch.float64) * 9.0
    far = torch.cat([near, near + 4.0 * 2.0**20, near - 3e7])
    reach = torch.full((120,), 2.0, dtype=torch.float64)
    j, k, shift = binned_pairs(far, None, reach)
    wanted = all_pairs(near, None, reach[:40])[0].size(0)
    assert len(j) == 3 * wanted and (j // 40 == k // 40).all() and not shift.any()


def test_memory_is_told_before_it_is_taken(bound, monkeypatch):
    """An absurd cutoff in a box has pairs without end; the same molecules alone have few, however far they see."""
    _, layout, positions, box = bound
    with pytest.raises(GeometryError, match=r"within 1e\+04 Å: .* GiB, but this machine has"):
        build_graph(positions, box, layout, 1e4, 0.0)
    assert build_graph(positions, None, layout, 1e4, 0.0).edge_index.size(1) == 18 * 17
    monkeypatch.setattr("openmm_cgaa.neighbors.memory.BYTES", 1e12)
    with pytest.raises(GeometryError, match="a shorter cutoff"):
        build_graph(positions, None, layout, 0.0, 4.0)


MEMORY = """
import resource, torch
from openmm_cgaa.neighbors.build import near_pairs
edges = torch.tensor([300.0, 300.0, 25.0], dtype=torch.float64)
points = torch.rand(20_000, 3, dtype=torch.float64) * edges
for box in None, torch.diag(edges):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pairs = near_pairs(points, box, torch.full((20_000,), 5.0, dtype=torch.float64))
    print(len(pairs[0]), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)
"""


def test_many_grains_in_a_slab_and_without_a_box_take_little_memory():
    """A table of all pairs and images would take 3 and 80 GiB."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        pairs, gibibytes = map(float, line.split())
        assert pairs > 20_000 * 20 and gibibytes < 1.0
    assert done.stdout.count("\n") == 2


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
    whole = network_positions(positions, box, layout)
    steps = torch.randint(-3, 4, positions.shape).double()
    assert torch.allclose(network_positions(positions + steps @ box, box, layout), whole, atol=1e-9)
    bonds = (whole - whole[layout.parent]).norm(dim=1)
    assert bonds.max() < 2.0
    fractional = torch.stack([whole[layout.atom_grain == g].mean(0) for g in range(18)]) @ torch.linalg.inv(box)
    assert fractional.min() >= 0.0 and fractional.max() < 1.0


def test_without_a_box_nothing_moves(bound):
    _, layout, positions, _ = bound
    assert torch.equal(network_positions(positions, None, layout), positions[layout.atom_index])
    graph = build_graph(positions, None, layout, 8.0, 4.0, torch.float64)
    assert graph.pair_shift.abs().sum() == 0 and graph.edge_shift.abs().sum() == 0
