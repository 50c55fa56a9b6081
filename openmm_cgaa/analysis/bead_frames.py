"""Atomistic frames as a mapping sees them: molecules of beads, beside the atoms that are behind them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import mdtraj
import networkx
import numpy as np
from openmm import app

from ..errors import CGAAError
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..mapping import matching
from ..mapping.beadmapping import MappedBeads, Mapping
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frames
from ..structures.topologies import symbol
from ..structures.trajectories import checked_pieces
from ..units import ANGSTROM_PER_NM

CHUNK = 20  # frames that are read at a time
MOST = 2_000_000, 100, 5_000  # atoms in all frames that are kept, and frames, at least and at most


class MoleculeKind(NamedTuple):
    """Molecules of the same beads, in the order of the topology.

    Attributes
    ----------
    name : str
        Of its residues.
    labels : tuple of str, [beads]
        Residue and name of each: ``HEX:A``, or ``ALA2:N`` where the molecule has several residues of that name.
    species : tuple of str, [beads]
    residues : tuple of int, [beads]
        Which residue of the molecule each bead is in.
    bonds : tuple of pairs of beads
    atom_labels : tuple of str, [atoms]
        Of the atoms, those without a bead too, as of beads.
    elements : tuple of str, [atoms]
    atom_bonds : tuple of pairs of atoms
    bead_of : tuple of int, [atoms]
        -1 for atoms of no bead.
    weights : tuple of float, [atoms]
        What each adds to the position of its bead.
    beads : int array, [molecules, beads]
        Their places in the mapped topology.
    atoms : int array, [molecules, atoms]
        Their places in the atomistic one.
    """

    name: str
    labels: tuple
    species: tuple
    residues: tuple
    bonds: tuple
    atom_labels: tuple
    elements: tuple
    atom_bonds: tuple
    bead_of: tuple
    weights: tuple
    beads: np.ndarray
    atoms: np.ndarray


@dataclass(frozen=True, eq=False)
class BeadFrames:
    """Frames of whole molecules.

    Attributes
    ----------
    mapped : MappedBeads
    kinds : list of MoleculeKind
    atoms : array, [frames, atoms, 3], Å
    beads : array, [frames, beads, 3], Å
    boxes : array, [frames, 3, 3], Å, or None
    """

    mapped: MappedBeads
    kinds: list
    atoms: np.ndarray
    beads: np.ndarray
    boxes: np.ndarray | None

    def beads_of(self, kind: MoleculeKind) -> np.ndarray:
        """[frames, molecules, beads, 3], Å."""
        return self.beads[:, kind.beads]

    def atoms_of(self, kind: MoleculeKind) -> np.ndarray:
        """[frames, molecules, atoms, 3], Å."""
        return self.atoms[:, kind.atoms]


def read_bead_frames(
    trajectory: FilePath,
    topology: app.Topology,
    mapping: Mapping,
    constraints: Sequence[tuple[int, int]] | None = None,
    most: int | None = None,
) -> BeadFrames:
    """Frames of a trajectory, as far from each other as they can be.

    Parameters
    ----------
    trajectory : path
        What MDTraj reads.
    topology : openmm.app.Topology
        Of atoms, with their bonds.
    mapping : Mapping
    constraints : pairs of atoms, optional
        Of the run; they must lie inside beads, see `Mapping.on`.
    most : int, optional
        Frames that are kept, at most; `MOST` without it.

    Raises
    ------
    CGAAError
        A mapping or a trajectory that does not fit the topology, or one without frames.
    """
    arguments.instance(mapping, Mapping, "mapping")
    mapped = replace(mapping, bare=False).on(topology, constraints)
    whole = GrainMap.from_topology(topology).molecules
    atoms_in_all, least, limit = MOST
    most = most or int(np.clip(atoms_in_all // topology.getNumAtoms(), least, limit))
    positions, boxes = _read(trajectory, mdtraj.Topology.from_openmm(topology), most)
    if not np.isfinite(positions).all() or (boxes is not None and not np.isfinite(boxes).all()):
        raise CGAAError(f"{trajectory}: positions or boxes are not finite in some frame; leave such frames out")
    if boxes is None and topology.getPeriodicBoxVectors() is not None:
        raise CGAAError(
            f"{trajectory}: its frames have no box, but the topology has one; write them with their box, or give a "
            "topology without"
        )
    atoms = ANGSTROM_PER_NM * whole_frames(whole, positions, boxes)
    boxes = None if boxes is None else ANGSTROM_PER_NM * boxes
    return BeadFrames(mapped, _kinds(topology, mapped), atoms, mapped.positions(atoms), boxes)


def _read(path: FilePath, topology: mdtraj.Topology, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions and boxes (nm) of at most so many frames.

    How many there are is known at the end: until then twice as many are kept, and every second one is let go at times.
    """
    kept: list[tuple] = []
    stride = number = 0
    for piece in checked_pieces(path, topology, CHUNK):
        vectors = piece.unitcell_vectors
        for index, frame in enumerate(piece.xyz):
            if number % (1 << stride) == 0:
                kept.append((frame.astype(float), None if vectors is None else vectors[index].astype(float)))
            number += 1
            if len(kept) > 2 * most:
                kept, stride = kept[::2], stride + 1
    if not kept:
        raise CGAAError(f"{path}: there are no frames in it; give a trajectory that has some")
    chosen = np.linspace(0, len(kept) - 1, min(most, len(kept))).round().astype(int)
    positions, boxes = zip(*(kept[index] for index in chosen))
    return np.stack(positions), None if any(box is None for box in boxes) else np.stack(boxes)


def _kinds(topology: app.Topology, mapped: MappedBeads) -> list[MoleculeKind]:
    """Molecules that have beads, those that are alike together."""
    bead_of = {atom: bead for bead, members in enumerate(mapped.members) for atom in members}
    weight = {a: w for own, of in zip(mapped.members, mapped.weights) for a, w in zip(own, of)}
    beads, atoms = list(mapped.topology.atoms()), list(topology.atoms())
    graph = networkx.Graph([(i.index, j.index) for i, j in topology.bonds()])
    for residue in topology.residues():
        networkx.add_path(graph, [atom.index for atom in residue.atoms()])
    graph.add_nodes_from(range(len(atoms)))
    parts = sorted(map(sorted, networkx.connected_components(graph)))
    part_of = {atom: number for number, members in enumerate(parts) for atom in members}
    bonds: list[list] = [[] for _ in parts]
    bead_bonds: list[list] = [[] for _ in parts]
    for i, j in topology.bonds():
        bonds[part_of[i.index]].append((i.index, j.index))
    for i, j in mapped.topology.bonds():
        bead_bonds[part_of[mapped.members[i.index][0]]].append((i.index, j.index))
    found: dict[tuple, list[list]] = {}
    for number, members in enumerate(parts):
        own = sorted({bead_of[atom] for atom in members if atom in bead_of})
        if not own:
            continue
        slot = {bead: place for place, bead in enumerate(own)}
        residues = list(dict.fromkeys(atoms[atom].residue for atom in members))
        names = _names(residues)
        of_beads = [beads[bead].residue.index for bead in own]
        key = (
            "-".join(dict.fromkeys(residue.name for residue in residues)),
            tuple(f"{names[atoms[mapped.members[bead][0]].residue]}:{beads[bead].name}" for bead in own),
            tuple(beads[bead].species for bead in own),
            tuple(list(dict.fromkeys(of_beads)).index(residue) for residue in of_beads),
            matching.relabel(bead_bonds[number], own),
            tuple(f"{names[atoms[atom].residue]}:{atoms[atom].name}" for atom in members),
            tuple(symbol(atoms[atom]) for atom in members),
            matching.relabel(bonds[number], members),
            tuple(slot[bead_of[atom]] if atom in bead_of else -1 for atom in members),
            tuple(round(float(weight.get(atom, 0.0)), 6) for atom in members),
        )
        found.setdefault(key, []).append([own, members])
    return [MoleculeKind._make((*key, *map(np.array, zip(*rows)))) for key, rows in found.items()]


def _names(residues: list) -> dict:
    """What the residues of a molecule are called: by their names, and their places where one name comes twice."""
    often = Counter(residue.name for residue in residues)
    return {r: r.name if often[r.name] == 1 else f"{r.name}{place}" for place, r in enumerate(residues, 1)}
