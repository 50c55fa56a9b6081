"""Contexts of OpenMM, the numbers that one gives, and a classical system to mix with."""

import numpy as np
import openmm
import pytest
from openmm import unit

from openmm_cgaa.engines.backends import missing_torchforce

extra = pytest.mark.skipif(missing_torchforce() is not None, reason="the extra torchforce is not installed")

TORCH = pytest.param("torch", marks=extra)

backends = pytest.mark.parametrize("backend", ["python", TORCH])

platforms = pytest.mark.parametrize("platform", ["Reference", "CPU"])


def context_of(system, positions, platform="Reference", integrator=None):
    integrator = integrator or openmm.VerletIntegrator(1e-5)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform))
    context.setPositions(positions)
    return context


def numbers(context, groups=-1):
    state = context.getState(getEnergy=True, getForces=True, groups=groups)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoules_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoules_per_mole), forces


def assert_same(found, expected, tolerance=1e-7):
    assert found[0] == pytest.approx(expected[0], rel=tolerance)
    np.testing.assert_allclose(found[1], expected[1], atol=tolerance * np.abs(expected[1]).max())


def classical(topology):
    """Ideal springs on all bonds, and Lennard-Jones spheres without a long range."""
    system = openmm.System()
    nonbonded = openmm.NonbondedForce()
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(0.6)
    nonbonded.setUseDispersionCorrection(False)
    springs = openmm.HarmonicBondForce()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
        nonbonded.addParticle(0.0, 0.2, 0.1)
    for a, b in topology.bonds():
        springs.addBond(a.index, b.index, 0.13, 2e5)
    nonbonded.createExceptionsFromBonds([(a.index, b.index) for a, b in topology.bonds()], 0.5, 0.5)
    system.addForce(springs)
    system.addForce(nonbonded)
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    return system
