"""Residues of an OpenMM or mdtraj topology, or of plain arrays: checked, each with the bonds inside it."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Tuple

import numpy as np
from openmm import app

from ..errors import GrainError
from ..inputs import arguments
from ..structures.beads import is_bead, is_symbol, residues_of_beads, without_element
from ..structures.topologies import IONS, ISOTOPES, formula, symbol, template_bonds
from ..wording import counted
from .matching import is_connected

if TYPE_CHECKING:
    import mdtraj

ADVICE = (
    "read a file with bonds (PDB with CONECT records, PDBx/mmCIF); or add the bonds of a Topology in which such a "
    "residue has them: openmm_cgaa.add_bonds(topology, templates), --templates FILE on the command line; or give its "
    "SMILES: openmm_cgaa.read_structure(path, smiles={residue: SMILES}), --smiles RESIDUE=SMILES on the command line"
)


class Residues(NamedTuple):
    """What grains are made of; every list has one entry per residue.

    Attributes
    ----------
    members : list of lists of int
        Atoms of each residue.
    elements : list of tuples of str
        Of these atoms, in this order.
    bonds : list of tuples of (int, int)
        Between places in this order, sorted.
    names : list of str
    labels : list of str
        Name and number, for messages.
    links : list of (int, int)
        Bonds between residues, as atoms of the topology; each once, sorted.
    beads : dict of int to (str, float)
        Name and mass (Da) of each atom that is a bead; nan where its mass is not known.
    """

    members: List[List[int]]
    elements: List[Tuple[str, ...]]
    bonds: List[Tuple[Tuple[int, int], ...]]
    names: List[str]
    labels: List[str]
    links: List[Tuple[int, int]]
    beads: Dict[int, Tuple[str, float]] = {}


def read_openmm(
    topology: app.Topology, templates: app.Topology | dict | None = None, chosen: Iterable[int] | None = None
) -> Residues:
    """Residues of an openmm.app.Topology; `templates` and `chosen` (its ``atoms``) as in `GrainMap.from_topology`."""
    atoms, residues = list(arguments.topology(topology).atoms()), list(topology.residues())
    if chosen is not None:
        touched = {atoms[index].residue for index in arguments.subset(chosen, len(atoms))}
        residues = [residue for residue in residues if residue in touched]
    inside = [atom for residue in residues for atom in residue.atoms()]
    beads = _beads(residues)
    for atom in inside:
        if without_element(atom) and atom.index not in beads:
            raise GrainError(without_an_element(atom.name, atom.index, f"{atom.residue.name} {atom.residue.id}"))
    bonds = [(bond[0].index, bond[1].index) for bond in topology.bonds()]
    if chosen is not None:
        bonds = _bonds_inside(atoms, bonds, {atom.index for atom in inside})
    if templates is not None:
        bonds += template_bonds(residues, bonds, templates)
    try:
        return _checked(
            elements=[_symbol(atom) for atom in atoms],
            bonds=bonds,
            members=[[atom.index for atom in residue.atoms()] for residue in residues],
            names=[residue.name for residue in residues],
            labels=[f"{residue.name} {residue.id}" for residue in residues],
            atom_names=[atom.name for atom in atoms],
            advice=ADVICE,
            beads=beads,
        )
    except GrainError as error:
        raise GrainError(f"{error}{_repeated_ids(inside) if bonds else ''}") from None


def without_an_element(name: str, index: int, residue: str) -> str:
    """What is wrong with an atom that has none."""
    return (
        f"atom {name} (index {index}) of residue {residue} has no element; every atom of a grain needs one, virtual "
        "sites and Drude particles are not supported"
    )


def read_mdtraj(topology: "mdtraj.Topology") -> Residues:
    """Residues of an mdtraj Topology."""
    atoms, residues = list(arguments.mdtraj_topology(topology).atoms), list(topology.residues)
    beads = _beads(residues)
    for atom in atoms:
        if without_element(atom) and atom.index not in beads:
            raise GrainError(
                f"atom {atom} (index {atom.index}) has no element; every atom of a grain needs one, virtual sites are "
                "not supported"
            )
    return _checked(
        elements=[_symbol(atom) for atom in atoms],
        bonds=[(bond[0].index, bond[1].index) for bond in topology.bonds],
        members=[[atom.index for atom in residue.atoms] for residue in residues],
        names=[residue.name for residue in residues],
        labels=[f"{residue.name} {residue.resSeq}" for residue in residues],
        atom_names=[atom.name for atom in atoms],
        advice="read a file with bonds (PDB with CONECT records), or add them: topology.add_bond(atom, atom)",
        beads=beads,
    )


def _beads(residues: list) -> dict[int, tuple[str, float]]:
    """Atoms of the residues in which no atom has an element, as `Residues` has them."""
    found = residues_of_beads(residues)
    return {atom.index: (atom.name, float(getattr(atom, "mass", math.nan))) for atoms in found for atom in atoms}


def _symbol(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> str:
    return symbol(atom) if without_element(atom) else atom.element.symbol


def read_arrays(
    elements: Iterable[str],
    bonds: Iterable,
    residues: Iterable,
    names: Iterable[str] | None = None,
    beads: dict[int, tuple[str, float]] | None = None,
) -> Residues:
    """Residues from plain arrays, as in `GrainMap.from_arrays`."""
    for atom, element in enumerate(elements if isinstance(elements, list | tuple) else ()):
        if element in (None, ""):
            raise GrainError(f"atom {atom} has no element; every atom of a grain needs one")
    elements = arguments.strings(elements, "elements", "the symbol of each atom")
    if not elements:
        raise GrainError("there are no atoms; give at least one")
    for atom, element in enumerate(elements):
        if not is_symbol(element):
            raise GrainError(f"atom {atom}: {element!r} is no element; give symbols, such as 'C' or 'Li'")
    residues = arguments.integers(residues, "residues", "the index of each atom's residue", (-1,))
    if len(elements) != len(residues):
        given = f"{counted(len(elements), 'element')}, but {counted(len(residues), 'residue index')}"
        raise GrainError(f"{given}; give one each per atom")
    bonds = arguments.integers(bonds, "bonds", "pairs of atom indices", (-1, 2))
    if bonds.size and not 0 <= bonds.min() <= bonds.max() < len(elements):
        raise GrainError(f"bonds name atoms {bonds.min()} to {bonds.max()}, but atoms are 0 to {len(elements) - 1}")
    by_residue: dict[int, list[int]] = {}
    for atom, residue in enumerate(residues.tolist()):
        by_residue.setdefault(residue, []).append(atom)
    members = list(by_residue.values())
    if names is None:
        names = [formula(tuple(elements[a] for a in atoms)) for atoms in members]
    names = arguments.strings(names, "names", "the name of each residue")
    if len(names) != len(members):
        given = f"{counted(len(names), 'name')} for {counted(len(members), 'residue')}"
        raise GrainError(f"{given}; give one name per residue")
    labels = [f"{name} {number}" for number, name in enumerate(names, start=1)]
    advice = "give all pairs of bonded atoms"
    return _checked(elements, bonds.tolist(), members, names, labels, elements, advice, beads)


def _checked(
    elements: list[str],
    bonds: list,
    members: list[list[int]],
    names: list[str],
    labels: list[str],
    atom_names: list[str],
    advice: str,
    beads: dict[int, tuple[str, float]] | None = None,
) -> Residues:
    """Bonds sorted into the residues and links between them; every residue must be whole."""
    grains, places = np.empty(len(elements), dtype=int), np.empty(len(elements), dtype=int)
    for g, atoms in enumerate(members):
        grains[atoms], places[atoms] = g, range(len(atoms))
    grain_of, place = grains.tolist(), places.tolist()
    local: list[set[tuple[int, int]]] = [set() for _ in members]
    links: set[tuple[int, int]] = set()
    for i, j in bonds:
        g, h = grain_of[i], grain_of[j]
        if g != h:
            if any(elements[atom] in IONS and len(members[grain_of[atom]]) == 1 for atom in (i, j)):
                raise GrainError(
                    f"atom {atom_names[i]} (index {i}) of residue {labels[g]} is bonded to atom {atom_names[j]} "
                    f"(index {j}) of residue {labels[h]}; a single ion has no bonds here: leave this one out. Where a "
                    "CONECT record that tells what the ion touches makes it, read the file by "
                    "openmm_cgaa.read_structure, or delete the record"
                )
            links.add((min(i, j), max(i, j)))
            continue
        local[g].add((min(place[i], place[j]), max(place[i], place[j])))
    inner = [tuple(sorted(pairs)) for pairs in local]
    symbols = [tuple(elements[a] for a in atoms) for atoms in members]
    for label, kinds, pairs in zip(labels, symbols, inner):
        if not kinds:
            raise GrainError(f"residue {label} has no atoms; leave it out of the topology")
        if 0 < sum(map(is_bead, kinds)) < len(kinds):
            raise GrainError(f"residue {label} has atoms and beads; a grain is made of either")
        if not is_connected(len(kinds), pairs):
            raise GrainError(
                f"residue {label} ({formula(kinds)}): {counted(len(pairs) or 'no', 'bond')}; they must connect its "
                f"{counted(len(kinds), 'atom')}; {advice}, or make separate molecules separate residues"
            )
        if len(kinds) > 1 and ("He" in kinds or "D" in kinds and not {"Li", "Be"}.isdisjoint(kinds)):
            raise GrainError(
                f"residue {label} is {formula(kinds)}: its elements were guessed from masses, as readers of PSF files "
                "do, and its hydrogens were made heavy. Take the topology from a file that names elements (PDB, "
                "PDBx/mmCIF) or has natural masses; hydrogens become heavy by createSystem(topology, hydrogenMass=...)"
            )
    symbols = [tuple(ISOTOPES.get(element, element) for element in kinds) for kinds in symbols]
    return Residues(members, symbols, inner, names, labels, sorted(links), beads or {})


def _repeated_ids(atoms: list[app.topology.Atom]) -> str:
    """Why bonds of a file may be wrong, if this can be seen from the ids."""
    ids = Counter((atom.residue.chain.id, atom.residue.id, atom.name) for atom in atoms)
    (chain, number, name), times = ids.most_common(1)[0]
    if times == 1:
        return ""
    return (
        f". Perhaps bonds were lost: {counted(times, 'atom')} have the name {name}, in residue {number} of chain "
        f"{chain}. A PDBx/mmCIF file names bonded atoms so, and OpenMM repeats such names where it writes more than 26 "
        "chains. Write the file anew from the topology: openmm_cgaa.write_structure(path, topology, positions)"
    )


def _bonds_inside(atoms: list, bonds: list, inside: set) -> list:
    """The bonds of a part of a topology, which no bond may leave."""
    for bond in bonds:
        if len(inside.intersection(bond)) == 1:
            here, there = (atoms[index] for index in sorted(bond, key=lambda index: index not in inside))
            raise GrainError(
                f"atom {here.name} (index {here.index}) of residue {here.residue.name} {here.residue.id} is bonded to "
                f"atom {there.name} (index {there.index}) of residue {there.residue.name} {there.residue.id}, which is "
                "not among atoms; a model takes whole molecules, each of them one residue"
            )
    return [bond for bond in bonds if bond[0] in inside]
