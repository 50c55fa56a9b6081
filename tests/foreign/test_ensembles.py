"""Barostats of every kind around the model, and molecules that leave the box."""

import numpy as np
import openmm
import pytest
from contexts import assert_same, context_of, extra, numbers
from openmm import unit

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.units import BAR_PER_EV_PER_ANGSTROM3


def barostat(kind):
    """One of OpenMM's four, that acts at each step."""
    if kind == "isotropic":
        made = openmm.MonteCarloBarostat(500.0, 300.0, 1)
    elif kind == "anisotropic":
        made = openmm.MonteCarloAnisotropicBarostat(openmm.Vec3(900.0, 1.0, -400.0), 300.0, True, True, True, 1)
    elif kind == "membrane":
        membrane = openmm.MonteCarloMembraneBarostat
        made = membrane(1.0, 50.0, 300.0, membrane.XYIsotropic, membrane.ZFree, 1)
    else:
        made = openmm.MonteCarloFlexibleBarostat(1.0, 300.0, 1)
    made.setRandomNumberSeed(3)
    return made


KINDS = ["isotropic", "anisotropic", "membrane", "flexible"]


@pytest.mark.parametrize(
    "kind, backend", [*((kind, "python") for kind in KINDS), pytest.param("flexible", "torch", marks=extra)]
)
def test_the_energy_is_that_of_the_box_of_the_moment(tiny_conserving_path, solvent, kind, backend):
    """openmm/openmm#4548: after trial boxes, taken and rejected, cubic and triclinic, step by step."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    system = potential.createSystem(topology, backend=backend, removeCMMotion=False)
    system.addForce(barostat(kind))
    context = context_of(system, positions, integrator=openmm.VerletIntegrator(1e-4))
    context.setVelocitiesToTemperature(300.0, 1)
    volumes = set()
    for _ in range(15):
        context.getIntegrator().step(1)
        state = context.getState(positions=True)
        here, now = state.getPositions(asNumpy=True)._value, state.getPeriodicBoxVectors(asNumpy=True)._value
        volumes.add(np.linalg.det(now))
        assert_same(numbers(context), potential.evaluate(topology, here, now), 1e-8)
    assert len(volumes) > 1
    assert (np.abs(np.tril(now, -1)).max() > 1e-6) == (kind == "flexible")


@pytest.mark.parametrize("kind", KINDS)
def test_the_pressure_is_the_stress_of_ase_with_whole_molecules(tiny_conserving_path, solvent, kind):
    """openmm/openmm#5113, openmm/openmm-torch#91: OpenMM's own derivative of the energy against the network's virial.

    Right: the virial without what acts inside of molecules, which move whole; they are at rest, so that is all.
    """
    Atoms = pytest.importorskip("ase").Atoms
    from openmm_cgaa.engines.ase import CGAACalculator

    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    system, acting = potential.createSystem(topology, backend="python", removeCMMotion=False), barostat(kind)
    system.addForce(acting)
    context = context_of(system, positions)
    elements = [atom.element.symbol for atom in topology.atoms()]
    atoms = Atoms(elements, 10.0 * positions, cell=10.0 * box, pbc=True)
    atoms.calc = CGAACalculator(potential, topology)
    virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
    for members in GrainMap.from_topology(topology).slots:
        arms = atoms.positions[members] - atoms.positions[members].mean(0)
        virial -= arms.T @ atoms.get_forces()[members]
    expected = virial / atoms.get_volume() * BAR_PER_EV_PER_ANGSTROM3
    found = acting.computeCurrentPressure(context).value_in_unit(unit.bar)
    # a flexible barostat adds the skewed parts, which OpenMM 8.6 gives as zero
    expected = np.trace(expected) / 3.0 if kind == "isotropic" else np.diag(expected)
    np.testing.assert_allclose(np.ravel(found)[:3], expected, atol=0.1)


def test_molecules_outside_of_the_box_stay_there(tiny_conserving_path, solvent):
    """openmm/openmm#4032: coordinates at constant pressure were wrapped, so that mean squared displacements broke."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    system = potential.createSystem(topology, backend="python", removeCMMotion=False)
    system.addForce(barostat("isotropic"))
    images = np.zeros(positions.shape)
    for number, members in enumerate(GrainMap.from_topology(topology).slots):
        images[members] = [number % 3 - 1, number % 5 - 2, 3 * (number % 2)]
    start = positions + images @ box
    context = context_of(system, start, integrator=openmm.VerletIntegrator(1e-4))
    context.setVelocitiesToTemperature(300.0, 1)
    context.getIntegrator().step(20)
    state = context.getState(positions=True)
    here, now = state.getPositions(asNumpy=True)._value, state.getPeriodicBoxVectors(asNumpy=True)._value
    assert np.abs(now - box).max() > 1e-4
    assert np.abs(here - start).max() < 0.3 * box[0, 0]
    assert_same(numbers(context), potential.evaluate(topology, here, now), 1e-8)
