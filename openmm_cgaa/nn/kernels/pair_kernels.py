"""Kernels that list pairs of grains and of atoms, for who keeps a list on a CPU (`neighbors.verlet`)."""

import numpy as np

from .jit import compiled


@compiled
def near_centers(centers, place, box, bins, most, reach, periodic, pairs, shift):
    """Pairs of centers closer than the sum of their reaches, each once. Gives how many, which may be more than fit.

    Parameters
    ----------
    centers, box, reach
        As of `neighbors.cells.pairs_from_cells`.
    place : int array, [centers, 3]
        The bin of each.
    bins, most : int array, [3]
        How many there are along each vector of the box, and how many on either side are to be searched.
    periodic : bool
    pairs, shift : int array, [2, room], float array, [room, 3]
        Filled.
    """
    count = len(centers)
    number = (place[:, 0] * bins[1] + place[:, 1]) * bins[2] + place[:, 2]
    start = np.zeros(bins[0] * bins[1] * bins[2] + 1, np.int64)
    for g in range(count):
        start[number[g] + 1] += 1
    start = np.cumsum(start)
    order, filled = np.empty(count, np.int64), start.copy()
    for g in range(count):
        order[filled[number[g]]] = g
        filled[number[g]] += 1
    n, way, beside, step = 0, np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    for j in range(count):
        for a in range(-most[0], most[0] + 1):
            for b in range(-most[1], most[1] + 1):
                for c in range(-most[2], most[2] + 1):
                    beside[0], beside[1], beside[2] = place[j, 0] + a, place[j, 1] + b, place[j, 2] + c
                    inside = True
                    for q in range(3):
                        step[q] = beside[q] // bins[q]
                        beside[q] -= step[q] * bins[q]
                        inside &= step[q] == 0
                    if not periodic and not inside:
                        continue
                    for q in range(3):
                        way[q] = step[0] * box[0, q] + step[1] * box[1, q] + step[2] * box[2, q]
                    up = way[2] > 0 or (way[2] == 0 and (way[1] > 0 or (way[1] == 0 and way[0] > 0)))
                    cell = (beside[0] * bins[1] + beside[1]) * bins[2] + beside[2]
                    for at in range(start[cell], start[cell + 1]):
                        k = order[at]
                        if k < j or (k == j and not up):
                            continue
                        x = centers[k, 0] + way[0] - centers[j, 0]
                        y = centers[k, 1] + way[1] - centers[j, 1]
                        z = centers[k, 2] + way[2] - centers[j, 2]
                        reaches = reach[j] + reach[k]
                        if x * x + y * y + z * z < reaches * reaches:
                            if n < pairs.shape[1]:
                                pairs[0, n], pairs[1, n] = j, k
                                shift[n] = way
                            n += 1
    return n


@compiled
def near_atoms(start, positions, local, radius, j, k, shift, cutoff, first, second, owner):
    """Atoms of pairs of grains that are closer than the cutoff. Gives how many, which may be more than there is room.

    Parameters
    ----------
    start : int array, [grains + 1]
        Atoms of grain g are those from ``start[g]`` to ``start[g + 1]``.
    positions, local, radius : array, [atoms, 3], [grains, 3], [grains], Å
        Atoms and centers near the origin, and how far the furthest atom of a grain is from its center.
    j, k, shift : array, [pairs], [pairs], [pairs, 3]
        Grains; K's atoms that J sees are at their positions + shift.
    cutoff : float, Å
    first, second, owner : int array, [room]
        Filled: the atoms of each pair, and the pair of grains.
    """
    n = 0
    square = positions.dtype.type(cutoff) * positions.dtype.type(cutoff)
    for p in range(j.size):
        x, y, z = shift[p, 0], shift[p, 1], shift[p, 2]
        g = k[p]
        reach = radius[g] + positions.dtype.type(cutoff)
        for a in range(start[j[p]], start[j[p] + 1]):
            # from here to K's atoms as they are listed
            ax, ay, az = positions[a, 0] - x, positions[a, 1] - y, positions[a, 2] - z
            dx, dy, dz = local[g, 0] - ax, local[g, 1] - ay, local[g, 2] - az
            if dx * dx + dy * dy + dz * dz >= reach * reach:
                continue
            for b in range(start[g], start[g + 1]):
                dx, dy, dz = positions[b, 0] - ax, positions[b, 1] - ay, positions[b, 2] - az
                if dx * dx + dy * dy + dz * dz < square:
                    if n < first.size:
                        first[n], second[n], owner[n] = a, b, p
                    n += 1
    return n
