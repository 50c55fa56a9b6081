"""Topologies from the files of other programs: the same atoms and bonds have the same energy, whoever wrote them.

Of `structures.topologies`.
"""

import re

import numpy as np
import openmm
import pytest
from boxes import molecules
from contexts import assert_same, context_of, numbers
from openmm import app, unit

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.mapping.survey import read_grains
from openmm_cgaa.structures.structure import read_structure

BOX = np.array([[1.7, 0.0, 0.0], [0.4, 1.6, 0.0], [-0.5, 0.3, 1.8]])
RESIDUES = [0, 3, 7, 12, 13]  # two EC, three EMC


@pytest.fixture
def sample(liquid):
    """(Topology, positions) without a box: names, numbers and elements are what the files are written from."""
    return molecules(liquid, RESIDUES)


@pytest.fixture
def potential(tiny_conserving_path):
    return CGAAPotential(tiny_conserving_path, "double")


def gromacs(topology, atomic_numbers=True):
    """A .top with a molecule type for each residue name, in runs of equal molecules."""
    lines = ["[ defaults ]", "1 2 no 0.5 0.5", "[ atomtypes ]"]
    for element in {atom.element for atom in topology.atoms()}:
        number = f"{element.atomic_number} " if atomic_numbers else ""
        lines.append(f"t{element.symbol} {number}{element.mass._value:.4f} 0.0 A 0.3 0.1")
    residues = list(topology.residues())
    for residue in {residue.name: residue for residue in residues}.values():
        atoms = list(residue.atoms())
        lines += ["[ moleculetype ]", f"{residue.name} 3", "[ atoms ]"]
        lines += [f"{n} t{a.element.symbol} 1 {residue.name} {a.name} {n} 0.0" for n, a in enumerate(atoms, 1)]
        first = atoms[0].index
        pairs = [(a.index - first + 1, b.index - first + 1) for a, b in residue.internal_bonds()]
        lines += ["[ bonds ]", *(f"{i} {j} 1 0.13 2e5" for i, j in pairs)]
    lines += ["[ system ]", "some molecules", "[ molecules ]", *(f"{residue.name} 1" for residue in residues)]
    return "\n".join(lines) + "\n"


def gro(topology, positions, box):
    """Coordinates of GROMACS, to a picometre; the box in its order of nine numbers."""
    rows = ["title", str(topology.getNumAtoms())]
    for atom, (x, y, z) in zip(topology.atoms(), positions):
        number = (atom.index + 1) % 100000
        rows.append(
            f"{atom.residue.index + 1:5d}{atom.residue.name:<5s}{atom.name:>5s}{number:5d}{x:8.3f}{y:8.3f}{z:8.3f}"
        )
    order = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    return "\n".join([*rows, " ".join(f"{box[ij]:.6f}" for ij in order)]) + "\n"


def amber(topology, edge):
    """The parts of a prmtop that name atoms, residues, bonds and a truncated octahedron (edge in Å)."""
    atoms, residues = list(topology.atoms()), list(topology.residues())
    bonds = [(a.index, b.index) for a, b in topology.bonds()]
    light = [pair for pair in bonds if any(atoms[i].element.symbol == "H" for i in pair)]
    heavy = [pair for pair in bonds if pair not in light]
    pointers = [0] * 31
    for place, value in {0: len(atoms), 2: len(light), 3: len(heavy), 11: len(residues), 12: len(heavy), 27: 2}.items():
        pointers[place] = value
    firsts = [next(residue.atoms()).index + 1 for residue in residues]
    sections = [
        ("POINTERS", "10I8", pointers),
        ("ATOM_NAME", "20a4", [atom.name for atom in atoms]),
        ("ATOMIC_NUMBER", "10I8", [atom.element.atomic_number for atom in atoms]),
        ("MASS", "5E16.8", [atom.element.mass._value for atom in atoms]),
        ("RESIDUE_LABEL", "20a4", [residue.name for residue in residues]),
        ("RESIDUE_POINTER", "10I8", firsts),
        ("BOND_FORCE_CONSTANT", "5E16.8", [300.0]),
        ("BOND_EQUIL_VALUE", "5E16.8", [1.3]),
        ("BONDS_INC_HYDROGEN", "10I8", [n for i, j in light for n in (3 * i, 3 * j, 1)]),
        ("BONDS_WITHOUT_HYDROGEN", "10I8", [n for i, j in heavy for n in (3 * i, 3 * j, 1)]),
        ("BOX_DIMENSIONS", "5E16.8", [109.4712190, edge, edge, edge]),
    ]
    text = "%VERSION  VERSION_STAMP = V0001.000\n"
    for name, layout, values in sections:
        count, kind, width = re.match(r"(\d+)([IaE])(\d+)", layout).groups()
        form = {"I": f"{{:{width}d}}", "a": f"{{:<{width}s}}", "E": f"{{:{width}.8E}}"}[kind]
        items = [form.format(value) for value in values]
        rows = ["".join(items[i : i + int(count)]) for i in range(0, len(items), int(count))]
        text += f"%FLAG {name}\n%FORMAT({layout})\n" + "".join(row + "\n" for row in rows)
    return text


def psf(topology):
    """A CHARMM structure file: atoms with masses, bonds, and empty sections."""
    rows = ["PSF", "", "       1 !NTITLE", " REMARKS molecules", "", f"{topology.getNumAtoms():8d} !NATOM"]
    for atom in topology.atoms():
        mass = atom.element.mass._value
        residue = f"{atom.residue.index + 1:<4d} {atom.residue.name:<4s}"
        rows.append(f"{atom.index + 1:8d} BOX  {residue} {atom.name:<4s} T{atom.element.symbol} 0.0 {mass:.4f} 0")
    numbers = [n.index + 1 for bond in topology.bonds() for n in bond]
    rows += ["", f"{len(numbers) // 2:8d} !NBOND: bonds"]
    rows += ["".join(f"{n:8d}" for n in numbers[i : i + 8]) for i in range(0, len(numbers), 8)]
    for name in ("NTHETA: angles", "NPHI: dihedrals", "NIMPHI: impropers", "NDON: donors", "NACC: acceptors"):
        rows += ["", f"       0 !{name}", ""]
    empty = ["", "       0 !NNB", "", *["".join(["       0"] * topology.getNumAtoms())], "", "       1       0 !NGRP"]
    return "\n".join([*rows, *empty, "       0       0       0", ""]) + "\n"


def assert_energy(topology, positions, box, potential, sample):
    """The System made from a foreign topology gives what `evaluate` gives for the known one."""
    expected = potential.evaluate(GrainMap.from_topology(sample[0]), positions, box)
    system = potential.createSystem(topology, backend="python")
    assert system.usesPeriodicBoundaryConditions() == (box is not None)
    assert_same(numbers(context_of(system, positions)), expected, 1e-9)
    names = [residue.name for residue in topology.residues()]
    assert names == [residue.name for residue in sample[0].residues()]


def test_gromacs(sample, potential, tmp_path):
    """openmm/openmm#2462, mdtraj/mdtraj#1871: .top and .gro, triclinic; the box comes from the coordinates."""
    topology, positions = sample
    (tmp_path / "box.top").write_text(gromacs(topology))
    (tmp_path / "box.gro").write_text(gro(topology, positions, BOX))
    read = app.GromacsGroFile(str(tmp_path / "box.gro"))
    top = app.GromacsTopFile(str(tmp_path / "box.top"), periodicBoxVectors=read.getPeriodicBoxVectors())
    here = read.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    np.testing.assert_allclose(here, positions, atol=5.1e-4)
    assert_energy(top.topology, here, BOX, potential, sample)


def test_an_atom_without_an_element_is_named(potential, tmp_path):
    """openmm/openmm#2462, mdtraj/mdtraj#1871: lithium in a .top without atomic numbers has no element in OpenMM."""
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(2):
        topology.addAtom("LI", app.Element.getBySymbol("Li"), topology.addResidue("LI", chain))
    (tmp_path / "ions.top").write_text(gromacs(topology, atomic_numbers=False))
    read = app.GromacsTopFile(str(tmp_path / "ions.top")).topology
    with pytest.raises(GrainError, match=r"atom LI \(index 0\) of residue LI 1 has no element"):
        potential.createSystem(read)


def test_a_truncated_octahedron_of_amber(sample, potential, tmp_path):
    """openmm/openmm#2591: a prmtop with angles of 109.47 degrees, reduced by OpenMM to a triclinic box."""
    topology, positions = sample
    (tmp_path / "box.prmtop").write_text(amber(topology, 21.0))
    read = app.AmberPrmtopFile(str(tmp_path / "box.prmtop")).topology
    box = np.array(read.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
    lengths = np.linalg.norm(box, axis=1)
    np.testing.assert_allclose(lengths, 2.1, atol=1e-6)
    assert np.linalg.det(box) == pytest.approx(2.1**3 * 4.0 * np.sqrt(3.0) / 9.0, rel=1e-5)  # of an octahedron
    assert_energy(read, positions, box, potential, sample)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_structure_file_of_charmm(sample, potential, tmp_path, periodic):
    """openmm/openmm#3255: a PSF names no elements and no box; both are in OpenMM's hands."""
    topology, positions = sample
    (tmp_path / "box.psf").write_text(psf(topology))
    vectors = [openmm.Vec3(*row) for row in BOX] * unit.nanometer if periodic else None
    read = app.CharmmPsfFile(str(tmp_path / "box.psf"), periodicBoxVectors=vectors).topology
    assert_energy(read, positions, BOX if periodic else None, potential, sample)


@pytest.mark.parametrize(
    "suffix, write, header",
    [
        (".psf", psf, "{:8d} !NATOM"),
        (".prmtop", lambda topology: amber(topology, 21.0), "%FORMAT(10I8)\n{:8d}"),
        (".gro", lambda topology: gro(topology, np.zeros((66, 3)), BOX), "title\n{}\n"),
    ],
)
def test_a_header_that_says_fewer_atoms(sample, tmp_path, suffix, write, header):
    """mdtraj/mdtraj#1871 is a reader of these formats that loses what it was given: here ions, which no bond misses."""
    topology, path = sample[0], tmp_path / f"box{suffix}"
    number = topology.getNumAtoms() + 1
    topology.addAtom("LI", app.Element.getBySymbol("Li"), topology.addResidue("LI", topology.addChain()))
    text = write(topology)
    if suffix != ".gro":  # which has no bonds
        path.write_text(text)
        assert read_grains(path)[0].num_atoms == number
    path.write_text(text.replace(header.format(number), header.format(number - 1), 1))
    told = "stands where the box should" if suffix == ".gro" else f"holds {number} atoms, but OpenMM reads {number - 1}"
    with pytest.raises(CGAAError, match=f"box{suffix}.*{told}"):
        read_grains(path)


def test_serial_numbers_of_stars(sample, tmp_path):
    """openmm/openmm#2591: where no number fits some programs write stars, which no CONECT record can name.

    Right: an error; never molecules without their bonds, or with those of others.
    """
    topology, positions = sample
    with open(tmp_path / "stars.pdb", "w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    rows = (tmp_path / "stars.pdb").read_text().splitlines()
    last = [row[:6] + "*****" + row[11:] if row.startswith("HETATM") and int(row[6:11]) > 30 else row for row in rows]
    kept = [row for row in last if not (row.startswith("CONECT") and any(int(n) > 30 for n in row.split()[1:]))]
    (tmp_path / "stars.pdb").write_text("\n".join(kept) + "\n")
    with pytest.raises(CGAAError, match="bonds"):
        GrainMap.from_topology(read_structure(tmp_path / "stars.pdb")[0])
