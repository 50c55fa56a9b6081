"""Files that belong together (`given`, `programs`): topology, coordinates, force field, of four programs."""

import numpy as np
import openmm
import pytest
from contexts import context_of
from openmm import app, unit
from program_files import (
    Terms,
    amber_inpcrd,
    amber_prmtop,
    charmm_psf,
    ethers,
    write_all,
)

from openmm_cgaa.errors import CGAAError, StructureWarning
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.given import content_digest, read_given
from openmm_cgaa.structures.structure import read_structure, write_structure

EDGE = 1.3  # nm


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """Folder with the files of all programs, topology, positions (nm), the System that they were written from."""
    folder = tmp_path_factory.mktemp("files")
    topology, positions, forcefield = ethers(folder, edge=EDGE)
    system = forcefield.createSystem(topology, constraints=None, removeCMMotion=False)
    write_all(folder, topology, positions, system, EDGE)
    (folder / "named.prmtop").write_text(amber_prmtop(Terms(topology, system), 10 * EDGE, numbers=False))
    return folder, topology, positions, system


FILES = {
    "amber": ["box.prmtop", "box.inpcrd"],
    "amber without numbers": ["box.inpcrd", "named.prmtop"],
    "amber and cif": ["box.cif", "box.prmtop"],
    "gromacs": ["box.gro", "box.top", "includes"],
    "charmm": ["box.psf", "box.crd", "box.prm"],
    "charmm and cif": ["box.psf", "box.prm", "box.cif"],
}


@pytest.mark.parametrize("names", FILES.values(), ids=FILES)
def test_energy_is_that_of_the_force_field(box, names):
    """The same molecules and energies, whoever wrote them: openmm/openmm#2462, #3255 are readers that differ."""
    folder, topology, positions, system = box
    given = read_given([folder / name for name in names])
    assert [a.element for a in given.topology.atoms()] == [a.element for a in topology.atoms()]
    assert {frozenset((a.index, b.index)) for a, b in given.topology.bonds()} == {
        frozenset((a.index, b.index)) for a, b in topology.bonds()
    }
    found = given.positions.value_in_unit(unit.nanometer)
    np.testing.assert_allclose(found, positions, atol=6e-6)
    if "box.crd" not in names:
        np.testing.assert_allclose(given.topology.getPeriodicBoxVectors()._value, EDGE * np.eye(3), atol=1e-6)
    made = given.make(nonbondedMethod=app.NoCutoff)
    assert made.getNumConstraints() == 0
    assert "CMMotionRemover" not in {force.getName() for force in made.getForces()}
    energies = [
        context_of(each, positions).getState(energy=True).getPotentialEnergy()._value for each in (made, system)
    ]
    assert energies[0] == pytest.approx(energies[1], abs=2e-3)  # numbers of files have eight digits


def test_water_of_amber_is_flexible(tmp_path):
    """Rigid water is O-H and H-H bonds in a prmtop: they act as springs, and H-H is no bond of the topology."""
    forcefield = app.ForceField("tip3p.xml")
    topology = app.Topology()
    residue = topology.addResidue("WTR", topology.addChain())
    atoms = [topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2")]
    topology.addBond(atoms[0], atoms[1])
    topology.addBond(atoms[0], atoms[2])
    residue.name = "HOH"
    system = forcefield.createSystem(topology, rigidWater=False, removeCMMotion=False)
    residue.name = "WTR"
    bonds = next(force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    bonds.addBond(1, 2, 0.15136, 462750.4)
    system.addForce(openmm.PeriodicTorsionForce())
    positions = 0.1 * np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    (tmp_path / "w.prmtop").write_text(amber_prmtop(Terms(topology, system)))
    (tmp_path / "w.rst7").write_text(amber_inpcrd(positions))
    given = read_given([tmp_path / "w.rst7", tmp_path / "w.prmtop"])
    assert [(a.name, b.name) for a, b in given.topology.bonds()] == [("O", "H1"), ("O", "H2")]
    made = given.make()
    assert made.getNumConstraints() == 0
    assert next(f for f in made.getForces() if isinstance(f, openmm.HarmonicBondForce)).getNumBonds() == 3


def test_masses_and_elements_that_do_not_fit_are_told(box, tmp_path):
    """United atoms, an atomic number of another element, heavy hydrogens, deuterium (openmm/openmm#2462 is a guess)."""
    folder, topology, positions, system = box
    terms = Terms(topology, system)
    given = lambda name, masses, numbers=True: (  # noqa: E731
        setattr(terms, "masses", masses),
        (tmp_path / name).write_text(amber_prmtop(terms, 10 * EDGE, numbers)),
        [a.element.symbol for a in read_given([tmp_path / name, folder / "box.inpcrd"]).topology.atoms()],
    )[-1]
    own, symbols = list(terms.masses), [a.element.symbol for a in topology.atoms()]
    bonded = {}
    for a, b in topology.bonds():
        if b.element.symbol == "H":
            bonded[b.index] = a.index
    united = list(own)
    united[0] += 3 * 1.008
    with pytest.warns(StructureWarning, match="weigh otherwise .*: 1, the first is C1 of residue DMT 1, C of 15.03"):
        given("united.prmtop", united)
    shifted = list(own)
    for light, heavier in bonded.items():
        shifted[light], shifted[heavier] = 3.024, shifted[heavier] - 2.016
    for numbers in (True, False):
        assert given("heavy.prmtop", shifted, numbers) == symbols
    deuterated = [2.014 if symbol == "H" else mass for symbol, mass in zip(symbols, own)]
    for numbers in (True, False):
        assert given("deuterated.prmtop", deuterated, numbers) == ["D" if s == "H" else s for s in symbols]
    terms.masses = shifted
    (tmp_path / "heavy.psf").write_text(charmm_psf(terms))
    with pytest.raises(CGAAError, match="heavy.psf: atom .* weighs .* a .psf tells elements by mass"):
        read_given([tmp_path / "heavy.psf", folder / "box.crd"])


REFUSED = {
    "prmtop": (["box.prmtop"], r"box.prmtop has no coordinates; give also its .inpcrd or .rst7"),
    "top": (["box.top", "includes"], r"has no coordinates; give also its .gro"),
    "top without includes": (["box.top", "box.gro"], "include file: molecules.itp; give the folder"),
    "psf": (["box.psf", "box.prm"], "has no coordinates; give also its .crd, or a .pdb or .cif"),
    "inpcrd": (["box.inpcrd"], "coordinates alone; give also the .prmtop"),
    "parameters": (["box.prm"], "not from .prm; parameters of CHARMM are read beside a .psf"),
    "two": (["box.prmtop", "box.psf", "box.gro"], "box.prmtop and .*box.psf are both of one kind .topology.; give"),
    "two coordinates": (["box.prmtop", "box.gro", "box.cif"], "both hold coordinates"),
    "a folder": (["box.cif", "includes"], "includes is a folder"),
    "absent": (["absent.gro"], "absent.gro cannot be read: No such file"),
    "nothing": ([], "there is no file"),
}


@pytest.mark.parametrize("names, message", REFUSED.values(), ids=REFUSED)
def test_what_is_missing_is_named(box, names, message):
    with pytest.raises(CGAAError, match=message):
        read_structure([box[0] / name for name in names])


def test_a_file_that_lacks_a_part_says_which(box, tmp_path):
    for name, part, lacking in (("box.prmtop", "%FLAG CHARGE", "CHARGE"), ("box.top", "T0 ", "T0")):
        text = (box[0] / name).read_text()
        (tmp_path / name).write_text(text.replace(part, part.replace(lacking, "X"), 1))
        with pytest.raises(CGAAError, match=f"{name} .*: it has no '{lacking}'"):
            read_given([tmp_path / name, box[0] / "box.gro", *[box[0] / "includes"] * (name == "box.top")]).make()


def test_coordinates_of_other_atoms_are_refused(box, tmp_path):
    folder, topology, positions, _ = box
    (tmp_path / "half.inpcrd").write_text(amber_inpcrd(positions[:9], 13.0))
    with pytest.raises(CGAAError, match="9 positions for 78 atoms of the topology"):
        read_structure([folder / "box.prmtop", tmp_path / "half.inpcrd"])
    residues = list(topology.residues())
    other = app.Modeller(topology, positions * unit.nanometer)
    other.delete(residues[:6])
    for residue in residues[:6]:  # the same molecules in another order
        piece = app.Modeller(topology, positions * unit.nanometer)
        piece.delete([r for r in residues if r is not residue])
        other.add(piece.topology, piece.positions)
    write_structure(tmp_path / "other.cif", other.topology, other.positions)
    with pytest.raises(CGAAError, match="atom 0 is C .* in one file and . .* in the other"):
        read_structure([folder / "box.prmtop", tmp_path / "other.cif"])
    text = (folder / "box.gro").read_text().replace("   C1", "   X9", 1)
    (tmp_path / "named.gro").write_text(text)
    with pytest.warns(StructureWarning, match="atoms of other names .*: 1, the first is C1 of DMT"):
        read_structure([folder / "box.top", folder / "includes", tmp_path / "named.gro"])


def test_what_a_top_includes_counts(box, tmp_path):
    """A changed .itp is another force field, though the .top is the same."""
    folder = box[0]
    files = [folder / "box.top", folder / "box.gro", folder / "includes"]
    before = content_digest(files)
    (tmp_path / "molecules.itp").write_text((folder / "includes/molecules.itp").read_text() + "\n")
    assert content_digest([*files[:2], tmp_path]) != before == content_digest(files)


def test_a_gro_alone_takes_bonds_of_smiles(box):
    folder, topology, positions, _ = box
    found, where = read_structure(folder / "box.gro", smiles={"DMT": "COC", "DFE": "FCCF"})
    bonds = [{frozenset((a.index, b.index)) for a, b in each.bonds()} for each in (found, topology)]
    assert bonds[0] == bonds[1]
    assert [a.element for a in found.atoms()] == [a.element for a in topology.atoms()]
    np.testing.assert_allclose(where.value_in_unit(unit.nanometer), positions, atol=1e-6)
    assert GrainMap.from_topology(found).num_grains == 9
