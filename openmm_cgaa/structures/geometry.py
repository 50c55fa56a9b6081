"""Positions and boxes as a user hands them in: of the right shape, finite, in the unit of whoever takes them."""

import numpy as np
from openmm import app, unit

from ..errors import GeometryError
from ..inputs import arguments
from ..inputs.arguments import Numbers
from ..wording import counted
from . import lattice

SYMBOLS = {unit.nanometer: "nm", unit.angstrom: "Å"}


def check_positions(positions: Numbers, num_atoms: int, length: unit.Unit = unit.nanometer) -> np.ndarray:
    """Positions as a float64 array [num_atoms, 3].

    Parameters
    ----------
    positions : array [num_atoms, 3], or Quantity
        Numbers without a unit are taken to be in `length`.
    num_atoms : int
    length : openmm.unit.Unit
        nanometer or angstrom; also of what is returned.

    Raises
    ------
    GeometryError
        Not numbers or not lengths, of another length or shape, or not finite.
    """
    wanted = f"an array of shape ({num_atoms}, 3) in {SYMBOLS[length]}, or a Quantity of lengths"
    positions = arguments.numbers(positions, length, "positions", wanted)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise GeometryError(f"positions have shape {positions.shape}, expected ({num_atoms}, 3), in {SYMBOLS[length]}")
    if len(positions) != num_atoms:
        raise GeometryError(
            f"{counted(len(positions), 'position')} for a topology of {counted(num_atoms, 'atom')}; "
            "are both from the same file?"
        )
    bad = np.flatnonzero(~np.isfinite(positions).all(1))
    if len(bad):
        raise GeometryError(
            f"position of atom {bad[0]} is {positions[bad[0]]} (not finite: {len(bad)} of {counted(num_atoms, 'atom')}"
            "); go back to the last good frame"
        )
    return positions


def check_box(box: Numbers | None, length: unit.Unit = unit.nanometer) -> np.ndarray | None:
    """Box as a float64 array [3, 3] (rows are the vectors), or None; units as in `check_positions`.

    Raises
    ------
    GeometryError
        Not numbers or not lengths, of another shape, not finite, or of zero volume.
    """
    if box is None:
        return None
    symbol = SYMBOLS[length]
    wanted = f"the three box vectors, an array of shape (3, 3) in {symbol} or a Quantity of lengths, or None"
    box = arguments.numbers(box, length, "box", wanted)
    if box.shape != (3, 3):
        raise GeometryError(f"box has shape {box.shape}, expected (3, 3): its rows are the box vectors, in {symbol}")
    if not np.isfinite(box).all():
        raise GeometryError(f"box is not finite: {box.tolist()}")
    volume = np.linalg.det(box)
    if volume * length.conversion_factor_to(unit.nanometer) ** 3 < 1e-9:
        raise GeometryError(
            f"box {box.tolist()} ({symbol}) has volume {volume:g} {symbol}^3; its rows must be three right-handed "
            "vectors of a positive volume (left-handed ones span the lattice of -box; for no box at all give None)"
        )
    return box


def check_periodicity(topology: app.Topology, box: np.ndarray | None) -> None:
    """Topology and ``box=`` must agree on whether there is a box.

    Raises
    ------
    GeometryError
    """
    has = topology.getPeriodicBoxVectors() is not None
    if has and box is None:
        raise GeometryError(
            "the topology has periodic box vectors, but box is None, which means not periodic; give the box, or remove "
            "it with topology.setPeriodicBoxVectors(None)"
        )
    if box is not None and not has:
        advice = "set them with topology.setPeriodicBoxVectors(box), or give box=None"
        try:
            app.Topology().setPeriodicBoxVectors(box)
        except ValueError as error:
            reason = str(error).rstrip(".")
            advice = f"OpenMM does not take this box ({reason}). {lattice.TURN}; topology.setPeriodicBoxVectors(box)"
        raise GeometryError(f"a box is given, but the topology has no periodic box vectors; {advice}")
