"""Temperature of translation, rotation and vibration of grains, and of each element."""

from typing import NamedTuple

import numpy as np

from ..units import BOLTZMANN_KJMOL


class Temperatures(NamedTuple):
    """Temperatures in K; nan where a motion has no degree of freedom."""

    translation: float
    rotation: float
    vibration: float
    total: float


def kinetic_temperatures(velocities, masses, positions_whole, grain_map, com_removed=True) -> Temperatures:
    """Equipartition over the three kinds of motion of the grains.

    A grain has 3 degrees of freedom of translation, 3 of rotation (2 if its atoms lie on a line, 0 if it is one
    atom); all others are vibration. The system's own center of mass takes 3 of translation where it is held. There
    must be no constraints. With the half-step velocities of OpenMM's leapfrog integrators at full-step positions the
    angular momentum is that of the half step: the positions differ by v dt/2, which v x v does not see.

    Parameters
    ----------
    velocities : array [atoms, 3], nm/ps
    masses : array [atoms], Da
    positions_whole : array [atoms, 3], nm
        Grains are not broken across the boundary.
    grain_map : GrainMap
    com_removed : bool
        The motion of the system's center of mass is removed.
    """
    velocities, masses = np.asarray(velocities, dtype=float), np.asarray(masses, dtype=float)
    positions = np.asarray(positions_whole, dtype=float)
    num_atoms, num_grains = len(masses), len(grain_map.slots)
    grain = np.empty(num_atoms, dtype=int)
    for g, atoms in enumerate(grain_map.slots):
        grain[atoms] = g

    def grain_sum(values):
        out = np.zeros((num_grains, *values.shape[1:]))
        np.add.at(out, grain, values)
        return out

    mass, m = grain_sum(masses), masses[:, None]
    drift = grain_sum(m * velocities) / mass[:, None]
    relative = positions - (grain_sum(m * positions) / mass[:, None])[grain]
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
    held = 3 if com_removed else 0
    freedom = np.array([3 * num_grains - held, turns.sum(), 3 * num_atoms - 3 * num_grains - turns.sum()])
    energy = np.array([translation, rotation, total - translation - rotation])
    freedom, energy = np.append(freedom, 3 * num_atoms - held), np.append(energy, total)
    with np.errstate(invalid="ignore", divide="ignore"):
        kelvin = np.where(freedom > 0, 2.0 * energy / (freedom * BOLTZMANN_KJMOL), np.nan)
    return Temperatures(*kelvin.tolist())


def element_temperatures(velocities, masses, elements, com_removed=True) -> dict:
    """Temperature of the atoms of each element in K: ``{"C": 301.2, ...}``, in order of first appearance.

    Where the motion of the system's center of mass is removed an atom of mass m in a system of mass M has 3 (1 - m/M)
    degrees of freedom.

    Parameters
    ----------
    velocities : array [atoms, 3], nm/ps
    masses : array [atoms], Da
    elements : list of str
    com_removed : bool
    """
    masses, elements = np.asarray(masses, dtype=float), np.asarray(elements)
    twice = masses * np.einsum("ax,ax->a", velocities, velocities)  # kinetic energies, kJ/mol
    freedom = 3.0 * (1.0 - masses / masses.sum()) if com_removed else np.full(len(masses), 3.0)
    kelvin = {}
    for element in dict.fromkeys(elements.tolist()):
        chosen = elements == element
        number = freedom[chosen].sum()
        kelvin[element] = float(twice[chosen].sum() / (number * BOLTZMANN_KJMOL)) if number > 0 else float("nan")
    return kelvin
