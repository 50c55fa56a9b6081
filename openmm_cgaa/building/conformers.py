"""The shapes of a flexible molecule: a packed box begins with several of each kind, as a liquid has them.

Dynamics of some picoseconds does not turn an ester, so that a box that was packed with one shape would keep it.
Shapes are minima of MMFF94, found by RDKit's embedding. They are drawn with their Boltzmann weight: if they were drawn
evenly, shapes that a liquid hardly has (esters about their C-O bond) would be frequent and stay for the whole run.
Charges are screened by `SCREENING`, as neighbours in a liquid do. The weights of a vacuum would leave out nearly all
that is polar: one in ten 1,2-dimethoxyethanes would be gauche, where in its liquid most are.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import networkx
import numpy as np
from openmm import app, unit

from ..structures.topologies import symbol
from ..units import BOLTZMANN_KJMOL, KJ_PER_KCAL

if TYPE_CHECKING:
    from rdkit import Chem

Minimum = tuple[float, np.ndarray]  # kJ/mol above the lowest, and positions [atoms, 3] in Å
Shape = tuple[float, unit.Quantity]  # the same with positions as OpenMM has them
EMBEDDINGS = 50
HIGHEST = 25.0  # kJ/mol above the lowest minimum
SCREENING = 4.0  # dielectric constant between the charges of a molecule
SAME = 0.2  # Å rms of the atoms that matter: two such geometries are one minimum
ITERATIONS = 5000  # of a minimisation; and of the search for bond orders
CHARGES = (0, -1, 1, -2, 2)  # e, that a molecule of a file may have; the first that gives whole valences


def conformers(molecule: "Chem.Mol", sound: Callable[["Chem.Mol", np.ndarray], bool] | None = None) -> list[Minimum]:
    """Minima of a molecule of RDKit that has hydrogens and one geometry, which settles its stereochemistry.

    Parameters
    ----------
    molecule : rdkit.Chem.Mol
    sound : callable, optional
        Of (molecule, positions): whether a geometry can be right.

    Returns
    -------
    list of (energy, positions)
        Rising. Empty where MMFF94 does not know the molecule.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    molecule = Chem.Mol(molecule)
    with rdBase.BlockLogs():
        Chem.AssignStereochemistryFrom3D(molecule)
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule)
        if properties is None:
            return []
        properties.SetMMFFDielectricConstant(SCREENING)
        rdDistGeom.EmbedMultipleConfs(molecule, EMBEDDINGS, randomSeed=1)
        minima = []
        for conformer in molecule.GetConformers():
            field = rdForceFieldHelpers.MMFFGetMoleculeForceField(molecule, properties, confId=conformer.GetId())
            if field.Minimize(maxIts=ITERATIONS) == 0:
                minima.append((KJ_PER_KCAL * field.CalcEnergy(), conformer.GetPositions()))
    minima = sorted((entry for entry in minima if sound is None or sound(molecule, entry[1])), key=lambda m: m[0])
    kept: list[Minimum] = []
    matter = _that_matter(molecule)
    for energy, positions in minima:
        if energy - minima[0][0] > HIGHEST:
            break
        if all(_apart(positions[matter], other[matter]) > SAME for _, other in kept):
            kept.append((energy, positions))
    return [(energy - minima[0][0], positions) for energy, positions in kept]


def of_file(topology: app.Topology, positions: np.ndarray) -> list[Minimum]:
    """As `conformers`, of a molecule with bonds but without bond orders, in its own order of atoms.

    Parameters
    ----------
    topology : openmm.app.Topology
    positions : array [atoms, 3], Å

    Returns
    -------
    list of (energy, positions)
        Empty where nothing in it turns, where RDKit is not installed, or where it finds no orders.
    """
    graph = networkx.Graph((a.index, b.index) for a, b in topology.bonds())
    if all(min(graph.degree(a), graph.degree(b)) == 1 for a, b in networkx.bridges(graph)):
        return []
    molecule = with_orders(topology, positions)
    return [] if molecule is None else conformers(molecule)


def with_orders(topology: app.Topology, positions: np.ndarray) -> "Chem.Mol | None":
    """RDKit's molecule of one that has bonds but no bond orders, in its own order of atoms.

    None where RDKit is not installed, or where it finds no orders. Parameters are those of `of_file`.
    """
    try:
        from rdkit import Chem, rdBase
        from rdkit.Chem import rdDetermineBonds
    except ImportError:
        return None
    bare = Chem.RWMol()
    for atom in topology.atoms():
        bare.AddAtom(Chem.Atom(symbol(atom)))
    for a, b in topology.bonds():
        bare.AddBond(a.index, b.index, Chem.BondType.SINGLE)
    geometry = Chem.Conformer(len(positions))
    geometry.SetPositions(np.array(positions, float))
    bare.AddConformer(geometry)
    for charge in CHARGES:
        molecule = Chem.Mol(bare)
        with suppress(ValueError, RuntimeError), rdBase.BlockLogs():  # no valences with this charge
            rdDetermineBonds.DetermineBondOrders(molecule, charge=charge, maxIterations=ITERATIONS)
            Chem.SanitizeMol(molecule)
            if not any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
                return molecule
    return None


def spread(
    kinds: Sequence[tuple[app.Topology, list[Shape], int]], temperature: float, seed: int, room: float = np.inf
) -> list[tuple[app.Topology, unit.Quantity, int]]:
    """Copies of molecules, each with a shape drawn by its Boltzmann weight.

    Parameters
    ----------
    kinds : list of (Topology, list of (kJ/mol, Quantity [atoms, 3]), int)
        Each kind of molecule: its topology, its shapes, and how many of it.
    temperature : float
        K.
    seed : int
    room : float
        nm; longer shapes are left out if there are shorter ones.

    Returns
    -------
    list of (Topology, Quantity [atoms, 3], int)
        As `pack` takes it.
    """
    rng, parts = np.random.default_rng(seed), []
    for topology, shapes, count in kinds:
        shapes = [shape for shape in shapes if extent(shape[1]) < room] or shapes[:1]
        weights = np.exp([-energy / (BOLTZMANN_KJMOL * temperature) for energy, _ in shapes])
        numbers = rng.multinomial(count, weights / weights.sum())
        parts += [(topology, positions, int(n)) for (_, positions), n in zip(shapes, numbers) if n]
    return parts


def extent(positions: unit.Quantity) -> float:
    """Largest distance of two atoms, nm."""
    x = np.asarray(positions.value_in_unit(unit.nanometer))
    return np.linalg.norm(x[:, None] - x, axis=-1).max()


def _that_matter(molecule: "Chem.Mol") -> list[int]:
    """All atoms but hydrogens on carbon, whose order differs where the shape does not."""
    return [
        atom.GetIdx()
        for atom in molecule.GetAtoms()
        if atom.GetAtomicNum() > 1 or not any(n.GetAtomicNum() == 6 for n in atom.GetNeighbors())
    ]


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square distance of two geometries [atoms, 3] after the best superposition without a reflection."""
    one, other = one - one.mean(0), other - other.mean(0)
    left, overlaps, right = np.linalg.svd(one.T @ other)
    overlaps[2] *= np.sign(np.linalg.det(left @ right))
    return np.sqrt(max((one**2).sum() + (other**2).sum() - 2 * overlaps.sum(), 0.0) / len(one))
