"""Both OpenMM forces, PythonForce and TorchForce: the numbers of `evaluate`, and steps that conserve the energy.

Also `stateevaluator`.
"""

import numpy as np
import openmm
import pytest
from conftest import TINY_CONSERVING, tiny_model
from contexts import assert_same, backends, context_of, numbers, platforms

from openmm_cgaa import CGAAPotential
from openmm_cgaa.units import BOLTZMANN_KJMOL


@platforms
@backends
@pytest.mark.parametrize("precision", ["single", "double"])
def test_engine_gives_the_numbers_of_evaluate(any_path, device, solvent, backend, platform, precision):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, precision, device)
    system = potential.createSystem(topology, backend=backend, positions=positions)
    context = context_of(system, positions, platform)
    expected = potential.evaluate(topology, positions, box)
    for _ in range(3):  # TorchScript specialises itself in its first calls
        assert_same(numbers(context), expected, 1e-9 if precision == "double" else 1e-5)
        context.setPositions(positions)


@backends
def test_no_box(any_path, device, solvent, backend):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    potential = CGAAPotential(any_path, "double", device)
    system = potential.createSystem(topology, backend=backend, positions=positions)
    assert not system.usesPeriodicBoundaryConditions()
    assert_same(numbers(context_of(system, positions)), potential.evaluate(topology, positions))


@backends
def test_checkpoint_resumes_the_same_run(any_path, solvent, backend):
    topology, positions, _ = solvent
    potential = CGAAPotential(any_path, "double", "cpu")  # where sums have one order
    context = context_of(potential.createSystem(topology, backend=backend, positions=positions), positions)
    context.setVelocitiesToTemperature(300.0, 1)
    context.getIntegrator().step(2)
    checkpoint = context.createCheckpoint()
    ends = []
    for _ in range(2):
        context.loadCheckpoint(checkpoint)
        context.getIntegrator().step(3)
        ends.append(context.getState(getPositions=True).getPositions(asNumpy=True)._value)
    np.testing.assert_array_equal(*ends)


@backends
def test_minimiser_works_on_an_energy(tiny_conserving_path, device, solvent, backend):
    topology, positions, _ = solvent
    system = CGAAPotential(tiny_conserving_path, "double", device).createSystem(topology, backend=backend)
    context = context_of(system, positions)
    before = numbers(context)[0]
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=3)
    assert numbers(context)[0] < before


@backends
def test_conserving_model_follows_a_changed_box(tiny_conserving_path, device, solvent, backend):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    context = context_of(potential.createSystem(topology, backend=backend), positions)
    numbers(context)
    context.setPeriodicBoxVectors(*(1.05 * box))
    assert_same(numbers(context), potential.evaluate(topology, positions, 1.05 * box))


@backends
def test_energy_that_is_no_number_never_reaches_the_barostat(tiny_conserving_path, device, solvent, backend):
    topology, positions, _ = solvent
    context = context_of(
        CGAAPotential(tiny_conserving_path, device=device).createSystem(topology, backend=backend), positions
    )
    numbers(context)
    positions[3] = positions[2]
    context.setPositions(positions)
    with pytest.raises(openmm.OpenMMException, match="not finite.*last good"):
        numbers(context)


@backends
def test_verlet_conserves_the_energy_of_a_conserving_model(tmp_path, device, liquid, solvent, backend):
    """Halving the step quarters the fluctuation of the total energy: the integrator's own, so the forces are exact."""
    topology, positions, _ = solvent
    potential = CGAAPotential(tiny_model(tmp_path / "model.safetensors", TINY_CONSERVING, liquid), "double", device)
    system = potential.createSystem(topology, backend=backend)
    spread = []
    for step in (2e-4, 1e-4):
        context = context_of(system, positions, integrator=openmm.VerletIntegrator(step))
        context.setVelocitiesToTemperature(300.0, 5)
        energies = []
        for _ in range(round(0.004 / step)):
            context.getIntegrator().step(1)
            state = context.getState(getEnergy=True)
            energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
        spread.append(np.std(energies))
    assert spread[1] < 0.35 * spread[0] and spread[1] < BOLTZMANN_KJMOL * 300.0
