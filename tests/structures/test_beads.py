"""Beads: atoms without an element, in an OpenMM Topology, an mdtraj one, a file and a data set."""

import mdtraj
import numpy as np
import pytest
from openmm import app

from openmm_cgaa.data.dataset import Dataset, Frames, Trajectory
from openmm_cgaa.data.extxyz import export_xyz
from openmm_cgaa.data.frames import arrays_of
from openmm_cgaa.errors import DatasetError, GrainError
from openmm_cgaa.mapping.grains import GrainMap, GrainType
from openmm_cgaa.structures.beads import atomic_number, tell_beads, told_beads
from openmm_cgaa.structures.density import mass_of_topology
from openmm_cgaa.structures.structure import read_structure, write_structure

KINDS = {"HEX": {"A1": ("A", 29.0), "B": ("B", 28.0), "A2": ("A", 29.0)}}


def hexanes(count=2, kinds=KINDS):
    """Chains of three beads; told what they are."""
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(count):
        residue = topology.addResidue("HEX", chain)
        beads = [topology.addAtom(name, None, residue) for name in ("A1", "B", "A2")]
        topology.addBond(beads[0], beads[1])
        topology.addBond(beads[1], beads[2])
    tell_beads(topology.residues(), kinds)
    return topology


def line(count=2):
    return np.array([[0.3 * bead, 0.5 * molecule, 0.0] for molecule in range(count) for bead in range(3)])  # nm


def frames_of(topology, **arrays):
    given = {"positions": 10.0 * line()[None], "cell": np.zeros((1, 3, 3)), **arrays_of(topology)}
    return Frames(**(given | arrays))


def test_grains_of_beads_have_species_names_and_masses():
    (kind,) = GrainMap.from_topology(hexanes()).types
    assert kind.beads and sorted(kind.elements) == ["*A", "*A", "*B"] and kind.num_classes == 2
    assert dict(zip(kind.names, kind.masses)) == {"A1": 29.0, "B": 28.0, "A2": 29.0} and kind.mass == 86.0
    assert GrainType.from_dict(kind.to_dict()) == kind
    assert mass_of_topology(hexanes()) == 172.0


def test_atoms_know_nothing_of_beads():
    kind = GrainType.from_bonds("HOH", "OHH", [(0, 1), (0, 2)])
    assert not kind.beads and "names" not in kind.to_dict() and kind.mass == pytest.approx(18.015, abs=1e-3)


def test_beads_come_back_from_a_file_as_soon_as_their_names_are_known(tmp_path):
    write_structure(tmp_path / "beads.cif", hexanes(), line())
    topology, positions = read_structure(tmp_path / "beads.cif")
    (unknown,) = GrainMap.from_topology(topology).types
    assert sorted(unknown.elements) == ["*A1", "*A2", "*B"] and not unknown.masses  # names stand for species
    tell_beads(topology.residues(), KINDS)
    ours, theirs = GrainMap.from_topology(topology), GrainMap.from_topology(hexanes())
    assert ours.types == theirs.types and np.allclose(positions._value, line())


def test_what_was_told_can_be_told_again():
    assert told_beads(hexanes().residues()) == KINDS
    assert told_beads(hexanes(kinds={}).residues()) == {}


def test_what_is_known_of_other_beads_is_not_told():
    for kinds in ({}, {"HEX": {"A1": ("A", 29.0)}}, {"OCT": KINDS["HEX"], "NON": KINDS["HEX"]}):
        assert not any(hasattr(atom, "species") for atom in hexanes(kinds=kinds).atoms())


def test_a_guess_by_names_leaves_beads_that_know_better():
    other = {"HEX": {"A1": ("C", 15.0), "B": ("D", 14.0), "A2": ("C", 15.0)}}
    topology = hexanes(1)
    tell_beads(topology.residues(), other, guess=True)
    assert told_beads(topology.residues()) == KINDS
    guessed = hexanes(1, kinds={})
    tell_beads(guessed.residues(), other, guess=True)
    tell_beads(guessed.residues(), KINDS, guess=True)  # of another model
    assert told_beads(guessed.residues()) == KINDS
    tell_beads(topology.residues(), other)
    assert told_beads(topology.residues()) == other


def test_names_that_do_not_tell_species_apart():
    topology = hexanes(2)
    first, last = (list(residue.atoms())[0] for residue in topology.residues())
    last.species = "Z"
    assert told_beads(topology.residues()) == {"HEX": KINDS["HEX"] | {"A1": ("A1", 29.0)}}
    first.species, last.mass = "Z", 30.0
    assert told_beads(topology.residues()) == {}


def test_beads_have_no_atomic_number():
    topology = hexanes(1)
    topology.addAtom("O", app.element.oxygen, next(topology.residues()))
    assert [atomic_number(atom) for atom in topology.atoms()] == [0, 0, 0, 8]
    assert [atomic_number(atom) for atom in mdtraj.Topology.from_openmm(topology).atoms] == [0, 0, 0, 8]


def test_beads_of_mdtraj():
    topology = mdtraj.Topology.from_openmm(hexanes())
    tell_beads(topology.residues, KINDS)
    assert GrainMap.from_mdtraj(topology).types == GrainMap.from_topology(hexanes()).types


def test_a_virtual_site_among_atoms_is_no_bead():
    topology = app.Topology()
    residue = topology.addResidue("WAT", topology.addChain())
    atoms = [topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")]
    topology.addAtom("M", None, residue)
    for hydrogen in atoms[1:]:
        topology.addBond(atoms[0], hydrogen)
    with pytest.raises(GrainError, match="virtual sites and Drude particles are not supported"):
        GrainMap.from_topology(topology)


def test_atoms_and_beads_in_one_grain():
    with pytest.raises(GrainError, match="has atoms and beads; a grain is made of either"):
        GrainMap.from_arrays(["C", "*B"], [(0, 1)], [0, 0])


def test_a_data_set_keeps_beads(tmp_path):
    frames = frames_of(hexanes(), forces=np.ones((1, 6, 3)), cell=20.0 * np.eye(3)[None])
    dataset = Dataset([frames], [Trajectory("run", "liquid")], {"name": "mapped forces"})
    dataset.save(tmp_path / "beads.h5")
    (read,) = Dataset.load(tmp_path / "beads.h5").sets
    assert read.labelled and read.energy is None and read.names == frames.names and (read.masses == frames.masses).all()
    assert GrainMap.from_topology(read.topology(0)).types == read.grain_map().types == frames.grain_map().types
    assert read.density == pytest.approx(172.0 * 1.66053906892 / 8000.0)
    assert (read.numbers == 0).all()
    atoms = pytest.importorskip("ase") and read.atoms(0)
    assert set(atoms.get_chemical_symbols()) == {"X"} and atoms.get_masses().sum() == 172.0
    assert np.array_equal(atoms.get_forces(), np.ones((6, 3)))
    with pytest.raises(DatasetError, match="beads have no chemical symbols"):
        export_xyz(dataset, tmp_path / "beads.extxyz")
    assert not (tmp_path / "beads.extxyz").exists()


def test_beads_of_a_data_set_need_names_and_masses():
    with pytest.raises(DatasetError, match="each bead needs a name and a mass above zero"):
        frames_of(hexanes(kinds={}))
    with pytest.raises(DatasetError, match="atoms and beads .or virtual sites. in one frame"):
        frames_of(hexanes(), elements=["C", "*B", "C", "C", "*B", "C"])
    with pytest.raises(DatasetError, match="energy: missing"):  # of atoms there is always one
        Frames(np.zeros((1, 1, 3)), np.zeros((1, 3, 3)), ["Li"], [], [0], ["Li"], forces=np.zeros((1, 1, 3)))
