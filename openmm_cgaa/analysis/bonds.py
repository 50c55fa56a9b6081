"""Do the bonds hold? Lengths over a run, against the mean of equivalent bonds."""

from operator import itemgetter
from typing import NamedTuple

import mdtraj
import numpy as np

from ..mapping.grains import GrainMap
from ..units import ANGSTROM_PER_NM
from .streaming import AllFrames, feed


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


class StretchedBonds:
    """An observable; arguments are those of `bond_stability`."""

    def __init__(self, topology: mdtraj.Topology, grain_map: GrainMap) -> None:
        self._names, self._labels = [atom.name for atom in topology.atoms], grain_map.labels
        self.kinds: dict[str, np.ndarray] = {}  # atoms of each bond and its grain, [bonds, 3]
        found: dict[str, list] = {}
        for g, t in enumerate(grain_map.type_index):
            kind, atoms = grain_map.types[t], grain_map.slots[g]
            for i, j in kind.bonds:
                i, j = sorted((i, j), key=lambda slot: kind.classes[slot])
                ends = "-".join(f"{kind.elements[slot]}{kind.classes[slot]}" for slot in (i, j))
                found.setdefault(f"{kind.name} {ends}", []).append((atoms[i], atoms[j], g))
        self.kinds = {name: np.array(bonds) for name, bonds in found.items()}
        self._all = np.concatenate([bonds[:, :2] for bonds in self.kinds.values()]) if found else np.empty((0, 2), int)
        self._frames = 0
        self._sums = {name: np.zeros(3) for name in found}  # number, sum, sum of squares, less the first length
        self._first: dict[str, float] = {}
        self._ends: dict[str, list[tuple[float, int, int]]] = {name: [] for name in found}  # length, frame, bond

    def add(self, piece: mdtraj.Trajectory) -> None:
        # of all kinds at once: MDTraj looks at each box anew in every call
        every, start = ANGSTROM_PER_NM * mdtraj.compute_distances(piece, self._all), 0
        for name, bonds in self.kinds.items():
            lengths, start = every[:, start : start + len(bonds)], start + len(bonds)  # [frame, bond]
            first = self._first.setdefault(name, float(lengths[0, 0]))
            away = lengths.astype(float) - first  # squares of what is small keep their digits
            self._sums[name] += away.size, away.sum(), np.square(away).sum()
            ends = self._ends[name]
            for place in (lengths.argmin(), lengths.argmax()):
                frame, bond = np.unravel_index(place, lengths.shape)
                ends.append((float(lengths[frame, bond]), self._frames + int(frame), int(bond)))
            self._ends[name] = [min(ends, key=itemgetter(0)), max(ends, key=itemgetter(0))]  # the first of equal ones
        self._frames += piece.n_frames

    def stability(self) -> list[BondKind]:
        """What `bond_stability` returns."""
        out = []
        for name, (number, total, squares) in self._sums.items():
            off = total / number
            mean, spread = self._first[name] + off, np.sqrt(max(squares / number - off**2, 0.0))
            length, frame, bond = max(self._ends[name], key=lambda end: abs(end[0] - mean))
            i, j, grain = self.kinds[name][bond]
            label = f"{self._labels[grain]}: {self._names[i]}-{self._names[j]}"
            out.append(BondKind(name, mean, float(spread), abs(length - mean), label, frame))
        return sorted(out, key=lambda kind: -kind.largest)


def bond_stability(trajectory: AllFrames, grain_map: GrainMap) -> list[BondKind]:
    """Every kind of bond of a run, the least stable first.

    A bond is held against the mean of its equivalents, not against its own, so that one which is broken all the time
    shows as well.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory or LazyFrames
    grain_map : GrainMap

    Returns
    -------
    list of BondKind
    """
    bonds = StretchedBonds(trajectory.topology, grain_map)
    feed(trajectory, bonds)
    return bonds.stability()
