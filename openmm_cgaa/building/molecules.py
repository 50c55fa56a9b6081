"""Single molecules, from a SMILES by RDKit or from a structure file."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from openmm import app, unit

from ..errors import CGAAError, GrainError
from ..inputs.arguments import FilePath, is_element
from ..inputs.ranges import bounded
from ..inputs.settings import Checked
from ..mapping.grains import GrainMap
from ..mapping.residues import without_an_element
from ..mapping.soundness import faults
from ..mapping.whole import whole_frame
from ..structures import geometry
from ..structures.smiles import parse_smiles
from ..structures.structure import read_structure
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .conformers import Minimum, Shape, conformers, of_file

if TYPE_CHECKING:
    from rdkit import Chem

Kind = tuple[app.Topology, unit.Quantity, int]  # a molecule: its topology, its positions, how many of it
STRETCH = 0.3  # part of the sum of covalent radii that an embedded bond may be off
NARROWEST = 70.0  # degrees between neighbours of an atom that has five or more; embedding goes wrong there


@dataclass(frozen=True)
class Molecule(Checked):
    """What one residue of a box is made of: a SMILES or structure files.

    Attributes
    ----------
    name : str
        Residue name.
    smiles : str, optional
        Ions have their charge in it: ``[Li+]``, ``F[P-](F)(F)(F)(F)F``.
    structure : str or list of str, optional
        Structure file, or files that belong together (see `structures.given`), with bonds, or with `smiles` beside it.
        Of several residues the first one of this name is taken.
    count : int
        How many of it a box holds; `sample` gives counts with its runs.
    """

    name: str
    smiles: str | None = None
    structure: str | list[str] | None = None
    count: int = bounded(0, 0, 10**6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[A-Za-z0-9_+-]+", self.name):
            raise CGAAError(f"{self.name!r} is no residue name; it may have letters, digits, _, + and -")
        if self.smiles is None and not self.structure:
            raise CGAAError(
                f"molecule {self.name}: give smiles, or structure (a file), or both where bonds are missing"
            )

    @property
    def files(self) -> list[str]:
        """The files of `structure`."""
        return self.structure if isinstance(self.structure, list) else [self.structure] if self.structure else []

    def load(self, folder: FilePath = ".") -> tuple[app.Topology, unit.Quantity]:
        """Topology and positions (Quantity, [atoms, 3]) of the molecule; `folder` is where its file is looked for.

        Raises
        ------
        CGAAError
            The SMILES or the file cannot be used.
        """
        if self.files:
            return from_file(self.name, [Path(folder, file) for file in self.files], self.smiles)
        assert self.smiles is not None  # one of the two is given
        return from_smiles(self.name, self.smiles)

    def shapes(self, folder: FilePath = ".") -> tuple[app.Topology, list[Shape]]:
        """Topology of the molecule, and the shapes that it has in a liquid: a list of (kJ/mol, Quantity [atoms, 3]).

        They are those of `conformers`, or its one geometry where there are none. `CGAAError` as in `load`.
        """
        topology, positions = self.load(folder)
        if self.files or self.smiles is None:
            return topology, shapes_of(topology, positions)
        molecule = parse_smiles(self.name, self.smiles)
        embed(self.name, molecule)
        minima = conformers(molecule, _sound) if molecule.GetNumConformers() else []
        return topology, _shapes(minima, positions)


def shapes_of(topology: app.Topology, positions: unit.Quantity) -> list[Shape]:
    """Shapes of a molecule that is known by its bonds and one geometry, as `Molecule.shapes`."""
    return _shapes(of_file(topology, positions.value_in_unit(unit.angstrom)), positions)


def _shapes(minima: list[Minimum], positions: unit.Quantity) -> list[Shape]:
    return [(energy, x / ANGSTROM_PER_NM * unit.nanometer) for energy, x in minima] or [(0.0, positions)]


def from_smiles(name: str, smiles: str, seed: int = 1) -> tuple[app.Topology, unit.Quantity]:
    """Topology (one residue with bonds, atoms C1, O2...) and positions of a molecule.

    The geometry is RDKit's embedding, minimised with MMFF94, or with UFF where MMFF94 lacks a parameter.

    Parameters
    ----------
    name : str
        Residue name.
    smiles : str
    seed : int
        Of the embedding.

    Raises
    ------
    CGAAError
        The SMILES does not parse, or no sound geometry was found.
    """
    molecule = parse_smiles(name, smiles)
    positions = embed(name, molecule, seed)
    elements = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    return single(name, elements, bonds), positions * unit.angstrom


def from_file(name: str, files: FilePath | Sequence[FilePath], smiles: str | None = None) -> tuple:
    """Topology and positions of one molecule in a file, or in files that belong together.

    Parameters
    ----------
    name : str
        Of the residue; a residue alone may have another one, and is renamed.
    files : path or sequence of paths
    smiles : str, optional
        Of the molecule, where the files have no bonds.

    Raises
    ------
    CGAAError
        A file cannot be read, or holds several residues and none of this name. Its bonds do not connect its atoms,
        or its geometry is none (`soundness.faults`).
    """
    topology, positions = read_structure(files, smiles={name: smiles} if smiles else None)
    where = ", ".join(map(str, files)) if isinstance(files, list | tuple) else str(files)
    residues = list(topology.residues())
    named = [residue for residue in residues if residue.name == name] or (residues if len(residues) == 1 else [])
    if not named:
        names = ", ".join(sorted({residue.name for residue in residues}))
        raise CGAAError(
            f"molecule {name}: {where} holds {counted(len(residues), 'residue')} ({names}), none called "
            f"{name}; name the molecule as it is there"
        )
    molecule = of_residue(named[0])
    try:
        grain_map = GrainMap.from_topology(molecule)
    except CGAAError as error:
        raise CGAAError(f"molecule {name}: {where}: {error}") from None
    x = geometry.check_positions(positions, topology.getNumAtoms())[[atom.index for atom in named[0].atoms()]]
    box = geometry.check_box(topology.getPeriodicBoxVectors())
    x = whole_frame(grain_map, x, box)
    if wrong := faults(grain_map, ANGSTROM_PER_NM * x, None):
        raise CGAAError(f"molecule {name}: {where}: {'; '.join(wrong)}")
    next(molecule.residues()).name = name
    return molecule, x * unit.nanometer


def single(
    name: str, elements: list[str], bonds: list[tuple[int, int]], atom_names: list[str] | None = None
) -> app.Topology:
    """Topology of one residue; `CGAAError` where OpenMM does not know an element."""
    unknown = sorted({element for element in elements if not is_element(element)})
    if unknown:
        raise CGAAError(f"molecule {name}: OpenMM knows no element {', '.join(unknown)}; it cannot be simulated")
    topology = app.Topology()
    residue = topology.addResidue(name, topology.addChain())
    atom_names = atom_names or [f"{element}{i + 1}" for i, element in enumerate(elements)]
    atoms = [topology.addAtom(a, app.Element.getBySymbol(e), residue) for a, e in zip(atom_names, elements)]
    for i, j in bonds:
        topology.addBond(atoms[i], atoms[j])
    return topology


def append_molecule(topology: app.Topology, chain: app.topology.Chain, molecule: app.Topology) -> None:
    """Add one copy of a molecule to a topology, residue by residue, with its bonds."""
    copies = {}
    for residue in molecule.residues():
        target = topology.addResidue(residue.name, chain)
        for atom in residue.atoms():
            copies[atom] = topology.addAtom(atom.name, atom.element, target)
    for first, second in molecule.bonds():
        topology.addBond(copies[first], copies[second])


def of_residue(residue: app.topology.Residue) -> app.Topology:
    """Topology of one residue as it stands in another."""
    atoms = list(residue.atoms())
    if bare := [atom for atom in atoms if atom.element is None]:
        raise GrainError(without_an_element(bare[0].name, bare[0].index, f"{residue.name} {residue.id}"))
    place = {atom: i for i, atom in enumerate(atoms)}
    bonds = [(place[a], place[b]) for a, b in residue.internal_bonds()]
    return single(residue.name, [atom.element.symbol for atom in atoms], bonds, [atom.name for atom in atoms])


def embed(name: str, molecule: "Chem.Mol", seed: int = 1) -> np.ndarray:
    """Positions [atoms, 3] in Å of an RDKit molecule with hydrogens.

    Raises
    ------
    CGAAError
        No sound geometry was found.
    """
    from rdkit import rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    octahedron = _octahedron(molecule)
    if octahedron is not None:
        return octahedron
    for random in (False, True):  # the second starts from random coordinates, which finds crowded molecules
        settings = rdDistGeom.ETKDGv3()
        settings.randomSeed = seed  # type: ignore[assignment]  # rdkit's own types are wrong here
        settings.useRandomCoords = random  # type: ignore[assignment]
        with rdBase.BlockLogs():
            if rdDistGeom.EmbedMolecule(molecule, settings) != 0:
                continue
            if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
                rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=5000)
            elif rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
                rdForceFieldHelpers.UFFOptimizeMolecule(molecule, maxIters=5000)
        positions = molecule.GetConformer().GetPositions()
        if _sound(molecule, positions):
            return positions
    raise CGAAError(f"molecule {name}: RDKit finds no sound geometry; give a structure file in place of the SMILES")


def _octahedron(molecule: "Chem.Mol") -> np.ndarray | None:
    """Positions of an atom with six single atoms about it, such as PF6-, which the embedding puts on no octahedron."""
    crowded = [atom for atom in molecule.GetAtoms() if atom.GetDegree() == 6]
    if molecule.GetNumAtoms() != 7 or not crowded:
        return None
    center = crowded[0].GetIdx()
    positions = np.zeros((7, 3))
    around = [i for i in range(7) if i != center]
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    positions[around] = axes * _bonded(molecule)[center, around][:, None]
    return positions


def _bonded(molecule: "Chem.Mol") -> np.ndarray:
    """Sum of the covalent radii of two atoms, [atoms, atoms], Å."""
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in molecule.GetAtoms()])
    return radii[:, None] + radii


def _sound(molecule: "Chem.Mol", positions: np.ndarray) -> bool:
    """Whether bonds have the length of bonds, nothing else is as close, and crowded atoms are not folded up."""
    bonded = np.zeros((len(positions), len(positions)), bool)
    for bond in molecule.GetBonds():
        bonded[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] = True
    bonded |= bonded.T
    relative = np.linalg.norm(positions[:, None] - positions, axis=-1) / _bonded(molecule)
    apart = ~bonded & ~np.eye(len(positions), dtype=bool)
    if (np.abs(relative[bonded] - 1) > STRETCH).any() or (relative[apart] < 1).any():
        return False
    for j in np.flatnonzero(bonded.sum(0) > 4):
        arms = positions[bonded[j]] - positions[j]
        arms /= np.linalg.norm(arms, axis=1, keepdims=True)
        if any(np.degrees(np.arccos(np.clip(a @ b, -1, 1))) < NARROWEST for a, b in itertools.combinations(arms, 2)):
            return False
    return True
