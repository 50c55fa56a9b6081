"""What a model whose forces are not the gradient of an energy must not be used for, and who stops it."""

import sys
import warnings
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np
import openmm
from openmm import unit

from ..errors import CGAADomainWarning, EngineError
from ..units import ANGSTROM_PER_NM

if TYPE_CHECKING:  # imports torch, which the command line need not
    from .binding import Slots

BAROSTATS = (
    openmm.MonteCarloBarostat,
    openmm.MonteCarloAnisotropicBarostat,
    openmm.MonteCarloMembraneBarostat,
    openmm.MonteCarloFlexibleBarostat,
)
NOT_CONSERVING = (
    "the forces of this model are not minus the gradient of its energy (a direct force network), so that {what} would "
    "follow a wrong energy without a sign of it; use a conserving model"
)
MINIMIZE = openmm.LocalEnergyMinimizer.minimize.__code__


class Guard:
    """Stops what a model without an energy must not be used for: minimisation, barostats, a changed box.

    Called by a PythonForce of its own it adds zero energy and zero forces; a given box makes it periodic.

    Parameters
    ----------
    box : array [3, 3], nm, optional
        The one box that is allowed; by default the first one seen.
    slots : Slots, optional
        Of a model that has the slots of its start for good: a `CGAADomainWarning` when equivalent atoms leave them.
    """

    def __init__(self, box: np.ndarray | None = None, slots: "Slots | None" = None):
        self.given = box
        self.box = box
        self.slots = slots

    def check(self, box: np.ndarray | None) -> None:
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

    def __call__(self, state: openmm.State) -> tuple:
        positions, box = read_state(state, self.given is not None)
        self.check(box)
        if self.slots is not None:
            self.watch(self.slots, positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)
        return 0.0, np.zeros_like(positions)

    def watch(self, slots: "Slots", positions: np.ndarray, box: np.ndarray | None) -> None:
        """Warn once when other slots would fit this geometry (Å) better than those of the start."""
        if slots(positions, box) is not slots.base:
            self.slots = None
            warnings.warn(
                "equivalent atoms (such as the hydrogens of a methyl group) have changed places; TorchForce keeps them "
                "in the slots of the start, where this model was not trained: make the System anew with positions=, or "
                "use backend='python', which follows them",
                CGAADomainWarning,
                stacklevel=2,
            )


def minimizing() -> bool:
    """Whether this force call comes from OpenMM's minimiser.

    Positions change in a minimisation as they do when a user evaluates one frame after the other, so the State cannot
    tell; the call stack can. Platforms that compute forces in a thread of their own have the minimiser on another
    thread's stack.
    """
    outermost = sys._getframe(1)
    stacks = [outermost]
    while outermost.f_back is not None:
        outermost = outermost.f_back
    if outermost.f_code.co_name == "__call__":  # nothing of Python above the callable: a thread of OpenMM
        stacks = list(sys._current_frames().values())
    frame: FrameType | None
    for frame in stacks:
        while frame is not None:
            if frame.f_code is MINIMIZE:
                return True
            frame = frame.f_back
    return False


def read_state(state: openmm.State, periodic: bool) -> tuple:
    """Positions [atoms, 3] and box [3, 3] in nm; the box is None where the force is not periodic."""
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    if not periodic:
        return positions, None
    return positions, state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
