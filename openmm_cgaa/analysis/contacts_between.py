"""Shortest distances between grains of two kinds, frame by frame."""

from collections.abc import Iterator

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError

CHUNK = 2_000_000  # distances in memory at a time


class GrainDistances:
    """Of each pair of different grains of which one has atoms in `first` and the other in `second`.

    Parameters
    ----------
    first, second : int arrays
        Atoms.
    grain : int array [atoms]
        Of each atom of the topology.

    Attributes
    ----------
    pairs : int array [pairs, 2]
        Grains: that of the first, that of the second.

    Raises
    ------
    GeometryError
        There is no such pair.
    """

    def __init__(self, first: ArrayLike, second: ArrayLike, grain: np.ndarray) -> None:
        ends = [np.unique(np.asarray(each, dtype=np.int32)) for each in (first, second)]
        apart = np.nonzero(grain[ends[0]][:, None] != grain[ends[1]])
        atoms = np.stack([own[place] for own, place in zip(ends, apart)], axis=1)  # [pairs, 2]
        if not len(atoms):
            raise GeometryError(
                "there are no two grains of which one has atoms of the first kind, the other of the second"
            )
        owners = grain[atoms].astype(np.int32)
        order = np.lexsort((owners[:, 1], owners[:, 0]))
        self._atoms, owners = atoms[order], owners[order]
        self._starts = np.flatnonzero(np.any(np.diff(owners, axis=0, prepend=-1) != 0, axis=1))
        self.pairs = owners[self._starts]

    def of(self, piece: mdtraj.Trajectory) -> Iterator[np.ndarray]:
        """Shortest distance of each pair, by the nearest image, [pairs], nm, of each frame."""
        chunk = max(1, CHUNK // len(self._atoms))
        for start in range(0, piece.n_frames, chunk):
            part = piece.slice(slice(start, start + chunk), copy=False)
            for distances in mdtraj.compute_distances(part, self._atoms):
                yield np.minimum.reduceat(distances, self._starts)
