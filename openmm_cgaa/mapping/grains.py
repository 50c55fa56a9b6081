"""Grains of a topology: which atom sits in which slot of which grain."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from .graintypes import GrainType
from .links import all_bonds, linked_pairs, with_pairs
from .residues import Residues, read_arrays, read_mdtraj, read_openmm, without_an_element

if TYPE_CHECKING:
    import mdtraj


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
    links : int array [links, 2]
        Bonds between grains, as atoms of the topology.
    """

    types: list
    type_index: np.ndarray
    slots: list
    labels: list
    num_atoms: int
    links: np.ndarray = field(default_factory=lambda: np.empty((0, 2), int))

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

    @cached_property
    def molecules(self) -> "GrainMap":
        """The same atoms with linked grains as one: every grain is a whole molecule."""
        if not len(self.links):
            return self
        graph = networkx.Graph(self.atom_grain[self.links].tolist())
        graph.add_nodes_from(range(self.num_grains))
        parts = sorted(sorted(grains) for grains in networkx.connected_components(graph))
        names = [[self.types[self.type_index[g]].name for g in grains] for grains in parts]
        return self.regrouped(
            [[int(atom) for g in grains for atom in self.slots[g]] for grains in parts],
            ["-".join(dict.fromkeys(own)) for own in names],
            [self.labels[grains[0]] for grains in parts],
        )

    def regrouped(self, members: list[list[int]], names: list[str], labels: list[str]) -> "GrainMap":
        """The same atoms and bonds in other grains; what these are bonded by are links.

        Parameters
        ----------
        members : list of lists of int
            Atoms of each grain.
        names, labels : list of str
            As of `Residues`.

        Raises
        ------
        GrainError
            The atoms of a grain are not joined by bonds.
        """
        elements, kinds, residues = np.empty(self.num_atoms, dtype=object), [], np.full(self.num_atoms, -1)
        beads: dict = {}
        for t, kind in enumerate(self.types):
            elements[self.members(t)] = kind.elements
            for atoms in self.members(t).tolist() if kind.names else ():
                beads.update(zip(atoms, zip(kind.names, kind.masses or [np.nan] * kind.num_slots)))
        for g, atoms in enumerate(members):
            residues[atoms] = g
            kinds.append(tuple(elements[atoms]))
        inside: list[list] = [[] for _ in members]
        links = []
        for i, j in all_bonds(self):
            if residues[i] == residues[j]:
                inside[residues[i]].append((i, j))
            else:
                links.append((min(i, j), max(i, j)))
        bonds = [matching.relabel(own, atoms) for own, atoms in zip(inside, members)]
        for label, kind, own in zip(labels, kinds, bonds):
            if not matching.is_connected(len(kind), own):
                raise GrainError(f"grain {label} ({formula(kind)}) is in pieces; its bonds must join all its atoms")
        return GrainMap._build(Residues(members, kinds, bonds, names, labels, sorted(links), beads), self.num_atoms)

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
            Not a Topology, an atom without element, a polyatomic residue that its bonds do not connect, a bond of a
            single ion, a template that names an atom which the residue lacks.
        """
        return cls._build(read_openmm(topology, templates, atoms), topology.getNumAtoms())

    @classmethod
    def from_mdtraj(cls, topology: "mdtraj.Topology") -> "GrainMap":
        """Each residue of an mdtraj Topology becomes a grain; errors as in `from_topology`."""
        return cls._build(read_mdtraj(topology))

    @classmethod
    def from_arrays(
        cls,
        elements: Iterable,
        bonds: Iterable,
        residues: Iterable,
        names: Iterable | None = None,
        beads: dict[int, tuple[str, float]] | None = None,
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
        beads : dict of int to (str, float), optional
            Name and mass (Da) of each atom that is a bead, whose symbol is ``*`` and its species.
        """
        return cls._build(read_arrays(elements, bonds, residues, names, beads))

    @classmethod
    def _build(cls, residues: Residues, num_atoms: int | None = None) -> "GrainMap":
        kinds: dict[tuple, tuple] = {}  # canonical graph -> its type's index, residue names, and beads of the first
        type_index, slots = [], []
        out = Counter(atom for link in residues.links for atom in link)
        for atoms, elements, bonds, name in zip(*residues[:4]):
            leaving = tuple(out[atom] for atom in atoms)
            kind, order = matching.canonical_form(elements, bonds, leaving if any(leaving) else ())
            own = [residues.beads[atoms[place]] for place in order] if atoms[0] in residues.beads else []
            t, names, _ = kinds.setdefault(kind, (len(kinds), [], own))
            names.append(name)
            type_index.append(t)
            slots.append(np.array(atoms)[list(order)])
        names = _unique([Counter(names).most_common(1)[0][0] for _, names, _ in kinds.values()])
        types = [
            GrainType.from_bonds(name, symbols, pairs, None, *counts)
            for name, (symbols, pairs, *counts) in zip(names, kinds)
        ]
        types = [kind.with_beads(beads) for kind, (_, _, beads) in zip(types, kinds.values())]
        num_atoms, links = num_atoms or sum(map(len, slots)), np.array(residues.links, dtype=int).reshape(-1, 2)
        made = cls(types, np.array(type_index, dtype=int), slots, residues.labels, num_atoms, links)
        return replace(made, types=with_pairs(types, [made]))

    def match(self, types: Iterable[GrainType]) -> "GrainMap":
        """The same grains on a model's types and slots; ``types`` are all the model's, also those absent here.

        Raises
        ------
        GrainError
            A grain is none of the types: names the residue, what the model knows, the nearest type, the difference.
            Or it is linked to another as no grain of the model is.
        """
        matched = self.on_types(types)
        linked_pairs(matched)
        return matched

    def on_types(self, types: Iterable[GrainType]) -> "GrainMap":
        """As `match`, whatever the types know of links to each other."""
        types = list(types)
        known: dict[tuple, tuple] = {}
        for t, kind in enumerate(types):
            form, order = matching.canonical_form(*kind.graph)
            known.setdefault(form, (t, np.argsort(order)))
        target, source = [], []  # of each type of this map: the model's type, and our slot for each slot of it
        for t, kind in enumerate(self.types):
            form, order = matching.canonical_form(*kind.graph)
            if form not in known and np.any(self.type_index == t):
                g = int(np.argmax(self.type_index == t))
                label = self.labels[g]
                if kind.beads and not any(other.beads for other in types):
                    raise GrainError(without_an_element(kind.names[0], int(self.slots[g][0]), label))
                raise GrainError(matching.explain_mismatch(label, kind.elements, kind.bonds, kind.links, types))
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
            **({"links": self.links.tolist()} if len(self.links) else {}),
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
            links=np.array(data.get("links", []), dtype=int).reshape(-1, 2),
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
