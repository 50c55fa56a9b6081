"""Groups: beads or atoms that METIS puts together by their bonds, and that move as one (paper 002, eq. 1).

docs/papers.md says which paper that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ..errors import CGAAError, GrainError
from ..inputs import arguments
from ..structures.bondgraph import BondGraph
from ..wording import counted


@dataclass(frozen=True)
class GroupedGraph:
    """Beads or atoms with their bonds, and the group of each.

    Attributes
    ----------
    kinds : tuple of str, [beads]
        Element, or species with a star before it.
    masses : array [beads], Da
    bonds : array [bonds, 2]
    orders : array [bonds]
        Types of bonds (`structures.bondgraph.ORDERS`).
    group : array [beads]
        Groups are numbered from 0, those of a molecule one after another.
    size : int
        Beads of a group that were asked for.
    """

    kinds: tuple[str, ...]
    masses: np.ndarray
    bonds: np.ndarray
    orders: np.ndarray
    group: np.ndarray
    size: int

    @cached_property
    def num_groups(self) -> int:
        return int(self.group.max()) + 1

    @cached_property
    def group_masses(self) -> np.ndarray:
        """Sums of the beads' masses, Da, [groups]."""
        return np.bincount(self.group, self.masses)

    @cached_property
    def group_bonds(self) -> np.ndarray:
        """Pairs of groups that a bond joins, once each: [pairs, 2]."""
        ends = np.sort(self.group[self.bonds.reshape(-1, 2)], axis=1)
        return np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)

    @cached_property
    def molecules(self) -> np.ndarray:
        """Number of the molecule of each group, [groups]."""
        first, second = self.group_bonds.T
        shape = self.num_groups, self.num_groups
        return connected_components(csr_matrix((np.ones(len(first)), (first, second)), shape), directed=False)[1]

    def centers(self, positions: np.ndarray) -> np.ndarray:
        """Centers of mass of groups, [..., groups, 3], of positions [..., beads, 3] that no box cuts."""
        return self._sums(self.masses[:, None] * positions) / self.group_masses[:, None]

    def inner(self, positions: np.ndarray) -> np.ndarray:
        """Squared radius of gyration of the beads of each group, [..., groups], of positions as in `centers`."""
        off = positions - self.centers(positions)[..., self.group, :]
        return self._sums((self.masses * np.square(off).sum(-1))[..., None])[..., 0] / self.group_masses

    def gyration(self, centers: np.ndarray, inner: np.ndarray) -> np.ndarray:
        """Squared radius of gyration of the beads of each molecule, [..., molecules].

        That of its groups' centers, and the mean of what is inside of groups: exact, by the parallel axes.

        Parameters
        ----------
        centers : array [..., groups, 3], Å
        inner : array [..., groups], Å^2
        """
        found = []
        for number in range(self.molecules.max() + 1):
            own = np.flatnonzero(self.molecules == number)
            masses = self.group_masses[own]
            found.append(squared_gyration(centers[..., own, :], masses) + inner[..., own] @ masses / masses.sum())
        return np.stack(found, -1)

    def same_as(self, other: "GroupedGraph") -> bool:
        """Whether the two are one graph in one order, with the same groups."""
        return (
            self.kinds == other.kinds
            and self.size == other.size
            and np.array_equal(self.masses, other.masses)
            and np.array_equal(self.bonds, other.bonds)
            and np.array_equal(self.orders, other.orders)
            and np.array_equal(self.group, other.group)
        )

    @cached_property
    def _members(self) -> csr_matrix:
        return csr_matrix((np.ones(len(self.group)), (self.group, np.arange(len(self.group)))))

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the beads of each group: [..., beads, n] -> [..., groups, n]."""
        first = np.moveaxis(values, -2, 0)
        summed = self._members @ first.reshape(len(first), -1)
        return np.moveaxis(summed.reshape(-1, *first.shape[1:]), 0, -2)


def squared_gyration(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Squared radius of gyration, [...], of positions [..., bodies, 3] and their masses [bodies]."""
    weights = masses / masses.sum()
    center = (weights[:, None] * positions).sum(-2, keepdims=True)
    return (weights * np.square(positions - center).sum(-1)).sum(-1)


def longest_tie(positions: np.ndarray, group_bonds: np.ndarray) -> float:
    """The longest distance of two groups that share a bond, of positions [..., groups, 3] that are not wrapped."""
    if not len(group_bonds):
        return 0.0
    ways = positions[..., group_bonds[:, 0], :] - positions[..., group_bonds[:, 1], :]
    return float(np.sqrt(np.square(ways).sum(-1).max()))


def group_beads(beads: BondGraph, size: int) -> GroupedGraph:
    """Groups of about so many beads or atoms each.

    METIS (G. Karypis, V. Kumar, SIAM J. Sci. Comput. 20, 359 (1998)) cuts few bonds. Molecules of fewer beads are
    groups of their own.

    Parameters
    ----------
    beads : BondGraph
    size : int

    Raises
    ------
    CGAAError
        pymetis is missing.
    GrainError
        No molecule has more beads than a group.
    """
    size = arguments.integer(size, "size", 1, 10**6)
    graph, molecules = beads.graph(), beads.molecules()
    largest = max(map(len, molecules))
    if largest > 1 and size > 1 and round(largest / size) < 2:
        raise GrainError(
            f"groups of {size}, but the largest molecule has {counted(largest, 'bead')}: it would have no shape; take "
            f"groups of at most {largest // 2}"
        )
    group, number = np.zeros(len(beads.kinds), dtype=np.int32), 0
    for molecule in molecules:
        parts = _parts(graph.subgraph(molecule), molecule, size)
        group[molecule] = number + np.array(parts)
        number += max(parts) + 1
    return GroupedGraph(*beads, group, size)


def _parts(graph: networkx.Graph, molecule: Sequence[int], size: int) -> list[int]:
    """Parts of a molecule, each joined by bonds, numbered along it."""
    count = round(len(molecule) / size)
    if count < 2:
        return [0] * len(molecule)
    if count == len(molecule):  # METIS would leave some empty
        return list(range(count))
    try:
        import pymetis
    except ImportError:
        raise CGAAError("groups are made by METIS, which needs pymetis: pip install 'openmm-cgaa[metis]'") from None
    place = {node: number for number, node in enumerate(molecule)}
    beside = [np.array(sorted(place[other] for other in graph[node]), dtype=int) for node in molecule]
    _, owners = pymetis.part_graph(count, adjacency=beside, options=pymetis.Options(contig=True))
    inside = networkx.Graph()
    inside.add_nodes_from(range(len(molecule)))
    inside.add_edges_from((i, j) for i, others in enumerate(beside) for j in others.tolist() if owners[i] == owners[j])
    pieces = sorted(map(sorted, networkx.connected_components(inside)), key=len)
    while (
        len(pieces) > count
    ):  # METIS may leave some beads apart all the same: each piece goes to its smallest neighbor
        piece = pieces.pop(0)
        near = {other for one in piece for other in beside[one].tolist()}
        joined = next(other for other in pieces if near & {*other})
        joined += piece
        pieces.sort(key=len)
    found = [0] * len(molecule)
    for number, piece in enumerate(sorted(pieces, key=min)):
        for one in piece:
            found[one] = number
    return found
