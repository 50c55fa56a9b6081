"""Pairs of grains from cells of their centers, by a kernel, for who lists them on a CPU again and again (`verlet`)."""

from typing import Optional, Tuple

import numpy as np

from ..nn.kernels.pair_kernels import near_centers
from .memory import check_memory


def pairs_from_cells(
    centers: np.ndarray, box: Optional[np.ndarray], reach: np.ndarray
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `build.near_pairs` finds, each pair once: of J and K, or of J and its own image, whose shift points up.

    Parameters
    ----------
    centers : float64 array, [grains, 3]
        Inside the cell, if there is one.
    box : float64 array, [3, 3], or None
    reach : float64 array, [grains]

    Returns
    -------
    j, k : int array, [pairs]
    shift : float64 array, [pairs, 3]
        K's image that J sees is at ``centers[k] + shift``.

    Raises
    ------
    GeometryError
        There are more pairs than this machine has memory for.
    """
    longest = 2.0 * float(reach.max())
    low = np.zeros(3) if box is not None else centers.min(0)
    cell = box if box is not None else np.diag(np.maximum(1.001 * (centers.max(0) - low), 1.0))
    inverse = np.linalg.inv(cell)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    finest = np.ceil(2.0 * len(centers) ** (1.0 / 3.0))  # more cells than grains cost more than they spare
    bins = np.clip(np.floor(heights / longest), 1, finest)
    most = np.ceil(longest * bins / heights) if box is not None else np.minimum(bins - 1, 1)
    fractions = (centers - low) @ inverse
    place = np.clip(np.floor(fractions * bins), 0, bins - 1).astype(np.int64)
    given = centers, place, cell, bins.astype(np.int64), most.astype(np.int64), reach, box is not None
    room = 64 * len(centers)
    while True:
        pairs, shift = np.empty((2, room), np.int64), np.empty((room, 3))
        found = near_centers(*given, pairs, shift)
        if found <= room:
            return pairs[0, :found], pairs[1, :found], shift[:found]
        check_memory(float(found), longest)
        room = found
