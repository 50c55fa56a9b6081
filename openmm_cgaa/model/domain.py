"""What of a system lies outside of what a model was trained on; `training.coverage` makes the domain."""

import warnings
from collections.abc import Sequence

import numpy as np

from ..errors import CGAADomainWarning
from ..mapping.grains import GrainMap
from ..structures.density import density
from ..units import ANGSTROM_PER_NM

# how far beyond an end of training is still at it: more than the last digit told, so that what is told differs
SAME_FRACTION = 0.02  # boxes of other sizes cannot have exactly the composition that was trained
SAME_DENSITY = 0.005  # g/cm3; a box is rounded when it is written and read
SAME_TEMPERATURE = 1.0  # K
SAME_DISTANCE = 0.01  # Å


def beyond(values: np.ndarray | float, ends: Sequence | np.ndarray, same: float) -> np.ndarray:
    """By how much numbers lie outside of a range; 0 where that is no more than `same`.

    Parameters
    ----------
    values : array or float
    ends : (lowest, highest)
        Each a number or an array that fits the values.
    same : float
        A tolerance; one of those of this module.
    """
    low, high = ends
    off = np.maximum(low - values, values - high)
    return np.where(off > same, off, 0.0)


def outside(domain: dict, types: list, grain_map: GrainMap, box: np.ndarray | None, whole: bool = True) -> dict:
    """What of a system lies outside of what a model was trained on, {what: one sentence}.

    Parameters
    ----------
    domain : dict
        All keys optional: ``periodic`` (bool), ``species`` ({type: [lowest, highest fraction of all grains]}),
        ``density`` ([lowest, highest], g/cm^3).
    types : list of GrainType
    grain_map : GrainMap
        Matched to the types.
    box : array [3, 3], nm, or None
    whole : bool
        Whether these grains are all that is in the box; if not, the density is not looked at.
    """
    found = {}
    if domain.get("periodic", box is not None) != (box is not None):
        trained, here = ("periodic", "not") if box is None else ("non-periodic", "periodic")
        found["periodic"] = f"it was trained on {trained} systems, this one is {here}"
    counts = np.bincount(grain_map.type_index, minlength=len(types))
    for kind, count in zip(types, counts):
        low, high = ends = domain.get("species", {}).get(kind.name, (0.0, 1.0))
        fraction = count / grain_map.num_grains
        if beyond(fraction, ends, SAME_FRACTION):
            found[f"fraction {kind.name}"] = (
                f"{fraction:.3f} of the grains are {kind.name}, trained on {low:.3f} to {high:.3f}"
            )
    if box is not None and whole and "density" in domain:
        total = sum(count * kind.mass for kind, count in zip(types, counts))
        reached, (low, high) = density(total, ANGSTROM_PER_NM * box), domain["density"]
        if beyond(reached, domain["density"], SAME_DENSITY):
            found["density"] = f"the density is {reached:.3f} g/cm^3, trained on {low:.3f} to {high:.3f}"
    return found


def shapes_outside(ranges: list, grain_map: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> dict:
    """Which grains have atoms beyond the model's walls, {what: one sentence} for each such type, the worst named.

    Parameters
    ----------
    ranges : list of (array [slots, slots], array [slots, slots])
        Of each type the least and the largest distance, Å.
    grain_map : GrainMap
        Matched to the types.
    positions : array [atoms, 3], nm
    box : array [3, 3], nm, or None
    """
    found = {}
    distances = grain_map.distances(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)
    for t, (apart, (low, high)) in enumerate(zip(distances, ranges)):
        different = ~np.eye(len(low), dtype=bool)
        off = beyond(apart, (low, high), SAME_DISTANCE) * different
        if not off.size or off.max() <= 0.0:
            continue
        worst, i, j = np.unravel_index(off.argmax(), off.shape)
        slots, elements = grain_map.slots[np.flatnonzero(grain_map.type_index == t)[worst]], grain_map.types[t].elements
        begin = low[i, j] if apart[worst, i, j] < low[i, j] else high[i, j]
        found[f"shape {grain_map.types[t].name}"] = (
            f"atoms {slots[i]} ({elements[i]}) and {slots[j]} ({elements[j]}) of one {grain_map.types[t].name} are "
            f"{apart[worst, i, j]:.2f} Å apart, where its wall begins at {begin:.2f} Å "
            f"({int((off > 0.0).any(axis=(1, 2)).sum())} of {len(off)} are so): minimise the energy first"
        )
    return found


def warn(source: str, outside: list) -> None:
    """One warning that names everything outside of the domain."""
    if outside:
        warnings.warn(
            f"model {source} leaves its domain: {'; '.join(outside)}. Check its errors there before you trust it.",
            CGAADomainWarning,
            stacklevel=3,
        )
