"""OpenMM calls Python: `openmm.PythonForce`. It needs nothing but OpenMM and torch."""

import openmm

from ..model import checks
from ..model.loaded import LoadedModel
from . import saved
from .binding import Binding
from .guard import Guard, read_state
from .placement import Placement


class Computation:
    """State in, energy and forces out.

    Parameters
    ----------
    binding : Binding
    """

    def __init__(self, binding: Binding):
        self.binding = binding
        self.guard = None if binding.model.conserving else Guard()

    def __reduce__(self) -> tuple:
        return saved.restore, (saved.plain(self.binding),)

    def __setstate__(self, state: dict) -> None:
        """Files of version 0.1.0 hold this class with a `GrainMap` in its state; like `restore`, it cannot fail."""
        try:
            state = saved.plain_of_0_1_0(state)
        except Exception as error:  # reading a pickle must not raise; the first force call does
            saved.log.warning("a force of openmm_cgaa 0.1.0 cannot be read: %s", error)
        self.__class__ = saved.Restored  # type: ignore[assignment]
        saved.Restored.__init__(self, state)  # type: ignore[arg-type]

    def __call__(self, state: openmm.State) -> tuple:
        positions, box = read_state(state, self.binding.periodic)
        if self.guard is not None:
            self.guard.check(box)
        evaluator = self.binding(positions, box)
        tensor = self.binding.model.tensor
        energy, forces = evaluator(tensor(positions), None if box is None else tensor(box))
        energy, forces = float(energy), forces.double().cpu().numpy()
        checks.check_finite(energy, forces, self.binding.grain_map)
        return energy, forces


def make_forces(model: LoadedModel, place: Placement, part: int) -> list:
    """One PythonForce for a `Part` of a model; a geometry that is given settles equivalent atoms now."""
    binding = Binding(model, place.settled(model), place.periodic, part)
    force = openmm.PythonForce(Computation(binding), {}, place.particles)
    force.setUsesPeriodicBoundaryConditions(place.periodic)
    return [force]
