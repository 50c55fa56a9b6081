"""How close molecules come in a trajectory: where and when two of them are nearest to each other."""

import mdtraj
import numpy as np

from ..neighbors.contacts import closest_contact, molecule_of_atoms

BEGUN = 0.2  # nm: where the shortest distance of the first frame is sought; in a liquid it is shorter


class ClosestContact:
    """An observable: the two atoms of different molecules that are nearest to each other in any frame.

    A later frame is searched for what is nearer than that alone, which takes little time.

    Parameters
    ----------
    topology : mdtraj.Topology

    Attributes
    ----------
    distance : float, nm
        Inf where there is one molecule only, or no frame yet.
    atoms : (int, int)
    frame : int
    """

    def __init__(self, topology: mdtraj.Topology) -> None:
        residues = [atom.residue.index for atom in topology.atoms]
        self._molecules = molecule_of_atoms(residues, [(i.index, j.index) for i, j in topology.bonds])
        self._alone = len(np.unique(self._molecules)) < 2
        self._frames = 0
        self.distance, self.atoms, self.frame = float("inf"), (-1, -1), -1

    def add(self, piece: mdtraj.Trajectory) -> None:
        boxes = piece.unitcell_vectors
        for index, positions in enumerate(piece.xyz if not self._alone else ()):
            box = None if boxes is None else boxes[index]
            begun = np.isfinite(self.distance)
            below = self.distance if begun else BEGUN
            found = closest_contact(positions, box, self._molecules, below)
            while found is None and not begun:
                below *= 2.0
                found = closest_contact(positions, box, self._molecules, below)
            if found is not None:
                (self.distance, self.atoms), self.frame = found, self._frames + index
        self._frames += piece.n_frames
