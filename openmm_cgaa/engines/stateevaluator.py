"""What a PythonForce calls at each step: an OpenMM State in, energy and forces of the model out."""

import openmm

from ..model import checks
from .binding import Binding
from .guard import Guard, read_state


class StateEvaluator:
    """The model of a binding, called with an `openmm.State`; it gives kJ/mol and kJ/mol/nm.

    Parameters
    ----------
    binding : Binding
    """

    def __init__(self, binding: Binding):
        self.binding = binding
        self.guard = None if binding.model.conserving else Guard()

    def __call__(self, state: openmm.State) -> tuple:
        positions, box = read_state(state, self.binding.periodic)
        if self.guard is not None:
            self.guard.check(box)
        evaluator = self.binding(positions, box)
        energy, forces = evaluator(evaluator.tensor(positions), None if box is None else evaluator.tensor(box))
        energy, forces = float(energy), forces.double().cpu().numpy()
        checks.check_finite(energy, forces, self.binding.grain_map)
        return energy, forces
