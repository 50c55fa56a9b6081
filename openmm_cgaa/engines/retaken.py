"""Steps of a Context whose TorchForce is captured in a CUDA graph, taken again where neighbours outgrew their lists.

Such a force cannot make room: its graph is fixed when it is captured. Its energy becomes NaN and stays so, and OpenMM
looks at no energy in a step. So whoever takes steps must look, and begin anew where all was well.
"""

import math
from typing import Any

import openmm
from openmm import unit

from ..errors import SimulationError
from ..inputs import arguments
from ..wording import counted


class CheckedSteps:
    """Takes the steps of a Context's integrator, and takes them again with more room where the energy is NaN.

    It stands for the integrator of an `openmm.app.Simulation`, which reports only what was checked::

        simulation.integrator = CheckedSteps(simulation.context)

    Each call of `step` costs a checkpoint and one energy besides; a Simulation calls it for ten steps at a time.

    Parameters
    ----------
    context : openmm.Context
        With positions.
    """

    def __init__(self, context: openmm.Context):
        self.context = arguments.instance(context, openmm.Context, "context", SimulationError)
        self.integrator = context.getIntegrator()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.integrator, name)

    def step(self, steps: int) -> None:
        """Take so many steps.

        Raises
        ------
        SimulationError
            The energy is NaN with new room, too. The Context is as it was before.
        """
        start = self.context.createCheckpoint()
        for _ in range(2):
            error = self._taken(steps)
            if error is None:
                return
            self.context.loadCheckpoint(start)
            self.context.reinitialize(preserveState=True)  # the first call to come measures the room anew
        raise SimulationError(
            f"within {counted(steps, 'step')} the energy became NaN, with new room for neighbours, too ({error}): "
            "molecules crowd by more than a quarter in so many steps (take fewer at a time), or atoms overlap (relax "
            "the start, use a shorter time step)"
        )

    def _taken(self, steps: int) -> str | None:
        """Take so many steps; what is no number after them."""
        try:
            self.integrator.step(steps)
            energy = self.context.getState(energy=True).getPotentialEnergy()
        except openmm.OpenMMException as error:  # OpenMM itself, which lists neighbours of other forces on a CPU
            return str(error).strip().splitlines()[-1]
        finite = math.isfinite(energy.value_in_unit(unit.kilojoule_per_mole))
        return None if finite else "not a finite energy"
