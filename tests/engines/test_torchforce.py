"""What TorchForce alone has: frozen modules, slots of the start, CUDA graphs."""

import openmm
import pytest
import torch
from contexts import assert_same, context_of, numbers

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.torchforce import FreeModule, PeriodicModule
from openmm_cgaa.errors import EngineError


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
    assert "useCUDAGraphs: not verified on CUDA" in caplog.text
    assert_same(numbers(context_of(system, positions)), potential.evaluate(topology, positions, box))
    with pytest.raises(EngineError, match="useCUDAGraphs is for conserving models"):
        CGAAPotential(tiny_published_path).createSystem(
            topology, positions=positions, backend="torch", useCUDAGraphs=True
        )
