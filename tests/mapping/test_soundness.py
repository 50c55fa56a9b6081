"""What no molecules can have, and what seems to lack hydrogens."""

import numpy as np
import pytest

from openmm_cgaa.mapping.grains import GrainMap, GrainType
from openmm_cgaa.mapping.soundness import doubts, faults, mixed_hands


@pytest.fixture
def box(liquid):
    """(GrainMap, positions [atoms, 3] Å, cell [3, 3] Å) of a liquid of EC and EMC."""
    grains = GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues)
    return grains, np.array(liquid.positions[0], float), np.array(liquid.cell[0], float)


def test_a_liquid_is_sound(box):
    assert faults(*box) == [] and doubts(box[0].types) == []
    grains, positions, cell = box
    assert faults(grains, positions - np.floor(positions @ np.linalg.inv(cell)) @ cell, cell) == []  # wrapped by atoms


@pytest.mark.parametrize(
    ("factor", "told"),
    [(0.1, "in nm where Å"), (10.0, "in Å where nm"), (1.8897, "in bohr where Å"), (0.529, "in Å where bohr")],
)
def test_a_wrong_unit_is_named(box, factor, told):
    grains, positions, cell = box
    (fault,) = faults(grains, factor * positions, factor * cell)
    assert f"are the coordinates {told} are expected" in fault


def test_atoms_on_top_of_each_other_are_found_across_the_boundary(box):
    grains, positions, cell = box
    first, second = grains.slots[0], grains.slots[1]
    moved = grains.whole(positions, cell)
    moved[second] += moved[first[0]] - moved[second[0]] + cell[0] - 2 * cell[2] + [0.1, 0.0, 0.0]
    found = "; ".join(faults(grains, moved, cell))
    assert "atoms on top of each other" in found
    assert f"atom {min(first[0], second[0])} of residue" in found and "0.10 Å apart" in found


def test_a_bond_to_the_wrong_atom_is_found(box):
    grains, positions, cell = box
    whole = grains.whole(positions, cell)
    away = int(grains.slots[0][-1])
    whole[away] += [2.5, 0.0, 0.0]
    found = faults(grains, whole, cell)
    assert any(f"atom {away}" in fault and "too long" in fault for fault in found)


@pytest.mark.parametrize(
    ("elements", "bonds", "told"),
    [
        ("C C O O C C".split(), [(0, 2), (2, 1), (1, 4), (4, 3), (3, 5)], "it has carbon, and neither hydrogen"),
        ("C H H H C H H".split(), [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6)], "its number of electrons is odd"),
        ("C F C F F".split(), [(0, 1), (0, 3), (0, 4), (0, 2)], "its carbon 3 of 5 atoms has one bond"),
        (["O"], [], "a single atom O, which is no ion"),
    ],
)
def test_missing_hydrogens_are_suspected(elements, bonds, told):
    (doubt,) = doubts([GrainType("X", tuple(elements), tuple(bonds), tuple(range(len(elements))))])
    assert doubt.startswith(f"X: {told}") and doubt.endswith("are hydrogens missing?")


@pytest.mark.parametrize(
    ("elements", "bonds"),
    [
        (["Li"], []),
        (["Cl"], []),
        (["C", "O"], [(0, 1)]),
        (["O", "C", "O"], [(0, 1), (1, 2)]),
        (["P", *6 * ["F"]], [(0, n) for n in range(1, 7)]),
        (["C", *4 * ["F"]], [(0, n) for n in range(1, 5)]),
        (["O", "H", "H"], [(0, 1), (0, 2)]),
    ],
)
def test_molecules_and_ions_without_carbon_bound_hydrogen_are_taken(elements, bonds):
    assert doubts([GrainType("X", tuple(elements), tuple(bonds), tuple(range(len(elements))))]) == []


def halides(hands):
    """(GrainMap, positions) of CHFClBr and its mirror images, 10 Å apart; a number per molecule, +1 or -1."""
    arms = np.array([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], float)
    elements, bonds = ["C", "H", "F", "Cl", "Br"], [(0, n) for n in range(1, 5)]
    grains = GrainMap.from_arrays(
        elements * len(hands),
        [(5 * g + i, 5 * g + j) for g in range(len(hands)) for i, j in bonds],
        np.repeat(np.arange(len(hands)), 5),
        ["X"] * len(hands),
    )
    return grains, np.concatenate([arms * [1, 1, hand] + [10.0 * g, 0, 0] for g, hand in enumerate(hands)])


def test_two_hands_under_one_name_are_told():
    (line,) = mixed_hands(*halides([1, 1, -1, 1]), None)
    assert "1 of 4 molecules have the other handedness" in line and "mirror images, which have the same energy" in line
    assert mixed_hands(*halides([1, 1, 1]), None) == mixed_hands(*halides([-1]), None) == []


def test_molecules_without_a_hand_have_none(box):
    assert mixed_hands(*box) == []
