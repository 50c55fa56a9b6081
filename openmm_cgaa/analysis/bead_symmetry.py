"""Symmetries that species and features have and atoms do not: chains read from the other end, and mirror images."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import networkx
import numpy as np
from scipy.stats import ks_2samp

from ..errors import GrainError
from ..mapping.matching import automorphisms
from .bead_frames import BeadFrames, MoleculeKind

SAMPLES = 20_000  # of a distance or an angle, at most
BLOCKS = 5
HANDED = 0.1  # of all samples, more of one sign than of the other: below it nobody would see the difference
SURE = 4.0  # standard errors that it is beyond chance
KEEPS_SIGN = 0.999  # of a marker's samples
STEEP = 0.2  # a marker's triple product of unit vectors, at least, in nearly all samples


class FalseSymmetry(NamedTuple):
    """An exchange of beads that changes nothing for the model, and something for the atoms.

    Attributes
    ----------
    molecule : str
    beads : list of (str, str)
        What is exchanged for what.
    difference : float
        The largest difference between the distributions of two distances that the model takes for the same
        (Kolmogorov-Smirnov): 0 for equal ones, 1 for such that have nothing in common.
    between : ((str, str), (str, str))
        These two.
    """

    molecule: str
    beads: list
    difference: float
    between: tuple


def false_symmetries(frames: BeadFrames) -> list[FalseSymmetry]:
    """For each kind of molecule the exchange that is most wrong, if there is one.

    An exchange keeps species, bonds and residues of the beads. It is right where some exchange of equal atoms moves all
    atoms of each bead with it.

    Raises
    ------
    GrainError
        A molecule has more such exchanges than can be looked at.
    """
    found = []
    for kind in frames.kinds:
        wrong = [each for each in _exchanges(kind) if not _of_atoms(kind, each)]
        told = [_difference(frames, kind, each) for each in wrong]
        if told:
            found.append(max(told, key=lambda each: each.difference))
    return found


def needless_species(frames: BeadFrames) -> list[tuple[str, str, str]]:
    """Molecule and two beads that atoms cannot tell apart, where their species differ."""
    found = []
    for kind in frames.kinds:
        names = [(kind.bead_of.count(bead),) for bead in range(len(kind.species))]
        plain = kind._replace(species=tuple(str(own) for own in names))
        for exchange in _exchanges(plain):
            moved = [bead for bead, other in enumerate(exchange) if kind.species[bead] != kind.species[other]]
            if moved and _of_atoms(kind, exchange):
                found.append((kind.name, kind.labels[moved[0]], kind.labels[exchange[moved[0]]]))
                break
    return found


def _exchanges(kind: MoleculeKind) -> np.ndarray:
    """Permutations of beads that keep species, bonds and which beads share a residue, without the identity."""
    # a residue is a vertex of its own, so that an exchange moves residues as a whole
    number = len(kind.species)
    elements = (*kind.species, *["residue"] * (max(kind.residues) + 1))
    bonds = [*kind.bonds, *((bead, number + own) for bead, own in enumerate(kind.residues))]
    try:
        every = automorphisms(elements, tuple(sorted(bonds)))[:, :number]
    except GrainError as error:
        raise GrainError(f"{kind.name}: too many of its beads are alike to look at every exchange ({error})") from None
    every = np.unique(every, axis=0)
    return every[(every != np.arange(number)).any(1)]


def _of_atoms(kind: MoleculeKind, exchange: np.ndarray) -> bool:
    """Whether an exchange of equal atoms moves all atoms of each bead to those of the bead that it is exchanged for."""
    here, there = networkx.Graph(kind.atom_bonds), networkx.Graph(kind.atom_bonds)
    for graph, moved in ((here, exchange), (there, np.arange(len(exchange)))):
        for atom, element in enumerate(kind.elements):
            bead = kind.bead_of[atom]
            graph.add_node(atom, kind=(element, -1 if bead < 0 else int(moved[bead])))
    return networkx.is_isomorphic(here, there, node_match=lambda a, b: a["kind"] == b["kind"])


def _difference(frames: BeadFrames, kind: MoleculeKind, exchange: np.ndarray) -> FalseSymmetry:
    points = frames.beads_of(kind).reshape(-1, len(kind.species), 3)[:SAMPLES]
    largest, between = 0.0, ((0, 0), (0, 0))
    for i, j in combinations(range(len(kind.species)), 2):
        other = tuple(sorted((int(exchange[i]), int(exchange[j]))))
        if other <= (i, j):
            continue  # the same two, or seen from the other side
        one, two = (np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in ((i, j), other))
        apart = float(ks_2samp(one, two, method="asymp").statistic)
        if apart > largest:
            largest, between = apart, ((i, j), (other[0], other[1]))
    moved = [(kind.labels[bead], kind.labels[other]) for bead, other in enumerate(exchange) if bead < other]
    pairs = tuple((kind.labels[a], kind.labels[b]) for a, b in between)
    return FalseSymmetry(kind.name, moved, largest, pairs)


class Handedness(NamedTuple):
    """Four beads that turn more often one way than the other.

    Attributes
    ----------
    molecule : str
    beads : tuple of str
    bias : float
        From -1 to 1: samples of one sign less those of the other.
    error : float
        Standard error of the bias: from blocks of frames or from the molecules, whichever is larger.
    marked_by : tuple of str
        Four beads that share two of these, and never change sign: by them the model can know the hand. Empty where
        there are none.
    """

    molecule: str
    beads: tuple
    bias: float
    error: float
    marked_by: tuple

    @property
    def seen(self) -> bool:
        return abs(self.bias) > max(HANDED, SURE * self.error)


def handedness(frames: BeadFrames) -> list[Handedness]:
    """What is not its own mirror image, for each kind of molecule: the four beads that show it most.

    Those without a marker come first. An energy that reflections leave alone gives a molecule and its mirror image the
    same weight.
    """
    found = []
    for kind in frames.kinds:
        products = {four: _triple_products(frames, kind, four) for four in _fours(kind)}
        markers = {}
        for four, values in products.items():
            sign = np.sign(np.median(values))
            if np.mean(values * sign > STEEP) >= KEEPS_SIGN:
                markers[four] = sign
        seen = []
        for four, values in products.items():
            signs = np.sign(values)
            near = [other for other in markers if len(set(other) & set(four)) >= 2]
            marker = tuple(kind.labels[bead] for bead in near[0]) if near else ()
            beads = tuple(kind.labels[bead] for bead in four)
            seen.append(Handedness(kind.name, beads, float(signs.mean()), _error(signs), marker))
        seen = [each for each in seen if each.seen]
        for unmarked in (True, False):
            own = [each for each in seen if bool(each.marked_by) != unmarked]
            if own:
                found.append(max(own, key=lambda each: abs(each.bias)))
    return found


def _error(signs: np.ndarray) -> float:
    """Standard error of the mean of [frames, molecules]; a molecule may turn too seldom for frames to tell."""
    if len(signs) < BLOCKS:
        return np.inf
    parts = [np.array([block.mean() for block in np.array_split(signs, BLOCKS)])]
    if signs.shape[1] > 1:
        parts.append(signs.mean(0))
    return max(float(part.std(ddof=1) / np.sqrt(len(part))) for part in parts)


def _fours(kind: MoleculeKind) -> Iterator[tuple[int, int, int, int]]:
    """Beads along three bonds, and beads with three that are bonded to it."""
    graph = networkx.Graph(kind.bonds)
    for j, k in kind.bonds:
        for i in sorted(set(graph[j]) - {k}):
            for m in sorted(set(graph[k]) - {j, i}):
                yield i, j, k, m
    for center in sorted(graph):
        for three in combinations(sorted(graph[center]), 3):
            yield (center, *three)


def _triple_products(frames: BeadFrames, kind: MoleculeKind, four: tuple[int, int, int, int]) -> np.ndarray:
    """Of unit vectors from the first bead to the others, [frames, molecules]: mirror images have the other sign."""
    points = frames.beads_of(kind)
    away = points[:, :, four[1:]] - points[:, :, four[:1]]
    unit = away / np.linalg.norm(away, axis=-1, keepdims=True)
    return np.linalg.det(unit)
