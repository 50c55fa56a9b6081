"""How forces answer to displacements: whether they are a gradient at all, and the normal modes of a molecule."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError
from ..units import WAVENUMBER_PER_MODE

STEP = 1e-4  # Å; in double precision truncation and rounding are then both some 1e-8 of the largest entry


def force_jacobian(
    forces_at: Callable[[np.ndarray], ArrayLike], positions: ArrayLike, step: float = STEP
) -> np.ndarray:
    """dF_i/dx_j by central differences, [3 atoms, 3 atoms], eV/Å^2.

    Parameters
    ----------
    forces_at : callable
        Positions [atoms, 3] in Å -> forces [atoms, 3] in eV/Å, in double precision.
    positions : array [atoms, 3], Å
    step : float
        Å
    """
    positions = np.asarray(positions, dtype=float)
    columns = np.empty((positions.size, positions.size))
    for index in range(positions.size):
        ahead, behind = positions.copy(), positions.copy()
        ahead.flat[index] += step
        behind.flat[index] -= step
        difference = np.asarray(forces_at(ahead), dtype=float) - np.asarray(forces_at(behind), dtype=float)
        columns[:, index] = difference.ravel() / (2.0 * step)
    return columns


def asymmetry(jacobian: ArrayLike) -> float:
    """|J - J^T| / |J| (Frobenius): 0 for forces that are a gradient, sqrt(2) for entries without any relation."""
    jacobian = np.asarray(jacobian, dtype=float)
    return float(np.linalg.norm(jacobian - jacobian.T) / np.linalg.norm(jacobian))


def normal_modes(jacobian: np.ndarray, masses: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic wavenumbers and modes of the symmetric part of a force Jacobian.

    Parameters
    ----------
    jacobian : array [3 atoms, 3 atoms], eV/Å^2
    masses : array [atoms], Da

    Returns
    -------
    wavenumbers : array [3 atoms], 1/cm
        Rising; an imaginary one is negative. The first six of a molecule in its minimum are about zero.
    modes : array [3 atoms, 3 atoms]
        Columns are mass-weighted displacements of length 1.

    Raises
    ------
    GeometryError
        The masses are not those of as many atoms, or one is not positive.
    """
    masses = np.asarray(masses, dtype=float)
    if len(jacobian) != 3 * len(masses) or not (masses > 0).all():
        raise GeometryError(f"a Jacobian of {len(jacobian) / 3:g} atoms needs as many positive masses, not {masses}")
    root = np.sqrt(np.repeat(masses, 3))
    squares, modes = np.linalg.eigh(-0.5 * (jacobian + jacobian.T) / np.outer(root, root))
    return WAVENUMBER_PER_MODE * np.sign(squares) * np.sqrt(np.abs(squares)), modes
