"""Groups of a propagation among each other: pairs that are too near, radial distributions, motion of molecules."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import mdtraj
import numpy as np
from scipy.spatial import cKDTree

from ..errors import GeometryError
from ..propagate.beadgroups import GroupedGraph
from ..propagate.sequences import GroupSequence
from ..structures.beads import BEAD
from ..units import ANGSTROM_PER_NM
from .diffusion import Walks
from .drift import Estimate
from .rdf import RDF, radial_distribution

NEAR = 0.5, 1.0, 2.0  # Å, below which paper 002 (docs/papers.md) counts collisions


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


def between_molecules(one: GroupSequence, first: int = 0) -> dict[str, RDF]:
    """Radial distributions of groups of different molecules, by the names of both, ``A-B``.

    Raises
    ------
    GeometryError
        There is no box.
    """
    if one.box is None:
        raise GeometryError(f"{one.name}: radial distributions need a box; group without --separate")
    names, molecules = np.array(names_of_groups(one.graph)), one.graph.molecules
    trajectory, found = _as_trajectory(one, first), {}
    for a, b in combinations_with_replacement(sorted(set(names)), 2):
        pairs = np.argwhere((names == a)[:, None] & (names == b) & (molecules[:, None] != molecules))
        if a == b:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        if len(pairs):
            found[f"{a}-{b}"] = radial_distribution(trajectory, pairs)
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
    positions = one.positions[first:].astype(float) / ANGSTROM_PER_NM
    of_molecule = np.equal.outer(np.arange(graph.molecules.max() + 1), graph.molecules) * masses
    centers = np.einsum("mg,fgx->fmx", of_molecule / of_molecule.sum(1, keepdims=True), positions)
    if len(of_molecule) > 1:
        centers -= np.einsum("g,fgx->fx", masses / masses.sum(), positions)[:, None]
    names = np.array(names_of_molecules(graph))
    order = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    walks = Walks(one.spacing * np.arange(len(positions)), [len(own) for own in order.values()], begin, end)
    walks.add(centers[:, np.concatenate(list(order.values()))])
    return dict(zip(order, walks.estimates()))


def _wrapped(positions: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """Positions in a box of right angles, each coordinate below its edge; of float64."""
    found = positions.astype(float)
    return found if box is None else np.minimum(found % box, np.nextafter(np.asarray(box, float), 0.0))


def _as_trajectory(one: GroupSequence, first: int) -> mdtraj.Trajectory:
    """Groups as atoms without an element, wrapped into the box."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for name in names_of_groups(one.graph):
        topology.add_atom(name, mdtraj.element.virtual, topology.add_residue(name, chain))
    made = mdtraj.Trajectory(_wrapped(one.positions[first:], one.box) / ANGSTROM_PER_NM, topology)
    if one.box is not None:
        made.unitcell_vectors = np.tile(np.diag(np.asarray(one.box)) / ANGSTROM_PER_NM, (len(made), 1, 1))
    return made
