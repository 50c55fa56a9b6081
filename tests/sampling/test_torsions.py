"""Molecules that are turned about their bonds."""

import numpy as np
import pytest
from openmm import app
from sampling_plans import (
    SYSTEMS,
    bond_lengths,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
    trajectory,
)

from openmm_cgaa.sampling.torsions import Turned, dihedral_angle


def test_turned_molecules_cover_all_angles(tmp_path):
    emc = {"name": "EMC", "structure": str(SYSTEMS / "ec_emc/EMC.pdb")}
    run = {"kind": "molecule", "species": ["EMC"], "temperatures": 300, "turned": True, "frames": 24, "spacing": 0.02}
    (frames,), record = trajectory(sampled(tmp_path, run, molecules=[emc]), "molecule-EMC")
    assert record.details["turned"]
    turned = Turned(app.PDBFile(emc["structure"]).topology)
    names = [[frames.elements[i] for i in dihedral] for dihedral in turned.dihedrals]
    assert sorted(map("".join, names)) == ["CCOC", "COCO", "OCOC"]  # both ester bonds and the ethyl group's
    for dihedral in turned.dihedrals:
        angles = [dihedral_angle(x[list(dihedral)]) for x in frames.positions]
        assert len({int(angle // (np.pi / 2)) for angle in angles}) == 4
    lengths = bond_lengths(frames)
    assert np.abs(lengths - lengths.mean(axis=0)).max() < 0.2


def test_dihedral_angle():
    points = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    for angle in (-2.0, -0.3, 0.7, 3.0):
        # looking along the middle bond the last one is turned clockwise, IUPAC's positive sense
        points[3, :2] = np.cos(angle), np.sin(angle)
        assert dihedral_angle(points) == pytest.approx(angle)
