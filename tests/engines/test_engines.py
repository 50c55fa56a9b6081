"""Both OpenMM forces: the same numbers as `evaluate`, whole molecules, and no misuse of a model without an energy."""

import _thread
import copy
import logging
import threading

import numpy as np
import openmm
import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model
from contexts import assert_same, backends, context_of, numbers, platforms
from graphs import on_device
from openmm import app, unit

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.engines.guard import Guard
from openmm_cgaa.engines.torchforce import FreeModule, PeriodicModule
from openmm_cgaa.errors import EngineError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model import checks
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn.graph import grain_centers
from openmm_cgaa.units import BAR_PER_EV_PER_ANGSTROM3, BOLTZMANN_KJMOL


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


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("module", [PeriodicModule, FreeModule])
def test_frozen_module_gives_the_numbers_of_the_eager_one(tiny_conserving_path, device, liquid, module, part):
    """OpenMM-Torch freezes what it gets, and freezing drops each detach()."""
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    evaluator = potential.evaluator(liquid.grain_map(), module is PeriodicModule, part)
    inputs = [potential.tensor(liquid.positions[0] / 10.0), potential.tensor(liquid.cell[0] / 10.0)]
    inputs = inputs if module is PeriodicModule else inputs[:1]
    eager = module(evaluator, []).eval()
    frozen = torch.jit.freeze(torch.jit.script(eager))
    for _ in range(3):
        for result, expected in zip(frozen(*inputs), eager(*inputs)):
            torch.testing.assert_close(result.detach(), expected, rtol=1e-10, atol=1e-8)


def test_xml_and_copies_stand_by_themselves(any_path, tmp_path, solvent):
    topology, positions, box = solvent
    path = tmp_path / "model.safetensors"
    path.write_bytes(any_path.read_bytes())
    system = CGAAPotential(path, "double").createSystem(topology, backend="python")
    expected = numbers(context_of(system, positions))
    path.unlink()
    xml = openmm.XmlSerializer.serialize(system)
    for twin in (openmm.XmlSerializer.deserialize(xml), copy.deepcopy(system)):
        assert_same(numbers(context_of(twin, positions)), expected)


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
    integrator = openmm.MTSLangevinIntegrator(300, 1, 0.00002, [(0, 1), (1, 4)])
    context = context_of(system, positions, integrator=integrator)
    rest, intra = numbers(context, {0}), numbers(context, {1})
    assert_same((rest[0] + intra[0], rest[1] + intra[1]), potential.evaluate(topology, positions, box))
    assert np.abs(intra[1]).max() > 1.0 and np.abs(rest[1]).max() > 1.0
    integrator.step(2)
    assert np.isfinite(numbers(context)[0])


def test_direct_model_has_no_intra_force_group(tiny_published_path, solvent):
    with pytest.raises(EngineError, match="intraForceGroup.*not minus the gradient"):
        CGAAPotential(tiny_published_path).createSystem(solvent[0], intraForceGroup=1, backend="python")


@backends
def test_minimiser_works_on_an_energy(tiny_conserving_path, device, solvent, backend):
    topology, positions, _ = solvent
    system = CGAAPotential(tiny_conserving_path, "double", device).createSystem(topology, backend=backend)
    context = context_of(system, positions)
    before = numbers(context)[0]
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=3)
    assert numbers(context)[0] < before


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


def test_box_that_a_grain_does_not_fit_into(tiny_conserving_path, solvent):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in 0.45 * np.eye(3)] * unit.nanometer)
    system = CGAAPotential(tiny_conserving_path).createSystem(topology, backend="python")
    with pytest.raises(openmm.OpenMMException, match="box is only 4.50 Å"):
        numbers(context_of(system, positions))


def test_torch_backend_needs_positions_to_tell_equal_atoms(tiny_published_path, solvent):
    pytest.importorskip("openmmtorch")
    with pytest.raises(EngineError, match="give positions=, or use backend='python'"):
        CGAAPotential(tiny_published_path).createSystem(solvent[0], backend="torch")
    system = CGAAPotential(tiny_published_path).createSystem(solvent[0])
    assert any(isinstance(force, openmm.PythonForce) and force.getName() == "CGAA" for force in system.getForces())


def test_auto_says_what_it_took_and_vain_requests_what_is_missing(tiny_conserving_path, solvent, monkeypatch, caplog):
    potential = CGAAPotential(tiny_conserving_path)
    monkeypatch.setattr("openmm_cgaa.engines.backends.missing_torchforce", lambda: "openmmtorch does not import")
    with caplog.at_level(logging.INFO, "openmm_cgaa"):
        system = potential.createSystem(solvent[0])
    assert any(isinstance(force, openmm.PythonForce) for force in system.getForces())
    message = "backend 'auto': PythonForce (TorchForce: openmmtorch does not import)"
    assert [record.getMessage() for record in caplog.records] == [message]
    with pytest.raises(EngineError, match=r"does not import; install it with: pip install 'openmm-cgaa\[torchforce\]'"):
        potential.createSystem(solvent[0], backend="torch")
    with pytest.raises(EngineError, match="'cuda' is not known"):
        potential.createSystem(solvent[0], backend="cuda")
    with pytest.raises(EngineError, match="useCUDAGraphs is a property of the torch backend"):
        potential.createSystem(solvent[0], backend="python", useCUDAGraphs=True)


def test_cuda_graphs_are_a_property_of_the_force_with_a_warning(
    tiny_conserving_path, tiny_published_path, solvent, caplog
):
    openmmtorch = pytest.importorskip("openmmtorch")
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    system = potential.createSystem(topology, backend="torch", useCUDAGraphs=True)
    assert openmmtorch.TorchForce.cast(system.getForce(0)).getProperties()["useCUDAGraphs"] == "true"
    assert "useCUDAGraphs: not verified on CUDA" in caplog.text
    assert_same(numbers(context_of(system, positions)), potential.evaluate(topology, positions, box))
    with pytest.raises(EngineError, match="useCUDAGraphs is for conserving models"):
        CGAAPotential(tiny_published_path).createSystem(
            topology, positions=positions, backend="torch", useCUDAGraphs=True
        )


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
