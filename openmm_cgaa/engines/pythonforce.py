"""OpenMM calls Python: `openmm.PythonForce`. It needs nothing but OpenMM and torch."""

import sys

import numpy as np
import openmm
from openmm import unit

from .. import validation
from ..errors import EngineError
from . import NOT_CONSERVING

MINIMIZE = openmm.LocalEnergyMinimizer.minimize.__code__


class Guard:
    """Stops what a model without an energy must not be used for: minimisation, barostats, a changed box.

    As the callable of a PythonForce of its own it adds zero energy and zero forces; a given box makes it periodic.

    Parameters
    ----------
    box : array [3, 3], nm, optional
        The one box that is allowed; by default the first one seen.
    """

    def __init__(self, box=None):
        self.given = box
        self.box = box

    def check(self, box) -> None:
        """Raise `EngineError` if a force call with this box (nm, or None) shows such a use."""
        if minimizing():
            raise EngineError(
                "energy minimisation: "
                + NOT_CONSERVING.format(what="the minimiser")
                + ", or minimise with a classical force field"
            )
        if box is None:
            return
        if self.box is None:
            self.box = box
        elif not np.allclose(box, self.box, rtol=0.0, atol=1e-6):
            raise EngineError(
                f"the box was {np.round(self.box, 6).tolist()} nm and now is {np.round(box, 6).tolist()} nm: "
                + NOT_CONSERVING.format(what="a barostat")
                + ". To start in another box, set it on the topology and make the System anew"
            )

    def __call__(self, state):
        positions, box = read_state(state, self.given is not None)
        self.check(box)
        return 0.0, np.zeros_like(positions)


def minimizing() -> bool:
    """Whether this force call comes from OpenMM's minimiser.

    Positions change in a minimisation as they do when a user evaluates one frame after the other, so the State cannot
    tell; the call stack can. Platforms that compute forces in a thread of their own have the minimiser on another
    thread's stack.
    """
    frame = sys._getframe(1)
    stacks = [frame]
    outermost = frame
    while outermost.f_back is not None:
        outermost = outermost.f_back
    if outermost.f_code.co_name == "__call__":  # nothing of Python above the callable: a thread of OpenMM
        stacks = list(sys._current_frames().values())
    for frame in stacks:
        while frame is not None:
            if frame.f_code is MINIMIZE:
                return True
            frame = frame.f_back
    return False


def read_state(state, periodic: bool) -> tuple:
    """Positions [atoms, 3] and box [3, 3] in nm; the box is None where the force is not periodic."""
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    if not periodic:
        return positions, None
    return positions, state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)


class Computation:
    """State in, energy and forces out. It pickles with the model's bytes, so that a System's XML stands by itself.

    Parameters
    ----------
    potential : CGAAPotential
    grain_map : GrainMap
        Matched to the potential's types.
    periodic : bool
    part : int
        0 the total, 1 the intra-grain term, 2 the rest.
    """

    def __init__(self, potential, grain_map, periodic: bool, part: int = 0):
        self.potential = potential
        self.grain_map = grain_map
        self.periodic = periodic
        self.part = part
        self.guard = Guard()
        self.evaluator = None

    def __getstate__(self):
        return {
            "model": self.potential.data,
            "precision": self.potential.precision,
            "device": self.potential.device.type,
            "fused": self.potential.fused,
            "grain_map": self.grain_map,
            "periodic": self.periodic,
            "part": self.part,
        }

    def __setstate__(self, state):
        from ..potential import CGAAPotential

        device = None if state["device"] == "cuda" else state["device"]  # the best there is where it is loaded
        potential = CGAAPotential(state["model"], state["precision"], device, state.get("fused", True))
        self.__init__(potential, state["grain_map"], state["periodic"], state["part"])

    def __call__(self, state):
        positions, box = read_state(state, self.periodic)
        if not self.potential.conserving:
            self.guard.check(box)
        if self.evaluator is None:
            self.bind(positions, box)
        tensor = self.potential.tensor
        energy, forces = self.evaluator(tensor(positions), None if box is None else tensor(box))
        energy, forces = float(energy), forces.double().cpu().numpy()
        validation.check_finite(energy, forces, self.grain_map)
        return energy, forces

    def bind(self, positions, box) -> None:
        """At the first call: check the geometry, settle equivalent atoms, build the evaluator."""
        positions = validation.check_positions(positions, self.grain_map.num_atoms)
        validation.check_extent(self.grain_map, positions, validation.check_box(box))
        grain_map = self.potential.aligned(self.grain_map, positions, box)
        self.evaluator = self.potential.evaluator(grain_map, self.periodic, self.part)


def make_forces(potential, grain_map, box, particles, part, positions, use_cuda_graphs) -> list:
    """One PythonForce; parameters as in `add_forces`, a given geometry settles equivalent atoms now."""
    if positions is not None:
        grain_map = potential.aligned(grain_map, positions, box)
    force = openmm.PythonForce(Computation(potential, grain_map, box is not None, part), {}, particles)
    force.setUsesPeriodicBoundaryConditions(box is not None)
    return [force]
