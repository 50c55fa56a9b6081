"""Molecules from SMILES."""

import numpy as np
import pytest
from openmm import unit

from openmm_cgaa.building.molecules import from_file, from_smiles
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import write_structure


def test_octahedral_ion():
    topology, positions = from_smiles("PF6", "F[P-](F)(F)(F)(F)F")
    x = positions.value_in_unit(unit.angstrom)
    center = next(atom.index for atom in topology.atoms() if atom.element.symbol == "P")
    arms = np.delete(x, center, 0) - x[center]
    assert np.linalg.norm(arms, axis=1) == pytest.approx(1.64, abs=0.1)
    cosines = (arms @ arms.T) / np.linalg.norm(arms[0]) ** 2
    assert np.sort(cosines, axis=1) == pytest.approx(np.tile([-1, 0, 0, 0, 0, 1], (6, 1)), abs=1e-6)


@pytest.mark.parametrize(
    "smiles, atoms, bonds",
    [("[Li+]", 1, 0), ("CCOC(=O)OC", 15, 14), ("F[B-](F)(F)F", 5, 4), ("CC#N", 6, 5), ("C1CC1", 9, 9), ("O", 3, 2)],
)
def test_molecules_from_smiles(smiles, atoms, bonds):
    topology, positions = from_smiles("MOL", smiles)
    assert (topology.getNumAtoms(), topology.getNumBonds()) == (atoms, bonds)
    assert np.isfinite(positions.value_in_unit(unit.nanometer)).all()
    GrainMap.from_topology(topology)


@pytest.mark.parametrize(
    "smiles, reason",
    [("C1CC", "syntax"), ("C(C)(C)(C)(C)C", "valence"), ("[Xx]", "does not parse"), ("", "does not parse")],
)
def test_smiles_that_does_not_parse(smiles, reason):
    with pytest.raises(CGAAError, match=f"molecule MOL: the SMILES.*{reason}"):
        from_smiles("MOL", smiles)


def test_smiles_of_two_molecules():
    with pytest.raises(CGAAError, match="holds 2 molecules; list each"):
        from_smiles("MOL", "CC.O")


def test_a_file_in_a_wrong_unit_or_with_atoms_on_top_of_each_other_is_refused(tmp_path):
    topology, positions = from_smiles("MOL", "CCO")
    nm = positions.value_in_unit(unit.nanometer)
    write_structure(tmp_path / "nm.cif", topology, 0.1 * nm)
    with pytest.raises(CGAAError, match="molecule MOL: .*nm.cif: its bonds are 0.11 Å .* in nm where Å are expected"):
        from_file("MOL", tmp_path / "nm.cif")
    write_structure(tmp_path / "two.cif", topology, np.concatenate([nm[:-1], nm[-2:-1] + 0.001]))
    with pytest.raises(CGAAError, match="1 pair of atoms on top of each other"):
        from_file("MOL", tmp_path / "two.cif")
