"""OpenMM calls Python: `openmm.PythonForce`. It needs nothing but OpenMM and torch."""

import openmm

from ..model.loaded import LoadedModel
from . import saved
from .binding import Binding
from .placement import Placement
from .stateevaluator import StateEvaluator


def make_forces(model: LoadedModel, place: Placement, part: int) -> list:
    """One PythonForce for a `Part` of a model; a geometry that is given settles equivalent atoms now."""
    binding = Binding(model, place.settled(model), place.periodic, part)
    callback = saved.Callback(saved.plain(binding), StateEvaluator(binding))
    force = openmm.PythonForce(callback, {}, place.particles)
    force.setUsesPeriodicBoundaryConditions(place.periodic)
    return [force]


class Computation(saved.Callback):
    """What files of version 0.1.0 call, by this name and with a `GrainMap` in its state."""

    def __setstate__(self, state: dict) -> None:
        try:
            state = saved.plain_of_0_1_0(state)
        except Exception as error:  # reading a pickle must not raise; the first force call does
            saved.log.warning("a force of openmm_cgaa 0.1.0 cannot be read: %s", error)
        super().__init__(state)
