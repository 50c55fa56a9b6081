"""Elements, formulas and bonds of OpenMM and mdtraj topologies."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_uppercase
from typing import TYPE_CHECKING

from openmm import app

from ..errors import GrainError
from ..inputs import arguments
from .beads import BEAD, without_element

if TYPE_CHECKING:
    import mdtraj

# ions where they stand alone in a liquid, near to many atoms without a bond
IONS = {"Li", "Na", "K", "Rb", "Cs", "Be", "Mg", "Ca", "Sr", "Ba"}
PLAIN = re.compile(r"[A-Za-z0-9][^\s\"]*")  # a name that PDBx/mmCIF holds without quotes
ISOTOPES = {"D": "H", "T": "H"}  # the same potential, another mass


def symbol(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> str:
    """What an atom of an OpenMM or mdtraj Topology is to networks and teachers.

    Its element, where that of D is H; or of a bead `BEAD` and its species, without which the name stands for it.
    """
    if without_element(atom):
        return BEAD + str(getattr(atom, "species", atom.name))
    return ISOTOPES.get(atom.element.symbol, atom.element.symbol)


def bonds_of_ions(topology: app.Topology) -> list:
    """Bonds between residues of an OpenMM Topology of which one is a single ion: what it touches, no bonds."""

    def single(atom: app.topology.Atom) -> bool:
        return atom.element is not None and atom.element.symbol in IONS and len(atom.residue) == 1

    return [bond for bond in topology.bonds() if single(bond[0]) or single(bond[1])]


def add_bonds(topology: app.Topology, templates: app.Topology | dict) -> None:
    """Give an OpenMM Topology, in place, the bonds of residues that have none.

    Parameters
    ----------
    topology : openmm.app.Topology
    templates : openmm.app.Topology or dict
        As in `GrainMap.from_topology`.

    Raises
    ------
    GrainError
        A residue lacks an atom that its template names.
    """
    atoms = list(arguments.topology(topology).atoms())
    bonds = [(bond[0].index, bond[1].index) for bond in topology.bonds()]
    for i, j in template_bonds(list(topology.residues()), bonds, templates):
        topology.addBond(atoms[i], atoms[j])


def template_bonds(residues: list, bonds: list, templates: app.Topology | dict) -> list:
    """Bonds of the templates, for residues without a bond of their own."""
    arguments.templates(templates)
    if not isinstance(templates, dict):
        found: dict[str, set] = {}
        for a, b in templates.bonds():
            if a.residue is b.residue:
                found.setdefault(a.residue.name, set()).add((a.name, b.name))
        templates = found
    bonded = {atom for bond in bonds for atom in bond}
    added = []
    for residue in residues:
        index = {atom.name: atom.index for atom in residue.atoms()}
        if residue.name not in templates or bonded & set(index.values()):
            continue
        for pair in templates[residue.name]:
            for name in pair:
                if name not in index:
                    raise GrainError(
                        f"residue {residue.name} {residue.id} has no atom {name}, which its template bonds; it has "
                        f"{', '.join(index)}"
                    )
            added.append((index[pair[0]], index[pair[1]]))
    return added


def formula(elements: tuple) -> str:
    """Hill's order: C4H8O3, F6P, Li."""
    counts = Counter(elements)
    leading = [e for e in ("C", "H") if e in counts] if "C" in counts else []
    symbols = leading + sorted(e for e in counts if e not in leading)
    return "".join(e + (str(counts[e]) if counts[e] > 1 else "") for e in symbols)


def copied(topology: app.Topology, left_out: Sequence = (), own_ids: bool = False) -> app.Topology:
    """The topology without some bonds, and with ids that tell all its atoms apart."""
    copy, atoms, gone = app.Topology(), {}, {(bond[0].index, bond[1].index) for bond in left_out}
    chains = [chain for chain in topology.chains() if any(True for _ in chain.atoms())]
    letters = ("".join(word) for length in count(1) for word in product(ascii_uppercase, repeat=length))
    chain_ids = _told_apart([chain.id for chain in chains], letters) if own_ids else [chain.id for chain in chains]
    for chain, chain_id in zip(chains, chain_ids):
        new_chain, residues = copy.addChain(chain_id), list(chain.residues())
        numbers = [residue.id for residue in residues]
        if own_ids and not all(re.fullmatch(r"-?\d+", str(number)) for number in numbers):
            numbers = [None] * len(numbers)
        for residue, number in zip(residues, _told_apart(numbers, map(str, count(1))) if own_ids else numbers):
            code = residue.insertionCode if number == residue.id else ""
            name = residue.name
            if own_ids and not PLAIN.fullmatch(name):
                name = re.sub(r"[\s\"]|^[^A-Za-z0-9]+", "_", f"X{name}")
            new_residue, own = copy.addResidue(name, new_chain, number, code), list(residue.atoms())
            names = [atom.name for atom in own]
            if own_ids:
                fresh = (f"{symbol}{i}" for i, symbol in enumerate(_symbols(own), start=1))
                names = _told_apart(names, fresh)
            for atom, atom_name in zip(own, names):
                charge = {"formalCharge": atom.formalCharge} if hasattr(atom, "formalCharge") else {}
                atoms[atom] = copy.addAtom(atom_name, atom.element, new_residue, atom.id, **charge)
    for bond in topology.bonds():
        if (bond[0].index, bond[1].index) not in gone:
            copy.addBond(atoms[bond[0]], atoms[bond[1]], bond.type, bond.order)
    copy.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    return copy


def _symbols(atoms: list[app.topology.Atom]) -> list[str]:
    return ["X" if atom.element is None else atom.element.symbol for atom in atoms]


def _told_apart(names: list, fresh: Iterator[str]) -> list[str]:
    """These names if they differ and need no quotes, else as many fresh ones."""
    plain = all(isinstance(name, str) and PLAIN.fullmatch(name.lstrip("-")) for name in names)
    return names if plain and len(set(names)) == len(names) else [next(fresh) for _ in names]
