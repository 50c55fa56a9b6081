"""Radial distributions between grain centers and between chosen atoms."""

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError
from ..mapping.grains import GrainMap, GrainType
from ..mapping.whole import whole_frames
from .streaming import BlockSums, Pieces, feed, ratio

CHUNK = 2_000_000  # distances, and pairs of them, in memory at a time
POLAR = ("N", "O", "F")  # hydrogens on these make strong hydrogen bonds
ACCEPTORS = ("N", "O", "F", "S", "Cl", "Br", "I")  # what hydrogens and ions go near to
Ends = tuple[np.ndarray, np.ndarray]  # atoms, or grains, of either end of pairs


class RDF(NamedTuple):
    """A radial distribution: middles of the bins ``r`` [bins] in nm, ``g`` [bins], and its ``error`` [bins] of blocks.

    The error is the standard error over five parts of the trajectory, nan where there are fewer frames than these.
    """

    r: np.ndarray
    g: np.ndarray
    error: np.ndarray


def radial_distribution(trajectory: Pieces, pairs: ArrayLike, bin_width: float = 0.01) -> RDF:
    """Density of pairs at a distance over that of an ideal gas, up to half the smallest height of the box.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        Periodic; the box may change from frame to frame.
    pairs : int array [pairs, 2]
        Each pair once.
    bin_width : float
        nm

    Raises
    ------
    GeometryError
        If the trajectory is not periodic, or there are no pairs.
    """
    counts = PairCounts(pairs, bin_width)
    feed(trajectory, counts)
    return counts.rdf()


class PairCounts:
    """An observable that counts pairs by their distance; its arguments are those of `radial_distribution`."""

    def __init__(self, pairs: ArrayLike, bin_width: float = 0.01) -> None:
        self.pairs = np.asarray(pairs, dtype=np.int32).reshape(-1, 2)
        self._begin(len(self.pairs), bin_width)

    def _begin(self, number: int, bin_width: float) -> None:
        if number == 0:
            raise GeometryError("a radial distribution needs at least one pair, but none was chosen")
        self.number, self.bin_width, self.r_max = number, bin_width, np.inf
        self.counts, self._ideal = BlockSums(), BlockSums()
        self._bins = 0

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray | int]]:
        """All pairs [pairs, 2] in chunks, or in one of `CHUNK` at most; and for `counted` what each of them counts."""
        for start in range(0, self.number, CHUNK):
            yield self.pairs[start : start + CHUNK], 1

    def add(self, piece: mdtraj.Trajectory) -> None:
        self.r_max = min(self.r_max, half_height(piece))
        self._bins = self._bins or len(self.edges())  # of the first frames; later ones only leave some out
        at_once = max(1, CHUNK // self.number)
        parts = [piece.slice(slice(i, i + at_once), copy=False) for i in range(0, piece.n_frames, at_once)]
        sums: list[np.ndarray] = []
        for pairs, times in self.chunks():  # outside of the loop over frames: to list them takes time
            found = [self.counted(bins, times) for part in parts for bins in self._in_bins(part, pairs)]
            sums = [a + b for a, b in zip(sums, found)] if sums else found
        for counts, volume in zip(sums, piece.unitcell_volumes):
            self.counts.add(counts)
            self._ideal.add(1.0 / volume)

    def _in_bins(self, part: mdtraj.Trajectory, pairs: np.ndarray) -> Iterator[np.ndarray]:
        for distances in mdtraj.compute_distances(part, pairs):
            yield (distances / self.bin_width).astype(int).clip(max=self._bins)

    def counted(self, bins: np.ndarray, times: np.ndarray | int) -> np.ndarray:
        """Of pairs of one frame [rows, bins]: those in each bin, and behind the last; from the bin of each pair."""
        return np.bincount(bins, minlength=self._bins + 1)[None]

    def edges(self) -> np.ndarray:
        """Of the bins, nm, as far as all boxes reach."""
        return np.arange(0.0, self.r_max + 1e-9, self.bin_width)

    def rdf(self) -> RDF:
        """What `radial_distribution` returns."""
        edges = self.edges()
        counts, ideal = self.counts.blocks()[0][:, 0, : len(edges) - 1], self._ideal.blocks()[0]
        shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
        return RDF(0.5 * (edges[1:] + edges[:-1]), *ratio(counts, ideal[:, None] * self.number * shells))


def half_height(trajectory: mdtraj.Trajectory) -> float:
    """Half the smallest distance between opposite faces of the box over all frames, nm."""
    boxes = trajectory.unitcell_vectors
    if boxes is None:
        raise GeometryError("a radial distribution needs a periodic trajectory, but this one has no box")
    volumes = np.abs(np.linalg.det(boxes))  # [frame]
    faces = np.cross(boxes[:, [1, 2, 0]], boxes[:, [2, 0, 1]])  # [frame, vector, xyz]
    return 0.5 * float((volumes[:, None] / np.linalg.norm(faces, axis=-1)).min())


def whole_grains(trajectory: mdtraj.Trajectory, grain_map: GrainMap) -> np.ndarray:
    """`whole_frames` of an mdtraj.Trajectory, [frames, atoms, 3], nm."""
    return whole_frames(grain_map, trajectory.xyz, trajectory.unitcell_vectors)


def center_trajectory(trajectory: mdtraj.Trajectory, grain_map: GrainMap) -> mdtraj.Trajectory:
    """Trajectory of the unweighted means of the atoms of each grain, one atom a grain, named after its type."""
    whole = whole_grains(trajectory, grain_map)
    centers = np.stack([whole[:, slots].mean(axis=1) for slots in grain_map.slots], axis=1)  # [frame, grain, xyz]
    out = mdtraj.Trajectory(centers, center_topology(grain_map), time=trajectory.time)
    out.unitcell_vectors = trajectory.unitcell_vectors
    return out


def center_topology(grain_map: GrainMap) -> mdtraj.Topology:
    """One atom a grain, named after its type."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for t in grain_map.type_index:
        name = grain_map.types[t].name
        topology.add_atom(name, mdtraj.element.virtual, topology.add_residue(name, chain))
    return topology


def center_ends(grain_map: GrainMap) -> dict[str, Ends]:
    """Grains of either type for each pair of types, ``{"EC-EMC": (grains that are EC, grains that are EMC)}``."""
    members = {kind.name: np.flatnonzero(grain_map.type_index == t) for t, kind in enumerate(grain_map.types)}
    both = combinations_with_replacement(members, 2)
    each = np.arange(grain_map.num_grains)
    return {f"{a}-{b}": (members[a], members[b]) for a, b in both if has_pairs(members[a], members[b], each)}


def center_pairs(grain_map: GrainMap) -> dict[str, np.ndarray]:
    """Pairs of grains for each pair of types that occurs: ``{"EC-EMC": int array [pairs, 2]}``."""
    return {name: _pairs(*ends) for name, ends in center_ends(grain_map).items()}


def atom_pairs(topology: mdtraj.Topology, first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Pairs of atoms of different residues, each once, [pairs, 2].

    Parameters
    ----------
    topology : mdtraj.Topology
    first, second : int arrays
        Atom indices; they may overlap.
    """
    residue = np.array([atom.residue.index for atom in topology.atoms])
    return pairs_of_two(np.asarray(first, dtype=int), np.asarray(second, dtype=int), residue)


def contact_ends(grain_map: GrainMap) -> dict[str, Ends]:
    """Atoms by which grains of different residues hold together, ``{"LI Li - EC O": (atoms Li, atoms O)}``.

    For each pair of grain types: hydrogens and each element of `ACCEPTORS`, and grains of one atom (ions) and each of
    them. The hydrogens are those on N, O or F, or all of a type that has none there.
    """
    reaching = [_sites(kind) for kind in grain_map.types]
    accepting = [{e: _slots(kind, e) for e in ACCEPTORS if e in kind.elements} for kind in grain_map.types]
    out = {}
    for a, b in product(range(len(grain_map.types)), repeat=2):
        for (element, own), (other, slots) in product(reaching[a].items(), accepting[b].items()):
            ends = grain_map.members(a)[:, own].ravel(), grain_map.members(b)[:, slots].ravel()
            if has_pairs(*ends, grain_map.atom_grain):
                out[f"{grain_map.types[a].name} {element} - {grain_map.types[b].name} {other}"] = ends
    return out


def contact_pairs(grain_map: GrainMap) -> dict[str, np.ndarray]:
    """Pairs of the atoms of `contact_ends`, ``{"LI Li - EC O": int array [pairs, 2]}``."""
    return {name: pairs_of_two(*ends, grain_map.atom_grain) for name, ends in contact_ends(grain_map).items()}


def _sites(kind: GrainType) -> dict[str, list[int]]:
    """Slots of a grain type that reach for an acceptor, by element: an ion, or hydrogens."""
    if kind.num_slots == 1:
        return {kind.elements[0]: [0]}
    polar = {
        slot
        for bond in kind.bonds
        for slot, other in (bond, bond[::-1])
        if kind.elements[slot] == "H" and kind.elements[other] in POLAR
    }
    hydrogens = sorted(polar) or _slots(kind, "H")
    return {"H": hydrogens} if hydrogens else {}


def _slots(kind: GrainType, element: str) -> list[int]:
    return [slot for slot, own in enumerate(kind.elements) if own == element]


def pairs_of_two(first: np.ndarray, second: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """Pairs of atoms that are in different grains; the grain of each atom is given."""
    pairs = _pairs(first, second)
    return pairs[grain[pairs[:, 0]] != grain[pairs[:, 1]]]


def has_pairs(first: np.ndarray, second: np.ndarray, grain: np.ndarray) -> bool:
    """Whether `pairs_of_two` finds any."""
    return len(first) > 0 and len(second) > 0 and len(np.unique(grain[np.concatenate([first, second])])) > 1


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    pairs = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
