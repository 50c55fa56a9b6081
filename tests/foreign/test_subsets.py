"""A model for some of a system's atoms, in whatever order they are named."""

import numpy as np
import openmm
import pytest
from contexts import assert_same, backends, context_of, numbers

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.model.checks import take_grains

CHOSEN = [0, 4, 6, 13]  # two EC, two EMC, none beside another


@pytest.fixture
def shuffled(liquid):
    """Atoms of four molecules that do not touch in the topology, in an order without any order."""
    return np.random.default_rng(3).permutation(np.flatnonzero(np.isin(liquid.residues, CHOSEN)))


@pytest.fixture
def alone(any_path, liquid, solvent, shuffled):
    """Energy and forces of these molecules by themselves, in the order of the topology, in the box of all."""
    _, positions, box = solvent
    ordered = np.sort(shuffled)
    part = take_grains(GrainMap.from_topology(solvent[0]), ordered)
    energy, forces = CGAAPotential(any_path, "double").evaluate(part, positions[ordered], box)
    everything = np.zeros_like(positions)
    everything[ordered] = forces
    return energy, everything


@backends
def test_atoms_named_in_any_order(any_path, solvent, shuffled, alone, backend):
    """openmm/openmm-ml#55, openmm/openmm_workshops#13: the ML part's atoms are neither contiguous nor sorted."""
    topology, positions, box = solvent
    system = openmm.System()
    for _ in positions:
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*box)
    potential = CGAAPotential(any_path, "double")
    potential.addForces(topology, system, atoms=shuffled.tolist(), backend=backend, positions=positions)
    assert_same(numbers(context_of(system, positions)), alone, 1e-9)


@pytest.mark.parametrize("interpolate", [False, True])
def test_mixed_systems_of_openmm_ml(any_path, solvent, shuffled, alone, interpolate):
    """openmm/openmm-ml#55: the same through ``createMixedSystem``, whole and interpolated.

    Right: E(lambda) is the straight line between the classical and the mixed system, whose slope holds the model.
    """
    MLPotential = pytest.importorskip("openmmml").MLPotential
    topology, positions, _ = solvent
    classical = openmm.System()
    springs = openmm.HarmonicBondForce()
    for atom in topology.atoms():
        classical.addParticle(atom.element.mass)
    for a, b in topology.bonds():
        springs.addBond(a.index, b.index, 0.13, 2e5)
    classical.addForce(springs)
    classical.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    before = numbers(context_of(classical, positions))
    inside = set(shuffled.tolist())
    others = openmm.System()
    for atom in topology.atoms():
        others.addParticle(atom.element.mass)
    rest = openmm.HarmonicBondForce()
    for a, b in topology.bonds():
        if a.index not in inside:
            rest.addBond(a.index, b.index, 0.13, 2e5)
    others.addForce(rest)
    outside = numbers(context_of(others, positions))
    mixed = MLPotential("cgaa", modelPath=any_path, precision="double").createMixedSystem(
        topology, classical, shuffled.tolist(), interpolate=interpolate
    )
    context = context_of(mixed, positions)
    after = outside[0] + alone[0], outside[1] + alone[1]
    for share in (0.0, 0.3, 1.0) if interpolate else (1.0,):
        if interpolate:
            context.setParameter("lambda_interpolate", share)
        assert_same(numbers(context), [share * a + (1.0 - share) * b for a, b in zip(after, before)], 1e-8)
