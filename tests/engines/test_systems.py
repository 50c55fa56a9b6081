"""A model in a System: whole molecules, a part of the particles, force groups, pressure.

Also `placement`.
"""

import numpy as np
import openmm
import pytest
import torch
from contexts import assert_same, backends, context_of, numbers
from graphs import on_device
from openmm import unit

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.engines.respa_langevin import RespaLangevinIntegrator
from openmm_cgaa.errors import EngineError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model import checks
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn.graph import grain_centers
from openmm_cgaa.units import BAR_PER_EV_PER_ANGSTROM3


@backends
def test_molecules_are_known_and_written_whole(tiny_conserving_path, device, solvent, backend):
    topology, positions, box = solvent
    system = CGAAPotential(tiny_conserving_path, device=device).createSystem(topology, backend=backend)
    context = context_of(system, positions + 3.0 * box.sum(0))
    assert sorted(map(len, context.getMolecules())) == [10] * 6 + [15] * 12
    wrapped = context.getState(getPositions=True, enforcePeriodicBox=True).getPositions(asNumpy=True)._value
    for bond in topology.bonds():
        before, after = (x[bond[0].index] - x[bond[1].index] for x in (positions, wrapped))
        np.testing.assert_allclose(before, after, atol=1e-9)


@backends
def test_part_of_a_system_in_the_order_of_the_user(any_path, device, liquid, solvent, backend):
    topology, positions, box = solvent
    chosen = np.flatnonzero(np.isin(liquid.residues, [1, 3, 7, 12]))[::-1]
    potential = CGAAPotential(any_path, "double", device)
    system = openmm.System()
    for _ in range(len(positions) + 2):  # two more particles than the topology has
        system.addParticle(1.0)
    system.setDefaultPeriodicBoxVectors(*box)
    potential.addForces(topology, system, atoms=chosen.tolist(), backend=backend, positions=positions)
    energy, forces = numbers(context_of(system, np.concatenate([positions, np.zeros((2, 3))])))
    part = checks.take_grains(GrainMap.from_topology(topology), chosen)
    expected = potential.evaluate(part, positions[chosen], box)
    assert_same((energy, forces[chosen]), expected)
    assert not np.delete(forces, chosen, 0).any()


@pytest.mark.parametrize(
    "atoms, message",
    [
        (range(0, 14), "residue EC 2: 4 of its 10 atoms"),
        ([], "atoms is empty"),
        ([0, 240], "the topology has 0 to 239"),
        ([3, 3], "atom 3 more than once"),
    ],
)
def test_part_that_cannot_be_taken(tiny_conserving_path, solvent, atoms, message):
    topology, _, _ = solvent
    system = CGAAPotential(tiny_conserving_path).createSystem(topology, backend="python")
    with pytest.raises(EngineError, match=message):
        CGAAPotential(tiny_conserving_path).addForces(topology, system, atoms=atoms)


def test_system_of_another_size(tiny_conserving_path, solvent):
    with pytest.raises(EngineError, match="system has 0 particles, but the topology has 240"):
        CGAAPotential(tiny_conserving_path).addForces(solvent[0], openmm.System())


@backends
def test_intra_force_group_adds_up_and_runs_in_respa(tiny_conserving_path, device, solvent, backend):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    system = potential.createSystem(topology, backend=backend, forceGroup=0, intraForceGroup=1)
    integrator = RespaLangevinIntegrator(system, 300, 1, 0.00002, 4)
    context = context_of(system, positions, integrator=integrator)
    rest, intra = numbers(context, {0}), numbers(context, {1})
    assert_same((rest[0] + intra[0], rest[1] + intra[1]), potential.evaluate(topology, positions, box))
    assert np.abs(intra[1]).max() > 1.0 and np.abs(rest[1]).max() > 1.0
    integrator.step(2)
    assert np.isfinite(numbers(context)[0])


@backends
def test_barostat_moves_whole_molecules_of_a_conserving_model(tiny_conserving_path, device, solvent, backend):
    topology, positions, box = solvent
    system = CGAAPotential(tiny_conserving_path, "double", device).createSystem(
        topology, backend=backend, removeCMMotion=False
    )
    barostat = openmm.MonteCarloBarostat(1.0, 300.0, 1)
    barostat.setRandomNumberSeed(3)
    system.addForce(barostat)
    context = context_of(system, positions, integrator=openmm.VerletIntegrator(1e-9))
    context.getIntegrator().step(10)
    state = context.getState(getPositions=True)
    now, volume = state.getPositions(asNumpy=True)._value, state.getPeriodicBoxVolume()._value
    assert abs(volume / np.linalg.det(box) - 1.0) > 1e-6
    for bond in topology.bonds():
        before, after = (np.linalg.norm(x[bond[0].index] - x[bond[1].index]) for x in (positions, now))
        assert before == pytest.approx(after, abs=1e-5)


def test_pressure_of_the_barostat_is_the_virial_of_the_molecules(tiny_conserving_path, device, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    system = potential.createSystem(topology, backend="python", removeCMMotion=False)
    barostat = openmm.MonteCarloBarostat(1.0, 300.0)
    system.addForce(barostat)
    context = context_of(system, positions)
    pressure = barostat.computeCurrentPressure(context).value_in_unit(unit.bar)  # of molecules at rest

    layout, network = on_device(layout_of(potential.grain_map(topology)), device), potential.network
    cutoffs = network.grain_cutoff, network.atom_cutoff
    graph = build_graph(*map(potential.tensor, (10 * positions, 10 * box)), layout, *cutoffs, torch.float64)
    _, forces, virial = network(graph)
    inner = (forces * (graph.positions - grain_centers(graph)[graph.atom_grain])).sum()  # molecules move whole
    expected = (virial[0].trace() - inner).item() / (3 * np.linalg.det(10 * box)) * BAR_PER_EV_PER_ANGSTROM3
    assert pressure == pytest.approx(expected, rel=1e-4)


def test_box_that_a_grain_does_not_fit_into(tiny_conserving_path, solvent):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in 0.45 * np.eye(3)] * unit.nanometer)
    system = CGAAPotential(tiny_conserving_path).createSystem(topology, backend="python")
    with pytest.raises(openmm.OpenMMException, match="box is only 4.50 Å"):
        numbers(context_of(system, positions))
