"""What TorchForce alone has: frozen modules, slots of the start, CUDA graphs, copies that it refuses (`seal`)."""

import copy

import numpy as np
import openmm
import pytest
import torch
from contexts import assert_same, context_of, extra, numbers

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines import torchforce
from openmm_cgaa.engines.torchforce import FreeModule, PeriodicModule
from openmm_cgaa.errors import EngineError
from openmm_cgaa.model.scripted import ScriptedEvaluator


@pytest.mark.parametrize(
    "module, particles, captured",
    [(PeriodicModule, [], True), (PeriodicModule, list(range(7, 247)), False), (FreeModule, list(range(7, 247)), True)],
)
def test_frozen_module_gives_the_numbers_of_the_eager_one(
    tiny_conserving_path, device, liquid, module, particles, captured
):
    """OpenMM-Torch freezes what it gets, and freezing drops each detach()."""
    potential = CGAAPotential(tiny_conserving_path, "double", device, fused=False)
    grain_map, periodic = potential.grain_map(liquid.grain_map()), module is PeriodicModule
    positions, box = potential.tensor(liquid.positions[0] / 10.0), potential.tensor(liquid.cell[0] / 10.0)
    wanted = potential.evaluator(grain_map, periodic)(positions, box)
    if particles:
        positions = torch.cat([positions[:7] + 9.0, positions, positions[:3] - 9.0])
    evaluators = [ScriptedEvaluator(potential.network, grain_map, periodic, captured=captured) for _ in range(2)]
    eager, scripted = (module(evaluator, particles).to(device).eval() for evaluator in evaluators)
    frozen = torch.jit.freeze(torch.jit.script(scripted))
    inputs = [positions, box] if periodic else [positions]
    for way in (eager, frozen):
        found = [way(*inputs) for _ in range(3)]
        for energy, forces in found:
            torch.testing.assert_close(energy.detach(), wanted[0], rtol=1e-10, atol=1e-8)
            own = forces[particles] if particles else forces
            torch.testing.assert_close(own, wanted[1], rtol=1e-8, atol=1e-7)
            assert len(forces) == len(positions) and (forces != 0.0).any(1).sum() == len(own)
        # OpenMM-Torch has a graph for energies and one for forces, and reads what the later one gave
        assert (len({forces.data_ptr() for _, forces in found}) == 1) == captured
        assert not captured or len({energy.data_ptr() for energy, _ in found}) == 1


def test_torch_backend_needs_positions_to_tell_equal_atoms(tiny_published_path, solvent):
    pytest.importorskip("openmmtorch")
    with pytest.raises(EngineError, match="give positions=, or use backend='python'"):
        CGAAPotential(tiny_published_path).createSystem(solvent[0], backend="torch")
    system = CGAAPotential(tiny_published_path).createSystem(solvent[0])
    assert any(isinstance(force, openmm.PythonForce) and force.getName() == "CGAA" for force in system.getForces())


def test_cuda_graphs_are_a_property_of_the_force_with_a_warning(
    tiny_conserving_path, tiny_published_path, solvent, caplog
):
    openmmtorch = pytest.importorskip("openmmtorch")
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    system = potential.createSystem(topology, backend="torch", useCUDAGraphs=True)
    assert openmmtorch.TorchForce.cast(system.getForce(0)).getProperties()["useCUDAGraphs"] == "true"
    assert "useCUDAGraphs: torch captured this module" in caplog.text
    assert_same(numbers(context_of(system, positions)), potential.evaluate(topology, positions, box))
    with pytest.raises(EngineError, match="useCUDAGraphs is for conserving models"):
        CGAAPotential(tiny_published_path).createSystem(
            topology, positions=positions, backend="torch", useCUDAGraphs=True
        )


@extra
@pytest.mark.parametrize("graphs", [False, True])
def test_wrapped_molecules_and_a_triclinic_box(tiny_conserving_path, solvent, graphs):
    topology, positions, box = solvent
    box = box + np.array([[0.0, 0.0, 0.0], [0.4, 0.0, 0.0], [-0.5, 0.3, 0.0]])
    topology.setPeriodicBoxVectors(box)
    potential = CGAAPotential(tiny_conserving_path, "double", "cpu")
    context = context_of(potential.createSystem(topology, backend="torch", useCUDAGraphs=graphs), positions)
    expected = potential.evaluate(topology, positions, box)
    steps = np.random.default_rng(0).integers(-2, 3, size=(240, 3))
    for moved in (positions, positions + steps @ box):
        context.setPositions(moved)
        assert_same(numbers(context), expected)


@extra
def test_langevin_steps_are_those_of_a_pythonforce(solvent):
    """500 of them, with the same random numbers; in double precision, where rounding does not grow to be seen."""
    topology, positions, _ = solvent
    potential = CGAAPotential("ec-emc-lipf6-fast", "double", "cpu")
    ends = []
    for given in ({"backend": "python"}, {"backend": "torch", "useCUDAGraphs": True}):
        integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 5e-4)
        integrator.setRandomNumberSeed(7)
        context = context_of(potential.createSystem(topology, **given), positions, "CPU", integrator)
        context.setVelocitiesToTemperature(300.0, 7)
        integrator.step(500)
        ends.append(context.getState(positions=True).getPositions(asNumpy=True)._value)
    assert np.abs(ends[0] - positions).max() > 0.02
    np.testing.assert_allclose(*ends, rtol=0.0, atol=1e-7)


@extra
@pytest.mark.parametrize("platform, bad", [("Reference", np.nan), ("CPU", np.inf)])
@pytest.mark.parametrize("graphs", [False, True])
def test_positions_that_are_no_numbers(tiny_conserving_path, solvent, platform, bad, graphs):
    """They end no process, and a good frame afterwards is fine."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", "cpu")
    system = potential.createSystem(topology, backend="torch", useCUDAGraphs=graphs)
    context = context_of(system, np.full_like(positions, bad), platform)
    for _ in range(2):
        with pytest.raises(openmm.OpenMMException, match="not finite.*last good|coordinate is NaN"):
            numbers(context)
    context.setPositions(positions)
    assert_same(numbers(context), potential.evaluate(topology, positions, box))


COPIES = {
    "a deep copy": copy.deepcopy,
    "a copy": copy.copy,
    "an XML file": openmm.XmlSerializer.serialize,
    "a clone": openmm.XmlSerializer.clone,
    "a copy of the force": lambda system: copy.deepcopy(system.getForce(0)),
}


@extra
@pytest.mark.parametrize("made", COPIES)
def test_a_system_with_a_torchforce_refuses_to_be_copied(tiny_conserving_path, solvent, made):
    """OpenMM-Torch ends the process when it reads a TorchForce. Contexts before and afterwards are fine."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", "cpu")
    system = potential.createSystem(topology, backend="torch")
    expected = potential.evaluate(topology, positions, box)
    assert_same(numbers(context_of(system, positions)), expected)
    for _ in range(2):
        with pytest.raises(openmm.OpenMMException, match="cannot be copied or written to a file"):
            COPIES[made](system)
    assert_same(numbers(context_of(system, positions)), expected)


@extra
def test_too_many_grains_without_a_box(tiny_conserving_path, solvent, monkeypatch):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    potential = CGAAPotential(tiny_conserving_path, "double", "cpu")
    monkeypatch.setattr(torchforce, "memory_of", lambda device: 1e4)
    with pytest.raises(EngineError, match="all pairs of 18 grains where there is no box, more than memory holds"):
        potential.createSystem(topology, backend="torch")
    assert np.isfinite(numbers(context_of(potential.createSystem(topology, backend="python"), positions))[0])
