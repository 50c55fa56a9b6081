"""How close grains come: below what a model was trained on, its forces mean nothing."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..structures.lattice import nearest_image


def shortest_contact(positions: np.ndarray, box: np.ndarray | None, pairs: np.ndarray) -> tuple[float, int]:
    """The shortest distance of some pairs of atoms and the pair, nearest images.

    Exact for distances below half the smallest height of the lattice's reduced box, see `lattice.nearest_image`.

    Parameters
    ----------
    positions : array [atoms, 3]
    box : array [3, 3] or None
        Rows are the vectors.
    pairs : int array [2, pairs]

    Returns
    -------
    (float, int)
        Distance in the unit of the positions (inf where there are no pairs), and which of the pairs.
    """
    first, second = pairs
    if len(first) == 0:
        return float("inf"), -1
    delta = positions[second] - positions[first]
    if box is not None:
        delta = nearest_image(delta, box)
    square = np.einsum("px,px->p", delta, delta)
    closest = int(square.argmin())
    return float(np.sqrt(square[closest])), closest


def pairs_between(residues: ArrayLike, bonds: ArrayLike = ()) -> np.ndarray:
    """All pairs of atoms of different molecules, int array [2, pairs].

    Parameters
    ----------
    residues : int array, [atoms]
        The residue of each atom. Residues that a bond joins are one molecule.
    bonds : int array, [bonds, 2]
        Atoms.
    """
    own = np.asarray(residues)
    ends = own[np.asarray(bonds, dtype=int).reshape(-1, 2)]
    joined = connected_components(coo_array((np.ones(len(ends)), ends.T), [own.max() + 1] * 2), directed=False)
    molecule = joined[1][own]
    first, second = np.triu_indices(len(molecule), 1)
    apart = molecule[first] != molecule[second]
    return np.stack([first[apart], second[apart]])
