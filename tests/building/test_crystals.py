"""Crystals become topologies of whole molecules: atoms where ASE has them, molecules that the SMILES say."""

import re

import numpy as np
import pytest

pytest.importorskip("ase")
from ase import Atoms
from ase.geometry import cellpar_to_cell
from ase.io import read
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal as ase_crystal
from crystal_files import BUTADIYNE, CO2, FORMALDEHYDE, RDX, RDX_SMILES, SHORT_CELL, cif_file, description
from openmm import unit

from openmm_cgaa.building.boxes import build
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import read_structure

DIOXIDE = {"name": "CO2", "smiles": "O=C=O"}
ALDEHYDE = {"name": "FAL", "smiles": "C=O"}


def built(folder, crystal, *molecules, **more):
    """As `opened`."""
    return opened(build(description(folder, crystal, list(molecules), **more)))


def opened(path):
    """Topology of a file, and its box as ASE's atoms."""
    topology, positions = read_structure(path)
    box = topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom)
    elements = [atom.element.symbol for atom in topology.atoms()]
    return topology, Atoms(elements, positions.value_in_unit(unit.angstrom), cell=np.array(box), pbc=True)


def surroundings(atoms):
    """Distances from each element to each other within 5 Å, sorted."""
    first, second, apart = neighbor_list("ijd", atoms, 5.0)
    numbers = atoms.numbers
    rows = np.stack([numbers[first], numbers[second], apart], axis=1)
    return rows[np.lexsort(rows.T[::-1])]


def assert_same_crystal(atoms, other, atol=2e-3):
    assert atoms.get_volume() == pytest.approx(other.get_volume(), rel=1e-4)
    np.testing.assert_allclose(surroundings(atoms), surroundings(other), atol=atol)


def assert_whole(topology, atoms, longest=1.6):
    """Bonds are short without any image, and each center is in the box."""
    i, j = np.array([(a.index, b.index) for a, b in topology.bonds()]).T
    assert np.linalg.norm(atoms.positions[i] - atoms.positions[j], axis=1).max() < longest
    residue = np.array([atom.residue.index for atom in topology.atoms()])
    centers = [atoms.positions[residue == r].mean(0) for r in range(topology.getNumResidues())]
    inside = np.linalg.solve(atoms.cell.array.T, np.array(centers).T)
    assert inside.min() > -1e-3 and inside.max() < 1 + 1e-3


def test_the_alpha_crystal_of_rdx(tmp_path, capsys):
    """Pbca, Z = 8, 1.806 g/cm3 (Choi and Prince 1972); ASE reads the same file on its own."""
    assert main(["build", str(RDX.with_name("crystal.yaml")), "--output", str(tmp_path / "rdx.cif")]) == 0
    said = capsys.readouterr().out
    assert "rdx.cif: 64 molecules, 1344 atoms, 26.364 x 23.148 x 21.418 Å, 1.806 g/cm3" in said
    topology, atoms = opened(tmp_path / "rdx.cif")
    assert_same_crystal(atoms, read(RDX).repeat(2))
    assert_whole(topology, atoms)
    grains = GrainMap.from_topology(topology)
    assert [kind.name for kind in grains.types] == ["RDX"] and grains.num_grains == 64
    assert {residue.name for residue in topology.residues()} == {"RDX"}
    names = [[atom.name for atom in residue.atoms()] for residue in topology.residues()]
    assert all(own == names[0] for own in names)
    x = atoms.positions.reshape(64, 21, 3)
    own = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)  # of all molecules the same, for mirrors keep distances
    assert np.sort(own.reshape(64, -1), axis=1).std(axis=0).max() < 2e-3


def test_a_space_group_and_sites_are_the_file(tmp_path):
    sites = [line.split() for line in RDX.read_text().splitlines() if re.fullmatch(r"[CHNO]\d .*", line)]
    given = {"spacegroup": "Pbca", "cell": [13.182, 11.574, 10.709]}
    given["sites"] = [[element, *map(float, place)] for _, element, *place in sites]
    molecule = {"name": "RDX", "smiles": RDX_SMILES, "count": 8}
    _, atoms = built(tmp_path, given, molecule)
    _, other = built(tmp_path, {"cif": str(RDX)}, molecule)
    assert_same_crystal(atoms, other)
    _, other = built(tmp_path, given | {"spacegroup": 61}, molecule)
    np.testing.assert_array_equal(atoms.positions, other.positions)


def test_atoms_on_special_positions_are_one_atom(tmp_path):
    """CO2 in Pa-3, its carbon on a center of inversion, its oxygen a thousandth off the threefold axis."""
    topology, atoms = built(tmp_path, {"cif": cif_file(tmp_path, CO2), "supercell": [1, 2, 3]}, DIOXIDE)
    assert topology.getNumResidues() == 24 and len(atoms) == 72
    x = atoms.positions.reshape(24, 3, 3)[:, [[a.element.symbol for a in topology.atoms()][:3].index("C"), 0, 2]]
    arms = x[:, 1:] - x[:, :1]
    np.testing.assert_allclose(arms.sum(axis=1), 0.0, atol=2e-3)
    np.testing.assert_allclose(np.abs(arms), 5.6 * 0.355 / 3, atol=2e-3)


@pytest.mark.parametrize(
    "group, cell",
    [
        ("P 21/c", [6.1, 4.2, 7.3, 90, 131, 90]),
        ("P -1", [5.1, 5.6, 6.9, 66, 71, 83]),
        ("P -1", [5.1, 4.6, 6.9, 111, 102, 118]),
        ("P -3", [7.2, 7.2, 6.8, 90, 90, 120]),
        ("C 2/c", [12.3, 6.6, 7.3, 90, 104, 90]),
    ],
)
def test_skewed_cells(tmp_path, group, cell):
    """As ASE fills them; the box is one that OpenMM takes."""
    vectors = cellpar_to_cell(cell)
    shape = np.array([[0, 0, 0], [0, 0, 1.2], [0.94, 0, -0.59], [-0.94, 0, -0.59]])
    places = np.array([0.13, 0.28, 0.21]) + shape @ np.linalg.inv(vectors)
    sites = [[element, *map(float, place)] for element, place in zip("COHH", places)]
    topology, atoms = built(
        tmp_path, {"spacegroup": group, "cell": cell, "sites": sites, "supercell": [2, 2, 3]}, ALDEHYDE
    )
    other = ase_crystal(list("COHH"), places, spacegroup=group, cellpar=cell).repeat((2, 2, 3))
    assert_same_crystal(atoms, other)
    assert_whole(topology, atoms, longest=1.3)
    (a, _, _), (bx, b, _), (cx, cy, c) = atoms.cell.array
    assert abs(bx) <= a / 2 + 1e-3 and abs(cx) <= a / 2 + 1e-3 and abs(cy) <= b / 2 + 1e-3


def test_a_cell_smaller_than_its_molecule(tmp_path):
    """A molecule that reaches over two cells is made whole, and told to be too long for one of them."""
    with pytest.raises(CGAAError, match="crystal is too small .*BDY 1 spans 5.89 Å.*; give a larger supercell"):
        built(tmp_path, SHORT_CELL, BUTADIYNE)
    topology, atoms = built(tmp_path, SHORT_CELL | {"supercell": [2, 2, 2]}, BUTADIYNE)
    assert topology.getNumResidues() == 8
    assert_whole(topology, atoms)


def test_several_kinds_stand_in_the_order_of_their_names(tmp_path):
    ion = [["Li", 0.6, 0.6, 0.6]]
    given = {"spacegroup": "P 1", "cell": [6.0, 6.0, 6.0], "sites": ion + FORMALDEHYDE, "supercell": [1, 1, 2]}
    topology, _ = built(tmp_path, given, ALDEHYDE, {"name": "LI", "smiles": "[Li+]", "count": 2})
    assert [residue.name for residue in topology.residues()] == ["FAL", "FAL", "LI", "LI"]


RING = {"name": "X", "smiles": "C1CC1"}
BOX = {"spacegroup": "P 1", "cell": [6, 6, 6], "sites": FORMALDEHYDE}


@pytest.mark.parametrize(
    "crystal, molecules, message",
    [
        ({}, [ALDEHYDE], "give either cif or all of spacegroup, cell, sites"),
        ({"cif": "a.cif", "cell": [6, 6, 6]}, [ALDEHYDE], "give either cif or all of"),
        ({"cif": "none.cif"}, [ALDEHYDE], "none.cif cannot be read: No such file"),
        (BOX | {"cell": [6, 6]}, [ALDEHYDE], "cell is .*expected three edges"),
        (BOX | {"cell": [6, 6, 6, 120, 120, 120]}, [ALDEHYDE], "span no cell"),
        (BOX | {"cell": [6, 6, -6]}, [ALDEHYDE], "span no cell"),
        (BOX | {"supercell": [2, 2]}, [ALDEHYDE], "how many cells along a, b and c"),
        (BOX | {"supercell": [2, 2, 0]}, [ALDEHYDE], "supercell is .* expected a whole number from 1"),
        (BOX | {"spacegroup": "P 21/n"}, [ALDEHYDE], "no space group 'P 21/n'.* need a CIF"),
        (BOX | {"spacegroup": "P a -3", "cell": [6, 6, 7]}, [ALDEHYDE], "cell does not have the symmetry"),
        (
            BOX | {"sites": [["Xx", 0, 0, 0]]},
            [ALDEHYDE],
            r"entry 1 of sites is \['Xx', 0.0, 0.0, 0.0\]; expected \[element",
        ),
        (BOX | {"sites": [["C", 0, 0, "a"]]}, [ALDEHYDE], "entry 1 of sites"),
        (BOX | {"sites": [*FORMALDEHYDE, ["C", 1.1, 0.2, 0.15]]}, [ALDEHYDE], "C1 and an atom C5 are 0.00 Å apart"),
        (BOX | {"sites": FORMALDEHYDE[:3]}, [ALDEHYDE], "CHO, which is none of .*FAL is CH2O.*hydrogens"),
        (BOX, [RING], "CH2O, which is none of molecules: X is C3H6"),
        (BOX, [ALDEHYDE, RING], "holds no molecule X; take it out"),
        (BOX, [ALDEHYDE | {"count": 3}], "FAL: count is 3, but 1 cell of this crystal have 1"),
        (BOX | {"cell": [6, 6, 1.3]}, [ALDEHYDE], "ties a molecule to its own image|Å apart"),
    ],
)
def test_bad_crystals(tmp_path, crystal, molecules, message):
    with pytest.raises(CGAAError, match=message):
        built(tmp_path, crystal, *molecules)
    assert [path.name for path in tmp_path.iterdir()] == ["crystal.yaml"]


def test_an_isomer_and_a_polymer_are_told(tmp_path):
    given = {"spacegroup": "P 1", "cell": [7, 7, 7], "supercell": [1, 1, 1]}
    ether = [["C", 0.3, 0.3, 0.1], ["O", 0.3, 0.4, 0.26], ["C", 0.3, 0.3, 0.42]]
    ends = [(0.3, 0.15, 0.12), (0.18, 0.33, 0.02), (0.42, 0.33, 0.02)]
    ether += [["H", *end] for end in ends] + [["H", x, y, 0.52 - z] for x, y, z in ends]
    with pytest.raises(CGAAError, match="C2H6O.*bonded in another way than ETH, by 8 bonds of 8"):
        built(tmp_path, given | {"sites": ether}, {"name": "ETH", "smiles": "CCO"})
    built(tmp_path, given | {"sites": ether}, {"name": "DME", "smiles": "COC"})
    chain = [["C", 0.5, 0.5, 0.0], ["C", 0.5, 0.6, 0.5], ["H", 0.3, 0.4, 0.0]]
    with pytest.raises(CGAAError, match="ties a molecule to its own image"):
        built(tmp_path, given | {"cell": [5, 5, 2.5], "sites": chain}, ALDEHYDE)


def test_a_crystal_in_place_of_a_density(tmp_path):
    with pytest.raises(CGAAError, match="or a crystal"):
        built(tmp_path, BOX, ALDEHYDE, density=1.0)
    (tmp_path / "box.cif").write_text(CO2)  # the output would replace what is read
    with pytest.raises(CGAAError, match="box.cif"):
        built(tmp_path, {"cif": "box.cif"}, DIOXIDE)
    assert (tmp_path / "box.cif").read_text() == CO2
