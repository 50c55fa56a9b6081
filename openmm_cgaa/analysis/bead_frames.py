"""Atomistic frames as a mapping sees them: molecules of beads, beside the atoms that are behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import mdtraj
import networkx
import numpy as np
from openmm import app

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..mapping.beadmapping import MappedBeads, Mapping
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frames
from ..structures.topologies import symbol
from ..structures.trajectories import pieces
from ..units import ANGSTROM_PER_NM
from ..wording import counted

CHUNK = 20  # frames that are read at a time
MOST = 2_000_000, 100, 5_000  # atoms in all frames that are kept, and frames, at least and at most


class MoleculeKind(NamedTuple):
    """Molecules of the same beads, in the order of the topology.

    Attributes
    ----------
    name : str
        Of its residues.
    labels : tuple of str, [beads]
        Residue and name of each: ``HEX:A``.
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
    mapped, whole = replace(mapping, bare=False).on(topology, constraints), GrainMap.from_topology(topology).molecules
    atoms_in_all, least, limit = MOST
    most = most or int(np.clip(atoms_in_all // topology.getNumAtoms(), least, limit))
    read = _read(trajectory, mdtraj.Topology.from_openmm(topology), most)
    boxes = read.unitcell_vectors
    atoms = ANGSTROM_PER_NM * whole_frames(whole, read.xyz.astype(float), boxes)
    boxes = None if boxes is None else ANGSTROM_PER_NM * boxes.astype(float)
    return BeadFrames(mapped, _kinds(topology, mapped), atoms, mapped.positions(atoms), boxes)


def _read(path: FilePath, topology: mdtraj.Topology, most: int) -> mdtraj.Trajectory:
    """At most so many frames. Their number is known at the end: until then every second one is let go at times."""
    kept: list[mdtraj.Trajectory] = []
    stride = number = 0
    try:
        for piece in pieces(path, topology, CHUNK):
            for frame in piece:
                if number % (1 << stride) == 0:
                    kept.append(frame)
                number += 1
                if len(kept) > most:
                    kept, stride = kept[::2], stride + 1
    except CGAAError:
        raise
    except Exception as error:  # MDTraj's readers raise all kinds
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise CGAAError(
            f"{path}: cannot be read as a trajectory of this topology of {counted(topology.n_atoms, 'atom')} ({reason})"
        ) from None
    if not kept:
        raise CGAAError(f"{path}: there are no frames in it")
    return mdtraj.join(kept, check_topology=False) if len(kept) > 1 else kept[0]


def _kinds(topology: app.Topology, mapped: MappedBeads) -> list[MoleculeKind]:
    """Molecules that have beads, those that are alike together."""
    bead_of = {atom: bead for bead, members in enumerate(mapped.members) for atom in members}
    beads, atoms = list(mapped.topology.atoms()), list(topology.atoms())
    graph = networkx.Graph([(i.index, j.index) for i, j in topology.bonds()])
    for residue in topology.residues():
        networkx.add_path(graph, [atom.index for atom in residue.atoms()])
    graph.add_nodes_from(range(len(atoms)))
    bonds = {frozenset((i.index, j.index)) for i, j in topology.bonds()}
    bead_bonds = {frozenset((i.index, j.index)) for i, j in mapped.topology.bonds()}
    found: dict[tuple, list[list]] = {}
    for members in sorted(map(sorted, networkx.connected_components(graph))):
        own = sorted({bead_of[atom] for atom in members if atom in bead_of})
        if not own:
            continue
        place, slot = ({each: at for at, each in enumerate(of)} for of in (members, own))
        residues = list(dict.fromkeys(beads[bead].residue.index for bead in own))
        key = (
            "-".join(dict.fromkeys(atoms[atom].residue.name for atom in members)),
            tuple(f"{beads[bead].residue.name}:{beads[bead].name}" for bead in own),
            tuple(beads[bead].species for bead in own),
            tuple(residues.index(beads[bead].residue.index) for bead in own),
            _inside(bead_bonds, slot),
            tuple(f"{atoms[atom].residue.name}:{atoms[atom].name}" for atom in members),
            tuple(symbol(atoms[atom]) for atom in members),
            _inside(bonds, place),
            tuple(slot[bead_of[atom]] if atom in bead_of else -1 for atom in members),
        )
        found.setdefault(key, []).append([own, members])
    return [MoleculeKind._make((*key, *map(np.array, zip(*rows)))) for key, rows in found.items()]


def _inside(bonds: set, place: dict[int, int]) -> tuple:
    """Bonds between given atoms, by their places."""
    return tuple(sorted(tuple(sorted(place[end] for end in bond)) for bond in bonds if bond <= place.keys()))
