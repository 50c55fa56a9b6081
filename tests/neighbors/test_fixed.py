"""Graphs in lists of fixed length have the neighbours of `build_graph`, and tell what did not fit."""

import numpy as np
import pytest
import torch
from fixed_graphs import fitted, neighbors_of
from linked import cuts_of_emc

from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.neighbors.fixed import fixed_graph

CUTOFFS = 8.0, 5.0


@pytest.fixture
def bound(liquid):
    """Layout, positions and box (Å) of 240 atoms; the box is 13.8 Å wide."""
    return layout_of(liquid.grain_map()), torch.tensor(liquid.positions[3]).double(), torch.tensor(liquid.cell[3])


def assert_the_same_neighbors(layout, positions, box, cutoffs=CUTOFFS):
    expected = build_graph(positions, box, layout, *cutoffs, torch.float64)
    graph, _ = fitted(positions, box, layout, cutoffs)
    for one, other in zip(neighbors_of(graph), neighbors_of(expected), strict=True):
        assert one == other
    torch.testing.assert_close(graph.positions, expected.positions)
    torch.testing.assert_close(graph.link_shift, expected.link_shift)
    return expected


@pytest.mark.parametrize("cutoffs", [CUTOFFS, (0.0, 5.0), (8.0, 0.0), (0.0, 0.0), (16.0, 9.0)])
@pytest.mark.parametrize("periodic", [True, False])
def test_neighbours_are_those_of_build_graph(bound, periodic, cutoffs):
    """Also where the cutoff is longer than the box, and of neither kind."""
    layout, positions, box = bound
    graph = assert_the_same_neighbors(layout, positions, box if periodic else None, cutoffs)
    assert (graph.pair_index.size(1) > 500) == (cutoffs[1] > 0.0)


def test_wrapped_and_wandered_molecules(bound):
    """A whole lattice vector for single atoms, and many for molecules."""
    layout, positions, box = bound
    steps = torch.randint(-1, 2, (len(positions), 3)).double() + 5.0
    assert_the_same_neighbors(layout, positions + steps @ box, box)


def test_a_triclinic_box(bound):
    layout, positions, box = bound
    skewed = box + torch.tensor([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [-5.0, 3.0, 0.0]], dtype=torch.float64)
    assert_the_same_neighbors(layout, positions, skewed)


def test_a_box_of_many_cells(liquid):
    """Two EC and one EMC in each of 125 boxes, side by side: each grain is looked for in 27 of 216 cells."""
    own = np.flatnonzero(np.isin(liquid.residues, (0, 1, 6)))
    place, copies = {atom: i for i, atom in enumerate(own)}, np.arange(125)[:, None]
    bonds = np.array([(place[i], place[j]) for i, j in liquid.bonds if i in place])
    elements = [liquid.elements[atom] for atom in own] * 125
    residues = np.unique(liquid.residues[own], return_inverse=True)[1] + 3 * copies
    names = ["EC", "EC", "EMC"] * 125
    grain_map = GrainMap.from_arrays(
        elements, np.concatenate([bonds + len(own) * n for n in range(125)]), residues.ravel(), names
    )
    box = torch.tensor(liquid.cell[0]).double()
    steps = torch.cartesian_prod(*[torch.arange(5).double()] * 3)
    positions = torch.tensor(liquid.positions[0][own]).double() + (steps @ box).unsqueeze(1)
    given = positions.view(-1, 3), 5.0 * box, layout_of(grain_map)
    graph, room = fitted(*given, (8.0, 3.0))
    expected = build_graph(*given, 8.0, 3.0, torch.float64)
    assert room.cells == [6, 6, 6] and neighbors_of(graph) == neighbors_of(expected)
    assert min(map(len, neighbors_of(graph))) > 300


def test_atoms_across_links_are_no_pairs(liquid):
    cut = liquid.cut(cuts_of_emc(liquid))
    positions, box = torch.tensor(cut.positions[0]).double(), torch.tensor(cut.cell[0]).double()
    graph = assert_the_same_neighbors(layout_of(cut.grain_map()), positions, box)
    assert len(graph.link_kind) == 240


@pytest.mark.parametrize("lacking", ["couples", "pairs", "edges", "images"])
def test_what_does_not_fit_is_told(bound, lacking):
    layout, positions, box = bound
    _, room = fitted(positions, box, layout, CUTOFFS, margin=1.0)
    assert not fixed_graph(positions, box, layout, *CUTOFFS, torch.float64, room)[2]
    less = [0, 0, 0] if lacking == "images" else getattr(room, lacking) - 9
    assert fixed_graph(positions, box, layout, *CUTOFFS, torch.float64, room._replace(**{lacking: less}))[2]


def test_an_overfull_or_narrow_cell_is_told(bound):
    layout, positions, box = bound
    _, room = fitted(positions, 4.0 * box, layout, CUTOFFS)
    cut = room._replace(cells=[4, 4, 4], in_cell=18)
    assert not fixed_graph(positions, 4.0 * box, layout, *CUTOFFS, torch.float64, cut)[2]
    assert fixed_graph(positions, 4.0 * box, layout, *CUTOFFS, torch.float64, cut._replace(in_cell=3))[2]
    assert fixed_graph(positions, 4.0 * box, layout, *CUTOFFS, torch.float64, cut._replace(cells=[9, 9, 9]))[2]


def test_padding_is_spread_and_far_away(bound):
    """Sums into one place would wait for each other; a distance beyond the cutoffs adds nothing."""
    layout, positions, box = bound
    _, room = fitted(positions, box, layout, CUTOFFS)
    found = fixed_graph(positions, box, layout, *CUTOFFS, torch.float64, room._replace(pairs=room.pairs + 1000))[0]
    i, j = found.pair_index
    r = torch.linalg.norm(found.positions[j] + found.pair_shift - found.positions[i], dim=1)
    padding = r > CUTOFFS[1]
    assert int(padding.sum()) > 1000 and (r[padding] > 2.0 * CUTOFFS[0]).all()
    assert torch.bincount(i[padding]).max() < 1.2 * int(padding.sum()) / len(positions) + 2


def test_scripted_it_is_the_same_to_the_bit(bound):
    layout, positions, box = bound
    _, room = fitted(positions, box, layout, CUTOFFS)
    given = positions, box, layout, *CUTOFFS, torch.float32, room
    for one, other in zip(torch.jit.script(fixed_graph)(*given)[0], fixed_graph(*given)[0]):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
