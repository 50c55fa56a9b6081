"""What OpenMM puts around a force: biases, copies, alchemy, path integrals, integrators of all kinds.

Each works with the model's energy and forces; right is what follows by hand from `evaluate` at the same positions.
PythonForce alone: a TorchForce does not survive a copy (docs/engines.md).
"""

import copy

import numpy as np
import openmm
import pytest
from boxes import molecules
from contexts import assert_same, context_of, numbers
from openmm import app, unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.units import BOLTZMANN_KJMOL

STEP = 2e-4  # ps
MODEL = 1  # the force group of the model


@pytest.fixture
def few(liquid):
    """Three molecules in a box: topology, positions [35, 3] nm, box."""
    box = 1.5 * np.eye(3)
    return *molecules(liquid, [0, 1, 7], box), box


@pytest.fixture
def potential(tiny_conserving_path):
    return CGAAPotential(tiny_conserving_path, "double")


def positions_of(state):
    return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)


def pull(topology):
    """A collective variable: the distance of two atoms of different molecules."""
    distance = openmm.CustomBondForce("r")
    distance.addBond(0, topology.getNumAtoms() - 1)
    return distance


def simulation_of(few, potential, integrator=None, more=lambda system: None):
    topology, positions, _ = few
    system = potential.createSystem(topology, backend="python", forceGroup=MODEL)
    made = more(system)
    simulation = app.Simulation(
        topology, system, integrator or openmm.VerletIntegrator(STEP), openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(300.0, 1)
    return simulation, made


def assert_plain(context, few, potential):
    """The model's group gives what `evaluate` gives where the Context's atoms are."""
    here = positions_of(context.getState(positions=True))
    assert_same(numbers(context, {MODEL}), potential.evaluate(few[0], here, few[2]), 1e-9)


INTEGRATORS = {
    "Langevin": lambda: openmm.LangevinMiddleIntegrator(300.0, 1.0, STEP),
    "Brownian": lambda: openmm.BrownianIntegrator(300.0, 100.0, STEP),
    "variable step": lambda: openmm.VariableVerletIntegrator(1e-6),
    "Nosé-Hoover": lambda: openmm.NoseHooverIntegrator(300.0, 50.0, STEP),
    "DPD": lambda: openmm.DPDIntegrator(300.0, 5.0, 0.6, STEP),
    "multiple steps": lambda: openmm.MTSIntegrator(2 * STEP, [(0, 1), (MODEL, 2)]),
    "aMD": lambda: openmm.amd.AMDIntegrator(STEP, 200.0, -15000.0),
}


@pytest.mark.parametrize("name", INTEGRATORS)
def test_every_integrator_sees_the_forces_of_the_moment(few, potential, name):
    """openmm/openmm#4040: whoever integrates asks for the forces in his own order and at his own places."""
    simulation, _ = simulation_of(few, potential, INTEGRATORS[name]())
    simulation.step(15)
    assert np.abs(positions_of(simulation.context.getState(positions=True)) - few[1]).max() > 1e-5
    assert_plain(simulation.context, few, potential)


def test_nose_hoover_conserves_the_energy_with_its_bath(few, potential):
    """What the thermostat takes out it must have."""
    integrator = openmm.NoseHooverIntegrator(300.0, 50.0, STEP)
    simulation, _ = simulation_of(few, potential, integrator)
    total, kinetic = [], []
    for _ in range(20):
        simulation.step(5)
        state = simulation.context.getState(energy=True)
        kinetic.append(state.getKineticEnergy()._value)
        total.append(state.getPotentialEnergy()._value + kinetic[-1] + integrator.computeHeatBathEnergy()._value)
    assert np.ptp(kinetic) > 1.0 and np.ptp(total) < 0.1 * np.ptp(kinetic)


def test_dissipative_particles_keep_their_momentum(few, potential):
    """Friction and noise act between pairs, the model's forces add up to zero."""
    simulation, _ = simulation_of(few, potential, openmm.DPDIntegrator(300.0, 5.0, 0.6, STEP))
    masses = np.array([simulation.system.getParticleMass(i)._value for i in range(len(few[1]))])

    def momentum():
        return masses @ simulation.context.getState(velocities=True).getVelocities(asNumpy=True)._value

    for index in reversed(range(simulation.system.getNumForces())):
        if isinstance(simulation.system.getForce(index), openmm.CMMotionRemover):
            simulation.system.removeForce(index)
    simulation.context.reinitialize(preserveState=True)
    before = momentum()
    simulation.step(20)
    np.testing.assert_allclose(momentum(), before, atol=1e-6)


def test_accelerated_dynamics_scale_the_forces_by_the_energy(few, potential):
    """One step from rest moves each atom by dt^2 F' / m, F' = F (alpha / (alpha + E - V))^2."""
    topology, positions, box = few
    energy, forces = potential.evaluate(topology, positions, box)
    alpha, threshold = 300.0, energy + 100.0
    simulation, _ = simulation_of(few, potential, openmm.amd.AMDIntegrator(STEP, alpha, threshold))
    simulation.context.setVelocities(np.zeros_like(positions))
    masses = np.array([simulation.system.getParticleMass(i)._value for i in range(len(positions))])[:, None]
    simulation.step(1)
    moved = positions_of(simulation.context.getState(positions=True)) - positions
    expected = STEP**2 * forces * (alpha / (alpha + threshold - energy)) ** 2 / masses
    drift = (masses * expected).sum(0) / masses.sum()
    np.testing.assert_allclose(moved - (moved - expected).mean(0), expected, atol=1e-6 * np.abs(expected).max())
    assert np.abs(drift).max() < 1e-12


def test_the_energy_as_a_collective_variable(few, potential):
    """openmm/openmm-ml#32: a CustomCVForce holds a copy of the force in a Context of its own."""
    topology, positions, box = few
    inner = potential.createSystem(topology, backend="python", removeCMMotion=False)
    system, around = openmm.System(), openmm.CustomCVForce("0.5*e + 2*d")
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    system.setDefaultPeriodicBoxVectors(*box)
    around.addCollectiveVariable("e", copy.deepcopy(inner.getForce(0)))
    around.addCollectiveVariable("d", pull(topology))
    system.addForce(around)
    context = context_of(system, positions)
    arm = positions[0] - positions[-1]
    for _ in range(2):
        energy, forces = potential.evaluate(topology, positions, box)
        arm = positions[0] - positions[-1]
        expected = 0.5 * forces
        expected[0] -= 2.0 * arm / np.linalg.norm(arm)
        expected[-1] += 2.0 * arm / np.linalg.norm(arm)
        assert_same(numbers(context), (0.5 * energy + 2.0 * np.linalg.norm(arm), expected), 1e-9)
        positions = positions + 0.001 * np.sin(np.arange(positions.size)).reshape(-1, 3)
        context.setPositions(positions)


def test_alchemical_transfer_evaluates_both_places(few, potential):
    """openmm/openmm#4457: ATMForce runs the model at the positions and with one molecule displaced.

    Right: E = E0 + lambda (E1 - E0), and the forces likewise.
    """
    topology, positions, box = few
    inner = potential.createSystem(topology, backend="python", removeCMMotion=False)
    system, around = openmm.System(), openmm.ATMForce("u0 + share*(u1 - u0)")
    around.addGlobalParameter("share", 0.25)
    away = np.zeros_like(positions)
    away[:10] = [0.0, 0.1, 0.2]
    for atom, shift in zip(topology.atoms(), away):
        system.addParticle(atom.element.mass)
        around.addParticle(openmm.Vec3(*shift))
    around.addForce(copy.deepcopy(inner.getForce(0)))
    system.addForce(around)
    system.setDefaultPeriodicBoxVectors(*box)
    context = context_of(system, positions)
    here, there = potential.evaluate(topology, positions, box), potential.evaluate(topology, positions + away, box)
    for share in (0.25, 1.0):
        context.setParameter("share", share)
        assert_same(numbers(context), [a + share * (b - a) for a, b in zip(here, there)], 1e-9)


def test_path_integrals_give_each_bead_its_own_forces(few, potential):
    """leeping/forcebalance PR#31: several copies of the system in one Context, their positions one after the other."""
    topology, positions, box = few
    integrator = openmm.RPMDIntegrator(4, 300.0, 1.0, STEP)
    simulation, _ = simulation_of(few, potential, integrator)
    rng = np.random.default_rng(5)
    for bead in range(4):
        integrator.setPositions(bead, positions + 0.002 * rng.normal(size=positions.shape))
    for _ in range(2):
        for bead in range(4):
            state = integrator.getState(bead, getPositions=True, getEnergy=True, getForces=True, groups={MODEL})
            forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoules_per_mole / unit.nanometer)
            found = state.getPotentialEnergy().value_in_unit(unit.kilojoules_per_mole), forces
            assert_same(found, potential.evaluate(topology, positions_of(state), box), 1e-9)
        integrator.step(3)  # OpenMM 8.6 counts no steps of beads, so that Simulation.step has no end


def test_metadynamics_bias_a_run_and_leave_the_model_alone(few, potential, tmp_path):
    """openmm/openmm#4048: hills are added to a table that the Context is told of on the way."""
    variable = app.BiasVariable(pull(few[0]), 0.2, 2.0, 0.05, False)

    def add(system):
        return app.Metadynamics(system, [variable], 300.0, 5.0, 10.0, 5)

    simulation, metadynamics = simulation_of(few, potential, openmm.LangevinMiddleIntegrator(300.0, 1.0, STEP), add)
    metadynamics.step(simulation, 30)
    assert_plain(simulation.context, few, potential)
    here = positions_of(simulation.context.getState(positions=True))
    hills = -metadynamics.getFreeEnergy()._value * (5.0 - 1.0) / 5.0  # well tempered, of a bias factor of 5
    distance = np.linalg.norm(here[0] - here[-1])
    expected = np.interp(distance, np.linspace(0.2, 2.0, len(hills)), hills)
    assert expected > 10.0
    found = numbers(simulation.context)[0] - numbers(simulation.context, {MODEL})[0]
    assert found == pytest.approx(expected, rel=1e-2)


def test_tempering_weighs_the_energies_of_the_model(few, potential, tmp_path, monkeypatch):
    """Steps between temperatures are drawn by the energy of the moment.

    Right: with the weights that `evaluate` asks for, E / kT, all temperatures are as likely; 25 draws see each.
    """
    monkeypatch.setattr("random.random", np.random.default_rng(1).random)
    energy, _ = potential.evaluate(few[0], few[1], few[2])
    temperatures = [300.0, 300.5, 301.0]
    simulation, _ = simulation_of(few, potential, openmm.LangevinMiddleIntegrator(300.0, 1.0, STEP))
    tempering = app.SimulatedTempering(
        simulation,
        [kelvin * unit.kelvin for kelvin in temperatures],
        weights=[energy / (BOLTZMANN_KJMOL * kelvin) for kelvin in temperatures],
        tempChangeInterval=2,
        reportFile=str(tmp_path / "tempering.csv"),
    )
    seen = set()
    for _ in range(25):
        tempering.step(2)
        seen.add(tempering.currentTemperature)
    assert seen == {0, 1, 2}
    assert_plain(simulation.context, few, potential)
