"""Bonds from SMILES: found by distance, and held against the molecule that is meant."""

import numpy as np
import pytest
from openmm import app, unit

from openmm_cgaa.building.boxes import pack
from openmm_cgaa.building.molecules import from_smiles
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.structures.smiles import add_bonds_of_smiles
from openmm_cgaa.structures.structure import read_structure

SMILES = {"DME": "COCCOC", "ACN": "CC#N"}
GIVEN = [f"{name}={smiles}" for name, smiles in SMILES.items()]


@pytest.fixture(scope="module")
def liquid_pdb(tmp_path_factory):
    """A PDB file without CONECT of a box whose molecules lie across its faces, and the bonds that it lacks."""
    molecules = [(*from_smiles(name, smiles), 4) for name, smiles in SMILES.items()]
    topology, positions = pack(molecules, 1.4)
    x = (positions.value_in_unit(unit.nanometer) + 0.65) % 1.4  # every atom inside, molecules torn
    path = tmp_path_factory.mktemp("pdb") / "box.pdb"
    with open(path, "w") as file:
        app.PDBFile.writeFile(topology, x * unit.nanometer, file)
    kept = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("CONECT")]
    path.write_text("".join(kept))
    return path, {frozenset((a.index, b.index)) for a, b in topology.bonds()}


def test_bonds_are_those_of_the_molecules(liquid_pdb):
    path, bonds = liquid_pdb
    topology, _ = read_structure(path, smiles=SMILES)
    assert {frozenset((a.index, b.index)) for a, b in topology.bonds()} == bonds
    partly, positions = read_structure(path, smiles={"ACN": "CC#N"})
    assert partly.getNumBonds() == 4 * 5
    add_bonds_of_smiles(partly, positions, SMILES)  # those that have bonds keep them
    assert {frozenset((a.index, b.index)) for a, b in partly.bonds()} == bonds


def test_info_takes_them(liquid_pdb, capsys):
    path, _ = liquid_pdb
    assert main(["info", str(path)]) == 2
    assert "--smiles RESIDUE=SMILES" in capsys.readouterr().err
    assert main(["info", str(path), "--smiles", *GIVEN]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert any(row[1:6:2] == ["DME", "4", "C4H10O2"] for row in rows)


@pytest.mark.parametrize(
    "name, smiles, message",
    [
        ("DME", "CCOCOC", "residue DME 1: its atoms do not lie as those of CCOCOC .4 such residues."),
        ("DME", "CCOCC", "residue DME 1 is C4H10O2, but its SMILES CCOCC is C4H10O; give the SMILES"),
        ("DME", "C1OCCOC1", "residue DME 1 is C4H10O2, but its SMILES C1OCCOC1 is C4H8O2"),
        ("ACN", "CCN", "hydrogens are missing: add them"),
        ("DME", "C(", "does not parse"),
        ("DME", "COC.CO", "holds 2 molecules"),
    ],
)
def test_another_molecule_is_told(liquid_pdb, name, smiles, message):
    with pytest.raises(CGAAError, match=message):
        read_structure(liquid_pdb[0], smiles={name: smiles})


def test_what_is_stretched_is_still_the_molecule():
    """A C-C bond of 2 Å, as a bad start has it, and a molecule whose positions are in another unit."""
    topology, positions = from_smiles("ACN", "CC#N")
    bonds = {frozenset((a.index, b.index)) for a, b in topology.bonds()}
    bare = app.Topology()
    residue = bare.addResidue("ACN", bare.addChain())
    for atom in topology.atoms():
        bare.addAtom(atom.name, atom.element, residue)
    x = np.array(positions.value_in_unit(unit.angstrom))
    along = x[1] - x[0]
    x[1:3] += (2.0 - np.linalg.norm(along)) * along / np.linalg.norm(along)
    add_bonds_of_smiles(bare, x * unit.angstrom, SMILES)
    assert {frozenset((a.index, b.index)) for a, b in bare.bonds()} == bonds
    again = app.Topology()
    residue = again.addResidue("ACN", again.addChain())
    for atom in topology.atoms():
        again.addAtom(atom.name, atom.element, residue)
    with pytest.raises(GrainError, match="in another unit"):
        add_bonds_of_smiles(again, positions * 10, SMILES)


@pytest.mark.parametrize("value", ["COC", "DME=", "=COC"])
def test_a_bad_option_is_told(liquid_pdb, value, capsys):
    assert main(["info", str(liquid_pdb[0]), "--smiles", value]) == 2
    assert "give RESIDUE=SMILES" in capsys.readouterr().err
    assert main(["info", str(liquid_pdb[0]), "--smiles", "DME=COC", "DME=COC"]) == 2
    assert "names DME twice" in capsys.readouterr().err
