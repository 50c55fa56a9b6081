"""Symmetries that species and features have and atoms do not: chains read from the other end, and mirror images."""

from collections.abc import Iterator
from itertools import combinations, product
from typing import NamedTuple

import networkx
import numpy as np
from scipy.stats import ks_2samp

from ..mapping.matching import generators, symmetry_classes
from .bead_frames import BeadFrames, MoleculeKind

SAMPLES = 20_000  # of a distance, at most
DIFFERENT = 0.1  # between two distributions that a model takes for one (Kolmogorov-Smirnov)
CERTAIN = 1.63  # times the root of 2 / samples: what that difference exceeds once in a hundred by chance
ALIKE = 4  # samples of a trajectory that count as one that is independent, about
BLOCKS = 5
HANDED = 0.1  # of all samples, more of one sign than of the other: below it nobody would see the difference
SURE = 5.0  # standard errors that it is beyond chance
VISITS = 20  # to either sign, without which nothing is told of a molecule that has no hand by its bonds
KEEPS_SIGN = 0.999  # of a marker's samples
STEEP = 0.2  # a marker's triple product of unit vectors, at least, in as many


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
    by_chance : float
        What so few samples differ by without a cause.
    """

    molecule: str
    beads: list
    difference: float
    between: tuple
    by_chance: float

    @property
    def seen(self) -> bool:
        """Whether lengths differ, too: else it is the atoms alone."""
        return self.difference > max(DIFFERENT, self.by_chance)


def false_symmetries(frames: BeadFrames) -> list[FalseSymmetry]:
    """For each kind of molecule the exchanges that are wrong, of each bead the worst.

    An exchange keeps species, bonds and residues of the beads. It is right where some exchange of equal atoms moves all
    atoms of each bead with it.
    """
    found = []
    for kind in frames.kinds:
        # where all of these are right, so are their products, which are all exchanges
        wrong = [each for each in _exchanges(kind) if not _of_atoms(kind, each)]
        told = [_difference(frames, kind, each) for each in wrong]
        named: set[str] = set()
        for one in sorted(told, key=lambda each: -each.difference):
            beads = {bead for pair in one.beads for bead in pair}
            if not beads & named:
                named |= beads
                found.append(one)
    return found


def needless_species(frames: BeadFrames) -> list[tuple[str, str, str]]:
    """Molecule and two beads that atoms cannot tell apart, where their species differ and their lengths do not."""
    found = []
    for kind in frames.kinds:
        sizes = (str(kind.bead_of.count(bead)) for bead in range(len(kind.species)))
        plain = kind._replace(species=tuple(sizes))
        for exchange in _exchanges(plain):
            moved = [bead for bead, other in enumerate(exchange) if kind.species[bead] != kind.species[other]]
            if moved and _of_atoms(kind, exchange) and not _difference(frames, kind, exchange).seen:
                found.append((kind.name, kind.labels[moved[0]], kind.labels[exchange[moved[0]]]))
                break
    return found


def same_beads(frames: BeadFrames) -> list[tuple[str, str]]:
    """Molecules of other atoms whose beads have the same species and bonds."""
    seen: dict[tuple, MoleculeKind] = {}
    found = []
    for kind in frames.kinds:
        other = seen.setdefault((kind.species, kind.bonds, kind.residues), kind)
        if sorted(other.elements) != sorted(kind.elements) or len(other.atom_bonds) != len(kind.atom_bonds):
            found.append((other.name, kind.name))
    return found


def _exchanges(kind: MoleculeKind) -> np.ndarray:
    """Permutations of beads that keep species, bonds and which beads share a residue, of which all are products."""
    # a residue is a vertex of its own, so that an exchange moves residues as a whole
    number = len(kind.species)
    elements = (*kind.species, *["residue"] * (max(kind.residues) + 1))
    bonds = [*kind.bonds, *((bead, number + own) for bead, own in enumerate(kind.residues))]
    every = generators(elements, tuple(sorted(bonds)))[:, :number]
    return every[(every != np.arange(number)).any(1)]


def _of_atoms(kind: MoleculeKind, exchange: np.ndarray) -> bool:
    """Whether an exchange of equal atoms moves all atoms of each bead to those of the bead that it is exchanged for."""
    here, there = networkx.Graph(kind.atom_bonds), networkx.Graph(kind.atom_bonds)
    for graph, moved in ((here, exchange), (there, np.arange(len(exchange)))):
        for atom, (element, bead, weight) in enumerate(zip(kind.elements, kind.bead_of, kind.weights)):
            graph.add_node(atom, kind=(element, weight, -1 if bead < 0 else int(moved[bead])))
    return networkx.is_isomorphic(here, there, node_match=lambda a, b: a["kind"] == b["kind"])


def _difference(frames: BeadFrames, kind: MoleculeKind, exchange: np.ndarray) -> FalseSymmetry:
    points = frames.beads_of(kind).reshape(-1, len(kind.species), 3)
    points = points[np.unique(np.linspace(0, len(points) - 1, min(SAMPLES, len(points))).astype(int))]
    largest, between = 0.0, ((0, 0), (0, 0))
    for i, j in combinations(range(len(kind.species)), 2):
        other = tuple(sorted((int(exchange[i]), int(exchange[j]))))
        if other == (i, j):
            continue
        one, two = (np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in ((i, j), other))
        apart = float(ks_2samp(one, two, method="asymp").statistic) if len(points) > 1 else 0.0
        if apart > largest:
            largest, between = apart, ((i, j), (other[0], other[1]))
    moved = [(kind.labels[bead], kind.labels[other]) for bead, other in enumerate(exchange) if bead < other]
    pairs = tuple((kind.labels[a], kind.labels[b]) for a, b in between)
    return FalseSymmetry(kind.name, moved, largest, pairs, CERTAIN * np.sqrt(2.0 * ALIKE / len(points)))


class Handedness(NamedTuple):
    """Four beads that turn more often one way than the other, for a model that takes equal beads for the same.

    Attributes
    ----------
    molecule : str
    beads : tuple of str
    bias : float
        From -1 to 1: samples of one sign less those of the other.
    error : float
        Standard error of the bias: from blocks of frames or from the molecules, whichever is larger.
    visits : int
        How often molecules came to either sign; each begins at one.
    by_bonds : bool
        Whether the molecule has an atom with four different neighbours, and so another mirror image.
    marked_by : tuple of str
        Four beads that share one of these at least, and never change sign: by them the model can know the hand.
        Empty where there are none.
    """

    molecule: str
    beads: tuple
    bias: float
    error: float
    visits: int
    by_bonds: bool
    marked_by: tuple

    @property
    def seen(self) -> bool:
        """A molecule without a hand by its bonds turns both ways alike, so that more is asked of such frames."""
        if abs(self.bias) <= HANDED:
            return False
        return self.by_bonds or (self.visits >= VISITS and abs(self.bias) > SURE * self.error)


def handedness(frames: BeadFrames) -> list[Handedness]:
    """What is not its own mirror image, for each kind of molecule: the four beads that show it most.

    Those without a marker come first. An energy that reflections leave alone gives a molecule and its mirror image the
    same weight.
    """
    found = []
    for kind in frames.kinds:
        exchanges, by_bonds = _exchanges(kind), _handed(kind)
        signs, steep = {}, {}
        for four in _fours(kind):
            values = [_triple_products(frames, kind, each) for each in _images(four, exchanges)]
            signs[four] = np.mean([np.sign(each) for each in values], axis=0)
            steep[four] = np.min([np.abs(each) for each in values], axis=0)
        markers = [
            four
            for four, own in signs.items()
            if np.mean((own == np.sign(np.median(own))) & (np.abs(own) == 1.0) & (steep[four] > STEEP)) >= KEEPS_SIGN
        ]
        seen = []
        for four, own in signs.items():
            near = max(markers, key=lambda other: len(set(other) & set(four)), default=())  # noqa: B023
            marker = tuple(kind.labels[bead] for bead in near) if set(near) & set(four) else ()
            beads = tuple(kind.labels[bead] for bead in four)
            visits = own.shape[1] + int((np.sign(own[1:]) != np.sign(own[:-1])).sum())
            seen.append(Handedness(kind.name, beads, float(own.mean()), _error(own), visits, by_bonds, marker))
        seen = [each for each in seen if each.seen]
        for unmarked in (True, False):
            some = [each for each in seen if bool(each.marked_by) != unmarked]
            if some:
                found.append(max(some, key=lambda each: abs(each.bias)))
    return found


def _handed(kind: MoleculeKind) -> bool:
    """Whether an atom has four neighbours of which no two are alike."""
    graph, classes = networkx.Graph(kind.atom_bonds), symmetry_classes(kind.elements, kind.atom_bonds)
    return any(len(graph[atom]) == 4 == len({classes[other] for other in graph[atom]}) for atom in graph)


def _images(four: tuple, exchanges: np.ndarray) -> list[tuple]:
    """Four beads in their order, and what exchanges make of them."""
    seen, left = {four}, [four]
    while left:
        here = left.pop()
        for exchange in exchanges:
            there = tuple(int(exchange[bead]) for bead in here)
            if there not in seen:
                seen.add(there)
                left.append(there)
    return sorted(seen)


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
        for i, m in product(sorted(set(graph[j]) - {k}), sorted(set(graph[k]) - {j})):
            if i != m:
                yield i, j, k, m
    for center in sorted(graph):
        for three in combinations(sorted(graph[center]), 3):
            yield (center, *three)


def _triple_products(frames: BeadFrames, kind: MoleculeKind, four: tuple) -> np.ndarray:
    """Of unit vectors from the first bead to the others, [frames, molecules]: mirror images have the other sign."""
    points = frames.beads_of(kind)
    away = points[:, :, four[1:]] - points[:, :, four[:1]]
    unit = away / np.linalg.norm(away, axis=-1, keepdims=True).clip(min=1e-9)
    return np.linalg.det(unit)
