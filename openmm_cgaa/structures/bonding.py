"""Bonds and molecules of atoms that come without a topology, found by distance (needs ASE)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .topologies import IONS

if TYPE_CHECKING:
    import ase

BONDED = 1.25  # of the sum of the covalent radii: C-H is 1.34 Å then, a bond in motion; O...H 1.21 Å, no hydrogen bond


def bonds_by_distance(atoms: "ase.Atoms", factor: float = BONDED) -> np.ndarray:
    """Pairs of atoms nearer than 1.25 (a factor) times the sum of their covalent radii, int [bonds, 2], lower first.

    Ions of alkali and alkaline earth metals (`topologies.IONS`) have no bonds, whatever they touch.

    Parameters
    ----------
    atoms : ase.Atoms
        Nearest images are looked at in its periodic directions.
    factor : float
    """
    from ase.neighborlist import natural_cutoffs, neighbor_list

    first, second = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=factor))
    ion = np.isin(atoms.get_chemical_symbols(), list(IONS))
    bonded = (first < second) & ~ion[first] & ~ion[second]
    return np.unique(np.stack([first, second], axis=1)[bonded], axis=0)


def molecule_indices(num_atoms: int, bonds: ArrayLike) -> np.ndarray:
    """Number of the molecule of each atom, int [atoms]: what bonds join, counted as the first atoms come."""
    ends = np.asarray(bonds, dtype=int).reshape(-1, 2).T
    matrix = coo_array((np.ones(ends.shape[1]), tuple(ends)), (num_atoms, num_atoms))
    _, number = connected_components(matrix, directed=False)
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]
