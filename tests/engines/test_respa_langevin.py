"""Two time steps: the same steps as OpenMM's own RESPA, the right temperature, and what is refused."""

import numpy as np
import openmm
import pytest
from openmm import unit

from openmm_cgaa.engines.respa_langevin import RespaLangevinIntegrator
from openmm_cgaa.errors import EngineError

STEP, SPRING, BOND, MASS = 0.004, 2.0e3, 5.4e5, 12.0  # ps, kJ/mol/nm^2, u; a C-H bond in steps of 2 fs


def pairs(number=1, anharmonic=0.0):
    """Pairs of atoms; each atom has a soft spring to the origin (group 0), each pair a stiff one (group 1)."""
    system = openmm.System()
    soft = openmm.CustomExternalForce(f"{SPRING / 2}*(x*x+y*y+z*z) + {anharmonic}*(x*x+y*y+z*z)^2")
    stiff = openmm.CustomBondForce(f"{BOND / 2}*r*r + {anharmonic}*r^4")
    stiff.setForceGroup(1)
    for k in range(2 * number):
        system.addParticle(MASS)
        soft.addParticle(k)
    for k in range(number):
        stiff.addBond(2 * k, 2 * k + 1)
    system.addForce(soft)
    system.addForce(stiff)
    return system


def context_of(system, integrator):
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


@pytest.mark.parametrize("inner", [1, 2, 3, 4])
def test_without_friction_it_makes_the_steps_of_openmm(inner):
    """`MTSIntegrator` splits the kicks in halves, so that its velocities are of the time of the positions."""
    system, start = pairs(anharmonic=1e5), np.array([[0.03, 0.01, 0.0], [0.0, 0.02, 0.05]])
    own = context_of(system, RespaLangevinIntegrator(system, 300.0, 0.0, STEP, inner))
    openmms = context_of(system, openmm.MTSIntegrator(STEP, [(0, 1), (1, inner)]))
    for context in (own, openmms):
        context.setPositions(start)
    forces = [own.getState(forces=True, groups=1 << g).getForces(asNumpy=True)._value for g in (0, 1)]
    velocities = np.array([[0.3, 0.0, -0.2], [0.1, 0.4, 0.0]])
    openmms.setVelocities(velocities)
    own.setVelocities(velocities - 0.5 * STEP * (forces[0] + forces[1] / inner) / MASS)
    for context in (own, openmms):
        context.getIntegrator().step(200)
    ends = [context.getState(positions=True).getPositions(asNumpy=True)._value for context in (own, openmms)]
    assert np.abs(ends[0]).max() > 1e-3
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-10)


@pytest.mark.parametrize("inner", [2, 3, 4])
def test_it_samples_at_the_temperature(inner):
    """Of harmonic springs: the mean square of both ends' distance and of their mean, and of velocities.

    With the random numbers beside the kicks the stiff spring would be 10 % too hot.
    """
    system = pairs(200)
    integrator = RespaLangevinIntegrator(
        system, 300.0 * unit.kelvin, 20.0 / unit.picosecond, 4 * unit.femtoseconds, inner
    )
    integrator.setRandomNumberSeed(1)
    context = context_of(system, integrator)
    context.setPositions(np.zeros((400, 3)) + np.arange(400)[:, None] % 2 * 1e-3)
    integrator.step(1000)
    found = []
    for _ in range(400):
        integrator.step(10)
        state = context.getState(positions=True, velocities=True)
        x = state.getPositions(asNumpy=True)._value.reshape(200, 2, 3)
        v = state.getVelocities(asNumpy=True)._value
        apart, middle = x[:, 1] - x[:, 0], x.mean(1)
        found.append([np.mean(apart**2), np.mean(middle**2), np.mean(v**2)])
    kT = 0.00831446 * 300.0
    right = np.array([kT / (BOND + SPRING / 2), kT / (2 * SPRING), kT / MASS])
    np.testing.assert_allclose(np.mean(found, axis=0) / right, 1.0, atol=0.02)


def test_each_force_is_asked_for_once_at_each_position():
    calls = {0: 0, 1: 0}
    system = openmm.System()
    for group in calls:

        def compute(state, group=group):
            calls[group] += 1
            positions = state.getPositions(asNumpy=True)._value
            return 0.5 * float((positions**2).sum()), -positions

        force = openmm.PythonForce(compute)
        force.setForceGroup(group)
        system.addForce(force)
    system.addParticle(MASS)
    context = context_of(system, RespaLangevinIntegrator(system, 300.0, 1.0, STEP, 4))
    context.setPositions([[0.1, 0.0, 0.0]])
    context.getIntegrator().step(1)
    calls.update({0: 0, 1: 0})
    context.getIntegrator().step(10)
    assert calls == {0: 10, 1: 40}


def test_what_it_cannot_do_is_refused():
    system = pairs()
    for values, message in [
        ((-1.0, 1.0, STEP, 2), "temperature is -1; give a number of 0 or more"),
        ((300.0, float("nan"), STEP, 2), "frictionCoeff is nan"),
        ((300.0, 1.0, "fast", 2), "stepSize is not an array of real numbers"),
        ((300.0, 1.0, STEP, 0), "innerSteps is 0; give an integer from 1 to 1000"),
        ((300.0, 1.0, STEP, 2, 3), r"forces in the groups \[0, 1\]; RESPA needs the intra-grain part in group 3"),
        ((300.0, 1.0, STEP, 2, 0), "RESPA needs the intra-grain part in group 0"),
    ]:
        with pytest.raises(EngineError, match=message):
            RespaLangevinIntegrator(system, *values)
    system.addConstraint(0, 1, 0.1)
    with pytest.raises(EngineError, match=r"1 constraint.*MTSLangevinIntegrator\(temp.*, \[\(0, 1\), \(1, 2\)\]\)"):
        RespaLangevinIntegrator(system, 300.0, 1.0, STEP, 2)
    context = context_of(system, openmm.MTSLangevinIntegrator(300.0, 1.0, STEP, [(0, 1), (1, 2)]))
    context.setPositions([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    context.getIntegrator().step(5)
    ends = context.getState(positions=True).getPositions(asNumpy=True)._value
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(0.1, abs=1e-5)


def test_the_temperature_can_be_changed():
    integrator = RespaLangevinIntegrator(pairs(), 300.0, 1.0, STEP, 2)
    assert integrator.getTemperature().value_in_unit(unit.kelvin) == pytest.approx(300.0)
    integrator.setTemperature(350.0 * unit.kelvin)
    assert integrator.getTemperature().value_in_unit(unit.kelvin) == pytest.approx(350.0)
    with pytest.raises(EngineError, match="temperature is -5; give a number of 0 or more, in K"):
        integrator.setTemperature(-5.0)
