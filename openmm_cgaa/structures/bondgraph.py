"""Beads or atoms and their bonds, without coordinates: what a topology says of a molecule to a network on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import networkx
import numpy as np
from openmm import app

from ..errors import GrainError
from ..wording import counted
from .density import mass_of_atom
from .topologies import symbol

if TYPE_CHECKING:
    import mdtraj

ORDERS = "", "Single", "Double", "Triple", "Aromatic", "Amide"  # types of bonds of a Topology; the first: not told


class BondGraph(NamedTuple):
    """See the module.

    Attributes
    ----------
    kinds : tuple of str, [beads]
        Element, or species with a star before it.
    masses : array [beads], Da
    bonds : array [bonds, 2]
        The lower number first.
    orders : array [bonds]
        Place of the bond's type in `ORDERS`.
    """

    kinds: tuple[str, ...]
    masses: np.ndarray
    bonds: np.ndarray
    orders: np.ndarray

    def graph(self) -> networkx.Graph:
        made = networkx.Graph()
        made.add_nodes_from(range(len(self.kinds)))
        made.add_edges_from(self.bonds.tolist())
        return made

    def molecules(self) -> list[list[int]]:
        """Beads of each molecule, in the order of the first."""
        return sorted(sorted(part) for part in networkx.connected_components(self.graph()))


def bond_graph(topology: "app.Topology | mdtraj.Topology", masses: Sequence[float] | None = None) -> BondGraph:
    """That of an OpenMM or mdtraj Topology with all bonds.

    Parameters
    ----------
    topology : openmm.app.Topology or mdtraj.Topology
    masses : sequence of float, Da, optional
        Of its particles, such as those of a System; by default those of the elements, and of beads that were told.

    Raises
    ------
    GrainError
        A bead without a mass, or other masses than particles.
    """
    atoms = list(topology.atoms() if callable(topology.atoms) else topology.atoms)
    found: dict[tuple[int, int], int] = {}
    for bond in topology.bonds() if callable(topology.bonds) else topology.bonds:
        order = str(bond.type or "")
        found[min(bond[0].index, bond[1].index), max(bond[0].index, bond[1].index)] = (
            ORDERS.index(order) if order in ORDERS else 0
        )
    weights = np.array([mass_of_atom(atom) for atom in atoms] if masses is None else masses, dtype=float)
    if len(weights) != len(atoms):
        raise GrainError(
            f"{counted(len(weights), 'mass')}, but the topology has {counted(len(atoms), 'particle')}; give the System "
            "of this topology"
        )
    light = [atom for atom, mass in zip(atoms, weights) if not mass > 0.0]
    if light:
        raise GrainError(
            f"{light[0]} has no mass; give the System of its run, which has one, or tell it "
            "(openmm_cgaa.structures.beads.tell_beads)"
        )
    pairs = sorted(found)
    bonds = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return BondGraph(
        tuple(map(symbol, atoms)), weights, bonds, np.array([found[pair] for pair in pairs], dtype=np.int32)
    )
