"""The layout of a topology in a network: what goes where, from its definition."""

import numpy as np
import torch

from openmm_cgaa import GrainMap
from openmm_cgaa.mapping.layout import layout_of


def test_every_atom_has_its_place_in_its_grain(liquid):
    grains = liquid.grain_map()
    layout = layout_of(grains)
    atoms, kinds = layout.atom_index.numpy(), grains.types
    assert sorted(atoms) == list(range(240)) and layout.counts == [6, 12]
    rows = iter(layout.grain_atoms.tolist())
    grain = 0
    for number, kind in enumerate(kinds):
        for g in np.flatnonzero(grains.type_index == number):  # by type, and within it as they come
            row = next(rows)
            own = row[: kind.num_slots]
            assert row[kind.num_slots :] == [-1] * (15 - kind.num_slots)
            assert own == list(range(own[0], own[0] + kind.num_slots))  # one block, slots in order
            assert atoms[own].tolist() == grains.slots[g].tolist()
            assert (layout.atom_grain[own] == grain).all()
            grain += 1
    assert next(rows, None) is None


def test_every_parent_is_bonded_and_comes_before(liquid):
    layout = layout_of(liquid.grain_map())
    atoms, parent = layout.atom_index, layout.parent
    bonds = {frozenset(bond) for bond in liquid.bonds.tolist()}
    for atom, above in enumerate(parent.tolist()):
        if above == atom:  # the first of its grain
            assert layout.grain_atoms[layout.atom_grain[atom], 0] == atom
        else:
            assert frozenset(atoms[[atom, above]].tolist()) in bonds
    top = parent
    for _ in range(15):
        top = top[parent]
    assert torch.equal(top, layout.grain_atoms[layout.atom_grain, 0])  # all paths lead there


def test_types_that_do_not_occur_take_no_place(liquid):
    types = liquid.grain_map().types
    emc = types[1]
    alone = layout_of(GrainMap.from_arrays(emc.elements, emc.bonds, [0] * 15).match(types))
    assert alone.counts == [0, 1] and alone.grain_atoms.tolist() == [list(range(15))]
    ec = types[0]
    assert layout_of(GrainMap.from_arrays(ec.elements, ec.bonds, [0] * 10).match(types)).grain_atoms.shape == (1, 10)
