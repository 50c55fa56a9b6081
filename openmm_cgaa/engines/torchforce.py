"""OpenMM calls libtorch: `openmmtorch.TorchForce` with the model as TorchScript. No Python at a step."""

import logging
from typing import Tuple

import openmm
import torch
from torch import Tensor, nn

from ..errors import EngineError
from ..model.loaded import LoadedModel
from ..model.scripted import ScriptedEvaluator
from ..neighbors.couples import longest_list, no_room
from ..neighbors.memory import memory_of
from ..wording import counted
from . import saved
from .binding import Slots
from .guard import Guard
from .placement import Placement
from .seal import Seal

log = logging.getLogger("openmm_cgaa")


class Scattered(nn.Module):
    """An evaluator on some of the particles of a System; the forces on the others are zero.

    A captured one gives its results in the same memory at each call: OpenMM-Torch captures a graph for energies alone
    and another one for forces, and reads what the last one gave, whichever it has run.

    Parameters
    ----------
    evaluator : ScriptedEvaluator
    particles : list of int
        Empty: all of them.
    """

    particles: Tensor
    energy: Tensor
    forces: Tensor

    def __init__(self, evaluator: ScriptedEvaluator, particles: list):
        super().__init__()
        self.evaluator = evaluator
        self.everything = not particles
        self.seal = Seal()
        self.register_buffer("particles", torch.tensor(particles, dtype=torch.int64))
        self.register_buffer("energy", torch.zeros([]))
        self.register_buffer("forces", torch.zeros(0, 3))

    def run(self, positions: Tensor, box: Tensor) -> Tuple[Tensor, Tensor, str]:
        """Energy and forces [particles, 3] in the dtype of the positions, and what is wrong."""
        # platforms without CUDA hand in tensors of the CPU, whatever device the model is on
        device = self.particles.device
        chosen, box = positions.to(device), box.to(device)
        own = chosen if self.everything else chosen[self.particles]
        energy, forces, trouble = self.evaluator.evaluate(own, box)
        forces = forces.to(positions.dtype)
        if trouble == "":
            if not self.everything:
                forces = torch.zeros_like(chosen).index_copy(0, self.particles, forces)
            if self.evaluator.captured:
                with torch.no_grad():
                    if self.forces.size(0) == 0:
                        self.energy, self.forces = torch.empty_like(energy), torch.empty_like(forces)
                    energy, forces = self.energy.copy_(energy), self.forces.copy_(forces)
        return energy, forces.to(positions.device), trouble


class PeriodicModule(Scattered):
    def forward(self, positions: Tensor, box: Tensor) -> Tuple[Tensor, Tensor]:
        energy, forces, trouble = self.run(positions, box)
        if trouble != "":
            raise ValueError(trouble)
        return energy, forces


class FreeModule(Scattered):
    def forward(self, positions: Tensor) -> Tuple[Tensor, Tensor]:
        box = torch.zeros(3, 3, dtype=positions.dtype, device=positions.device)
        energy, forces, trouble = self.run(positions, box)
        if trouble != "":
            raise ValueError(trouble)
        return energy, forces


def make_forces(model: LoadedModel, place: Placement, part: int, use_cuda_graphs: bool) -> list:
    """A TorchForce for a `Part` of a model, and a `Guard` beside it for a model without an energy.

    Raises
    ------
    EngineError
        The model must tell equivalent atoms apart, and no positions are given; or there are too many grains.
    """
    import openmmtorch  # after torch, whose libraries it needs

    if not model.permutation_invariant and place.positions is None:
        raise EngineError(
            "this model tells equivalent atoms (such as the hydrogens of a methyl group) by the geometry of the "
            "start, which TorchForce cannot see: give positions=, or use backend='python'"
        )
    grain_map, memory = place.settled(model), memory_of(model.device)
    evaluator = ScriptedEvaluator(model.network, grain_map, place.periodic, part, use_cuda_graphs, memory)
    refuse_many(evaluator, grain_map.num_grains)
    module = (PeriodicModule if place.periodic else FreeModule)(evaluator, place.particles).to(model.device)
    force = openmmtorch.TorchForce(torch.jit.script(module.eval()))
    force.setOutputsForces(True)
    force.setUsesPeriodicBoundaryConditions(place.periodic)
    if use_cuda_graphs:
        log.warning(
            "useCUDAGraphs: torch captured this module on a GPU and replayed it right, but OpenMM-Torch has not done "
            "so yet: compare its first forces with CGAAPotential.evaluate"
        )
        force.setProperty("useCUDAGraphs", "true")
    if model.conserving:
        return [force]
    slots = None if model.permutation_invariant else Slots(grain_map)
    callback = saved.Callback(saved.plain_guard(place.box), Guard(place.box, slots))
    guard = openmm.PythonForce(callback, {}, place.particles or list(range(grain_map.num_atoms)))
    guard.setName("CGAA guard")
    guard.setUsesPeriodicBoundaryConditions(place.periodic)
    return [force, guard]


def refuse_many(evaluator: ScriptedEvaluator, grains: int) -> None:
    """`EngineError` where no box can cut all pairs of so many grains into cells."""
    if not evaluator.periodic and longest_list(no_room(), grains, 1) > evaluator.longest:
        raise EngineError(
            f"TorchForce looks at all pairs of {counted(grains, 'grain')} where there is no box, more than memory "
            "holds: use backend='python', or give the topology a box"
        )
