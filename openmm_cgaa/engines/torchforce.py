"""OpenMM calls libtorch: `openmmtorch.TorchForce` with the model as TorchScript. No Python at a step."""

import logging
from typing import Tuple

import openmm
import torch
from torch import Tensor, nn

from ..errors import EngineError
from ..model.loaded import LoadedModel
from . import saved
from .binding import Slots
from .guard import Guard
from .placement import Placement

log = logging.getLogger("openmm_cgaa")


class Scattered(nn.Module):
    """An evaluator on some of the particles of a System; the forces on the others are zero.

    Parameters
    ----------
    evaluator : Evaluator
    particles : list of int
        Empty: all of them.
    """

    particles: Tensor

    def __init__(self, evaluator: nn.Module, particles: list):
        super().__init__()
        self.evaluator = evaluator
        self.everything = not particles
        self.register_buffer("particles", torch.tensor(particles, dtype=torch.int64))

    def run(self, positions: Tensor, box: Tensor) -> Tuple[Tensor, Tensor]:
        """Energy and forces [particles, 3] in the dtype of the positions."""
        # platforms without CUDA hand in tensors of the CPU, whatever device the model is on
        device = self.particles.device
        chosen, box = positions.to(device), box.to(device)
        energy, forces = self.evaluator(chosen if self.everything else chosen[self.particles], box)
        if not bool(torch.isfinite(energy)):
            raise ValueError(
                "the model's energy is not finite; atoms overlap or the run has left what the model knows: go back to "
                "the last good frame, and relax it or use a shorter time step"
            )
        forces = forces.to(positions.dtype)
        if not self.everything:
            forces = torch.zeros_like(chosen).index_copy(0, self.particles, forces)
        return energy, forces.to(positions.device)


class PeriodicModule(Scattered):
    def forward(self, positions: Tensor, box: Tensor) -> Tuple[Tensor, Tensor]:
        return self.run(positions, box)


class FreeModule(Scattered):
    def forward(self, positions: Tensor) -> Tuple[Tensor, Tensor]:
        return self.run(positions, torch.zeros(3, 3, dtype=positions.dtype, device=positions.device))


def make_forces(model: LoadedModel, place: Placement, part: int, use_cuda_graphs: bool) -> list:
    """A TorchForce for a `Part` of a model, and a `Guard` beside it for a model without an energy.

    Raises
    ------
    EngineError
        The model must tell equivalent atoms apart, and no positions are given.
    """
    import openmmtorch  # after torch, whose libraries it needs

    if not model.permutation_invariant and place.positions is None:
        raise EngineError(
            "this model tells equivalent atoms (such as the hydrogens of a methyl group) by the geometry of the "
            "start, which TorchForce cannot see: give positions=, or use backend='python'"
        )
    grain_map = place.settled(model)
    evaluator = model.evaluator(grain_map, place.periodic, part)
    module = (PeriodicModule if place.periodic else FreeModule)(evaluator, place.particles).to(model.device)
    force = openmmtorch.TorchForce(torch.jit.script(module.eval()))
    force.setOutputsForces(True)
    force.setUsesPeriodicBoundaryConditions(place.periodic)
    if use_cuda_graphs:
        log.warning("useCUDAGraphs: not verified on CUDA; neighbour lists change their length, so capture may fail")
        force.setProperty("useCUDAGraphs", "true")
    if model.conserving:
        return [force]
    slots = None if model.permutation_invariant else Slots(grain_map)
    callback = saved.Callback(saved.plain_guard(place.box), Guard(place.box, slots))
    guard = openmm.PythonForce(callback, {}, place.particles or list(range(grain_map.num_atoms)))
    guard.setName("CGAA guard")
    guard.setUsesPeriodicBoundaryConditions(place.periodic)
    return [force, guard]
