"""Molecules cut into grains: by a SMILES with numbers, by names of atoms, or by METIS to a size.

A cut is found once, of one molecule, and then known by the molecule's bonds: every copy of it is cut in the same way,
whatever the order of its atoms. Hydrogens go with the atom that they are bonded to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import networkx
import numpy as np

from ..errors import CGAAError, GrainError
from ..structures.smiles import parse_smiles
from ..structures.topologies import formula
from ..wording import counted
from .grains import GrainMap
from .graintypes import GrainType
from .matching import canonical_form, is_connected, relabel


@dataclass(frozen=True)
class GrainCut:
    """A molecule and the grains that it is cut into.

    Attributes
    ----------
    name : str
        Of the molecule.
    elements, bonds : tuple
        Of the molecule, in canonical order (`matching.canonical_form`).
    owner : tuple of int, [atoms]
        The grain of each atom.
    grains : tuple of str
        Names of the grains.
    """

    name: str
    elements: tuple
    bonds: tuple
    owner: tuple
    grains: tuple

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping) -> "GrainCut":
        """What `to_dict` wrote, checked.

        Raises
        ------
        GrainError
            It is no molecule, or no cut of it.
        """
        elements, owner, grains = (tuple(data[key]) for key in ("elements", "owner", "grains"))
        bonds = tuple((int(i), int(j)) for i, j in data["bonds"])
        if not 0 < len(elements) == len(owner) or {*owner} != {*range(len(grains))}:
            raise GrainError(f"cut of {data['name']}: {counted(len(owner), 'atom')} in {counted(len(grains), 'grain')}")
        if any(not 0 <= atom < len(elements) for bond in bonds for atom in bond):
            raise GrainError(f"cut of {data['name']}: a bond is between atoms that it lacks")
        if canonical_form(elements, bonds)[0] != (elements, bonds):
            raise GrainError(f"cut of {data['name']}: its atoms are in another order than this version's")
        return cls(str(data["name"]), elements, bonds, owner, grains)

    def __str__(self) -> str:
        parts = [
            formula(tuple(e for e, o in zip(self.elements, self.owner) if o == g)) for g in range(len(self.grains))
        ]
        pieces = ", ".join(f"{name} {part}" for name, part in zip(self.grains, parts))
        return f"{self.name} {formula(self.elements)}: {counted(len(parts), 'grain')}, {pieces}"


def cut_map(grain_map: GrainMap, cuts: Sequence[GrainCut]) -> GrainMap:
    """The grains of a topology with all molecules cut of which there is a cut; the same object where there are none."""
    owners: dict[int, tuple] = {}
    for t, kind in enumerate(grain_map.types):
        form, order = canonical_form(*kind.graph)
        cut = next((cut for cut in cuts if (cut.elements, cut.bonds) == form), None)
        if cut is not None:
            owners[t] = cut, np.array(cut.owner)[np.argsort(order)]  # of each slot
    if not any(t in owners for t in grain_map.type_index):
        return grain_map
    made = []
    for t, atoms, label in zip(grain_map.type_index, grain_map.slots, grain_map.labels):
        if t not in owners:
            made.append((sorted(atoms.tolist()), grain_map.types[t].name, label))
            continue
        cut, owner = owners[t]
        made += [(sorted(atoms[owner == g].tolist()), name, f"{label} {name}") for g, name in enumerate(cut.grains)]
    made.sort(key=lambda grain: grain[0][0])
    return grain_map.regrouped(*map(list, zip(*made)))


def make_cuts(wanted: Mapping[str, Any], maps: Sequence[GrainMap], names: Sequence[Sequence[str]]) -> list[GrainCut]:
    """Cuts of the molecules of some topologies.

    Parameters
    ----------
    wanted : dict
        By the name of a grain type: a SMILES in which the number of each atom is that of its grain
        (``[CH3:1][CH2:1][O:2][CH3:2]``); or ``{grain: [names of its atoms]}``; or the number of atoms of a grain,
        about, for METIS. Hydrogens may be left out.
    maps : list of GrainMap
    names : list of list of str, [atoms]
        Names of the atoms of each.

    Raises
    ------
    CGAAError
        A molecule is not there, or another than that of the SMILES; an atom is in no grain or in two; a grain is not
        joined by bonds; pymetis is missing.
    """
    return [_make(name, how, maps, names) for name, how in wanted.items()]


def _make(name: str, how: Any, maps: Sequence[GrainMap], names: Sequence[Sequence[str]]) -> GrainCut:
    found = [(m, t, kind, own) for m, own in zip(maps, names) for t, kind in enumerate(m.types) if kind.name == name]
    if not found:
        there = ", ".join(dict.fromkeys(kind.name for m in maps for kind in m.types))
        raise CGAAError(f"cut {name}: there is no such molecule; there are {there}")
    grain_map, t, kind, atom_names = found[0]
    if any(kind.links):
        raise CGAAError(f"cut {name}: it is a part of a molecule already, bonded to other residues")
    if isinstance(how, str):
        elements, bonds, parts = _by_smiles(name, how)
        wanted, there = canonical_form(elements, bonds)[0], canonical_form(*kind.graph)[0]
        if wanted != there:
            raise CGAAError(f"cut {name}: the SMILES {how} is {formula(elements)}, or another isomer than {kind}")
    else:
        elements, bonds, _ = kind.graph
        if isinstance(how, Mapping):
            atoms = grain_map.slots[int(np.argmax(grain_map.type_index == t))]
            parts = _by_names(name, how, [atom_names[atom] for atom in atoms])
        elif type(how) is int and how > 0:
            parts = _by_metis(name, kind, how)
        else:
            raise CGAAError(
                f"cut {name}: {how!r}; give a SMILES in which each atom has the number of its grain, the names of the "
                "atoms of each grain, or how many atoms a grain has (METIS)"
            )
    parts = _with_hydrogens(elements, bonds, parts)
    lost = [n for n, part in enumerate(parts) if part is None]
    if lost:
        where = f"atom {lost[0]} ({elements[lost[0]]})"
        raise CGAAError(f"cut {name}: {where} and {len(lost) - 1} more are in no grain; every heavy atom needs one")
    grains = list(dict.fromkeys(parts))
    for grain in grains:
        own = [n for n, part in enumerate(parts) if part == grain]
        inside = relabel([(i, j) for i, j in bonds if i in own and j in own], own)
        if not is_connected(len(own), inside):
            raise CGAAError(f"cut {name}: grain {grain} is in pieces; its bonds must join all its atoms")
    (elements, bonds), order = canonical_form(elements, bonds)
    titles = tuple(grain if isinstance(grain, str) else f"{name}{grain}" for grain in grains)
    return GrainCut(name, elements, bonds, tuple(grains.index(parts[v]) for v in order), titles)


def _by_smiles(name: str, smiles: str) -> tuple[tuple, tuple, list]:
    molecule = parse_smiles(name, smiles)
    elements = tuple(atom.GetSymbol() for atom in molecule.GetAtoms())
    bonds = relabel([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()], range(len(elements)))
    return elements, bonds, [atom.GetAtomMapNum() or None for atom in molecule.GetAtoms()]


def _by_names(name: str, grains: Mapping, atoms: list[str]) -> list:
    parts: list = [None] * len(atoms)
    for grain, own in grains.items():
        if isinstance(own, str) or not all(isinstance(atom, str) for atom in own):
            raise CGAAError(f"cut {name}: {grain} is {own!r}; expected a list of names of atoms")
        for atom in own:
            if atom not in atoms:
                raise CGAAError(
                    f"cut {name}: {grain} has an atom {atom}, but the molecule has {', '.join(sorted(atoms))}"
                )
            if parts[atoms.index(atom)] not in (None, grain):
                raise CGAAError(f"cut {name}: atom {atom} is in {parts[atoms.index(atom)]} and in {grain}")
            parts[atoms.index(atom)] = str(grain)
    return parts


def _with_hydrogens(elements: tuple, bonds: tuple, parts: list) -> list:
    """Hydrogens that are in no grain go with the atom that they are bonded to."""
    parts = list(parts)
    for i, j in (*bonds, *((j, i) for i, j in bonds)):
        if elements[i] == "H" and parts[i] is None:
            parts[i] = parts[j]
    return parts


def _by_metis(name: str, kind: GrainType, size: int) -> list:
    """Parts of about so many atoms: few bonds are cut, none in a ring."""
    try:
        import pymetis
    except ImportError as error:
        raise CGAAError(
            f"cut {name}: METIS needs pymetis: pip install 'openmm-cgaa[metis]'; or give a SMILES in which each atom "
            "has the number of its grain"
        ) from error
    graph = networkx.Graph(kind.bonds)
    graph.add_nodes_from(range(kind.num_slots))
    whole = graph.copy()
    hydrogens = {n for n, element in enumerate(kind.elements) if element == "H" and kind.num_slots > 2}
    whole.remove_edges_from(bond for bond in networkx.bridges(graph) if hydrogens.isdisjoint(bond))
    blocks = sorted(sorted(block) for block in networkx.connected_components(whole))  # a ring, or an atom; no bond of
    block_of = {atom: b for b, block in enumerate(blocks) for atom in block}  # a block is ever cut
    tree = networkx.Graph((block_of[i], block_of[j]) for i, j in kind.bonds if block_of[i] != block_of[j])
    tree.add_nodes_from(range(len(blocks)))
    count = max(1, min(len(blocks), round(kind.num_slots / size)))
    beside = [np.array(sorted(tree[b]), dtype=int) for b in range(len(blocks))]
    owners: Sequence[int] = [0] * len(blocks)
    if count > 1:
        _, owners = pymetis.part_graph(count, adjacency=beside, vweights=[len(block) for block in blocks])
    parts: list = [None] * kind.num_slots
    tree.remove_edges_from([(a, b) for a, b in tree.edges if owners[a] != owners[b]])
    for number, piece in enumerate(sorted(sorted(piece) for piece in networkx.connected_components(tree)), start=1):
        for b in piece:  # a part of METIS that is in pieces is several grains
            for atom in blocks[b]:
                parts[atom] = number
    return parts
