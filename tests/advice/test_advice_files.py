"""What messages about files of other programs, and force fields that came in them, advise is done, and helps."""

import copy
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
import pytest
from advice import follow, rows
from openmm import app, unit
from program_files import Terms, charmm_psf, ethers, write_all
from sampling_plans import SHORT, sampled, short_preparation  # noqa: F401 - for all rows

from openmm_cgaa.building.boxes import build
from openmm_cgaa.building.molecules import from_smiles
from openmm_cgaa.building.transfer import read_transfer
from openmm_cgaa.structures.structure import read_structure, write_structure

ROWS = {}
row = rows(ROWS)
EDGE = 1.3  # nm


@dataclass
class Box:
    """The files of a box of two ethers, what they were written from, and a folder of one's own that holds them."""

    topology: app.Topology
    positions: np.ndarray
    system: openmm.System
    path: Path

    def files(self, *names):
        return [str(self.path / name) for name in names]

    def read(self, *names, **options):
        topology, positions = read_structure(self.files(*names), **options)
        assert topology.getNumBonds() == 69 and len(positions) == 78
        return topology, positions

    def field(self, *names):
        return read_transfer(self.files(*names))

    def saved(self, name, change):
        """The System, changed, in XML."""
        other = openmm.XmlSerializer.clone(self.system)
        change(other)
        (self.path / name).write_text(openmm.XmlSerializer.serialize(other))

    def sample(self, where, run, *names):
        molecules = [{"name": "DMT", "smiles": "COC"}, {"name": "DFE", "smiles": "FCCF"}]
        run = {"kind": "liquid", "name": "box", **SHORT} | run
        return sampled(self.path / where, run, molecules=molecules, sampler={"system": self.files(*names)})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("rdkit")
    folder = tmp_path_factory.mktemp("files")
    topology, positions, forcefield = ethers(folder, edge=EDGE)
    options = dict(nonbondedMethod=app.PME, nonbondedCutoff=0.5, constraints=None, removeCMMotion=False)
    system = forcefield.createSystem(topology, **options)
    write_all(folder, topology, positions, system, EDGE)
    with open(folder / "box.pdb", "w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    return topology, positions, system, folder


@pytest.fixture
def box(made, tmp_path):
    shutil.copytree(made[-1], tmp_path / "box")
    return Box(*made[:-1], tmp_path / "box")


FEW = {"counts": {"DFE": 3, "DMT": 3}, "densities": 0.6}


@row("there is no file to read; give a structure file, or files that belong together")
def no_file(w):
    yield lambda: w.read()
    w.read("box.cif")
    w.read("box.gro", "box.top", "includes")


@row("has no coordinates; give also its ")
def topologies_alone(w):
    shutil.copy(w.path / "box.inpcrd", w.path / "box.rst7")
    for names in (["box.prmtop"], ["box.top", "includes"], ["box.psf"]):
        message = yield lambda names=names: w.read(*names)
        partners = re.findall(r"\.\w+", message.split("give also its ")[1])
        assert partners[-2:] == [".pdb", ".cif"] and len(partners) > 2
        for suffix in partners:
            w.read(*names, "box" + suffix)


@row(
    "holds coordinates alone; give also the .prmtop that they belong to, or a .cif or .pdb instead",
    "are both a force field; give one of them",
    "both hold coordinates; give one of them",
)
def coordinates_of_amber_alone(w):
    yield lambda: w.read("box.inpcrd")
    w.read("box.inpcrd", "box.prmtop")
    yield lambda: w.field("box.inpcrd", "system.xml")
    yield lambda: w.field("box.inpcrd", "box.prmtop", "system.xml")
    w.field("box.inpcrd", "box.prmtop")
    yield lambda: w.field("box.inpcrd", "box.cif", "system.xml")
    for name in ("box.cif", "box.pdb"):
        w.field(name, "system.xml")


@row("); give one of them")
def two_of_one_kind(w):
    yield lambda: w.read("box.cif", "box.pdb")
    yield lambda: w.read("box.prmtop", "box.gro", "box.inpcrd")
    yield lambda: w.read("box.prmtop", "box.psf", "box.cif")
    w.saved("other.xml", lambda system: None)
    yield lambda: w.read("box.cif", "system.xml", "other.xml")
    for names in (["box.cif"], ["box.pdb"], ["box.prmtop", "box.gro"], ["box.prmtop", "box.inpcrd"]):
        w.read(*names)
    for name in ("box.prmtop", "box.psf"):
        w.read(name, "box.cif")


@row(
    "is a folder; give the files with topology and coordinates in it",
    "(one folder is taken beside a GROMACS .top, for what that includes)",
    "; give the folder in which it lies as one more of the files",
)
def folders(w):
    yield lambda: w.read(".")
    yield lambda: w.read("box.cif", "includes")
    w.read("box.cif")
    yield lambda: w.read("box.top", "box.gro")
    w.read("box.top", "box.gro", "includes")
    (w.path / "more").mkdir()
    (w.path / "includes/molecules.itp").rename(w.path / "more/molecules.itp")
    (w.path / "includes/types.itp").write_text("; of the molecules\n")
    text = (w.path / "box.top").read_text()
    (w.path / "box.top").write_text(text.replace("#include", '#include "types.itp"\n#include'))
    yield lambda: w.read("box.top", "box.gro", "includes")
    yield lambda: w.read("box.top", "box.gro", "includes", "more")
    (w.path / "more/molecules.itp").rename(w.path / "includes/molecules.itp")
    w.read("box.top", "box.gro", "includes")


@row("; GROMACS takes function type 1 where a line says none, and OpenMM asks for it: write 1 behind its atoms")
def lines_without_a_function_type(w):
    """As in methanol.itp and ethanol.itp, which GROMACS ships."""
    path, kept = w.path / "includes/molecules.itp", (w.path / "includes/molecules.itp").read_text()
    section = kept.partition("[ pairs ]")[2].partition("[ angles ]")[0]
    path.write_text(kept.replace(section, section.replace(" 1\n", "\n")))
    yield lambda: w.read("box.top", "box.gro", "includes")
    path.write_text(kept)
    w.read("box.top", "box.gro", "includes")


@row("holds no names, elements or bonds; give also the structure that it belongs to (.cif or .pdb)")
def a_system_alone(w):
    yield lambda: w.read("system.xml")
    for name in ("box.cif", "box.pdb"):
        w.read("system.xml", name)


@row(
    "cannot be read as coordinates: ",
    "; write it anew, or give a .cif or .pdb",
    " in the other; write the structure anew, in the order of the topology",
)
def coordinates_that_are_damaged_or_others(w):
    for name, topology in (("box.gro", "box.prmtop"), ("box.inpcrd", "box.prmtop"), ("box.crd", "box.psf")):
        text = (w.path / name).read_text()
        (w.path / name).write_text(text[: len(text) // 2])
        yield lambda name=name, topology=topology: w.read(topology, name)
        (w.path / name).write_text(text)
        for right in (name, "box.cif", "box.pdb"):
            w.read(topology, right)
    other = app.Modeller(app.Topology(), [] * unit.nanometer)
    for name in ("DFE", "DMT"):  # sorted otherwise
        one = app.Modeller(w.topology, w.positions * unit.nanometer)
        one.delete([residue for residue in w.topology.residues() if residue.name != name])
        other.add(one.topology, one.positions)
    write_structure(w.path / "other.cif", other.topology, other.positions)
    yield lambda: w.read("box.prmtop", "other.cif")
    x = other.positions.value_in_unit(unit.nanometer)
    write_structure(w.path / "other.cif", app.AmberPrmtopFile(*w.files("box.prmtop")).topology, [*x[24:], *x[:24]])
    _, found = w.read("box.prmtop", "other.cif")
    np.testing.assert_allclose(found.value_in_unit(unit.nanometer), w.positions, atol=1e-4)


@row("says no element; give the topology that the coordinates belong to as well (.top, .prmtop, .psf), or PDBx/mmCIF")
def names_that_say_no_element(w):
    odd, known = copy.deepcopy(w.topology), [atom.element for atom in w.topology.atoms()]
    for atom in odd.atoms():
        atom.name = f"X{atom.name}"
    w.path /= "odd"
    w.path.mkdir()
    write_all(w.path, odd, w.positions, w.system, EDGE)
    yield lambda: w.read("box.gro")
    for names in (["box.gro", "box.top", "includes"], ["box.gro", "box.prmtop"], ["box.gro", "box.psf"], ["box.cif"]):
        assert [atom.element for atom in w.read(*names)[0].atoms()] == known


@row(
    "weighs ",
    "Da, as no element does, and a .psf tells elements by mass; write it with natural masses and all hydrogens",
)
def heavy_hydrogens_and_united_atoms(w):
    terms = Terms(w.topology, w.system)
    own = list(terms.masses)
    light = next(atom.index for atom in w.topology.atoms() if atom.element.symbol == "H")
    for index, mass in ((light, 3.024), (0, own[0] + 3 * own[light])):
        terms.masses = [mass if i == index else m for i, m in enumerate(own)]
        (w.path / "box.psf").write_text(charmm_psf(terms))
        yield lambda: w.read("box.psf", "box.crd")
    terms.masses = own
    (w.path / "box.psf").write_text(charmm_psf(terms))
    w.read("box.psf", "box.crd")


@row(
    "; give all files that its parameters stand in (.prm, .rtf, .str)",
    "its force field is in parameter files; give also these",
)
def parameters_of_charmm(w):
    names = ["box.psf", "box.cif"]
    yield lambda: w.field(*names)
    w.field(*names, "box.prm")
    head, *sections = (w.path / "box.prm").read_text().split("\n\n")
    masses = sections[0].split("\n", 1)[1]
    for lacking in ("ATOMS", "BONDS", "ANGLES", "DIHEDRALS"):
        kept = [section for section in sections if not section.startswith(lacking)]
        (gone,) = set(sections) - set(kept)
        (w.path / "box.prm").write_text("\n\n".join([head, *kept]))
        yield lambda: w.field(*names, "box.prm")
        if lacking == "ATOMS":
            (w.path / "box.rtf").write_text(f"* masses\n*\n36 1\n\n{masses}\n\nEND\n")
            w.field(*names, "box.prm", "box.rtf")
        else:
            (w.path / "box.str").write_text(f"* more\n*\n\nread para card flex append\n\n{gone}\n\nEND\n")
            w.field(*names, "box.prm", "box.str")


@row(
    "holds no force field; give its files as well (.prmtop, .top, .psf with parameters, a System in .xml)",
    ", or OpenMM force field files by the key forcefield",
)
def a_structure_is_no_force_field(w):
    yield lambda: w.field("box.cif")
    for names in (["box.prmtop"], ["box.top", "includes"], ["box.psf", "box.prm"], ["system.xml"]):
        w.field("box.cif", *names)


@row("write [ constraints ] and [ settles ] of the .top as [ bonds ] with force constants")
def a_rigid_top(w):
    names, path = ["box.top", "box.gro", "includes"], w.path / "includes/molecules.itp"
    text = path.read_text()
    for rigid, free in (
        ("[ constraints ]\n1 4 1 0.35\n", "[ bonds ]\n1 4 1 0.35 1000\n"),
        ("[ settles ]\n4 1 0.3 0.25\n", "[ bonds ]\n4 5 1 0.3 1000\n4 6 1 0.3 1000\n5 6 1 0.25 1000\n"),
    ):
        path.write_text(text + rigid)
        yield lambda: w.field(*names)
        path.write_text(text + free)
        assert w.field(*names).given.getNumConstraints() == 0


@row(
    "; begin runs with the structure that it was made for", " give that beside it: system: [system.xml, structure.cif]"
)
def a_system_of_another_number_of_atoms(w):
    yield lambda: w.sample("a", FEW, "system.xml")
    w.sample("b", {"structure": str(w.path / "box.cif")}, "system.xml")
    w.sample("c", FEW, "system.xml", "box.cif")


@row(
    " act between molecules (",
    "is not transferred to other numbers of molecules; begin runs with the structure that it was made for",
    "; give each kind of molecule a residue name of its own",
)
def force_fields_of_one_box(w):
    wall = openmm.CustomExternalForce("z^4")
    wall.addParticle(0, [])
    w.saved("wall.xml", lambda system: system.addForce(wall))
    ends = 0, w.topology.getNumAtoms() - 1
    w.saved("tied.xml", lambda system: bonds_of(system).addBond(*ends, 0.5, 1.0))
    for name in ("wall.xml", "tied.xml"):
        yield lambda name=name: w.sample(f"few of {name}", FEW, name, "box.cif")
        w.sample(f"all of {name}", {"structure": str(w.path / "box.cif")}, name, "box.cif")

    def stretch(system, last=68):
        i, j, length, strength = bonds_of(system).getBondParameters(last)
        bonds_of(system).setBondParameters(last, i, j, 1.01 * length, strength)

    w.saved("unlike.xml", stretch)
    yield lambda: w.sample("few", FEW, "unlike.xml", "box.cif")
    named, positions = w.read("box.cif")
    list(named.residues())[-1].name = "DFF"
    write_structure(w.path / "named.cif", named, positions)
    w.sample("few, of other names", FEW, "unlike.xml", "named.cif")


def bonds_of(system):
    return next(force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))


@row(
    "give the SMILES of what the file holds",
    "are in Å)? Give the SMILES of what the file holds, or a file with bonds",
)
def smiles_of_another_molecule(w):
    path = w.path / "ACN.pdb"
    without_bonds(path, *from_smiles("ACN", "CC#N"))
    yield lambda: read_structure(path, smiles={"ACN": "CCCN"})
    yield lambda: read_structure(path, smiles={"ACN": "[C-]#[N+]C"})
    assert read_structure(path, smiles={"ACN": "CC#N"})[0].getNumBonds() == 5
    whole = from_smiles("ACN", "CC#N")
    without_bonds(path, whole[0], 10 * whole[1])
    yield lambda: read_structure(path, smiles={"ACN": "CC#N"})
    write_structure(w.path / "ACN.cif", *whole)
    assert read_structure(w.path / "ACN.cif", smiles={"ACN": "[C-]#[N+]C"})[0].getNumBonds() == 5


def without_bonds(path, topology, positions):
    with open(path, "w") as file:
        app.PDBFile.writeFile(topology, positions, file)
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("CONECT")))


@row(
    "hydrogens are missing: add them to each molecule by RDKit (AllChem.AssignBondOrdersFromTemplate, then ",
    "Chem.AddHs with addCoords=True, addResidueInfo=True), or make the box anew (openmm-cgaa build)",
)
def hydrogens_that_are_missing(w):
    from rdkit import Chem
    from rdkit.Chem import AllChem

    path, bonds = w.path / "one.pdb", {}
    for name, smiles in {"ACN": "CC#N", "EC": "O=C1OCCO1"}.items():
        whole = app.Modeller(*from_smiles(name, smiles))
        bonds[name] = whole.topology.getNumBonds()
        whole.delete([atom for atom in whole.topology.atoms() if atom.element.symbol == "H"])
        without_bonds(path, whole.topology, whole.positions)
        yield lambda name=name, smiles=smiles: read_structure(path, smiles={name: smiles})
        template = Chem.MolFromSmiles(smiles)
        one = AllChem.AssignBondOrdersFromTemplate(template, Chem.MolFromPDBFile(str(path)))
        Chem.MolToPDBFile(Chem.AddHs(one, addCoords=True, addResidueInfo=True), str(path))
        found = read_structure(path, smiles={name: smiles})[0]
        assert found.getNumResidues() == 1 and found.getNumBonds() == bonds[name]
    (w.path / "box.yaml").write_text("molecules: [{name: ACN, smiles: 'CC#N', count: 2}]\nbox: 12\n")
    assert read_structure(build(w.path / "box.yaml"))[0].getNumBonds() == 2 * bonds["ACN"]


@pytest.mark.parametrize("steps", dict.fromkeys(ROWS.values()), ids=lambda steps: steps.__name__)
def test_the_advice_helps(steps, box):
    follow(steps, box)
