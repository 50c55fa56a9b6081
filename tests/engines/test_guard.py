"""No misuse of a model without an energy: minimisers, barostats, other boxes, parts."""

import _thread
import threading

import numpy as np
import openmm
import pytest
from contexts import backends, context_of, numbers, platforms
from openmm import app

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.guard import Guard
from openmm_cgaa.errors import EngineError


def test_direct_model_has_no_intra_force_group(tiny_published_path, solvent):
    with pytest.raises(EngineError, match="intraForceGroup.*not minus the gradient"):
        CGAAPotential(tiny_published_path).createSystem(solvent[0], intraForceGroup=1, backend="python")


@platforms
@backends
def test_minimiser_is_refused_without_an_energy(tiny_published_path, device, solvent, backend, platform):
    topology, positions, _ = solvent
    system = CGAAPotential(tiny_published_path, device=device).createSystem(
        topology, backend=backend, positions=positions
    )
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(1e-5), openmm.Platform.getPlatformByName(platform)
    )
    simulation.context.setPositions(positions)
    simulation.step(1)
    with pytest.raises(openmm.OpenMMException, match="minimisation: the forces of this model are not minus the grad"):
        simulation.minimizeEnergy(maxIterations=1)


def test_minimiser_is_found_from_a_thread_of_the_platform(solvent):
    """Platforms may call Python in a thread of their own; here the guard is sent into one by hand."""
    done, refused = threading.Event(), []

    class Recorder(Guard):
        def __call__(self, state):
            try:
                self.check(None)
            except EngineError:
                refused.append(True)
            done.set()

    def compute(state):
        done.clear()
        _thread.start_new_thread(Recorder(), (state,))
        assert done.wait(10.0)
        return 0.0, np.zeros((1, 3))

    system = openmm.System()
    system.addParticle(1.0)
    system.addForce(openmm.PythonForce(compute))
    context = context_of(system, np.zeros((1, 3)))
    numbers(context)
    assert not refused
    openmm.LocalEnergyMinimizer.minimize(context)
    assert refused


@backends
def test_many_frames_in_one_context_are_no_minimisation(tiny_published_path, liquid, solvent, backend):
    topology, positions, _ = solvent
    system = CGAAPotential(tiny_published_path).createSystem(topology, backend=backend, positions=positions)
    context = context_of(system, positions)
    for step in range(30):
        context.setPositions(positions + 1e-5 * step)
        assert np.isfinite(numbers(context)[0])


@backends
def test_barostat_and_new_box_are_refused_without_an_energy(tiny_published_path, device, solvent, backend):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_published_path, device=device)
    system = potential.createSystem(topology, backend=backend, positions=positions)
    context = context_of(system, positions)
    numbers(context)
    context.setPeriodicBoxVectors(*(1.001 * box))
    with pytest.raises(openmm.OpenMMException, match="the box was .* and now is .* a barostat would follow a wrong"):
        numbers(context)

    system = potential.createSystem(topology, backend=backend, positions=positions)
    system.addForce(openmm.MonteCarloBarostat(1.0, 300.0, 1))
    context = context_of(system, positions)
    with pytest.raises(openmm.OpenMMException, match="the box was"):
        context.getIntegrator().step(5)
    with pytest.raises(EngineError, match="system has a barostat.*use a conserving model"):
        potential.addForces(topology, system, backend=backend, positions=positions)
