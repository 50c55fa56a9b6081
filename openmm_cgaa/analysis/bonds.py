"""Do the bonds hold? Lengths over a run, against the mean of equivalent bonds."""

from typing import NamedTuple

import mdtraj
import numpy as np

from ..mapping.grains import GrainMap
from ..units import ANGSTROM_PER_NM


class BondKind(NamedTuple):
    """Bonds that are equivalent by symmetry.

    Attributes
    ----------
    name : str
        Grain type, elements and symmetry classes of both ends: ``EC C1-O0``.
    mean, spread, largest : float, Å
        Mean length, standard deviation, largest deviation from the mean of any of them in any frame.
    worst : str
        The bond of the largest deviation: ``EC 3: C2-O1``.
    frame : int
        The frame of the largest deviation.
    """

    name: str
    mean: float
    spread: float
    largest: float
    worst: str
    frame: int


def bond_stability(trajectory: mdtraj.Trajectory, grain_map: GrainMap) -> list[BondKind]:
    """Every kind of bond of a run, the least stable first.

    A bond is held against the mean of its equivalents, not against its own, so that one which is broken all the time
    shows as well.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory
    grain_map : GrainMap

    Returns
    -------
    list of BondKind
    """
    kinds: dict[str, list] = {}
    for g, t in enumerate(grain_map.type_index):
        kind, atoms = grain_map.types[t], grain_map.slots[g]
        for i, j in kind.bonds:
            i, j = sorted((i, j), key=lambda slot: kind.classes[slot])
            ends = "-".join(f"{kind.elements[slot]}{kind.classes[slot]}" for slot in (i, j))
            kinds.setdefault(f"{kind.name} {ends}", []).append((atoms[i], atoms[j], g))
    names = [atom.name for atom in trajectory.topology.atoms]
    out = []
    for name, bonds in kinds.items():
        lengths = ANGSTROM_PER_NM * mdtraj.compute_distances(trajectory, [(i, j) for i, j, _ in bonds])  # [frame, bond]
        deviation = np.abs(lengths - lengths.mean())
        frame, worst = np.unravel_index(deviation.argmax(), deviation.shape)
        i, j, g = bonds[worst]
        label = f"{grain_map.labels[g]}: {names[i]}-{names[j]}"
        numbers = (float(lengths.mean()), float(lengths.std()), float(deviation.max()))
        out.append(BondKind(name, *numbers, label, int(frame)))
    return sorted(out, key=lambda kind: -kind.largest)
