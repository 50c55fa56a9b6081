"""The charge of a frame, of its atoms alone: each element may stand for a charge.

In a lithium electrolyte these are +1 for Li and -1 for P, so that PF6 has the charge -1 in any cluster, and a neutral
box has none. Such numbers exist wherever no two molecules of one sum formula have different charges.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import EngineError

WHOLE = 1e-3  # how far a charge may be off a whole number
EXAMPLE = """--setting 'charges={"Li": 1, "P": -1}', in Python charges={"Li": 1, "P": -1}"""


def element_charges(molecules: Sequence[tuple[Sequence[str], int]]) -> dict[str, float]:
    """Charges of as few elements as possible, from which those of all molecules follow.

    Parameters
    ----------
    molecules : list of (list of str, int)
        Elements of the atoms, and the charge, of each kind of molecule.

    Returns
    -------
    dict of float

    Raises
    ------
    EngineError
        There are none: molecules of one sum formula have different charges.
    """
    counts = [Counter(elements) for elements, _ in molecules]
    wanted = np.array([charge for _, charge in molecules], float)
    # what is in few molecules first: lithium before carbon
    shared = {
        e: (sum(e in count for count in counts), sum(count[e] for count in counts), e)
        for count in counts
        for e in count
    }
    elements = sorted(shared, key=shared.__getitem__)
    for size in range(len(elements) + 1):
        for chosen in combinations(elements, size):
            matrix = np.array([[count[e] for e in chosen] for count in counts], float).reshape(len(counts), size)
            found = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
            if np.abs(matrix @ found - wanted).max(initial=0.0) < 1e-9:
                return {e: round(float(charge), 9) for e, charge in zip(chosen, found)}
    raise EngineError("molecules of one sum formula have different charges, which cannot be told by their elements")


def total_charge(charges: Mapping[str, float], numbers: ArrayLike) -> float:
    """Charge of atoms, by their atomic numbers and the charges of elements."""
    from ase.data import chemical_symbols

    counts = Counter(chemical_symbols[z] for z in np.asarray(numbers).tolist())
    return sum(charge * counts[element] for element, charge in charges.items())


def misfit(charges: Mapping[str, float], numbers: ArrayLike, periodic: bool) -> str | None:
    """In words, why atoms of these numbers cannot be closed shells of these charges, or None."""
    from ase.data import chemical_symbols

    from ..structures.topologies import IONS  # imports OpenMM, which a command line need not wait for

    present = {chemical_symbols[z] for z in np.asarray(numbers).tolist()}
    if ions := sorted((present & IONS) - set(charges)):
        return f"it is not told the charge of {', '.join(ions)}; give the charges of all ions: {EXAMPLE}"
    charge = total_charge(charges, numbers)
    if abs(charge - round(charge)) > WHOLE:
        return f"by the charges {dict(charges)} they have the charge {charge:g}, which is not whole"
    charge = round(charge)
    if periodic and charge:
        return f"their box has the charge {charge:+d}, but it must be neutral; give the charges of all ions: {EXAMPLE}"
    if (int(np.sum(numbers)) - charge) % 2:
        return (
            f"with the charge {charge:+d} they have an odd number of electrons. If there are ions, give their charges: "
            f"{EXAMPLE}. Else hydrogens are missing, or it is a radical, which this teacher is not made for"
        )
    return None


def checked(charges: object) -> dict[str, float]:
    """Charges of elements as a caller gives them, none for None; `EngineError` where they cannot be used."""
    from ase.data import atomic_numbers

    given = {} if charges is None else charges
    if not isinstance(given, Mapping) or not all(
        element in atomic_numbers and type(charge) in (int, float) and math.isfinite(charge)
        for element, charge in given.items()
    ):
        raise EngineError(f"charges are {charges!r}; give the charge that an atom of an element stands for: {EXAMPLE}")
    return dict(given)
