"""Beads: atoms of a topology that have no element, but a species and a mass.

An OpenMM or mdtraj Topology has no place for these two. They are the attributes ``species`` and ``mass`` of its atoms,
set by `tell_beads`; files keep names alone, so that whoever knows the names tells the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from openmm import app

from ..errors import DatasetError
from ..inputs import arguments

if TYPE_CHECKING:
    import mdtraj

BEAD = "*"  # what the symbol of a bead begins with; its species follows
Kinds = Mapping[str, Mapping[str, tuple[str, float]]]  # species and mass (Da) by residue name and bead name


def without_element(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> bool:
    """Whether an atom of an OpenMM or mdtraj Topology is a bead, a virtual site or a Drude particle."""
    return atom.element is None or atom.element.atomic_number == 0


def atomic_number(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> int:
    """Of an atom of an OpenMM or mdtraj Topology; 0, which ASE calls X, of what has no element."""
    return 0 if without_element(atom) else atom.element.atomic_number


def is_bead(symbol: str) -> bool:
    """Whether a symbol is that of a bead."""
    return symbol.startswith(BEAD)


def is_symbol(symbol: str) -> bool:
    """Whether it is that of an element or of a bead."""
    return is_bead(symbol) and len(symbol) > len(BEAD) or arguments.is_element(symbol)


def members(residue: "app.topology.Residue | mdtraj.core.topology.Residue") -> list:
    """Atoms of a residue of an OpenMM or mdtraj Topology."""
    return list(residue.atoms() if callable(residue.atoms) else residue.atoms)


def residues_of_beads(residues: Iterable) -> list[list]:
    """Atoms of the residues in which none has an element."""
    own = map(members, residues)
    return [atoms for atoms in own if all(map(without_element, atoms))]


def tell_beads(residues: Iterable, kinds: Kinds, guess: bool = False) -> None:
    """Give beads their species and masses, in place, as far as all names in their residue are known.

    Where residues of several names have beads of these names, that of the residue decides.

    Parameters
    ----------
    residues : iterable
        Of an OpenMM or mdtraj Topology.
    kinds : dict
        Species and mass (Da) by residue name and bead name.
    guess : bool
        Names are all that is known of the beads. Those that know better, from a mapping or a data set, stay.
    """
    for atoms in residues_of_beads(residues):
        if guess and all(map(_knows_itself, atoms)):
            continue
        names = {atom.name for atom in atoms}
        fitting = {name: own for name, own in kinds.items() if own.keys() == names}
        known = fitting.get(atoms[0].residue.name) or (next(iter(fitting.values())) if len(fitting) == 1 else {})
        for atom in atoms if known else ():
            atom.species, atom.mass = known[atom.name]
            atom.guessed = guess


def _knows_itself(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> bool:
    """Whether a bead has a species and a mass that are no guess."""
    return _is_told(atom) and not getattr(atom, "guessed", False)


def _is_told(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> bool:
    return hasattr(atom, "species") and hasattr(atom, "mass")


def told_beads(residues: Iterable) -> dict[str, dict[str, tuple[str, float]]]:
    """What `tell_beads` has told, as it takes it: beads whose species and mass are known, by residue and name.

    Where names do not tell species apart, a bead's name stands for its species, as it does where nobody was told.
    Residues whose masses they do not tell apart are left out.
    """
    found: dict[str, dict[str, tuple[str, float]]] = {}
    unclear = set()
    for atoms in residues_of_beads(residues):
        if not all(map(_is_told, atoms)):
            continue
        residue = atoms[0].residue.name
        own = found.setdefault(residue, {})
        for atom in atoms:
            species, mass = own.setdefault(atom.name, (atom.species, float(atom.mass)))
            if species != atom.species:
                own[atom.name] = atom.name, mass
            if mass != float(atom.mass):
                unclear.add(residue)
    return {residue: own for residue, own in found.items() if residue not in unclear}


def checked_beads(
    elements: Sequence[str], names: Sequence | None, masses: np.ndarray | None
) -> tuple[list[str] | None, np.ndarray | None]:
    """Names and masses (Da) of beads, one each for every symbol of `elements`; None where these are of atoms.

    Raises
    ------
    DatasetError
        Atoms and beads together; a bead without a name or a mass.
    """
    if not any(map(is_bead, elements)):
        return None, None
    if not all(map(is_bead, elements)):
        raise DatasetError("elements: atoms and beads (or virtual sites) in one frame; frames hold either")
    names = [] if names is None else [str(name) for name in names]
    masses = np.zeros(0) if masses is None else np.asarray(masses, float)
    if not len(names) == len(masses) == len(elements) or not (masses > 0).all():
        raise DatasetError("names, masses: each bead needs a name and a mass above zero (Da)")
    return names, masses
