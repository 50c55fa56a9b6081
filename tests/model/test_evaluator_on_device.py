"""An evaluator whose network goes through the kernels for CUDA, by their twin: in OpenMM, copied, and refused."""

import copy
import gc
import logging
import pickle
import re
import weakref

import numpy as np
import openmm
import pytest
import torch
from conftest import TINY_PUBLISHED
from linked import chain
from openmm import unit
from twins import TENSORS, needs_compiler, random_network

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model import evaluator
from openmm_cgaa.model.evaluator import DeviceEvaluation, Evaluator, GeometryCheck, device_evaluation
from openmm_cgaa.neighbors.forgetting import forget_neighbors
from openmm_cgaa.nn import build_network

pytestmark = needs_compiler


@pytest.fixture
def on_twin(monkeypatch):
    """Networks on the CPU go through the twin, as those on a GPU through the kernels."""
    monkeypatch.setattr(evaluator, "ON_DEVICES", ({"cpu"},))


@pytest.fixture
def frame(liquid):
    return liquid.grain_map(), torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])


def run(path, solvent, steps, fused):
    topology, positions, box = solvent
    system = CGAAPotential(path, "single", "cpu", fused).createSystem(topology, positions=positions)
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.0005)
    integrator.setRandomNumberSeed(4)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300.0, 2)
    integrator.step(steps)
    state = context.getState(positions=True, energy=True)
    return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), state.getPotentialEnergy()._value


def test_a_run_in_openmm_is_that_of_torch(solvent, on_twin, monkeypatch):
    """60 Langevin steps on a PythonForce, in single precision on either side."""
    ours = run("ec-emc-lipf6-fast", solvent, 60, True)
    monkeypatch.undo()
    theirs = run("ec-emc-lipf6-fast", solvent, 60, False)
    assert np.abs(ours[0] - solvent[1]).max() > 0.02
    assert np.abs(ours[0] - theirs[0]).max() < 2e-5
    assert ours[1] == pytest.approx(theirs[1], abs=0.1)


def test_lists_are_forgotten_and_copies_have_their_own(frame, on_twin):
    grain_map, positions, box = frame
    bound = Evaluator(random_network(TENSORS, grain_map.types), grain_map, True, fused=True)
    assert isinstance(bound.on_device, DeviceEvaluation)
    right = bound.compute(positions, box)
    assert (bound.compute(positions, box)[0], bound.on_device.network.builds) == (right[0], 1)
    forget_neighbors()
    assert (bound.compute(positions, box)[0], bound.on_device.network.builds) == (right[0], 2)
    for other in (copy.deepcopy(bound.on_device), pickle.loads(pickle.dumps(bound.on_device))):
        assert other.network.recorded is None
        assert all(map(torch.equal, other(positions, box, 0), right))


def test_a_geometry_that_cannot_be_used_is_told_as_elsewhere(frame, on_twin):
    grain_map, positions, box = frame
    bound = Evaluator(random_network(TENSORS, grain_map.types), grain_map, True, fused=True)
    bad = positions.clone()
    bad[8, 2] = np.nan
    with pytest.raises(GeometryError, match="not finite|nan"):
        bound.compute(bad, box)
    with pytest.raises(GeometryError, match="bonds are .* long"):
        bound.compute(positions / 10.0, box / 10.0)


@pytest.mark.parametrize("wrong", ["energy", "forces"])
def test_kernels_that_do_not_find_what_torch_finds_are_left(frame, on_twin, caplog, wrong):
    """Found out at the first call; from there on all numbers are torch's."""
    grain_map, *geometry = frame
    network = random_network(TENSORS, grain_map.types)
    wanted = Evaluator(network, grain_map, True).compute(*geometry)
    bound = Evaluator(network, grain_map, True, fused=True)
    right = bound.on_device.network

    def spoiled(*given):
        energy, forces, virial = right(*given)
        if wrong == "energy":
            return energy + 1e-3 * len(forces), forces, virial
        return energy, forces * torch.linspace(1.0, 1.001, len(forces))[:, None], virial

    bound.on_device.network = spoiled
    for _ in range(2):
        for ours, theirs in zip(bound.compute(*geometry), wanted):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    assert caplog.text.count("do not find what torch finds there") == 1 and bound.on_device.right is False


def test_a_frame_without_an_energy_proves_nothing(frame, on_twin):
    """Atoms on top of each other have no finite energy, neither by torch nor by the kernels; the next frame tells."""
    grain_map, positions, box = frame
    bound = Evaluator(random_network(TENSORS, grain_map.types), grain_map, True, fused=True)
    together = positions.clone()
    together[grain_map.slots[0][1]] = together[grain_map.slots[0][0]]
    bound.compute(together, box)
    assert bound.on_device.right is None
    bound.compute(positions, box)
    assert bound.on_device.right is True
    for other in (copy.deepcopy(bound.on_device), pickle.loads(pickle.dumps(bound.on_device))):
        assert other.right is None


def test_another_box_is_looked_at(frame, on_twin):
    """As by a user who gives Å in the place of nm once; a barostat's moves are not worth a look."""
    grain_map, positions, box = frame
    bound = Evaluator(random_network(TENSORS, grain_map.types), grain_map, True, fused=True)
    seen, check = [], bound.on_device.network.check
    bound.on_device.network.check = lambda *given: seen.append(1) or check(*given)
    bound.compute(positions, box)
    first = len(seen)
    bound.compute(positions * 1.001, box * 1.001)
    assert len(seen) == first
    with pytest.raises(GeometryError):
        bound.compute(10.0 * positions, 10.0 * box)


def test_a_step_that_is_made_anew_leaves_no_memory(frame, on_twin):
    grain_map, positions, box = frame
    bound = Evaluator(random_network(TENSORS, grain_map.types), grain_map, True, fused=True)
    bound.compute(positions, box)
    network = bound.on_device.network
    old = weakref.ref(network.recorded)
    gc.disable()
    try:
        network.record(0, box.numpy())
        assert old() is None
    finally:
        gc.enable()


def test_the_first_call_alone_is_compared_with_torch(frame, on_twin, monkeypatch, caplog):
    """Where torch has no memory for it, the log says that nothing was compared."""
    grain_map, *geometry = frame
    compared, by_torch = [], Evaluator.by_torch

    def full(*given):
        raise torch.cuda.OutOfMemoryError("none left")

    for way, told in ((by_torch, ""), (full, "are not compared with torch")):
        monkeypatch.setattr(Evaluator, "by_torch", lambda *given, way=way: compared.append(1) or way(*given))
        bound = Evaluator(random_network(TENSORS, grain_map.types), grain_map, True, fused=True)
        for _ in range(3):
            bound.compute(*geometry)
        assert len(compared) == 1 and bound.on_device.right is True and told in caplog.text
        compared.clear()


def test_what_the_kernels_cannot_do_goes_to_torch_and_is_told(frame, caplog, on_twin):
    grains = GrainMap.from_arrays(*chain(4))
    with caplog.at_level(logging.WARNING):
        found = device_evaluation(random_network(TENSORS, grains.types), layout_of(grains), GeometryCheck(grains))
    assert found is None and re.search("by torch, without the kernels for its device: .* links", caplog.text)
    published = build_network(TINY_PUBLISHED, frame[0].types)
    assert device_evaluation(published, layout_of(frame[0]), GeometryCheck(frame[0])) is None


def test_pseudoscalars_go_by_torch(frame, on_twin, caplog):
    """The kernels have none; what says so is a line in the log."""
    grain_map, positions, box = frame
    network = build_network(dict(TENSORS, vectors=6, pseudoscalars=2), grain_map.types).double().requires_grad_(False)
    with caplog.at_level(logging.WARNING):
        found = Evaluator(network, grain_map, True, fused=True)
    assert found.on_device is None and "kernels for CUDA have no pseudoscalars" in caplog.text
    found.compute(positions, box)
