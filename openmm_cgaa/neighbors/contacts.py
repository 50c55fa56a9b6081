"""How close grains come: below what a model was trained on, its forces mean nothing."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..structures.lattice import nearest_image
from .cells import pairs_from_cells


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


def closest_contact(
    positions: np.ndarray, box: np.ndarray | None, molecules: np.ndarray, below: float
) -> tuple[float, tuple[int, int]] | None:
    """The shortest distance of two atoms of different molecules, and these; None where it is not below a distance.

    Over all periodic images. Memory and time grow with the number of atoms, as far as few pairs are so near.

    Parameters
    ----------
    positions : array [atoms, 3]
    box : array [3, 3] or None
        Rows are the vectors.
    molecules : int array [atoms]
        Of `molecule_of_atoms`.
    below : float
    """
    points = np.asarray(positions, dtype=float)
    if box is not None:
        box = np.asarray(box, dtype=float)
        points = points - np.floor(points @ np.linalg.inv(box)) @ box
    first, second, shift = pairs_from_cells(points, box, np.full(len(points), 0.5 * below))
    apart = molecules[first] != molecules[second]
    first, second, shift = first[apart], second[apart], shift[apart]
    if not len(first):
        return None
    delta = points[second] + shift - points[first]
    square = np.einsum("px,px->p", delta, delta)
    closest = int(square.argmin())
    i, j = sorted((int(first[closest]), int(second[closest])))
    return float(np.sqrt(square[closest])), (i, j)


def molecule_of_atoms(residues: ArrayLike, bonds: ArrayLike = ()) -> np.ndarray:
    """The molecule of each atom, int array [atoms]; arguments as of `pairs_between`."""
    own = np.asarray(residues)
    ends = own[np.asarray(bonds, dtype=int).reshape(-1, 2)]
    joined = connected_components(coo_array((np.ones(len(ends)), ends.T), [own.max() + 1] * 2), directed=False)
    return joined[1][own]


def pairs_between(residues: ArrayLike, bonds: ArrayLike = ()) -> np.ndarray:
    """All pairs of atoms of different molecules, int array [2, pairs].

    Parameters
    ----------
    residues : int array, [atoms]
        The residue of each atom. Residues that a bond joins are one molecule.
    bonds : int array, [bonds, 2]
        Atoms.
    """
    molecule = molecule_of_atoms(residues, bonds)
    first, second = np.triu_indices(len(molecule), 1)
    apart = molecule[first] != molecule[second]
    return np.stack([first[apart], second[apart]])
