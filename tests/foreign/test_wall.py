"""A part of a System by a model, the rest by classical forces: scripts/wall.py, and the same by OpenMM-ML."""

import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from contexts import assert_same, context_of, numbers
from openmm import app, unit

from openmm_cgaa import CGAAPotential

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import wall as script  # noqa: E402 - a script, not of the package

LIQUID = 240


@pytest.fixture(scope="module")
def forcefield():
    return app.ForceField(str(ROOT / "systems/ec_emc/forcefield.xml"))


@pytest.fixture
def cell(solvent):
    """(Topology, positions [atoms, 3] nm) of the liquid between walls."""
    topology, positions, _ = solvent
    return script.between_walls(topology, positions * unit.nanometer)


def model(path):
    return CGAAPotential(path, "double")


def test_the_walls_are_graphite_and_the_liquid_lies_between(cell, solvent):
    topology, positions = cell
    box = topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)
    wall = positions[LIQUID:]
    apart = wall[:, None] - wall
    apart -= np.round(apart / np.diag(box)) * np.diag(box)
    distances = np.sort(np.linalg.norm(apart, axis=-1), axis=1)
    # the liquid's box is strained by up to a tenth against that of graphite, which is frozen in
    assert distances[:, 1:4] == pytest.approx(0.142, rel=0.15) and distances[:, 4].min() > 0.2
    assert len(np.unique(np.round(wall[:, 2], 6))) == 3
    low, high = positions[:LIQUID, 2].min(), positions[:LIQUID, 2].max()
    assert low - wall[:, 2].max() == pytest.approx(script.GAP) and box[2][2] - high == pytest.approx(script.GAP)
    assert solvent[0].getNumAtoms() == LIQUID  # the topology that was given is as it was


def test_energy_is_the_models_and_lennard_jones_across(cell, forcefield, tiny_conserving_path):
    """By hand: pairs of liquid and wall by the force field, the liquid alone by the model, nothing else."""
    topology, positions = cell
    potential = model(tiny_conserving_path)
    system = script.make_system(topology, positions, potential, forcefield, LIQUID, frozen=True)
    energy, forces = numbers(context_of(system, positions))

    box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
    (pairs,) = (force for force in system.getForces() if force.getName() == "liquid and wall")
    cutoff, switch = pairs.getCutoffDistance()._value, pairs.getSwitchingDistance()._value  # nm
    sigma, epsilon = np.array(script.classical_parameters(topology, forcefield, LIQUID)).T
    apart = positions[:LIQUID, None] - positions[None, LIQUID:]
    apart -= np.round(apart / np.diag(box)) * np.diag(box)
    r = np.linalg.norm(apart, axis=-1)
    s6 = (0.5 * (sigma[:, None] + script.SIGMA) / r) ** 6
    x = np.clip((r - switch) / (cutoff - switch), 0, 1)
    smooth = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
    across = (4 * np.sqrt(epsilon[:, None] * script.EPSILON) * (s6**2 - s6) * smooth * (r < cutoff)).sum()

    alone = app.Modeller(topology, positions * unit.nanometer)
    alone.delete([atom for atom in topology.atoms() if atom.index >= LIQUID])
    own, own_forces = potential.evaluate(alone.topology, positions[:LIQUID], box)
    assert abs(across) > 1.0
    assert energy == pytest.approx(own + across, rel=1e-6)
    assert np.allclose(forces.sum(0), 0.0, atol=1e-6 * np.abs(own_forces).max() * LIQUID)  # action and reaction


def test_openmm_ml_makes_the_same_of_a_classical_system(cell, forcefield, tiny_conserving_path):
    """createMixedSystem keeps of a classical System what is not within the liquid. Its charges are taken out: by PME
    the liquid would still feel the periodic images of its own."""
    MLPotential = pytest.importorskip("openmmml").MLPotential
    topology, positions = cell
    wanted = script.make_system(topology, positions, model(tiny_conserving_path), forcefield, LIQUID, frozen=True)
    (pairs,) = (force for force in wanted.getForces() if force.getName() == "liquid and wall")

    classical = openmm.System()
    nonbonded = openmm.NonbondedForce()
    for atom in range(system_size := wanted.getNumParticles()):
        classical.addParticle(wanted.getParticleMass(atom))
        nonbonded.addParticle(0.0, *pairs.getParticleParameters(atom))
    for i in range(LIQUID, system_size):  # the wall stands still
        for j in range(LIQUID, i):
            nonbonded.addException(i, j, 0.0, 1.0, 0.0)
    nonbonded.setNonbondedMethod(nonbonded.CutoffPeriodic)
    nonbonded.setCutoffDistance(pairs.getCutoffDistance())
    nonbonded.setUseSwitchingFunction(True)
    nonbonded.setSwitchingDistance(pairs.getSwitchingDistance())
    nonbonded.setUseDispersionCorrection(False)
    classical.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    classical.addForce(nonbonded)
    potential = MLPotential("cgaa", modelPath=tiny_conserving_path, precision="double")
    mixed = potential.createMixedSystem(topology, classical, list(range(LIQUID)))
    assert_same(numbers(context_of(mixed, positions)), numbers(context_of(wanted, positions)), 1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_energy_is_conserved(cell, forcefield, tiny_conserving_path, frozen):
    """A twentieth of a picosecond, of which the kinetic energy takes part: its changes are not those of the sum."""
    topology, positions = cell
    system = script.make_system(topology, positions, model(tiny_conserving_path), forcefield, LIQUID, frozen)
    context = context_of(system, positions, integrator=openmm.VerletIntegrator(0.0002))
    context.setVelocitiesToTemperature(50, 1)
    start, total, kinetic = positions[LIQUID:], [], []
    for _ in range(8):
        context.getIntegrator().step(15)
        total.append(script.total_energy(context))
        kinetic.append(context.getState(energy=True).getKineticEnergy().value_in_unit(unit.kilojoule_per_mole))
    assert np.ptp(total) < 0.02 * np.ptp(kinetic)
    moved = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)[LIQUID:] - start
    assert (np.abs(moved).max() == 0.0) == frozen


def test_slope_of_a_line_and_its_error():
    times, noise = np.arange(1000) / 100, np.random.default_rng(0).normal(size=1000)
    found, error = script.slope(times, 3.0 * times + 0.01 * noise)
    assert found == pytest.approx(3.0, abs=3e-3) and error < 1e-2
