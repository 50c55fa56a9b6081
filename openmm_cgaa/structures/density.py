"""Mass and density of a box."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from openmm import app, unit

from ..units import G_PER_CM3_PER_DALTON_PER_ANGSTROM3
from .beads import without_element

if TYPE_CHECKING:
    import mdtraj


def mass(elements: Iterable[str]) -> float:
    """Da, of chemical symbols; that of D is deuterium's."""
    return sum(app.Element.getBySymbol(element).mass.value_in_unit(unit.dalton) for element in elements)


def mass_of_topology(topology: app.Topology) -> float:
    """Da, of the atoms of an OpenMM Topology; virtual sites have none."""
    return sum(map(mass_of_atom, topology.atoms()))


def mass_of_atom(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> float:
    """Da, of an atom or bead of an OpenMM or mdtraj Topology; 0 of a virtual site, and of a bead that was told none."""
    return float(getattr(atom, "mass", 0.0)) if without_element(atom) else mass([atom.element.symbol])


def density(mass: float, box: np.ndarray) -> np.ndarray:
    """g/cm3, [...].

    Parameters
    ----------
    mass : float, Da
    box : array [..., 3, 3], Å
        Rows are the vectors, of either handedness.
    """
    return mass * G_PER_CM3_PER_DALTON_PER_ANGSTROM3 / np.abs(np.linalg.det(box))


def cube(mass: float, density: float) -> float:
    """Edge of the cube in which a mass (Da) has a density (g/cm3), Å."""
    return float((mass * G_PER_CM3_PER_DALTON_PER_ANGSTROM3 / density) ** (1 / 3))
