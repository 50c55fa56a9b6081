"""Atoms that a user chooses, in MDTraj's selection language."""

import mdtraj
import numpy as np

from ..errors import CGAAError
from ..host import signals


def chosen_atoms(topology: mdtraj.Topology, selection: str, option: str) -> np.ndarray:
    """Indices of the atoms of a selection.

    Parameters
    ----------
    topology : mdtraj.Topology
    selection : str
        Such as ``name Li`` or ``resname EC and element O``.
    option : str
        That it was given by, for messages.

    Raises
    ------
    CGAAError
        It is no selection, or selects no atom.
    """
    names = list(dict.fromkeys(atom.name for atom in topology.atoms))
    try:
        atoms = topology.select(selection)
    except Exception as error:  # MDTraj raises all kinds
        signals.check()
        raise CGAAError(
            f"{option} {selection!r}: not a selection of MDTraj ({error}); for example 'name {names[0]}'"
        ) from None
    if len(atoms) == 0:
        some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise CGAAError(f"{option} {selection!r}: selects no atom of this run, whose atoms are called {some}")
    return atoms
