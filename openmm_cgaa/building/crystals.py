"""Crystals: the molecules of a unit cell, from a CIF or a space group, whole and named, in a supercell."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from openmm import app, unit

from ..errors import CGAAError, GeometryError, MissingPackageError
from ..inputs.arguments import FilePath
from ..inputs.ranges import bounded, one_of
from ..inputs.settings import Checked
from ..mapping.grains import GrainMap
from ..mapping.matching import canonical_form
from ..model.checks import check_extent
from ..structures.bonding import molecules_by_distance
from ..structures.cif import read_cif
from ..structures.lattice import triangular
from ..structures.topologies import formula, symbol
from ..structures.unitcell import AsymmetricUnit, cell_vectors, fill, space_group
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .molecules import Kind, append_molecule, single


@dataclass(frozen=True)
class Crystal(Checked):
    """What crystal a box is, in place of a density.

    Attributes
    ----------
    cif : str, optional
        Small-molecule CIF with symmetry operations or a space group; or else the next four.
    spacegroup : str or int, optional
        Hermann-Mauguin symbol or number.
    setting : int
        1 or 2, see `structures.unitcell.space_group`.
    cell : list of float, optional
        Edges in Å, and angles in degrees where they are not 90: three numbers or six.
    sites : list, optional
        Of the asymmetric unit: ``[element, x, y, z]``, fractional.
    supercell : list of int
        Cells along a, b and c.
    """

    cif: str | None = None
    spacegroup: str | int | None = None
    setting: int = one_of(1, 2)
    cell: list[float] | None = None
    sites: list[list[str | float]] | None = None
    supercell: list[int] = bounded(lambda: [1, 1, 1], 1, 1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        own = {"spacegroup": self.spacegroup, "cell": self.cell, "sites": self.sites}
        given = [key for key, value in own.items() if value is not None]
        if (self.cif is None) != (len(given) == 3) or (self.cif is not None and given):
            raise CGAAError(f"give either cif or all of {', '.join(own)}")
        if len(self.supercell) != 3:
            raise CGAAError(f"supercell is {self.supercell}; expected how many cells along a, b and c")
        if self.cell is not None and len(self.cell) not in (3, 6):
            raise CGAAError(
                f"cell is {self.cell}; expected three edges (Å), and three angles (degrees) if not all are 90"
            )
        for number, site in enumerate(self.sites or (), start=1):
            if not _is_site(site):
                raise CGAAError(f"entry {number} of sites is {site}; expected [element, x, y, z], fractional")

    def asymmetric_unit(self, folder: FilePath = ".") -> AsymmetricUnit:
        """Of the file, which is looked for in a folder, or as it is given."""
        if missing := MissingPackageError.needed("ase"):
            raise missing
        if self.cif is not None:
            return read_cif(Path(folder, self.cif))
        assert self.spacegroup is not None and self.cell is not None and self.sites is not None
        cell = cell_vectors(self.cell[:3], self.cell[3:] or [90.0] * 3)
        operations = space_group(self.spacegroup, self.setting)
        elements = [str(site[0]) for site in self.sites]
        labels = [f"{element}{number}" for number, element in enumerate(elements, start=1)]
        return AsymmetricUnit(elements, labels, np.array([s[1:] for s in self.sites], float), cell, *operations)


def lay_out(crystal: Crystal, molecules: list[Kind], folder: FilePath = ".") -> tuple[app.Topology, unit.Quantity]:
    """The supercell of a crystal, of molecules that are known.

    Parameters
    ----------
    crystal : Crystal
    molecules : list of (Topology, positions, int)
        Each kind of molecule, as one residue; its positions are of no use here; how many of it there must be, or 0.
    folder : path
        Where the crystal's file is looked for.

    Returns
    -------
    topology : openmm.app.Topology
        Kind after kind, one residue a molecule, its atoms named and in the order of its kind; with bonds and a box as
        OpenMM wants it.
    positions : Quantity, [atoms, 3], nm
        Every molecule is whole, its center in the box.

    Raises
    ------
    CGAAError
        The crystal cannot be read or filled, has no molecules or others than these, or not as many; or a molecule is
        longer than the supercell.
    """
    from ase import Atoms

    asymmetric = crystal.asymmetric_unit(folder)
    try:
        sites, fractional = fill(asymmetric)
        elements = np.array(asymmetric.elements)[sites]
        atoms = Atoms(elements.tolist(), scaled_positions=fractional, cell=asymmetric.cell, pbc=True)
        bonds, number, steps = molecules_by_distance(atoms)
        found = _identified([topology for topology, _, _ in molecules], elements, bonds, number)
    except CGAAError as error:
        raise type(error)(f"{crystal.cif}: {error}" if crystal.cif else f"crystal: {error}") from None
    cell = asymmetric.cell / ANGSTROM_PER_NM
    box, turn = triangular(cell * np.array(crystal.supercell)[:, None])
    whole = (fractional + steps) @ cell @ turn
    cells = np.array(list(np.ndindex(*crystal.supercell))) @ cell @ turn
    topology, blocks = app.Topology(), []
    chain = topology.addChain()
    for (kind, _, count), members in zip(molecules, found):
        placed = (whole[members] + cells[:, None, None]).reshape(-1, kind.getNumAtoms(), 3)
        if count and count != len(placed):
            (residue,) = kind.residues()
            raise CGAAError(
                f"molecule {residue.name}: count is {count}, but {counted(len(cells), 'cell')} of this crystal have "
                f"{len(placed)}; leave count out, or change supercell"
            )
        placed -= np.floor(placed.mean(axis=1, keepdims=True) @ np.linalg.inv(box)) @ box
        blocks.append(placed.reshape(-1, 3))
        for _ in placed:
            append_molecule(topology, chain, kind)
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    positions = np.concatenate(blocks)
    try:
        check_extent(GrainMap.from_topology(topology), positions, box)
    except GeometryError as error:
        raise GeometryError(f"the crystal is too small ({str(error).split(';')[0]}); give a larger supercell") from None
    return topology, positions * unit.nanometer


def repeated(crystal: Crystal, narrowest: float, atoms: int, folder: FilePath = ".") -> Crystal:
    """The crystal with a larger supercell, where its own one is too small for a simulation.

    Parameters
    ----------
    crystal : Crystal
    narrowest : float, Å
        Least height of the supercell along any of its vectors.
    atoms : int
        That it has at least.
    folder : path
        Where the crystal's file is looked for.

    Raises
    ------
    CGAAError
        The crystal cannot be read or filled.
    """
    unit_cell = crystal.asymmetric_unit(folder)
    number, cells = len(fill(unit_cell)[0]), np.array(crystal.supercell)
    heights = np.abs(np.linalg.det(unit_cell.cell)) / np.linalg.norm(
        np.cross(np.roll(unit_cell.cell, -1, axis=0), np.roll(unit_cell.cell, -2, axis=0)), axis=1
    )
    while min(heights * cells) < narrowest or number * cells.prod() < atoms:
        cells[np.argmin(heights * cells)] += 1
    return replace(crystal, supercell=cells.tolist())


def kinds_of_crystal(crystal: Crystal, folder: FilePath = ".") -> list[tuple[app.Topology, np.ndarray, int]]:
    """The molecules that a crystal holds, found by distance.

    Returns
    -------
    list of (Topology, array [atoms, 3], int)
        One of each kind, named by its sum formula; its positions in Å, in one piece; and how many there are in a cell.

    Raises
    ------
    CGAAError
        The crystal cannot be read or filled, or has no molecules.
    """
    from ase import Atoms

    asymmetric = crystal.asymmetric_unit(folder)
    sites, fractional = fill(asymmetric)
    elements = np.array(asymmetric.elements)[sites]
    atoms = Atoms(elements.tolist(), scaled_positions=fractional, cell=asymmetric.cell, pbc=True)
    bonds, number, steps = molecules_by_distance(atoms)
    found: dict[tuple, list] = {}
    for molecule in range(number.max() + 1):
        members = np.flatnonzero(number == molecule)
        place = {atom: n for n, atom in enumerate(members)}
        own = [(place[i], place[j]) for i, j in bonds[np.isin(bonds[:, 0], members)]]
        form, _ = canonical_form(tuple(map(str, elements[members])), tuple(sorted(map(tuple, map(sorted, own)))))
        found.setdefault(form, [members, own, 0])[2] += 1
    kinds: list[tuple[app.Topology, np.ndarray, int]] = []
    for (own_elements, _), (members, own, count) in found.items():
        name = formula(own_elements)
        name += "".join("b" for kind, _, _ in kinds if _name(kind).rstrip("b") == name)  # an isomer
        topology = single(name, [str(e) for e in elements[members]], own)
        kinds.append((topology, (fractional + steps)[members] @ asymmetric.cell, count))
    return kinds


def _identified(
    kinds: list[app.Topology], elements: np.ndarray, bonds: np.ndarray, number: np.ndarray
) -> list[np.ndarray]:
    """For each kind the atoms of its molecules, int [molecules, atoms], in the kind's order."""
    known = [_graph([symbol(atom) for atom in kind.atoms()], kind.bonds(), lambda atom: atom.index) for kind in kinds]
    found: list[list[np.ndarray]] = [[] for _ in kinds]
    for molecule in range(number.max() + 1):
        atoms = np.flatnonzero(number == molecule)
        place = {atom: n for n, atom in enumerate(atoms)}
        form, order = _graph(elements[atoms], bonds[np.isin(bonds[:, 0], atoms)], place.get)
        kind = next((k for k, (one, _) in enumerate(known) if one == form), None)
        if kind is None:
            raise CGAAError(_foreign(form, {_name(k): one for k, (one, _) in zip(kinds, known)}))
        own = np.empty(len(atoms), int)
        own[[*known[kind][1]]] = atoms[[*order]]
        found[kind].append(own)
    for kind, members in zip(kinds, found):
        if not members:
            raise CGAAError(f"the crystal holds no molecule {_name(kind)}; take it out of molecules")
    return [np.array(members) for members in found]


def _graph(elements: Iterable[str], bonds: Iterable, place: Callable) -> tuple[tuple, tuple]:
    """Canonical form of a molecule, and the order of its atoms in it."""
    pairs = sorted(tuple(sorted((place(i), place(j)))) for i, j in bonds)
    return canonical_form(tuple(map(str, elements)), tuple(pairs))


def _name(kind: app.Topology) -> str:
    return next(kind.residues()).name


def _foreign(form: tuple, known: dict[str, tuple]) -> str:
    """That a molecule of the crystal is none of those that are known, and what it may be."""
    what = formula(form[0])
    text = f"the crystal holds a molecule {what}, which is none of molecules: "
    text += ", ".join(f"{name} is {formula(elements)}" for name, (elements, _) in known.items())
    for name, (elements, bonds) in known.items():
        if formula(elements) == what:
            here = f"by {counted(len(form[1]), 'bond')} of {len(bonds)}"
            return f"{text}. Of the same atoms, it is bonded in another way than {name}, {here}"
    return f"{text}. Are atoms missing, such as hydrogens? Else add it to molecules, with a name"


def _is_site(site: list) -> bool:
    element, *place = site or [None]
    try:
        app.Element.getBySymbol(element)
    except KeyError:
        return False
    return len(place) == 3 and all(isinstance(x, int | float) and np.isfinite(x) for x in place)
