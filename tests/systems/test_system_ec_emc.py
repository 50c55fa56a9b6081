"""The classical force field of EC and EMC, and the box builder."""

from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa.building.boxes import box_length, classical_system, pack, relax
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import write_structure

FOLDER = Path(__file__).parents[2] / "systems" / "ec_emc"
FORCEFIELD = app.ForceField(str(FOLDER / "forcefield.xml"))
SINGLE = {name: app.PDBFile(str(FOLDER / f"{name}.pdb")) for name in ("EC", "EMC")}


def molecules(ec, emc):
    return [(SINGLE[name].topology, SINGLE[name].positions, n) for name, n in (("EC", ec), ("EMC", emc))]


@pytest.fixture(scope="module")
def liquid():
    kinds = molecules(6, 12)
    topology, packed = pack(kinds, box_length(kinds, 1.05), seed=3)
    return topology, packed, relax(topology, packed, FORCEFIELD, picoseconds=1.0)


@pytest.mark.parametrize("name", ["EC", "EMC"])
def test_minimum_is_near_the_teachers(name):
    pdb = SINGLE[name]
    system = FORCEFIELD.createSystem(pdb.topology)
    simulation = app.Simulation(pdb.topology, system, openmm.VerletIntegrator(0.001))
    simulation.context.setPositions(pdb.positions)
    simulation.minimizeEnergy(tolerance=0.1)
    found = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    start = pdb.getPositions(asNumpy=True)._value
    pairs = np.array([(a.index, b.index) for a, b in pdb.topology.bonds()])
    lengths = [np.linalg.norm(x[pairs[:, 1]] - x[pairs[:, 0]], axis=1) for x in (found, start)]
    assert np.abs(lengths[0] - lengths[1]).max() < 0.001  # nm
    distances = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (found, start)]
    assert np.abs(distances[0] - distances[1]).max() < 0.05


@pytest.mark.parametrize("name", ["EC", "EMC"])
def test_molecules_are_neutral(name):
    system = FORCEFIELD.createSystem(SINGLE[name].topology)
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    charges = [force.getParticleParameters(i)[0]._value for i in range(force.getNumParticles())]
    assert sum(charges) == pytest.approx(0.0, abs=1e-9)


def test_box_has_the_density_and_whole_molecules(liquid):
    topology, packed, relaxed = liquid
    assert (topology.getNumAtoms(), topology.getNumResidues(), topology.getNumBonds()) == (240, 18, 228)
    mass = sum(atom.element.mass._value for atom in topology.atoms()) * unit.dalton
    volume = np.prod([v[i]._value for i, v in enumerate(topology.getPeriodicBoxVectors())]) * unit.nanometer**3
    assert (mass / volume).value_in_unit(unit.gram / unit.item / unit.milliliter) == pytest.approx(1.05, rel=1e-6)
    for positions in (packed, relaxed):
        x = positions.value_in_unit(unit.nanometer)
        assert max(np.linalg.norm(x[a.index] - x[b.index]) for a, b in topology.bonds()) < 0.17


def test_packed_atoms_keep_their_distance_over_the_boundary(liquid):
    topology, packed, _ = liquid
    x = packed.value_in_unit(unit.nanometer)
    box = topology.getUnitCellDimensions().value_in_unit(unit.nanometer)
    grain = np.array([atom.residue.index for atom in topology.atoms()])
    d = x[:, None] - x
    d -= np.round(d / box) * box
    assert np.linalg.norm(d, axis=-1)[grain[:, None] != grain].min() > 0.19


def test_nvt_is_stable(liquid):
    topology, _, positions = liquid
    integrator = openmm.LangevinMiddleIntegrator(300, 5, 0.001)
    integrator.setRandomNumberSeed(1)
    platform = openmm.Platform.getPlatformByName("CPU")
    system = classical_system(topology, FORCEFIELD)
    simulation = app.Simulation(topology, system, integrator, platform, {"Threads": "1"})
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(300, 1)
    kinetic = []
    for _ in range(40):
        simulation.step(50)
        kinetic.append(simulation.context.getState(energy=True).getKineticEnergy()._value)
    kelvin = 2 * np.mean(kinetic[10:]) / (717 * 0.00831446)
    assert kelvin == pytest.approx(300, rel=0.05)


def test_box_survives_a_file(liquid, tmp_path):
    topology, _, positions = liquid
    write_structure(tmp_path / "box.cif", topology, positions.value_in_unit(unit.nanometer))
    read = app.PDBxFile(str(tmp_path / "box.cif"))
    ours, theirs = (GrainMap.from_topology(t) for t in (topology, read.topology))
    assert ours.types == theirs.types and np.array_equal(ours.type_index, theirs.type_index)
    assert np.allclose(read.getPositions(asNumpy=True)._value, positions._value, atol=1e-4)


def test_same_seed_same_box():
    kinds = molecules(1, 2)
    boxes = [pack(kinds, 1.2, seed)[1]._value for seed in (1, 1, 2)]
    assert np.array_equal(boxes[0], boxes[1]) and not np.allclose(boxes[0], boxes[2])


def test_what_cannot_be_packed_is_named():
    with pytest.raises(CGAAError, match="packmol .* 0.900 nm.*lower the density"):
        pack(molecules(6, 12), 0.9, timeout=2)
    with pytest.raises(CGAAError, match="every count is zero"):
        pack(molecules(0, 0), 1.0)
    with pytest.raises(CGAAError, match="density -1 "):
        box_length(molecules(1, 1), -1)
