"""Temperature of translation, rotation and vibration of grains, and of each element.

Only what moves counts. Particles of mass 0 (frozen atoms, virtual sites) have no degree of freedom, a constraint takes
one, and three go where the motion of the system's center of mass is removed: OpenMM's own count.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import openmm
from openmm import CMMotionRemover, unit
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..mapping.grains import GrainMap
from ..mapping.sums import grain_sums
from ..units import BOLTZMANN_KJMOL


class Temperatures(NamedTuple):
    """Temperatures in K; nan where a motion has no degree of freedom."""

    translation: float
    rotation: float
    vibration: float
    total: float


class Moving(NamedTuple):
    """What of a System can move.

    Attributes
    ----------
    masses : array [atoms], Da
    constraints : int array [constraints, 2]
        Pairs of atoms that have a mass.
    com_removed : bool
        The motion of the system's center of mass is removed.
    """

    masses: np.ndarray
    constraints: np.ndarray
    com_removed: bool

    @classmethod
    def of(cls, system: openmm.System) -> "Moving":
        """Of an ``openmm.System``."""
        masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())]
        pairs = [system.getConstraintParameters(i)[:2] for i in range(system.getNumConstraints())]
        pairs = [pair for pair in pairs if any(masses[i] > 0 for i in pair)]
        removed = any(isinstance(force, CMMotionRemover) for force in system.getForces())
        return cls(np.array(masses), np.array(pairs, dtype=int).reshape(-1, 2), removed)

    @property
    def freedom(self) -> int:
        """Degrees of freedom, as `openmm.app.StateDataReporter` counts them; never below 0."""
        held = 3 if self.com_removed else 0
        return max(3 * int(np.count_nonzero(self.masses)) - len(self.constraints) - held, 0)


def kinetic_temperatures(
    velocities: np.ndarray,
    masses: np.ndarray,
    positions_whole: np.ndarray,
    grain_map: GrainMap,
    com_removed: bool = True,
    constraints: np.ndarray | tuple[()] = (),
) -> Temperatures:
    """Equipartition over the three kinds of motion of the grains.

    The atoms of a grain that have a mass have 3 degrees of freedom of translation, 3 of rotation (2 if they lie on a
    line, 0 if there is one); all others are vibration. The system's own center of mass takes 3 of translation where it
    is held. A constraint takes one in all: inside a grain of vibration, between two grains a part of each motion, see
    `_held_motions`. With the half-step velocities of
    OpenMM's leapfrog integrators at full-step positions the angular momentum is that of the half step: the positions
    differ by v dt/2, which v x v does not see.

    Parameters
    ----------
    velocities : array [atoms, 3], nm/ps
    masses : array [atoms], Da
        0: the atom does not move.
    positions_whole : array [atoms, 3], nm
        Neither grains nor pairs of constrained atoms are broken across the boundary.
    grain_map : GrainMap
    com_removed : bool
        The motion of the system's center of mass is removed.
    constraints : int array [constraints, 2]
        Atoms whose distance is held.

    Returns
    -------
    Temperatures
    """
    velocities, masses = np.asarray(velocities, dtype=float), np.asarray(masses, dtype=float)
    positions = np.asarray(positions_whole, dtype=float)
    grain = grain_map.atom_grain

    def grain_sum(values: np.ndarray) -> np.ndarray:
        return grain_sums(values[None], grain)[0]

    mass, m = grain_sum(masses), masses[:, None]
    per_mass = np.divide(1.0, mass, out=np.zeros(len(mass)), where=mass > 0)[:, None]
    drift = grain_sum(m * velocities) * per_mass
    relative = positions - (grain_sum(m * positions) * per_mass)[grain]
    momentum = grain_sum(np.cross(relative, m * (velocities - drift[grain])))  # angular, Da nm2/ps
    square = np.einsum("ax,ax->a", relative, relative)
    inertia = grain_sum(
        masses[:, None, None] * (square[:, None, None] * np.eye(3) - relative[:, :, None] * relative[:, None, :])
    )
    moments, axes = np.linalg.eigh(inertia)  # [grain, axis], [grain, xyz, axis]
    turns = moments > np.maximum(1e-6 * moments[:, 2:], 1e-8)
    along = np.einsum("gxk,gx->gk", axes, momentum)

    total = 0.5 * np.sum(m * velocities**2)  # kJ/mol
    translation = 0.5 * np.sum(mass[:, None] * drift**2)
    rotation = 0.5 * np.sum(along[turns] ** 2 / moments[turns])
    energy = np.array([translation, rotation, total - translation - rotation, total])
    free = np.array([max(3 * np.count_nonzero(mass) - (3 if com_removed else 0), 0), turns.sum()], dtype=float)
    if len(constraints) and np.diff(grain[constraints]).any():
        spin = axes * np.sqrt(np.divide(1.0, moments, out=np.zeros_like(moments), where=turns))[:, None, :]
        free -= _held_motions(np.asarray(constraints), masses, positions, grain, np.sqrt(per_mass), relative, spin)
    every = Moving(masses, np.asarray(constraints), com_removed).freedom
    freedom = np.array([*free, every - sum(free), every])
    kelvin = np.divide(2.0 * energy, freedom * BOLTZMANN_KJMOL, out=np.full(4, np.nan), where=freedom > 1e-6)
    return Temperatures(*kelvin.tolist())


def element_temperatures(
    velocities: np.ndarray,
    masses: np.ndarray,
    elements: Sequence[str] | np.ndarray,
    com_removed: bool = True,
    constraints: np.ndarray | tuple[()] = (),
    positions: np.ndarray | None = None,
) -> dict[str, float]:
    """Temperature of the atoms of each element in K: ``{"C": 301.2, ...}``, in order of first appearance.

    Where the motion of the system's center of mass is removed an atom of mass m in a system of mass M has 3 (1 - m/M)
    degrees of freedom. What a constraint takes is shared by its atoms, see `_clusters`. Nan where nothing moves.

    Parameters
    ----------
    velocities : array [atoms, 3], nm/ps
    masses : array [atoms], Da
        0: the atom does not move.
    elements : list of str
    com_removed : bool
    constraints : int array [constraints, 2]
        Atoms whose distance is held.
    positions : array [atoms, 3], nm
        Needed with constraints; constrained atoms are not broken across the boundary.
    """
    masses, elements = np.asarray(masses, dtype=float), np.asarray(elements)
    twice = masses * np.einsum("ax,ax->a", velocities, velocities)  # kinetic energies, kJ/mol
    freedom = np.where(masses > 0, 3.0, 0.0)
    if com_removed and masses.any():
        freedom -= 3.0 * masses / masses.sum()
    if len(constraints):
        freedom -= _held(np.asarray(constraints), masses, np.asarray(positions, dtype=float))
    kelvin = {}
    for element in dict.fromkeys(elements.tolist()):
        chosen = elements == element
        number = freedom[chosen].sum()
        kelvin[element] = float(twice[chosen].sum() / (number * BOLTZMANN_KJMOL)) if number > 1e-6 else float("nan")
    return kelvin


def _clusters(
    constraints: np.ndarray, masses: np.ndarray, positions: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Constraints that share atoms, those of one size together.

    A constraint forbids the velocities along ``a = d (e_i / m_i - e_j / m_j)``, d its direction. Those of a cluster
    span a space, on which ``sum_ab a (G^-1)_ab b m`` projects, with the Gram matrix ``G_ab = sum_i a_i m_i b_i``.

    Yields
    ------
    ends : int array [cluster, constraint, 2]
        Atoms.
    pushes : array [cluster, constraint, 2, xyz]
        ``a_i m_i`` of each atom.
    inverse : array [cluster, constraint, constraint]
        ``G^-1``.
    parts : array [cluster, constraint, end, constraint]
        What an end adds to ``G``.
    """
    vector = positions[constraints[:, 1]] - positions[constraints[:, 0]]
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    bonds = coo_array((np.ones(len(constraints)), constraints.T), shape=(len(masses), len(masses)))
    cluster = connected_components(bonds, directed=False)[1][constraints[:, 0]]
    _, cluster, size = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.argsort(cluster, kind="stable")
    for k in np.unique(size):
        members = order[size[cluster[order]] == k].reshape(-1, k)  # [cluster, constraint]
        ends = constraints[members]
        pushes = vector[members][:, :, None] * np.array([1.0, -1.0])[:, None]
        parts = np.einsum("capbq,capx,cbqx->capb", _same(ends), pushes, pushes) / masses[ends][..., None]
        yield ends, pushes, np.linalg.pinv(parts.sum(2), hermitian=True), parts


def _same(ends: np.ndarray) -> np.ndarray:
    """Whether two ends [cluster, constraint, 2] are one: [cluster, constraint a, end of a, constraint b, end of b]."""
    return ends[:, :, :, None, None] == ends[:, None, None, :, :]


def _held(constraints: np.ndarray, masses: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """How many degrees of freedom constraints take from each atom, [atoms]: its part in the projector."""
    held = np.zeros(len(masses))
    for ends, _, inverse, parts in _clusters(constraints, masses, positions):
        np.add.at(held, ends, np.einsum("cab,capb->cap", inverse, parts))
    return held


def _held_motions(
    constraints: np.ndarray,
    masses: np.ndarray,
    positions: np.ndarray,
    grain: np.ndarray,
    slide: np.ndarray,
    relative: np.ndarray,
    spin: np.ndarray,
) -> np.ndarray:
    """How many degrees of freedom constraints take from the translation and from the rotation of all grains, [2].

    A motion loses the trace of the product of its own projector with that of the constraints. A distance between two
    ions takes one of translation. One between atoms of two molecules takes a fraction, and the rest of vibration.

    Parameters
    ----------
    grain : int array [atoms]
    slide : array [grain, 1]
        One over the square root of the mass, 0 where nothing moves.
    relative : array [atoms, 3]
        From the grain's center.
    spin : array [grain, xyz, axis]
        Principal axes over the square root of their moments, 0 where there is none.
    """
    lost = np.zeros(2)
    for ends, pushes, inverse, _ in _clusters(constraints, masses, positions):
        g = grain[ends]
        torques = np.cross(relative[ends], pushes)
        for motion, change in enumerate((pushes * slide[g], np.einsum("capx,capxk->capk", torques, spin[g]))):
            lost[motion] += np.einsum("cab,capbq,capx,cbqx->", inverse, _same(g), change, change)
    return lost
