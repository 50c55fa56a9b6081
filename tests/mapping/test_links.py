"""Bonds between grains: pairs of atoms that they hold together, their kinds, and molecules made of grains."""

import networkx
import numpy as np
import pytest
from linked import chain, cuts_of_emc

from openmm_cgaa.errors import GrainError
from openmm_cgaa.mapping import links
from openmm_cgaa.mapping.grains import GrainMap, GrainType
from openmm_cgaa.mapping.layout import layout_of


def test_pairs_across_are_those_of_the_whole_bond_graph():
    elements, bonds, residues, names = chain(4)
    grains = GrainMap.from_arrays(elements, bonds, residues, names)
    assert len(grains.links) == 3 and [kind.name for kind in grains.types] == ["END", "MID"]
    lengths = dict(networkx.all_pairs_shortest_path_length(networkx.Graph(bonds), cutoff=3))
    wanted = {(i, j): d for i, of in lengths.items() for j, d in of.items() if residues[i] != residues[j]}
    index, apart = links.pairs_across(grains, 3)
    assert dict(zip(map(tuple, index.T.tolist()), apart.tolist())) == wanted


def test_kinds_are_shared_by_all_copies_and_told_apart_by_the_distance():
    grains = GrainMap.from_arrays(*chain(5))
    index, kind = links.linked_pairs(grains)
    known = {number: pair for pair, number in links.pair_kinds(grains.types).items()}
    middle = [k for (i, j), k in zip(index.T, kind) if {grains.atom_grain[i], grains.atom_grain[j]} == {2, 3}]
    other = [k for (i, j), k in zip(index.T, kind) if {grains.atom_grain[i], grains.atom_grain[j]} == {1, 2}]
    assert sorted(middle) == sorted(other)
    assert {known[k][4] for k in middle} == {1, 2, 3}
    for t, c, u, d, apart in known.values():
        assert (u, d, t, c, apart) in known.values()


def test_a_longer_chain_is_known_and_another_link_is_told():
    known = GrainMap.from_arrays(*chain(5)).types
    assert GrainMap.from_arrays(*chain(9)).match(known).num_grains == 9
    with pytest.raises(GrainError, match=r"residue END 1 .END. and atom \d+ of residue END 2 .END. are 1 bond apart"):
        GrainMap.from_arrays(*chain(2)).match(known)
    loose = [GrainType.from_dict(kind.to_dict() | {"across": []}) for kind in known]
    with pytest.raises(GrainError, match="which knows no links between grains"):
        GrainMap.from_arrays(*chain(5)).match(loose)


def test_a_part_is_another_grain_than_the_molecule_of_the_same_atoms():
    methyl = ["C", "H", "H", "H"], [(0, 1), (0, 2), (0, 3)]
    ethane = GrainMap.from_arrays(methyl[0] * 2, [*methyl[1], (4, 5), (4, 6), (4, 7), (0, 4)], [0] * 4 + [1] * 4)
    assert ethane.types[0].links == (1, 0, 0, 0) and len(ethane.types) == 1
    radical = GrainMap.from_arrays(*methyl, [0] * 4)
    with pytest.raises(GrainError, match="the same elements, but 1 of its bonds lead to other residues"):
        radical.match(ethane.types)
    with pytest.raises(GrainError, match="4 atoms and 1 bond to other residues is unknown"):
        ethane.match(radical.types)


def test_the_molecules_of_cut_grains_are_those_that_were_cut(liquid):
    cut = liquid.cut(cuts_of_emc(liquid)).grain_map()
    assert cut.num_grains == 30 and len(cut.links) == 12
    whole = liquid.grain_map()
    assert [kind.graph for kind in cut.molecules.types] == [kind.graph for kind in whole.types]
    assert [sorted(atoms) for atoms in cut.molecules.slots] == [sorted(atoms) for atoms in whole.slots]
    assert whole.molecules is whole


def test_molecules_are_made_whole_across_the_boundary(liquid):
    cut = liquid.cut(cuts_of_emc(liquid)).grain_map()
    whole = cut.whole(liquid.positions[0], liquid.cell[0], wrap=True)
    expected = liquid.grain_map().whole(liquid.positions[0], liquid.cell[0], wrap=True)
    np.testing.assert_allclose(whole, expected, atol=1e-9)


def test_types_and_maps_survive_their_files(tmp_path):
    grains = GrainMap.from_arrays(*chain(4))
    grains.save(tmp_path / "grains.json")
    read = GrainMap.load(tmp_path / "grains.json")
    assert read.types == grains.types
    np.testing.assert_array_equal(read.links, grains.links)
    again, layout = layout_of(read), layout_of(grains)
    assert again.link_index.equal(layout.link_index) and again.link_kind.equal(layout.link_kind)


def test_maps_without_links_write_what_they_always_did(liquid):
    assert set(liquid.grain_map().types[0].to_dict()) == {"name", "elements", "bonds", "classes", "reference"}
