"""Kernels that list pairs of atoms, for who keeps a list on a CPU (`neighbors.verlet`)."""

from .jit import compiled


@compiled
def near_atoms(start, positions, local, radius, j, k, shift, cutoff, first, second, owner):
    """Atoms of pairs of grains that are closer than the cutoff. Gives how many, which may be more than there is room.

    Parameters
    ----------
    start : int array, [grains + 1]
        Atoms of grain g are those from ``start[g]`` to ``start[g + 1]``.
    positions, local, radius, j, k, shift
        As `neighbors.build.grains_in_reach` gives them.
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
