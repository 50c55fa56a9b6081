"""Radial distributions between grain centers and between chosen atoms."""

from itertools import combinations_with_replacement, product
from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError
from ..mapping.grains import GrainMap, GrainType
from ..mapping.whole import whole_frames

BLOCKS = 5
CHUNK = 5_000_000  # distances in memory at a time
POLAR = ("N", "O", "F")  # hydrogens on these make strong hydrogen bonds
ACCEPTORS = ("N", "O", "F", "S", "Cl", "Br", "I")  # what hydrogens and ions go near to


class RDF(NamedTuple):
    """A radial distribution: middles of the bins ``r`` [bins] in nm, ``g`` [bins], and its ``error`` [bins] of blocks.

    The error is the standard error over `BLOCKS` parts of the trajectory, nan where there are fewer frames than these.
    """

    r: np.ndarray
    g: np.ndarray
    error: np.ndarray


def radial_distribution(trajectory: mdtraj.Trajectory, pairs: ArrayLike, bin_width: float = 0.01) -> RDF:
    """Density of pairs at a distance over that of an ideal gas, up to half the smallest height of the box.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory
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
    pairs = np.asarray(pairs, dtype=int).reshape(-1, 2)
    if len(pairs) == 0:
        raise GeometryError("a radial distribution needs at least one pair, but none was chosen")
    r_max = half_height(trajectory)
    edges = np.arange(0.0, r_max + 1e-9, bin_width)
    chunk = max(1, CHUNK // len(pairs))
    blocks = np.array_split(np.arange(trajectory.n_frames), BLOCKS if trajectory.n_frames >= BLOCKS else 1)
    totals, weights = np.zeros((len(blocks), len(edges) - 1)), np.zeros(len(blocks))
    for block, frames in enumerate(blocks):
        for start in range(0, len(frames), chunk):
            part = trajectory[frames[start : start + chunk]]
            r, g = mdtraj.compute_rdf(part, pairs, r_range=(0.0, edges[-1]), n_bins=len(edges) - 1, opt=True)
            ideal = (1.0 / part.unitcell_volumes).sum()
            totals[block] += g * ideal
            weights[block] += ideal
    error = np.full(len(r), np.nan)
    if len(blocks) == BLOCKS:
        error = (totals / weights[:, None]).std(0, ddof=1) / np.sqrt(BLOCKS)
    return RDF(r, totals.sum(0) / weights.sum(), error)


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
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for t in grain_map.type_index:
        name = grain_map.types[t].name
        topology.add_atom(name, mdtraj.element.virtual, topology.add_residue(name, chain))
    out = mdtraj.Trajectory(centers, topology, time=trajectory.time)
    out.unitcell_vectors = trajectory.unitcell_vectors
    return out


def center_pairs(grain_map: GrainMap) -> dict[str, np.ndarray]:
    """Pairs of grains for each pair of types that occurs: ``{"EC-EMC": int array [pairs, 2]}``."""
    members = {kind.name: np.flatnonzero(grain_map.type_index == t) for t, kind in enumerate(grain_map.types)}
    out = {f"{a}-{b}": _pairs(members[a], members[b]) for a, b in combinations_with_replacement(members, 2)}
    return {name: pairs for name, pairs in out.items() if len(pairs)}


def atom_pairs(topology: mdtraj.Topology, first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Pairs of atoms of different residues, each once, [pairs, 2].

    Parameters
    ----------
    topology : mdtraj.Topology
    first, second : int arrays
        Atom indices; they may overlap.
    """
    residue = np.array([atom.residue.index for atom in topology.atoms])
    pairs = _pairs(np.asarray(first, dtype=int), np.asarray(second, dtype=int))
    return pairs[residue[pairs[:, 0]] != residue[pairs[:, 1]]]


def contact_pairs(grain_map: GrainMap) -> dict[str, np.ndarray]:
    """Pairs of atoms by which grains of different residues hold together, ``{"LI Li - EC O": int array [pairs, 2]}``.

    For each pair of grain types: hydrogens and each element of `ACCEPTORS`, and grains of one atom (ions) and each of
    them. The hydrogens are those on N, O or F, or all of a type that has none there.
    """
    reaching = [_sites(kind) for kind in grain_map.types]
    accepting = [{e: _slots(kind, e) for e in ACCEPTORS if e in kind.elements} for kind in grain_map.types]
    out = {}
    for a, b in product(range(len(grain_map.types)), repeat=2):
        for (element, own), (other, slots) in product(reaching[a].items(), accepting[b].items()):
            first, second = grain_map.members(a)[:, own].ravel(), grain_map.members(b)[:, slots].ravel()
            pairs = _pairs(first, second)
            pairs = pairs[grain_map.atom_grain[pairs[:, 0]] != grain_map.atom_grain[pairs[:, 1]]]
            if len(pairs):
                out[f"{grain_map.types[a].name} {element} - {grain_map.types[b].name} {other}"] = pairs
    return out


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


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    pairs = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
