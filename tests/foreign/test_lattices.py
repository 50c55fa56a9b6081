"""Boxes of other conventions: not along x, not of the shortest vectors, left-handed."""

import dataclasses

import mdtraj
import numpy as np
import openmm
import pytest

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis.rdf import atom_pairs, radial_distribution
from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.simulation.read import read_reference
from openmm_cgaa.structures import lattice
from openmm_cgaa.training.labelled import frame_graphs

ase = pytest.importorskip("ase")

SKEW = np.array([[1, 0, 0], [1, 1, 0], [2, -1, 1]])  # of determinant 1: other vectors of the same lattice
SHEAR = np.array([[1, 0, 0], [0.3, 1, 0], [0.2, 0.25, 1]])


def turned(angle=1.1):
    """A rotation about no axis in particular."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(angle * np.array([0.4, -0.7, 0.6])).as_matrix()


def counted(frames, edges, pairs):
    """O-H g(r) between molecules, counted with ASE's neighbour list."""
    from ase.neighborlist import neighbor_list

    symbols, counts, density = np.array(frames.elements), np.zeros(len(edges) - 1), 0.0
    for xyz, cell in zip(frames.positions, frames.cell):
        atoms = ase.Atoms(frames.elements, positions=xyz, cell=cell, pbc=True)
        i, j, d = neighbor_list("ijd", atoms, 10 * edges[-1])
        chosen = (symbols[i] == "O") & (symbols[j] == "H") & (frames.residues[i] != frames.residues[j])
        counts += np.histogram(d[chosen] / 10, edges)[0]
        density += 1000 / atoms.get_volume()
    return counts / (pairs * density * 4 / 3 * np.pi * np.diff(edges**3))


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("basis", [np.eye(3), SKEW])
def test_reference_cells_that_do_not_lie_along_x(liquid, tmp_path, solvent, basis, hand):
    """MDTraj keeps lengths and angles of a cell alone (GEMDAT#418, cpptraj#870): the positions must turn with it."""
    topology, frames = mdtraj.Topology.from_openmm(solvent[0]), liquid.take(range(2))
    turn = turned()
    own = dataclasses.replace(
        frames,
        positions=frames.positions.astype(float) @ SHEAR @ turn,
        cell=hand * basis @ frames.cell @ SHEAR @ turn,
        **dict.fromkeys(("energy", "forces", "stress")),
        trajectory=np.zeros(2, int),
    )
    Dataset([own], [Trajectory("a", "liquid")], None, {}).save(tmp_path / "set.h5")
    symbols = np.array(frames.elements)
    pairs = atom_pairs(topology, np.flatnonzero(symbols == "O"), np.flatnonzero(symbols == "H"))
    curve = radial_distribution(read_reference(tmp_path / "set.h5", topology), pairs)
    right = counted(own, np.arange(len(curve.g) + 1) * 0.01, len(pairs))
    assert np.abs(curve.g - right).max() < 0.02


def test_a_lattice_in_other_vectors_has_the_same_energy(solvent, tiny_conserving_path):
    """Primitive cells of a CIF are often not reduced (matcalc#200)."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, precision="double")
    grains = GrainMap.from_topology(topology)
    energy, forces = potential.evaluate(grains, positions, box)
    for matrix in (SKEW, np.array([[1, 0, 0], [7, 1, 0], [0, 9, 1]])):
        found = potential.evaluate(grains, positions, matrix @ box)
        assert abs(found[0] - energy) < 1e-6 and np.allclose(found[1], forces, atol=1e-6)


def test_ase_has_the_same_stress_in_other_vectors(solvent, tiny_conserving_path, liquid):
    """matcalc#200, by ASE's calculator."""
    from openmm_cgaa.engines.ase import CGAACalculator

    topology, positions, box = solvent
    found = []
    for matrix in (np.eye(3), SKEW):
        atoms = ase.Atoms(liquid.elements, positions=10 * positions, cell=10 * matrix @ box, pbc=True)
        atoms.calc = CGAACalculator(tiny_conserving_path, topology)
        found.append((atoms.get_potential_energy(), atoms.get_stress()))
    assert abs(found[0][0] - found[1][0]) < 1e-8 and np.allclose(found[0][1], found[1][1], atol=1e-10)


def test_training_graphs_are_the_same_in_other_vectors(liquid):
    """What extended XYZ brings from other codes is trained on as the reduced lattice (matcalc#200)."""
    frames = liquid.take([0])
    skewed = dataclasses.replace(frames, cell=SKEW @ frames.cell)
    types = frames.grain_map().types
    one, other = (next(frame_graphs(each, types, 6.0, 4.0))[0] for each in (frames, skewed))
    assert one.pair_index.shape == other.pair_index.shape and one.edge_index.shape == other.edge_index.shape
    apart = [
        np.linalg.norm(np.diff(graph.positions[graph.pair_index.long()], axis=0)[0] + graph.pair_shift.numpy(), axis=1)
        for graph in (one, other)
    ]
    assert np.allclose(np.sort(apart[0]), np.sort(apart[1]), atol=1e-4)


def test_grains_and_contacts_are_judged_by_the_lattice(solvent, liquid):
    """An error about the height of a box must hold for its lattice (matcalc#200)."""
    from openmm_cgaa.mapping.survey import oversized
    from openmm_cgaa.neighbors.contacts import pairs_between, shortest_contact

    topology, positions, box = solvent
    grains = GrainMap.from_topology(topology)
    skewed = SKEW @ box
    assert np.allclose(grains.extents(10 * positions, 10 * skewed), grains.extents(10 * positions, 10 * box))
    assert oversized(grains, 10 * positions, 10 * skewed) == oversized(grains, 10 * positions, 10 * box)
    pairs = pairs_between(liquid.residues)
    assert np.isclose(shortest_contact(positions, skewed, pairs)[0], shortest_contact(positions, box, pairs)[0])


def test_a_skewed_box_in_openmm_is_refused_with_advice_that_works(solvent, tiny_conserving_path):
    """OpenMM's form of a box can be skewed, too; what the error says is done, and it runs (matcalc#200)."""
    topology, positions, box = solvent
    edge = box[0, 0]
    long = np.array([[13 * edge, 0, 0], [6 * edge, 0.09 * edge, 0], [0, 0, edge]])
    potential = CGAAPotential(tiny_conserving_path)
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in long])
    assert lattice.height(lattice.reduced(long)) > 0.9 * edge > 10 * lattice.height(long)
    with pytest.raises(GeometryError, match="skewed") as error:
        potential.createSystem(topology, positions=positions)
    assert "openmm_cgaa.structures.lattice.triangular(box)" in str(error.value)
    short, turn = lattice.triangular(long)
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in short])
    potential.createSystem(topology, positions=positions @ turn)


@pytest.mark.parametrize("hand", [1, -1])
def test_an_openmm_teacher_takes_any_cell(tmp_path, hand):
    """OpenMM takes no box but one along x (as MDTraj, GEMDAT#418); energy, forces and stress turn back."""
    from openmm_cgaa.labelling.openmm_calculator import OpenMMCalculator

    system = openmm.System()
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.5)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.4)
    for _ in range(20):
        system.addParticle(39.948)
        force.addParticle(0.0, 0.34, 1.0)
    system.addForce(force)
    path = tmp_path / "argon.xml"
    path.write_text(openmm.XmlSerializer.serialize(system))
    rng, turn = np.random.default_rng(2), turned()
    cell = np.array([[13.0, 0, 0], [2, 13, 0], [1, -3, 13]])
    positions = (np.array(list(np.ndindex(3, 3, 3)))[:20] / 3 + 0.02 * rng.normal(size=(20, 3))) @ cell
    found = []
    for matrix, basis in ((np.eye(3), np.eye(3)), (turn, hand * SKEW)):
        atoms = ase.Atoms("Ar20", positions=positions @ matrix, cell=basis @ cell @ matrix, pbc=True)
        atoms.calc = OpenMMCalculator(path)
        stress = matrix @ atoms.get_stress(voigt=False) @ matrix.T
        found.append((atoms.get_potential_energy(), atoms.get_forces() @ matrix.T, stress))
    for one, other in zip(*found):
        assert np.allclose(one, other, atol=1e-7)


def test_a_skewed_cell_in_extended_xyz_is_imported(liquid, tmp_path):
    """A thin box of a wide lattice (matcalc#200)."""
    from ase.calculators.singlepoint import SinglePointCalculator

    from openmm_cgaa.cli import main

    skewed = np.array([[1, 0, 0], [40, 1, 0], [0, 60, 1]]) @ liquid.cell[0]
    assert lattice.height(skewed) < 1.0
    atoms = ase.Atoms(liquid.elements, positions=liquid.positions[0], cell=skewed, pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((240, 3)))
    atoms.write(tmp_path / "a.xyz", format="extxyz")
    assert main(["data", "import", str(tmp_path / "a.xyz"), str(tmp_path / "a.h5")]) == 0
    assert Dataset.load(tmp_path / "a.h5").sets[0].num_grains == liquid.num_grains
