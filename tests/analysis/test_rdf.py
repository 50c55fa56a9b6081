"""Radial distributions against what is known: ideal gases, lattices, molecules that were taken apart."""

import mdtraj
import numpy as np
import pytest
from formaldehydes import SHAPE, formaldehydes

from openmm_cgaa.analysis.rdf import (
    atom_pairs,
    center_pairs,
    center_trajectory,
    contact_pairs,
    half_height,
    radial_distribution,
)
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.grains import GrainMap

TRICLINIC = np.array([[3.0, 0.0, 0.0], [0.8, 2.5, 0.0], [-0.5, 0.6, 2.8]])


def atoms_trajectory(xyz, box):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(xyz.shape[1]):
        topology.add_atom("Ar", mdtraj.element.argon, topology.add_residue("AR", chain))
    trajectory = mdtraj.Trajectory(xyz, topology)
    trajectory.unitcell_vectors = None if box is None else np.repeat(box[None], len(xyz), axis=0)
    return trajectory


def test_ideal_gas_is_structureless_in_a_triclinic_box():
    rng = np.random.default_rng(0)
    trajectory = atoms_trajectory(rng.random((200, 60, 3)) @ TRICLINIC, TRICLINIC)
    pairs = atom_pairs(trajectory.topology, np.arange(60), np.arange(60))
    assert len(pairs) == 60 * 59 / 2
    r, g, error = radial_distribution(trajectory, pairs, bin_width=0.05)
    assert r[-1] < half_height(trajectory) < r[-1] + 0.1
    assert np.abs(g[r > 0.5] - 1.0).max() < 0.05
    off = np.sqrt(np.square(g - 1.0)[r > 0.3].mean())
    assert off == pytest.approx(np.sqrt(np.square(error)[r > 0.3].mean()), rel=0.35)  # of blocks, what it is really off
    assert np.isnan(radial_distribution(trajectory[:4], pairs).error).all()


def test_lattice_has_its_shells_and_their_occupation():
    spacing, n = 0.5, 6
    sites = spacing * np.stack(np.meshgrid(*[np.arange(n)] * 3), -1).reshape(1, -1, 3) + 0.01
    trajectory = atoms_trajectory(sites, np.eye(3) * spacing * n)
    pairs = atom_pairs(trajectory.topology, np.arange(n**3), np.arange(n**3))
    r, g, _ = radial_distribution(trajectory, pairs, bin_width=0.02)
    shells = 4 * np.pi / 3 * ((r + 0.01) ** 3 - (r - 0.01) ** 3)
    neighbors = g * shells * (n**3 - 1) / (spacing * n) ** 3
    counts = [neighbors[np.abs(r - distance) < 0.03].sum() for distance in spacing * np.sqrt([1, 2, 3])]
    assert counts == pytest.approx([6, 12, 8], rel=1e-3)


def test_half_height_of_a_sheared_box_is_that_of_its_faces():
    box = np.array([[2.0, 0, 0], [1.0, 2.0, 0], [0, 0, 5.0]])
    assert half_height(atoms_trajectory(np.zeros((1, 1, 3)), box)) == pytest.approx(2.0 / np.sqrt(5.0), rel=1e-6)
    with pytest.raises(GeometryError, match="no box"):
        half_height(atoms_trajectory(np.zeros((1, 1, 3)), None))


def test_centers_of_broken_grains_are_those_of_whole_ones():
    rng = np.random.default_rng(1)
    origins = rng.random((3, 5, 1, 3)) @ TRICLINIC
    whole = (origins + SHAPE).reshape(3, 20, 3)
    broken = whole + rng.integers(-1, 2, (3, 20, 3)) @ TRICLINIC
    topology = formaldehydes(5)
    grain_map = GrainMap.from_mdtraj(topology)
    trajectory = mdtraj.Trajectory(broken, topology)
    trajectory.unitcell_vectors = np.repeat(TRICLINIC[None], 3, axis=0)
    centers = center_trajectory(trajectory, grain_map)
    shift = (centers.xyz - (origins[:, :, 0] + SHAPE.mean(axis=0))) @ np.linalg.inv(TRICLINIC)
    assert np.abs(shift - np.round(shift)).max() < 1e-5
    assert {name: len(pairs) for name, pairs in center_pairs(grain_map).items()} == {"FOR-FOR": 10}


def test_atom_pairs_leave_out_the_own_grain():
    topology = formaldehydes(3)
    oxygens = topology.select("element O")
    assert len(atom_pairs(topology, oxygens, topology.select("element H"))) == 3 * 4
    assert {name: len(pairs) for name, pairs in contact_pairs(GrainMap.from_mdtraj(topology)).items()} == {
        "FOR H - FOR O": 12  # of a molecule without polar hydrogens all
    }


def test_contact_pairs_are_hydrogen_bonds_and_ions():
    """Two methanols, of which only the hydrogen on oxygen counts; water; a salt; methane, which accepts nothing."""
    methanol = ["C", "O", "H", "H", "H", "H"], [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5)]
    molecules = [methanol, methanol, (["O", "H", "H"], [(0, 1), (0, 2)]), (["Na"], []), (["Cl"], [])]
    molecules.append((["C", *"HHHH"], [(0, k) for k in range(1, 5)]))
    elements, bonds, residues = [], [], []
    for number, (symbols, pairs) in enumerate(molecules):
        bonds += [(i + len(elements), j + len(elements)) for i, j in pairs]
        elements, residues = elements + symbols, residues + [number] * len(symbols)
    grain_map = GrainMap.from_arrays(elements, bonds, residues, ["MEO", "MEO", "HOH", "NA", "CL", "MET"])
    found = contact_pairs(grain_map)
    assert {name: len(pairs) for name, pairs in found.items()} == {
        **{"MEO H - MEO O": 2, "MEO H - HOH O": 2, "MEO H - CL Cl": 2},
        **{"HOH H - MEO O": 4, "HOH H - CL Cl": 2, "MET H - MEO O": 8, "MET H - HOH O": 4, "MET H - CL Cl": 4},
        **{"NA Na - MEO O": 2, "NA Na - HOH O": 1, "NA Na - CL Cl": 1, "CL Cl - MEO O": 2, "CL Cl - HOH O": 1},
    }
    assert found["MEO H - MEO O"].tolist() == [[1, 11], [5, 7]]


def test_no_pairs_is_an_error():
    with pytest.raises(GeometryError, match="at least one pair"):
        radial_distribution(atoms_trajectory(np.zeros((1, 2, 3)), TRICLINIC), [])
