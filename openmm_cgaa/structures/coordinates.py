"""Positions, box and names of atoms from files that hold no bonds: .gro, Amber's coordinates, CHARMM's cards."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from openmm import app, unit

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..wording import counted
from .lattice import triangular
from .pdbfiles import say
from .topologies import IONS

# of names such as C12, HW1, CL: the elements of organic liquids; whatever else has its symbol alone as a residue's name
TWO_LETTERS = ("Cl", "Br", "Si")
ONE_LETTER = "HCNOFPSIB"
NUMBER = re.compile(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?")
SINGLE = IONS | {"Zn", "Fe", "Cu", "Ni", "Co", "Mn", "Al", "Ag"}


class Coordinates(NamedTuple):
    """What such a file holds.

    Attributes
    ----------
    positions : Quantity, [atoms, 3]
    box : Quantity, [3, 3], or None
    names : list of (number of the residue, its name, name of the atom), or None
        None where the format has none.
    """

    positions: unit.Quantity
    box: unit.Quantity | None = None
    names: list | None = None


def read_coordinates(path: FilePath) -> Coordinates:
    """Coordinates of a .gro, of Amber (.inpcrd, .rst7, .ncrst) or of CHARMM (.crd), which first line tells apart.

    Raises
    ------
    CGAAError
        The file cannot be read.
    """
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".gro":
            return _gro(path)
        if suffix == ".crd" and begins(path).startswith("*"):
            return _cards(path)
        read = app.AmberInpcrdFile(str(path))
    except OSError as error:
        raise CGAAError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # OpenMM's parsers raise all kinds
        reason = str(error).strip() or type(error).__name__
        raise CGAAError(
            f"{path} cannot be read as coordinates: {reason}; write it anew, or give a .cif or .pdb"
        ) from error
    return Coordinates(read.getPositions(asNumpy=True), read.boxVectors)


def begins(path: FilePath) -> str:
    """The first line of a file that says something."""
    with open(path, errors="replace") as file:
        return next((line.strip() for line in file if line.strip()), "")


def _gro(path: FilePath) -> Coordinates:
    """Of any number of digits, which OpenMM's reader does not take."""
    rows = Path(path).read_text(errors="replace").splitlines()
    end = 2 + int(rows[1])
    if len(rows) <= end:
        raise CGAAError(f"it ends before its {counted(end - 2, 'atom')} and the box after them")
    names, numbers = [], []
    for row in rows[2:end]:
        width = row.index(".", row.index(".", 20) + 1) - row.index(".", 20)  # between the points of x and y
        numbers.append([float(row[20 + i * width : 20 + (i + 1) * width]) for i in range(3)])
        names.append((int(row[:5]), row[5:10].strip(), row[10:15].strip()))
    edges = [float(word) for word in rows[end].split() if NUMBER.fullmatch(word)]
    if len(edges) not in (3, 9) or len(edges) != len(rows[end].split()):
        raise CGAAError(f"{rows[end].strip()!r} stands where the box should, of 3 or 9 numbers")
    if any(row.strip() for row in rows[end + 1 :]):
        say(path, "it holds more than one frame; the first is taken")
    positions = np.array(numbers).reshape(-1, 3)
    if not any(edges):
        return Coordinates(positions * unit.nanometer, None, names)
    (xx, yy, zz), (xy, xz, yx, yz, zx, zy) = edges[:3], edges[3:] or [0.0] * 6
    box, turn = triangular([[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]])
    return Coordinates(positions @ turn * unit.nanometer, box * unit.nanometer, names)


def _cards(path: FilePath) -> Coordinates:
    read = app.CharmmCrdFile(str(path))
    positions = np.array(read.positions.value_in_unit(unit.angstrom)).reshape(-1, 3) * unit.angstrom
    return Coordinates(positions, None, list(zip(read.resno, read.resname, read.attype)))


def named_topology(path: FilePath, names: list, known: dict[str, set[str]] | None = None) -> app.Topology:
    """A Topology without bonds of such names; a residue ends where number or name change.

    Parameters
    ----------
    path : path
        For messages.
    names : list
        As of `Coordinates`.
    known : dict, optional
        Element symbols that a residue of a name has, in place of those of organic liquids.

    Raises
    ------
    CGAAError
        A name says no element, or stands twice in a residue.
    """
    topology = app.Topology()
    place, residue = None, None
    own: set[str] = set()
    chain = topology.addChain()
    sizes = _sizes(names)
    for index, (number, name, atom) in enumerate(names):
        if (number, name) != place:
            place, own = (number, name), set()
            residue = topology.addResidue(name, chain, str(number))
        if atom in own:
            raise CGAAError(
                f"{path}: residue {name} {number} has two atoms {atom}. Consecutive residues of one number and name "
                "are one; give each molecule a number of its own, and each atom of a molecule a name of its own"
            )
        own.add(atom)
        symbol = element_symbol(atom, (known or {}).get(name), alone=sizes[index] == 1)
        if symbol is None:
            raise CGAAError(
                f"{path}: the name {atom} of residue {name} {number} says no element; give the topology that the "
                "coordinates belong to as well (.top, .prmtop, .psf), or PDBx/mmCIF"
            )
        topology.addAtom(atom, app.Element.getBySymbol(symbol), residue)
    return topology


def _sizes(names: list) -> np.ndarray:
    """Of each atom: how many there are in its residue."""
    starts = [i for i in range(len(names)) if i == 0 or names[i][:2] != names[i - 1][:2]]
    lengths = np.diff([*starts, len(names)])
    return np.repeat(lengths, lengths)


def element_symbol(name: str, known: set[str] | None = None, alone: bool = False) -> str | None:
    """Symbol of the element that an atom's name begins with, or None.

    Parameters
    ----------
    name : str
    known : set of str, optional
        The symbols that it can be.
    alone : bool
        It is the only atom of its residue, and so may be a metal ion.
    """
    letters = re.sub(r"[^A-Za-z].*", "", name.lstrip("0123456789*'\""))
    two, one = letters[:2].capitalize(), letters[:1].upper()
    if known is not None:
        return two if two in known else one if one in known else None
    if two in TWO_LETTERS or (alone and two in SINGLE):
        return two
    if alone and one == "K":
        return "K"
    return one if one and one in ONE_LETTER else None
