"""Bonds and molecules of atoms that come without a topology, found by distance (needs ASE)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..errors import GeometryError
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
    pairs, _ = _bonds(atoms, factor)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def molecules_by_distance(atoms: "ase.Atoms") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bonds and molecules of a cell that may be smaller than its molecules, and what makes these whole.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    bonds : int array [bonds, 2]
        As `bonds_by_distance`.
    molecules : int array [atoms]
        As `molecule_indices`.
    steps : int array [atoms, 3]
        Lattice vectors to add to each atom, for all of its molecule to be in one piece.

    Raises
    ------
    GeometryError
        A molecule is bonded to its own image: it has no end.
    """
    pairs, shifts = _bonds(atoms, BONDED)
    bonded: list[list[tuple]] = [[] for _ in range(len(atoms))]
    for (i, j), shift in zip(pairs, shifts):
        bonded[i].append((j, shift))
    steps: dict[int, np.ndarray] = {}
    for first in range(len(atoms)):
        if first in steps:
            continue
        steps[first], reached = np.zeros(3, int), [first]
        for i in reached:  # grows as it goes
            for j, shift in bonded[i]:
                if j not in steps:
                    steps[j] = steps[i] + shift
                    reached.append(j)
                elif (steps[j] != steps[i] + shift).any():
                    names = atoms.get_chemical_symbols()
                    raise GeometryError(
                        f"the bond of atoms {i} ({names[i]}) and {j} ({names[j]}) ties a molecule to its own image in "
                        "the next cell, so that it has no end (a polymer, a layer, a framework); grains are molecules"
                    )
    bonds = np.unique(np.sort(pairs, axis=1), axis=0)
    return bonds, molecule_indices(len(atoms), bonds), np.array([steps[i] for i in range(len(atoms))])


def _bonds(atoms: "ase.Atoms", factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Bonded pairs of atoms, each both ways, and the cells between them."""
    from ase.neighborlist import natural_cutoffs, neighbor_list

    first, second, shifts = neighbor_list("ijS", atoms, natural_cutoffs(atoms, mult=factor))
    ion = np.isin(atoms.get_chemical_symbols(), list(IONS))
    bonded = ~ion[first] & ~ion[second]
    return np.stack([first, second], axis=1)[bonded], shifts[bonded]


def longest_bond(first: str, second: str, factor: float = BONDED) -> float:
    """Up to which distance two elements count as bonded, Å: the factor times the sum of their covalent radii."""
    from ase.data import atomic_numbers, covalent_radii

    return float(factor * (covalent_radii[atomic_numbers[first]] + covalent_radii[atomic_numbers[second]]))


def molecule_indices(num_atoms: int, bonds: ArrayLike) -> np.ndarray:
    """Number of the molecule of each atom, int [atoms]: what bonds join, counted as the first atoms come."""
    ends = np.asarray(bonds, dtype=int).reshape(-1, 2).T
    matrix = coo_array((np.ones(ends.shape[1]), tuple(ends)), (num_atoms, num_atoms))
    _, number = connected_components(matrix, directed=False)
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]
