"""What messages about topologies, structure files and boxes advise is done, and helps."""

import io
import re
from dataclasses import replace

import mdtraj
import numpy as np
import openmm
import pytest
from advice import World, follow, rows
from conftest import topology_of
from openmm import app, unit

import openmm_cgaa
from openmm_cgaa import GrainMap
from openmm_cgaa.errors import StructureWarning
from openmm_cgaa.structures.structure import read_structure, write_structure

WATER = ["O", "H", "H"], [(0, 1), (0, 2)]
TURNED = np.array([[0, 1.0, 0], [0, 0, 1], [1, 0, 0]])

ROWS = {}
row = rows(ROWS)


@pytest.fixture
def world(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch):
    return World.of(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch)


def as_told(message, after, **names):
    """Run the line of code that a message ends with."""
    names["openmm_cgaa"] = openmm_cgaa
    exec(message.split(after)[1], {"mdtraj": mdtraj}, names)
    return names


def pdb(world, change=lambda text: text):
    path = world.path / "box.pdb"
    text = io.StringIO()
    app.PDBFile.writeFile(world.topology, world.positions * unit.nanometer, text)
    path.write_text(change(text.getvalue()))
    return path


@row("read the file first: ")
def path_for_a_topology(w):
    write_structure(w.path / "box.cif", w.topology, w.positions)
    for path in (w.path / "box.cif", str(pdb(w))):
        message = yield lambda path=path: w.potential.createSystem(path)
        made = as_told(message, "read the file first: ")
        w.potential.createSystem(made["topology"], positions=made["positions"])
    message = yield lambda: GrainMap.from_mdtraj(str(w.path / "box.pdb"))
    topology = eval(message.split("first: ")[1], {"mdtraj": mdtraj})
    assert GrainMap.from_mdtraj(topology).num_grains == 18


@row("read one from a file: ")
def empty_topology(w):
    write_structure(w.path / "box.cif", w.topology, w.positions)
    w.patch.chdir(w.path)
    message = yield lambda: w.potential.createSystem(app.Topology())
    w.potential.createSystem(as_told(message, "from a file: ")["topology"])


@row("give its .topology", "give its .topology.to_openmm(), or GrainMap.from_mdtraj of its .topology")
def what_holds_a_topology(w):
    whole = w.trajectory()
    yield lambda: w.potential.grain_map(whole)
    assert w.potential.grain_map(whole.topology.to_openmm()).num_grains == 18
    assert w.potential.grain_map(GrainMap.from_mdtraj(whole.topology)).num_grains == 18
    modeller = app.Modeller(w.topology, w.positions * unit.nanometer)
    yield lambda: w.potential.createSystem(modeller)
    w.potential.createSystem(modeller.topology)


@row("give its .to_openmm(), or GrainMap.from_mdtraj of it where a GrainMap is taken")
def topology_of_mdtraj(w):
    bare = w.trajectory().topology
    yield lambda: w.potential.createSystem(bare)
    w.potential.createSystem(bare.to_openmm())
    w.potential.evaluate(GrainMap.from_mdtraj(bare), w.positions, w.box)


@row("give an openmm.app.Topology")
def grain_map_for_a_topology(w):
    yield lambda: w.potential.createSystem(GrainMap.from_topology(w.topology))
    w.potential.createSystem(w.topology)


@row("give the .topology of a trajectory", "GrainMap.from_topology takes it")
def what_mdtraj_has_not_made(w):
    yield lambda: GrainMap.from_mdtraj(w.trajectory())
    GrainMap.from_mdtraj(w.trajectory().topology)
    yield lambda: GrainMap.from_mdtraj(w.topology)
    GrainMap.from_topology(w.topology)


@row("give the .topology of a trajectory that has some")
def empty_topology_of_mdtraj(w):
    yield lambda: GrainMap.from_mdtraj(mdtraj.Topology())
    GrainMap.from_mdtraj(w.trajectory().topology)


@row("give a Topology, or a dict such as {'EC': [('C1', 'O1'), ('C1', 'O2')]}")
def templates_of_another_kind(w):
    bare = topology_of(*WATER[:1], [], [0, 0, 0], ["HOH"])
    whole = topology_of(*WATER, [0, 0, 0], ["HOH"])
    for wrong in ("water.pdb", {"HOH": [(0, 1)]}):
        yield lambda wrong=wrong: GrainMap.from_topology(bare, wrong)
    for right in (whole, {"HOH": [("O1", "H2"), ("O1", "H3")]}):
        assert GrainMap.from_topology(bare, right).num_grains == 1


@row(", which its template bonds; it has ")
def template_with_other_names(w):
    bare = topology_of(*WATER[:1], [], [0, 0, 0], ["HOH"])
    message = yield lambda: GrainMap.from_topology(bare, {"HOH": [("O", "H1"), ("O", "H2")]})
    oxygen, *hydrogens = message.split("it has ")[1].split(", ")
    GrainMap.from_topology(bare, {"HOH": [(oxygen, hydrogen) for hydrogen in hydrogens]})


@row("read a file with bonds (PDB with CONECT records), or add them: topology.add_bond(atom, atom)")
def bonds_for_mdtraj(w):
    whole = w.trajectory().topology
    pairs, whole._bonds = whole._bonds, []
    yield lambda: GrainMap.from_mdtraj(whole)
    for pair in pairs:
        whole.add_bond(pair[0], pair[1])
    assert GrainMap.from_mdtraj(whole).num_grains == 18
    assert GrainMap.from_mdtraj(mdtraj.load_topology(pdb(w))).num_grains == 18


@row("give all pairs of bonded atoms", ", or make separate molecules separate residues")
def bonds_in_arrays(w):
    elements, bonds = WATER
    yield lambda: GrainMap.from_arrays(elements, bonds[:1], [0, 0, 0])
    GrainMap.from_arrays(elements, bonds, [0, 0, 0])
    both = elements * 2, bonds + [(3, 4), (3, 5)]
    yield lambda: GrainMap.from_arrays(*both, [0] * 6)
    assert GrainMap.from_arrays(*both, [0] * 3 + [1] * 3).num_grains == 2


@row("give one each per atom", "there are no atoms; give at least one", "give one name per residue")
def arrays_of_other_lengths(w):
    yield lambda: GrainMap.from_arrays(*WATER, [0])
    yield lambda: GrainMap.from_arrays([], [], [])
    yield lambda: GrainMap.from_arrays(*WATER, [0, 0, 0], ["HOH", "HOH"])
    GrainMap.from_arrays(*WATER, [0, 0, 0], ["HOH"])


@row("is no element; give symbols, such as 'C' or 'Li'")
def element_in_capitals(w):
    yield lambda: GrainMap.from_arrays(["LI"], [], [0])
    GrainMap.from_arrays(["Li"], [], [0])


@row("put bonded residues into one residue")
def bonds_between_residues(w):
    known = GrainMap.from_arrays(*WATER, [0, 0, 0])
    parts = GrainMap.from_arrays(*WATER, [0, 0, 1])
    yield lambda: parts.match([replace(kind, across=()) for kind in parts.types])
    GrainMap.from_arrays(*WATER, [0, 0, 0]).match(known.types)


@row("a single ion has no bonds here: leave this one out", "read_structure, or delete the record")
def ion_with_a_bond(w):
    elements, bonds = ["Li", *WATER[0]], [(i + 1, j + 1) for i, j in WATER[1]]
    yield lambda: GrainMap.from_arrays(elements, [(0, 1), *bonds], [0, 1, 1, 1])
    GrainMap.from_arrays(elements, bonds, [0, 1, 1, 1])
    w.topology = topology_of(elements, bonds, [0, 1, 1, 1], ["LI", "XYZ"])
    w.positions = 0.1 * np.array([[0, 0, 0], [2, 0, 0], [2.9, 0, 0], [2, 0.9, 0]])
    path = pdb(w, lambda text: text.replace("END\n", "CONECT    1    3\nEND\n"))
    yield lambda: GrainMap.from_topology(app.PDBFile(str(path)).topology)
    with pytest.warns(StructureWarning, match="bonds of single ions are left out"):
        assert GrainMap.from_topology(read_structure(path)[0]).num_grains == 2
    lines = [line for line in path.read_text().splitlines() if line != "CONECT    1    3"]
    path.write_text("\n".join(lines))
    assert GrainMap.from_topology(app.PDBFile(str(path)).topology).num_grains == 2


@row("has no atoms; leave it out of the topology")
def residue_without_atoms(w):
    empty = w.topology.addResidue("NIL", next(w.topology.chains()))
    yield lambda: GrainMap.from_topology(w.topology)
    modeller = app.Modeller(w.topology, w.positions * unit.nanometer)
    modeller.delete([empty])
    GrainMap.from_topology(modeller.topology)


@row("and each atom of a molecule a name of its own")
def names_that_are_elements(w):
    atoms = list(w.topology.atoms())
    names = [atom.name for atom in atoms]
    for atom in atoms:
        atom.name = atom.element.symbol
    yield lambda: read_structure(pdb(w))
    for atom, name in zip(atoms, names):
        atom.name = name
    assert read_structure(pdb(w))[0].getNumBonds() == w.topology.getNumBonds()


@row("it is not in the form that OpenMM expects. Write it anew by another program")
def models_without_an_end(w):
    yield lambda: read_structure(pdb(w, lambda text: text.replace("HETATM   50", "MODEL        2\nHETATM   50")))
    w.trajectory().save(str(w.path / "box.pdb"))
    assert read_structure(w.path / "box.pdb")[0].getNumAtoms() == 240


@row("coordinates are read from ")
def another_format(w):
    path = w.path / "box.xtc"
    w.trajectory().save(str(path))
    yield lambda: read_structure(path)
    frame = mdtraj.load(str(path), top=w.trajectory().topology)
    frame.save(str(w.path / "box.pdb"))
    assert GrainMap.from_topology(read_structure(w.path / "box.pdb")[0]).num_grains == 18


def in_hybrid_36(text):
    return re.sub(r"(?m)^(HETATM|CONECT)([ \d]{5})", lambda match: f"{match[1]}AZ{int(match[2]):03d}", text)


@row("; its atoms seem to be numbered in hybrid-36: write PDBx/mmCIF, where numbers have no limit")
def too_many_atoms_for_a_pdb_file(w):
    yield lambda: read_structure(pdb(w, in_hybrid_36))
    positions = w.positions * unit.nanometer
    for given in (w.positions, positions, [openmm.Vec3(*row) for row in w.positions] * unit.nanometer):
        write_structure(w.path / "box.cif", w.topology, given)
        assert np.allclose(read_structure(w.path / "box.cif")[1]._value, w.positions, atol=1e-5)


@row("Turn the frame, as arrays in nm: ")
def a_box_that_openmm_does_not_take(w):
    code = "Turn the frame, as arrays in nm: "
    energy = w.evaluate()
    w.topology.setPeriodicBoxVectors(None)
    other = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ w.box  # of the same lattice
    frame = {"box": w.box @ TURNED, "positions": w.positions @ TURNED}
    for given in ({"box": other, "positions": w.positions}, frame):
        w.topology.setPeriodicBoxVectors(None)
        message = yield lambda given=given: w.evaluate(**given)
        made = as_told(message, code, topology=w.topology, **given)
        assert w.evaluate(box=made["box"], positions=made["positions"]) == pytest.approx(energy, abs=1e-6)
    for box in (
        frame["box"],
        10 * frame["box"] * unit.angstrom,
        [openmm.Vec3(*v) for v in frame["box"]] * unit.nanometer,
    ):
        message = yield lambda box=box: write_structure(w.path / "a.cif", w.topology, frame["positions"], box)
        made = as_told(message, code, box=box, positions=frame["positions"])
        write_structure(w.path / "a.cif", w.topology, made["positions"], made["box"])
        topology, positions = read_structure(w.path / "a.cif")
        again = w.evaluate(topology=topology, positions=positions, box=topology.getPeriodicBoxVectors())
        assert again == pytest.approx(energy, abs=0.5)  # of three decimals in Å


@row("(left-handed ones span the lattice of -box; for no box at all give None)")
def left_handed_box(w):
    energy, box = w.evaluate(), -w.box
    yield lambda: w.evaluate(box=box)
    assert w.evaluate(box=-box) == pytest.approx(energy)
    w.topology.setPeriodicBoxVectors(None)
    w.evaluate(box=None)


@row("give the box, or remove it with topology.setPeriodicBoxVectors(None)")
def no_box_for_a_topology_that_has_one(w):
    yield lambda: w.evaluate(box=None)
    w.evaluate(box=w.topology.getPeriodicBoxVectors())
    w.topology.setPeriodicBoxVectors(None)
    w.evaluate(box=None)


@row("set them with topology.setPeriodicBoxVectors(box), or give box=None")
def box_for_a_topology_that_has_none(w):
    energy, box = w.evaluate(), w.topology.getPeriodicBoxVectors()
    for vectors in (box, w.box, w.box.tolist()):
        w.topology.setPeriodicBoxVectors(None)
        yield lambda vectors=vectors: w.evaluate(box=vectors)
        w.topology.setPeriodicBoxVectors(vectors)
        assert w.evaluate(box=vectors) == pytest.approx(energy)
        w.potential.createSystem(w.topology)
    w.topology.setPeriodicBoxVectors(None)
    w.evaluate(box=None)


@row(
    "; give positions in nm, in the topology's order, or a larger box",
    "are they in Å where nm are expected, or another frame than the box, or in another order than the topology?",
)
def wrong_unit_or_box(w):
    energy = w.evaluate()
    yield lambda: w.evaluate(box=0.3 * w.box)
    yield lambda: w.evaluate(positions=10 * w.positions)
    order = np.random.default_rng(0).permutation(240)
    yield lambda: w.evaluate(positions=w.positions[order])
    assert w.evaluate() == energy


@row("are they in nm where Å are expected (ASE takes Å)?")
def nanometers_in_ase(w):
    atoms = w.atoms(w.topology)
    atoms.positions /= 10
    yield atoms.get_potential_energy
    atoms.positions *= 10
    atoms.get_potential_energy()


@pytest.mark.parametrize("steps", dict.fromkeys(ROWS.values()), ids=lambda steps: steps.__name__)
def test_the_advice_helps(steps, world):
    follow(steps, world)
