"""A captured TorchForce that was outgrown gives no number, and checked steps are taken again with more room."""

import numpy as np
import openmm
import pytest
from contexts import context_of, extra, numbers, platforms
from openmm import app

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.retaken import CheckedSteps
from openmm_cgaa.errors import SimulationError

pytestmark = [extra, pytest.mark.filterwarnings("ignore:.*the density is")]


@pytest.fixture
def potential():
    return CGAAPotential("ec-emc-lipf6-fast", "double", "cpu")


def apart(topology, positions, box, factor=1.4):
    """The molecules in a larger box, further from each other."""
    grain = np.array([atom.residue.index for atom in topology.atoms()])
    centers = np.array([positions[grain == g].mean(0) for g in range(grain.max() + 1)])
    return positions + (factor - 1.0) * centers[grain], factor * box


def langevin(system, positions, box, platform):
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 5e-4)
    integrator.setRandomNumberSeed(7)
    context = context_of(system, positions, platform, integrator)
    context.setPeriodicBoxVectors(*box)
    context.setVelocities(np.random.default_rng(0).normal(scale=0.3, size=positions.shape))
    return context


def outgrown(potential, topology, positions, box, platform):
    """A Context whose lists were measured where molecules are far apart, and then all of them close together."""
    system = potential.createSystem(topology, backend="torch", useCUDAGraphs=True)
    context = langevin(system, *apart(topology, positions, box), platform)
    assert np.isfinite(numbers(context)[0])
    context.setPositions(positions)
    context.setPeriodicBoxVectors(*box)
    return context


def test_what_was_outgrown_is_no_number_for_good(potential, solvent):
    context = outgrown(potential, *solvent, "Reference")
    energy, forces = numbers(context)
    assert np.isnan(energy) and np.isnan(forces).all()
    context.setPositions(apart(*solvent)[0])
    context.setPeriodicBoxVectors(*apart(*solvent)[1])
    assert np.isnan(numbers(context)[0])


@platforms
def test_steps_are_taken_again_with_more_room(potential, solvent, platform):
    """They are the steps of a Context that had room from the beginning."""
    topology, positions, box = solvent
    context = outgrown(potential, *solvent, platform)
    CheckedSteps(context).step(10)
    assert context.getStepCount() == 10
    plain = langevin(potential.createSystem(topology, backend="torch"), positions, box, platform)
    plain.getIntegrator().step(10)
    states = [each.getState(positions=True, velocities=True) for each in (context, plain)]
    np.testing.assert_allclose(*[state.getPositions(asNumpy=True)._value for state in states], rtol=0, atol=1e-12)
    np.testing.assert_allclose(*[state.getVelocities(asNumpy=True)._value for state in states], rtol=0, atol=1e-9)


def test_in_the_place_of_a_simulations_integrator(potential, solvent, tmp_path):
    topology, positions, box = solvent
    topology.setPeriodicBoxVectors(apart(*solvent)[1])
    system = potential.createSystem(topology, backend="torch", useCUDAGraphs=True)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(5e-4), openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(apart(*solvent)[0])
    simulation.context.getState(energy=True)
    simulation.context.setPositions(positions)
    simulation.context.setPeriodicBoxVectors(*box)
    simulation.integrator = CheckedSteps(simulation.context)
    simulation.reporters.append(app.StateDataReporter(str(tmp_path / "log.csv"), 2, step=True, totalEnergy=True))
    simulation.step(6)
    steps, energies = np.loadtxt(tmp_path / "log.csv", delimiter=",").T
    assert steps.tolist() == [2, 4, 6] and np.ptp(energies) < 10.0
    assert simulation.integrator.getStepSize()._value == 5e-4


def test_what_more_room_does_not_mend(potential, solvent):
    """Atoms in one place: the Context is as it was before the steps."""
    topology, positions, _ = solvent
    system = potential.createSystem(topology, backend="torch", useCUDAGraphs=True)
    context = context_of(system, positions)
    numbers(context)
    together = positions.copy()
    together[3] = together[2]
    context.setPositions(together)
    with pytest.raises(SimulationError, match="within 2 steps the energy .* new room .* or atoms overlap"):
        CheckedSteps(context).step(2)
    state = context.getState(positions=True)
    assert context.getStepCount() == 0 and np.array_equal(state.getPositions(asNumpy=True)._value, together)
    context.setPositions(positions)
    CheckedSteps(context).step(2)
    with pytest.raises(SimulationError, match="context is 3"):
        CheckedSteps(3)
