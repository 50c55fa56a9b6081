"""Bonds by distance: the same for every caller."""

import numpy as np
import pytest

pytest.importorskip("ase")
from ase import Atoms
from ase.build import molecule
from ase.io import write

from openmm_cgaa.data.extxyz import import_xyz
from openmm_cgaa.engines.ase import infer_grains
from openmm_cgaa.structures.bonding import bonds_by_distance, molecule_indices


def test_calculator_and_import_find_the_same_grains(tmp_path):
    """A C-H bond in hot motion, a solvated ion, and a molecule across the boundary."""
    methane, water, ion = molecule("CH4"), molecule("H2O"), Atoms("Li")
    methane.positions[1] *= 1.31 / np.linalg.norm(methane.positions[1])  # 1.22 times the covalent radii
    water.positions += [6.0, 0.0, 0.0]
    ion.positions[0] = water.positions[0] + [0.0, 0.0, 1.95]
    atoms = methane + ion + water
    atoms.set_cell(10 * np.eye(3))
    atoms.pbc = True
    atoms.wrap()
    write(tmp_path / "frame.xyz", atoms, format="extxyz")
    imported = import_xyz(tmp_path / "frame.xyz").sets[0].grain_map()
    inferred = infer_grains(atoms)
    assert [sorted(slots) for slots in inferred.slots] == [sorted(slots) for slots in imported.slots]
    assert [sorted(slots) for slots in inferred.slots] == [[0, 1, 2, 3, 4], [5], [6, 7, 8]]


def test_bonds_of_a_liquid_are_those_of_its_topology(liquid):
    for index in range(len(liquid)):
        atoms = liquid.atoms(index)
        np.testing.assert_array_equal(bonds_by_distance(atoms), np.unique(np.sort(liquid.bonds, axis=1), axis=0))
    np.testing.assert_array_equal(molecule_indices(len(atoms), liquid.bonds), liquid.residues)


def test_molecules_are_counted_as_their_first_atoms_come():
    assert molecule_indices(5, [(4, 0), (1, 3)]).tolist() == [0, 1, 2, 1, 0]
    assert molecule_indices(2, []).tolist() == [0, 1]
