"""How far a bond may swing for a step of Verlet to keep it."""

import re

import numpy as np
from scipy.interpolate import CubicSpline


def largest_swing(x, energy, mass, step) -> float:
    """How far (Å) an atom may be pulled along a curve and let go, for Verlet of this step to keep it; or inf.

    Parameters
    ----------
    x, energy : array [points], Å and eV
        Energy about the minimum; goes on as a parabola beyond its ends.
    mass : float, Da
    step : float, fs
    """
    from ase import units

    slope = CubicSpline(x, energy).derivative()

    def acceleration(at):
        inside = np.clip(at, x[0], x[-1])
        return -(slope(inside) + slope(inside, 1) * (at - inside)) * step**2 / mass_in_eV

    mass_in_eV = mass / units.fs**2  # eV fs^2/Å^2
    swings = np.arange(0.02, x[-1], 0.01)
    here, before = swings.copy(), swings + 0.5 * acceleration(swings)  # at rest
    largest = np.abs(swings)
    for _ in range(5000):
        here, before = np.clip(2.0 * here - before + acceleration(here), -9.0, 9.0), here
        largest = np.maximum(largest, np.abs(here))
    lost = swings[largest > 2.0 * x[-1]]
    return float(lost[0]) if len(lost) else np.inf


def ends(name) -> tuple:
    """Elements of a bond by its name, ``EMC C0-H7``."""
    first, second = name.split()[1].split("-")
    return tuple(re.sub(r"\d", "", end) for end in (first, second))


def reduced_mass(first, second) -> float:
    """Da, of two elements."""
    from ase.data import atomic_masses, atomic_numbers

    a, b = (atomic_masses[atomic_numbers[symbol]] for symbol in (first, second))
    return a * b / (a + b)
