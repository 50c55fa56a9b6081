"""Scans of molecules that are pulled apart: pairs, and ligands of a center; their energies, model beside teacher."""

from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..inputs.settings import Checked
from ..wording import counted
from .vacuum import Beside, curve, energies, monomer, optimised, pulled

CORNERS = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]) / np.sqrt(3.0)
FAR = np.concatenate([np.arange(-0.4, 1.0, 0.1), np.arange(1.0, 3.0, 0.25), np.arange(3.0, 8.1, 1.0)])  # Å
NEAR = np.concatenate([np.arange(-0.3, 1.0, 0.1), np.arange(1.0, 3.1, 0.25)])  # Å


@dataclass(frozen=True)
class Ligand(Checked):
    """A molecule at a corner of a tetrahedron about a center.

    Attributes
    ----------
    molecule : str
        Of the system's molecules.
    distance : float, Å
        From the center, of the atom `through` or of the middle of the molecule.
    through : int, optional
        The atom (from 0) that points to the center, away from its neighbour.
    toward : str
        Element: the ligand's nearest atom of it is what it is pulled along, and whose bonds are stretched.
    pulled : str
        Name of its scan; not pulled without it.
    stretched : bool
        Whether the bonds of that atom that are nearest to and furthest from the center are stretched.
    """

    molecule: str
    distance: float = bounded(2.0, 0.5, 20.0, "Å")
    through: int | None = bounded(None, 0, 10**6)
    toward: str = ""
    pulled: str = ""
    stretched: bool = False

    def __post_init__(self):
        super().__post_init__()
        if (self.pulled or self.stretched) and not self.toward:
            raise CGAAError(f"ligand {self.molecule}: toward is missing: the element that it is pulled along")


@dataclass(frozen=True)
class Cluster(Checked):
    """A center of one atom with up to four ligands, as a whole without a charge.

    Attributes
    ----------
    center : str
        Molecule of one atom.
    ligands : list of Ligand
        Around the center.
    label : str
        What names of bonds call the center; by default its name.
    """

    center: str
    ligands: list[Ligand]
    label: str = ""

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= len(self.ligands) <= len(CORNERS):
            found = counted(len(self.ligands), "ligand")
            raise CGAAError(f"cluster of {self.center}: has {found}; it takes 1 to {len(CORNERS)}")

    def molecules(self) -> list:
        return [self.center, *(ligand.molecule for ligand in self.ligands)]


def dimer(system, names, potential, teacher, seed=1, starts=4):
    """The deepest of some dimers in a vacuum (teacher), pulled apart."""
    rng = np.random.default_rng(seed)
    best, best_energy, parts = None, np.inf, None
    for _ in range(starts):
        first, second = (monomer(system, name) @ Rotation.random(random_state=rng).as_matrix().T for name in names)
        way = rng.standard_normal(3)
        parts = Beside(system, names, [first, second + 5.0 * way / np.linalg.norm(way)])
        found = optimised(parts.atoms, teacher)
        if found.get_potential_energy() < best_energy:
            best, best_energy = found, found.get_potential_energy()
    positions = best.positions
    centers = [positions[atoms].mean(axis=0) for atoms in parts.members]
    frames = pulled(best, parts.members[1], centers[1] - centers[0], FAR)
    x = np.linalg.norm(centers[1] - centers[0]) + FAR
    found = energies(frames, teacher), energies(frames, parts.calculator(potential))
    return curve(f"{names[0]}...{names[1]}", x, "distance of centers / Å", *found)


def assembled(system, cluster, teacher):
    """`Beside`, and its atoms in a minimum of the teacher."""
    places = [np.zeros((1, 3))]
    for ligand, corner in zip(cluster.ligands, CORNERS):
        positions = monomer(system, ligand.molecule)
        if ligand.through is None:
            places.append(positions + ligand.distance * corner)
            continue
        topology, _ = system.molecule(ligand.molecule)
        graph = nx.Graph([(a.index, b.index) for a, b in topology.bonds()])
        if ligand.through not in graph:
            raise CGAAError(f"ligand {ligand.molecule}: through is {ligand.through}, which is no atom with a bond")
        outward = positions[next(iter(graph.neighbors(ligand.through)))] - positions[ligand.through]
        turn, _ = Rotation.align_vectors([corner], [outward / np.linalg.norm(outward)])
        places.append(turn.apply(positions - positions[ligand.through]) + ligand.distance * corner)
    parts = Beside(system, cluster.molecules(), places)
    return parts, optimised(parts.atoms, teacher)


def nearest(parts, atoms, number, ligand):
    """The atom of a ligand's element `toward` that is nearest to the center."""
    chosen = [i for i in parts.members[number] if atoms.symbols[i] == ligand.toward]
    if not chosen:
        raise CGAAError(f"ligand {ligand.molecule}: has no atom of {ligand.toward!r}, which toward names")
    return min(chosen, key=lambda i: np.linalg.norm(atoms.positions[i] - atoms.positions[0]))


def ligand_scans(cluster, parts, atoms, potential, teacher):
    """Each ligand that is to be pulled, along the line from the center."""
    calculator, found = parts.calculator(potential), []
    for number, ligand in enumerate(cluster.ligands, start=1):
        if ligand.pulled:
            atom = nearest(parts, atoms, number, ligand)
            way = atoms.positions[atom] - atoms.positions[0]
            frames, x = pulled(atoms, parts.members[number], way, NEAR), np.linalg.norm(way) + NEAR
            label = f"{atoms.symbols[0]}-{atoms.symbols[atom]} / Å"
            taught, modelled = energies(frames, teacher), energies(frames, calculator)
            found.append(curve(ligand.pulled, x, label, taught, modelled))
    return found
