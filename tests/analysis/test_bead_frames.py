"""Molecules of beads, from frames of atoms."""

import mdtraj
import numpy as np
import pytest
from bead_samples import bead_frames, beads, molecules, written

from openmm_cgaa.analysis.bead_frames import read_bead_frames
from openmm_cgaa.errors import CGAAError


def test_molecules_that_are_cut_by_the_box_are_whole(tmp_path):
    topology, mapping = molecules(["C", "C", "O"], [(0, 1), (1, 2)], 2), beads(["C0", "C1"], ["O2"])
    one = np.array([[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [2.9, 0.0, 0.0]])
    positions = np.concatenate([one + [8.0, 0.0, 0.0], one + [1.0, 5.0, 5.0]])[None]
    cut = positions - 10.0 * np.floor(positions / 10.0)
    found = bead_frames(tmp_path, topology, mapping, cut, 10.0)
    (kind,) = found.kinds
    assert (kind.labels, kind.species, kind.bonds) == (("MOL:B0", "MOL:B1"), ("A", "A"), ((0, 1),))
    assert (kind.bead_of, kind.atom_labels[2], kind.atom_bonds) == ((0, 0, 1), "MOL:O2", ((0, 1), (1, 2)))
    lengths = np.linalg.norm(np.diff(found.beads_of(kind), axis=2), axis=-1)
    np.testing.assert_allclose(lengths, 2.15, atol=1e-5)
    np.testing.assert_allclose(found.atoms_of(kind)[0, 0, 2] - found.atoms_of(kind)[0, 0, 0], [2.9, 0, 0], atol=1e-5)


def test_kinds_of_molecules_and_atoms_without_a_bead(tmp_path):
    topology = molecules(["C", "H"], [(0, 1)], 3)
    chain = next(topology.chains())
    for atom in molecules(["O"], [], 2, "OXY").atoms():
        topology.addAtom(atom.name, atom.element, topology.addResidue("OXY", chain))
    mapping = beads(["C0"], left_out=("H1",))
    mapping = type(mapping)(mapping.residues, ["OXY"])
    positions = np.random.default_rng(1).normal(size=(4, 8, 3)) + 10.0 * np.arange(8)[:, None]
    (kind,) = bead_frames(tmp_path, topology, mapping, positions).kinds
    assert kind.bead_of == (0, -1) and kind.beads.tolist() == [[0], [1], [2]]
    assert kind.atoms.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_frames_that_are_kept_are_far_from_each_other(tmp_path):
    topology, mapping = molecules(["C"], []), beads(["C0"])
    positions = np.zeros((300, 1, 3))
    positions[:, 0, 0] = np.arange(300)
    path = written(tmp_path / "run.dcd", topology, positions)
    found = read_bead_frames(path, topology, mapping, most=50).beads[:, 0, 0]
    assert len(found) == 50 and found[0] == 0.0 and found[-1] > 290.0 and np.ptp(np.diff(found)) < 4.1
    assert len(read_bead_frames(path, topology, mapping, most=299).beads) == 299
    assert len(read_bead_frames(path, topology, mapping).beads) == 300


def test_a_trajectory_of_other_atoms(tmp_path):
    path = written(tmp_path / "run.dcd", molecules(["C", "O"], [(0, 1)]), np.zeros((2, 2, 3)))
    with pytest.raises(CGAAError, match="cannot be read as a trajectory of this topology of 1 atom"):
        read_bead_frames(path, molecules(["C"], []), beads(["C0"]))
    (tmp_path / "none.dcd").write_bytes(b"nothing")
    with pytest.raises(CGAAError, match="none.dcd"):
        read_bead_frames(tmp_path / "none.dcd", molecules(["C"], []), beads(["C0"]))


def test_frames_that_are_not_those_of_the_topology(tmp_path):
    topology, mapping = molecules(["C", "O"], [(0, 1)]), beads(["C0"], ["O1"])
    other = mdtraj.Trajectory(np.zeros((1, 3, 3)), mdtraj.Topology.from_openmm(molecules(["C"] * 3, [(0, 1), (1, 2)])))
    other.save_pdb(str(tmp_path / "other.pdb"))  # a format with a topology of its own
    with pytest.raises(CGAAError, match="has 3 atoms, but the topology 2 atoms; give the trajectory of this topology"):
        read_bead_frames(tmp_path / "other.pdb", topology, mapping)
    path = written(tmp_path / "nan.dcd", topology, np.full((2, 2, 3), np.nan))
    with pytest.raises(CGAAError, match="positions or boxes are not finite in some frame; leave such frames out"):
        read_bead_frames(path, topology, mapping)
    path = written(tmp_path / "run.dcd", topology, np.ones((2, 2, 3)) * [[[0.0], [1.2]]])
    read_bead_frames(path, topology, mapping)
    topology.setUnitCellDimensions((2.0, 2.0, 2.0))
    with pytest.raises(CGAAError, match="its frames have no box, but the topology has one"):
        read_bead_frames(path, topology, mapping)
    with pytest.raises(CGAAError, match="mapping"):
        read_bead_frames(path, topology, "map.yaml")


def test_residues_of_one_name_in_one_molecule(tmp_path):
    topology = molecules(["C"], [], 3, "ALA")
    first, second, third = topology.atoms()
    topology.addBond(first, second)
    topology.addBond(second, third)
    positions = 1.5 * np.arange(3)[None, :, None] * np.array([1.0, 0.0, 0.0])
    (kind,) = bead_frames(tmp_path, topology, beads(["C0"], name="ALA"), positions).kinds
    assert kind.labels == ("ALA1:B0", "ALA2:B0", "ALA3:B0") and kind.residues == (0, 1, 2)
