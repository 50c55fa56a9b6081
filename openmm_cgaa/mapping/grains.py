"""Grains of a topology: which atom sits in which slot of which grain."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import networkx
import numpy as np
from openmm import app, unit

from ..errors import GrainError
from ..host.files import write_bytes
from ..inputs import arguments
from ..inputs.arguments import FilePath, Numbers
from ..structures import geometry
from ..structures.topologies import formula
from ..wording import counted
from . import grainfile, matching
from .residues import Residues, read_arrays, read_mdtraj, read_openmm

if TYPE_CHECKING:
    import mdtraj


@dataclass(frozen=True)
class GrainType:
    """One kind of grain: ordered slots, their bonds and which of them are equivalent.

    Attributes
    ----------
    name : str
    elements : tuple of str, [slots]
    bonds : tuple of (slot, slot)
    classes : tuple of int, [slots]
        Orbits under the automorphisms of the element-coloured bond graph, numbered in order of first appearance.
    reference : tuple of (x, y, z), [slots], Å, or None
        The geometry that decides which of several equivalent matches is taken, see `GrainMap.align`.
    """

    name: str
    elements: tuple
    bonds: tuple
    classes: tuple
    reference: tuple | None = None

    @classmethod
    def from_bonds(
        cls, name: str, elements: Sequence, bonds: Iterable, reference: Iterable | None = None
    ) -> "GrainType":
        """A type with slots in the order given; the symmetry classes are found."""
        elements, bonds = tuple(elements), matching.relabel(tuple(bonds), tuple(range(len(elements))))
        if reference is not None:
            reference = tuple(tuple(float(x) for x in row) for row in reference)
        return cls(name, elements, bonds, matching.symmetry_classes(elements, bonds), reference)

    @property
    def num_slots(self) -> int:
        return len(self.elements)

    @property
    def num_classes(self) -> int:
        return len(set(self.classes))

    @property
    def tree(self) -> list:
        """Spanning tree of the bonds from slot 0, breadth first: ``num_slots - 1`` pairs (parent, child)."""
        graph = networkx.Graph(self.bonds)
        graph.add_nodes_from(range(self.num_slots))
        return list(networkx.bfs_edges(graph, 0))

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> "GrainType":
        """The type that `to_dict` wrote, before or after a way through JSON."""
        reference = data.get("reference")
        return cls(
            name=data["name"],
            elements=tuple(data["elements"]),
            bonds=tuple((i, j) for i, j in data["bonds"]),
            classes=tuple(data["classes"]),
            reference=None if reference is None else tuple((x, y, z) for x, y, z in reference),
        )

    def __str__(self) -> str:
        return f"{self.name} {formula(self.elements)}"


@dataclass(frozen=True, eq=False)
class GrainMap:
    """All grains of one topology.

    Attributes
    ----------
    types : list of GrainType
    type_index : int array [grains]
        Type of each grain, grains in the order of the topology's residues.
    slots : list of int arrays, [grains][slots]
        ``slots[g][s]`` is the atom of the topology in slot s of grain g.
    labels : list of str, [grains]
        Residue name and number, for messages.
    num_atoms : int
    """

    types: list
    type_index: np.ndarray
    slots: list
    labels: list
    num_atoms: int

    @property
    def num_grains(self) -> int:
        return len(self.slots)

    @property
    def atom_grain(self) -> np.ndarray:
        """Grain of each atom of the topology, int [num_atoms]; -1 where an atom is in none."""
        grain = np.full(self.num_atoms, -1)
        for g, atoms in enumerate(self.slots):
            grain[atoms] = g
        return grain

    def members(self, t: int) -> np.ndarray:
        """Atoms of all grains of a type, in slot order, int [grains of the type, slots]."""
        atoms = [self.slots[g] for g in np.flatnonzero(self.type_index == t)]
        return np.array(atoms, dtype=int).reshape(-1, self.types[t].num_slots)

    @classmethod
    def from_topology(
        cls, topology: app.Topology, templates: app.Topology | dict | None = None, atoms: Iterable | None = None
    ) -> "GrainMap":
        """Each residue of an OpenMM Topology becomes a grain.

        Parameters
        ----------
        topology : openmm.app.Topology
        templates : openmm.app.Topology or dict, optional
            Bonds for residues that have none, found by residue name and atom names: a Topology in which a residue of
            that name has its bonds, or ``{residue name: [(atom name, atom name), ...]}``.
        atoms : sequence of int, optional
            Make grains of the residues of these atoms alone; all else may be a peptide or have virtual sites. Atoms
            keep the topology's numbers.

        Raises
        ------
        GrainError
            Not a Topology, an atom without element, a polyatomic residue that its bonds do not connect, a bond between
            two residues, a template that names an atom which the residue lacks.
        """
        return cls._build(read_openmm(topology, templates, atoms), topology.getNumAtoms())

    @classmethod
    def from_mdtraj(cls, topology: "mdtraj.Topology") -> "GrainMap":
        """Each residue of an mdtraj Topology becomes a grain; errors as in `from_topology`."""
        return cls._build(read_mdtraj(topology))

    @classmethod
    def from_arrays(
        cls, elements: Iterable, bonds: Iterable, residues: Iterable, names: Iterable | None = None
    ) -> "GrainMap":
        """Grains from plain arrays; errors as in `from_topology`.

        Parameters
        ----------
        elements : sequence of str, [atoms]
        bonds : pairs of atom indices
        residues : sequence of int, [atoms]
            Residue of each atom; grains are in order of first appearance.
        names : sequence of str, [grains], optional
            Without it grains are named by their formula.
        """
        return cls._build(read_arrays(elements, bonds, residues, names))

    @classmethod
    def _build(cls, residues: Residues, num_atoms: int | None = None) -> "GrainMap":
        kinds: dict[tuple, tuple] = {}  # canonical graph -> its type's index and residue names
        type_index, slots = [], []
        for atoms, elements, bonds, name in zip(*residues[:4]):
            kind, order = matching.canonical_form(elements, bonds)
            t, names = kinds.setdefault(kind, (len(kinds), []))
            names.append(name)
            type_index.append(t)
            slots.append(np.array(atoms)[list(order)])
        names = _unique([Counter(names).most_common(1)[0][0] for _, names in kinds.values()])
        types = [GrainType.from_bonds(name, *kind) for name, kind in zip(names, kinds)]
        return cls(types, np.array(type_index, dtype=int), slots, residues.labels, num_atoms or sum(map(len, slots)))

    def match(self, types: Iterable[GrainType]) -> "GrainMap":
        """The same grains on a model's types and slots; ``types`` are all the model's, also those absent here.

        Raises
        ------
        GrainError
            A grain is none of the types: names the residue, what the model knows, the nearest type, the difference.
        """
        types = list(types)
        known: dict[tuple, tuple] = {}
        for t, kind in enumerate(types):
            form, order = matching.canonical_form(kind.elements, kind.bonds)
            known.setdefault(form, (t, np.argsort(order)))
        target, source = [], []  # of each type of this map: the model's type, and our slot for each slot of it
        for t, kind in enumerate(self.types):
            form, order = matching.canonical_form(kind.elements, kind.bonds)
            if form not in known and np.any(self.type_index == t):
                label = self.labels[int(np.argmax(self.type_index == t))]
                raise GrainError(matching.explain_mismatch(label, kind.elements, kind.bonds, types))
            model_type, place = known.get(form, (-1, []))
            target.append(model_type)
            source.append(np.array(order)[place])
        slots = [atoms[source[t]] for t, atoms in zip(self.type_index, self.slots)]
        return replace(self, types=types, type_index=np.array(target, dtype=int)[self.type_index], slots=slots)

    def align(self, positions: Numbers, box: Numbers | None = None) -> "GrainMap":
        """Settle which of several equivalent atoms takes which slot, for types with a reference geometry.

        Of all exchanges of equivalent atoms the one is taken that superposes best on the reference by a proper
        rotation. Grains may be broken across the boundary.

        Parameters
        ----------
        positions : array [atoms, 3], Å
        box : array [3, 3], Å, rows are the vectors, or None

        Raises
        ------
        GeometryError
            Positions of another shape, or not finite.
        GrainError
            A type has too many exchanges to try them all.
        """
        slots = list(self.slots)
        whole = self._by_type(positions, box)
        for t, kind in enumerate(self.types):
            grains = np.flatnonzero(self.type_index == t)
            if kind.reference is None or kind.num_classes == kind.num_slots or len(grains) == 0:
                continue
            permutations = matching.automorphisms(kind.elements, kind.bonds)
            best = matching.misfits(whole[t], np.array(kind.reference), permutations).argmin(axis=1)
            for g, p in zip(grains, best):
                slots[g] = self.slots[g][permutations[p]]
        return replace(self, slots=slots)

    def with_references(self, positions: Numbers, box: Numbers | None = None) -> "GrainMap":
        """The same map, its types carrying the geometry of their first grain as reference (Å, centered)."""
        types = list(self.types)
        for t, grains in enumerate(self._by_type(positions, box)):
            if len(grains):
                centered = grains[0] - grains[0].mean(axis=0)
                types[t] = replace(types[t], reference=tuple(map(tuple, centered.tolist())))
        return replace(self, types=types)

    def extents(self, positions: Numbers, box: Numbers | None = None) -> np.ndarray:
        """Largest distance of two atoms within each grain, made whole, [grains], Å."""
        out = np.zeros(self.num_grains)
        for t, distances in enumerate(self.distances(positions, box)):
            out[self.type_index == t] = distances.max(axis=(1, 2), initial=0.0)
        return out

    def distances(self, positions: Numbers, box: Numbers | None = None) -> list:
        """Distances of the atoms of each grain, made whole, by type: [grains of the type, slots, slots], Å."""
        whole = self._by_type(positions, box)
        return [np.linalg.norm(grains[:, :, None] - grains[:, None], axis=-1) for grains in whole]

    def _by_type(self, positions: Numbers, box: Numbers | None) -> list:
        """Whole grains of each type, [grains, slots, 3], Å."""
        whole = self.whole(positions, box)
        return [whole[self.members(t)] for t in range(len(self.types))]

    def whole(self, positions: Numbers, box: Numbers | None = None, wrap: bool = False) -> np.ndarray:
        """Positions with every grain in one piece, [atoms, 3], Å.

        Parameters
        ----------
        positions : array [atoms, 3], Å, or Quantity
            Grains may be broken across the boundary.
        box : array [3, 3], Å, or Quantity, or None
            Rows are the vectors; None: nothing is moved.
        wrap : bool
            Move each grain so that its center lies in the box.

        Raises
        ------
        GeometryError
            Positions or box of another shape, or not finite; a box that is not right-handed.
        """
        from .whole import whole_frame  # on demand: it needs torch, and a topology should be read without

        positions = geometry.check_positions(positions, self.num_atoms, unit.angstrom)
        box = geometry.check_box(box, unit.angstrom)
        return whole_frame(self, positions, box, wrap)

    def network_order(self) -> tuple:
        """``(atom_index [atoms], counts per type)``: ``positions[atom_index]`` is in network order."""
        grains = np.argsort(self.type_index, kind="stable")
        atoms = np.concatenate([self.slots[g] for g in grains]) if len(grains) else np.empty(0, int)
        return atoms, np.bincount(self.type_index, minlength=len(self.types)).tolist()

    def save(self, path: FilePath) -> None:
        """Write the map as JSON; an existing file stays as it was until the new one is complete."""
        data = {
            "num_atoms": self.num_atoms,
            "types": [kind.to_dict() for kind in self.types],
            "type_index": self.type_index.tolist(),
            "slots": [atoms.tolist() for atoms in self.slots],
            "labels": self.labels,
        }
        write_bytes(path, grainfile.dumped(data))

    @classmethod
    def load(cls, path: FilePath) -> "GrainMap":
        """Read what `save` wrote; a missing, foreign, damaged or inconsistent file raises GrainError."""
        arguments.path(path, "path")
        try:
            text = Path(path).read_text()
        except OSError as error:
            raise GrainError(f"cannot read the grain map {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            text = ""
        data = grainfile.parsed(text, path)
        return cls(
            types=[GrainType.from_dict(kind) for kind in data["types"]],
            type_index=np.array(data["type_index"], dtype=int),
            slots=[np.array(atoms, dtype=int) for atoms in data["slots"]],
            labels=data["labels"],
            num_atoms=data["num_atoms"],
        )

    def __str__(self) -> str:
        rows = [("type", "grains", "slots", "classes", "elements")]
        for kind, count in zip(self.types, self.network_order()[1]):
            rows.append((kind.name, str(count), str(kind.num_slots), str(kind.num_classes), " ".join(kind.elements)))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([f"{counted(self.num_grains, 'grain')}, {counted(self.num_atoms, 'atom')}", *lines])


def _unique(names: list) -> list:
    """A later type of the same name becomes NAME_2."""
    out = []
    for name in names:
        spellings = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        out.append(next(spelling for spelling in spellings if spelling not in out))
    return out
