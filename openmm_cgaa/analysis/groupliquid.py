"""Groups of a propagation among each other: pairs that are too near, radial distributions, motion of molecules."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import mdtraj
import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from ..errors import GeometryError
from ..propagate.beadgroups import GroupedGraph
from ..propagate.sequences import GroupSequence
from ..structures.beads import BEAD
from ..units import ANGSTROM_PER_NM
from .diffusion import Walks
from .drift import Estimate
from .rdf import RDF, PairCounts
from .streaming import feed

NEAR = 0.5, 1.0, 2.0  # Å, below which paper 002 (docs/papers.md) counts collisions
FRAMES = 2000  # of radial distributions, about
PIECE = 100  # frames at a time


class Nearness(NamedTuple):
    """How near groups come to each other.

    Attributes
    ----------
    pairs : int array [frames, distances]
        Pairs of groups, of one molecule or of two, that are nearer than each of the distances.
    closest : array [frames], Å
        The distance of the nearest two.
    """

    pairs: np.ndarray
    closest: np.ndarray


def names_of_groups(graph: GroupedGraph) -> list[str]:
    """The kinds of the beads of each group, each once: ``A+B``."""
    return [_joined(graph, graph.group == number) for number in range(graph.num_groups)]


def names_of_molecules(graph: GroupedGraph) -> list[str]:
    """The same of each molecule."""
    molecules = graph.molecules[graph.group]
    return [_joined(graph, molecules == number) for number in range(molecules.max() + 1)]


def _joined(graph: GroupedGraph, chosen: np.ndarray) -> str:
    return "+".join(sorted({graph.kinds[bead].removeprefix(BEAD) for bead in np.flatnonzero(chosen)}))


def nearness(one: GroupSequence, first: int = 0, distances: Sequence[float] = NEAR) -> Nearness:
    """Pairs of groups that are nearer than some distances (Å), in the frames from the first one on."""
    count, closest = [], []
    for positions in one.positions[first:]:
        tree = cKDTree(_wrapped(positions, one.box), boxsize=one.box)
        apart, _ = tree.query(tree.data, k=2)
        closest.append(apart[:, 1].min() if len(positions) > 1 else np.inf)
        # each pair is seen from both of its ends, and each group sees itself
        count.append([(tree.count_neighbors(tree, distance) - len(positions)) // 2 for distance in distances])
    return Nearness(np.array(count), np.array(closest))


class Around(NamedTuple):
    """A radial distribution, and how many pairs an ideal gas would have in each bin of it, [bins]."""

    rdf: RDF
    expected: np.ndarray

    def up_to(self, bins: int) -> "Around":
        """The same as far as so many bins."""
        return Around(RDF(*(values[:bins] for values in self.rdf)), self.expected[:bins])


def between_molecules(one: GroupSequence, first: int = 0) -> dict[str, Around]:
    """Radial distributions of groups of different molecules, by the names of both, ``A-B``; of `FRAMES` at most.

    Raises
    ------
    GeometryError
        There is no box.
    """
    if one.box is None:
        raise GeometryError(f"{one.name}: radial distributions need a box; group without --separate")
    names, molecules = np.array(names_of_groups(one.graph)), one.graph.molecules
    counts: dict[str, PairCounts] = {}
    for a, b in combinations_with_replacement(sorted(set(names)), 2):
        firsts, seconds = np.flatnonzero(names == a), np.flatnonzero(names == b)
        rows, columns = np.nonzero(molecules[firsts][:, None] != molecules[seconds])
        pairs = np.stack([firsts[rows], seconds[columns]], 1).astype(np.int32)
        if a == b:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        if len(pairs):
            counts[f"{a}-{b}"] = PairCounts(pairs)
    chosen = one.positions[first :: max(1, (len(one) - first) // FRAMES)]
    feed(_pieces(one, chosen), *counts.values())
    found = {}
    for name, own in counts.items():
        rdf = own.rdf()
        shells = 4.0 * np.pi * rdf.r**2 * own.bin_width * ANGSTROM_PER_NM**3  # Å^3
        found[name] = Around(rdf, len(chosen) * own.number * shells / float(np.prod(np.asarray(one.box))))
    return found


def motion(one: GroupSequence, begin: float, end: float, first: int = 0) -> dict[str, Estimate]:
    """Self-diffusion of the molecules of each name, 1e-9 m^2/s, between two lags (ps).

    The motion of all together is taken off, where there are several: nothing keeps it at rest in a propagation.

    Raises
    ------
    SimulationError
        As of `diffusion.diffusion`.
    """
    graph, masses = one.graph, one.graph.group_masses
    names = np.array(names_of_molecules(graph))
    order = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    walks = Walks(one.spacing * np.arange(len(one) - first), [len(own) for own in order.values()], begin, end)
    weights = csr_matrix((masses, (graph.molecules, np.arange(graph.num_groups))))
    weights = diags(1.0 / np.bincount(graph.molecules, masses)) @ weights
    for start in range(first, len(one), PIECE):
        positions = one.positions[start : start + PIECE].astype(float) / ANGSTROM_PER_NM  # [frames, groups, 3]
        flat = np.moveaxis(positions, 1, 0).reshape(graph.num_groups, -1)
        centers = np.moveaxis((weights @ flat).reshape(len(names), -1, 3), 0, 1)
        if len(names) > 1:
            centers = centers - (masses @ flat / masses.sum()).reshape(-1, 1, 3)
        walks.add(centers[:, np.concatenate(list(order.values()))])
    return dict(zip(order, walks.estimates()))


def _wrapped(positions: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """Positions in a box of right angles, each coordinate below its edge; of float64."""
    found = positions.astype(float)
    return found if box is None else np.minimum(found % box, np.nextafter(np.asarray(box, float), 0.0))


def _pieces(one: GroupSequence, positions: np.ndarray) -> Iterator[mdtraj.Trajectory]:
    """Groups as atoms without an element, wrapped into the box, some frames at a time."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for name in names_of_groups(one.graph):
        topology.add_atom(name, mdtraj.element.virtual, topology.add_residue(name, chain))
    for start in range(0, len(positions), PIECE):
        places = _wrapped(positions[start : start + PIECE], one.box) / ANGSTROM_PER_NM
        made = mdtraj.Trajectory(places, topology)
        made.unitcell_vectors = np.tile(np.diag(np.asarray(one.box)) / ANGSTROM_PER_NM, (len(made), 1, 1))
        yield made
