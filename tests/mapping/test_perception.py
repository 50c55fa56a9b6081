"""`perception` and `colouring`: molecules of atoms without a topology are those of the topology, in any order."""

import networkx
import numpy as np
import pytest
import torch

from openmm_cgaa.mapping import matching
from openmm_cgaa.mapping.colouring import assigned
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.perception import GrainFinder

NUMBERS = {"H": 1, "Li": 3, "C": 6, "O": 8}
LONGEST = {("C", "C"): 1.9, ("C", "H"): 1.35, ("C", "O"): 1.78}


def finder_of(elements, bonds, residues):
    grain_map = GrainMap.from_arrays(elements, bonds, residues)
    longest = {pair: length for pair, length in LONGEST.items() if set(pair) <= set(elements)}
    return GrainFinder(grain_map.types, NUMBERS, longest), grain_map.types


def found_by(finder, elements, bonds, lengths=1.2, steps=None):
    """What a finder says of atoms whose bonds are the only near pairs."""
    pairs = torch.tensor(bonds, dtype=torch.int64).reshape(-1, 2).t()
    steps = torch.zeros(pairs.size(1), 3, dtype=torch.int64) if steps is None else torch.tensor(steps)
    numbers = torch.tensor([NUMBERS[symbol] for symbol in elements])
    square = torch.as_tensor(np.broadcast_to(np.square(lengths), pairs.size(1)).copy())
    return finder(numbers, pairs[0], pairs[1], steps, square)


def skeleton(graph):
    """Elements and bonds of carbon atoms that are joined as a graph says."""
    graph = networkx.convert_node_labels_to_integers(graph)
    return ["C"] * len(graph), [tuple(sorted(edge)) for edge in graph.edges]


def test_shuffled_atoms_come_into_their_slots(liquid):
    finder, types = finder_of(liquid.elements, liquid.bonds, liquid.residues)
    order = np.random.default_rng(1).permutation(len(liquid.elements))
    place = np.argsort(order)
    elements, bonds = [liquid.elements[atom] for atom in order], [(place[i], place[j]) for i, j in liquid.bonds]
    found, along, trouble = found_by(finder, elements, bonds)
    assert trouble == "" and found.counts == [6, 12] and not along.any()
    assert sorted(found.atom_index.tolist()) == list(range(240)) and len(along) == len(bonds)
    bonded, atoms = {frozenset(map(int, pair)) for pair in bonds}, found.atom_index.tolist()
    residue, first = np.array(liquid.residues)[order], 0
    for kind, count in zip(types, found.counts):
        for _ in range(count):
            own = atoms[first : first + kind.num_slots]
            assert [elements[atom] for atom in own] == list(kind.elements) and len(set(residue[own])) == 1
            assert all(frozenset((own[i], own[j])) in bonded for i, j in kind.bonds)
            first += kind.num_slots


def test_script_finds_the_same(liquid):
    finder, _ = finder_of(liquid.elements, liquid.bonds, liquid.residues)
    script = torch.jit.script(finder)
    backwards = [(239 - i, 239 - j) for i, j in liquid.bonds]
    for _ in range(2):
        ours, theirs = (found_by(one, liquid.elements[::-1], backwards) for one in (finder, script))
        assert ours[2] == theirs[2] == "" and ours[0].counts == theirs[0].counts
        for one, other in zip(ours[0], theirs[0]):
            assert isinstance(one, list) or torch.equal(one, other)


@pytest.mark.parametrize("graph", [networkx.cubical_graph(), networkx.dodecahedral_graph(), networkx.petersen_graph()])
def test_symmetric_graphs_are_laid_onto_each_other(graph):
    """Colours tell none of their vertices from others."""
    elements, bonds = skeleton(graph)
    finder, types = finder_of(elements, bonds, [0] * len(elements))
    order = np.random.default_rng(3).permutation(len(elements)).tolist()
    found, _, trouble = found_by(finder, elements, [(order[i], order[j]) for i, j in bonds])
    assert trouble == ""
    bonded, atoms = {frozenset((order[i], order[j])) for i, j in bonds}, found.atom_index.tolist()
    assert {frozenset((atoms[i], atoms[j])) for i, j in types[0].bonds} == bonded


def test_what_fits_nowhere_is_left_after_all_ways():
    wanted, above, closing = [0, 0, 0], [0, 0, 1], [[], [0], [0, 1]]  # a triangle
    assert assigned(wanted, above, closing, [0, 0, 0], [[1, 2], [0, 2], [0, 1]]) == [0, 1, 2]
    assert assigned(wanted, above, closing, [0, 0, 0], [[1], [0, 2], [1]]) == []
    assert assigned(wanted, above, closing, [0, 0, 1], [[1, 2], [0, 2], [0, 1]]) == []


def test_isomers_are_told_apart():
    """The last two have the same colours: rings of six that share a bond, and rings of five that are joined by one."""
    decalin = networkx.cycle_graph(10)
    decalin.add_edge(0, 5)
    joined = networkx.disjoint_union(networkx.cycle_graph(5), networkx.cycle_graph(5))
    joined.add_edge(0, 5)
    pairs = [(networkx.path_graph(4), networkx.star_graph(3)), (decalin, joined)]
    for known, other in pairs:
        finder, _ = finder_of(*skeleton(known), [0] * len(known))
        assert found_by(finder, *skeleton(known))[2] == ""
        said = found_by(finder, *skeleton(other))[2]
        assert f"are C{len(other)} with {other.number_of_edges()} bonds between them" in said


def test_ions_have_no_bonds():
    finder, _ = finder_of(["Li", "C", "O"], [(1, 2)], [0, 1, 1])
    found, _, trouble = found_by(finder, ["O", "Li", "C", "Li"], [(0, 1), (0, 2), (2, 3)])
    assert trouble == "" and sorted(found.counts) == [1, 2]
    alone, _ = finder_of(["Li"], [], [0])
    assert found_by(alone, ["Li", "Li"], [(0, 1)])[0].counts == [2]


def test_molecules_are_kept_as_long_as_their_bonds_are_there():
    finder, _ = finder_of(["C", "O"], [(0, 1)], [0, 0])
    elements, bonds = ["C", "O", "C", "O"], [(0, 1), (2, 3), (1, 2)]
    first = found_by(finder, elements, bonds, [1.2, 1.2, 3.0])[0]
    kept, along, trouble = found_by(finder, elements, bonds, [1.9, 1.2, 1.3])  # none would be found so
    assert trouble == "" and kept.atom_index is first.atom_index and len(along) == 2
    said = found_by(finder, elements, bonds, [2.1, 1.2, 3.0])[2]
    assert said.startswith("atoms 0 and 1 were bonded at the last call and are no longer: use a shorter time step")
    swapped = found_by(finder, elements, [(0, 3), (1, 2)])  # other molecules of the same atoms
    assert swapped[2] == "" and not torch.equal(swapped[0].atom_index, first.atom_index)
    assert found_by(finder, elements[:2], [(0, 1)])[0].counts == [1]


def test_atoms_that_make_no_molecule_are_named_with_what_is_known(liquid):
    finder, _ = finder_of(liquid.elements, liquid.bonds, liquid.residues)
    said = found_by(finder, liquid.elements[:19], [(i, j) for i, j in liquid.bonds if j < 19])[2]
    assert "atoms 10, 11, 12, 13, 14, 15, 16, 17, 18 are C3H3O3 with 9 bonds between them" in said
    assert "knows C3H4O3 C3H4O3 (10 bonds), C4H8O3 C4H8O3 (14 bonds)" in said
    assert "closer than C-C 1.90 Å, C-H 1.35 Å, C-O 1.78 Å: give all atoms of each molecule" in said


def test_a_molecule_without_an_end_is_refused():
    finder, _ = finder_of(["C", "C"], [(0, 1)], [0, 0])
    said = found_by(finder, ["C", "C"], [(0, 1), (0, 1)], 1.5, [[0, 0, 0], [1, 0, 0]])[2]
    assert "bonded to its own image in the next cell" in said and "give a cell that is larger" in said


def test_any_match_is_one_of_the_automorphisms():
    """So a network that is invariant under these gives one energy for all of them."""
    elements, bonds = (
        ["C", "H", "H", "H", "C", "H", "H", "H"],
        [(0, 1), (0, 2), (0, 3), (0, 4), *((4, h) for h in (5, 6, 7))],
    )
    finder, types = finder_of(elements, bonds, [0] * 8)
    known = {tuple(row) for row in matching.automorphisms(types[0].elements, types[0].bonds).tolist()}
    found = [found_by(finder, elements, bonds)[0].atom_index.tolist()]
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(8).tolist()
        place = np.argsort(order).tolist()
        shuffled = [elements[atom] for atom in order], [(place[i], place[j]) for i, j in bonds]
        finder, _ = finder_of(elements, bonds, [0] * 8)
        found.append([order[atom] for atom in found_by(finder, *shuffled)[0].atom_index.tolist()])
    for other in found[1:]:
        assert tuple(found[0].index(atom) for atom in other) in known
