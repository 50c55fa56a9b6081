"""Kernels of the walls between grains and inside them, and of what all entries pull at their senders (`jit`).

A wall is `height` (distance beyond)^3; half of it belongs to either atom, and each pair stands in the rows of both.
They add to what the entries pull at their senders. `counted` [atoms] weighs the energies of atoms.
"""

from .jit import compiled


@compiled
def wall(first, last, rows, height, shortest, element, counted, energy):
    """Energy of each atom by other grains' atoms that are closer than `shortest` of the two elements."""
    start, end, sender, _, _, _, unit, distance, pull = rows
    for i in range(first, last):
        total = 0.0
        for e in range(start[i], end[i]):
            closer = shortest[element[i], element[sender[e]]] - distance[e]
            if closer > 0.0:
                total += 0.5 * height * closer * closer * closer
                along = -1.5 * height * closer * closer * counted[i]
                for q in range(3):
                    pull[3 * e + q] += along * unit[3 * e + q]
        energy[i] = total * counted[i]


@compiled
def inside(first, last, rows, height, low, high, counted, energy):
    """Energy of each atom by distances in its grain, or across links, outside of `low` to `high` of their class."""
    start, end, _, _, group, _, unit, distance, pull = rows
    for i in range(first, last):
        total = 0.0
        for e in range(start[i], end[i]):
            outside, side = low[group[e]] - distance[e], -1.5
            if outside <= 0.0:
                outside, side = distance[e] - high[group[e]], 1.5
            if outside > 0.0:
                total += 0.5 * height * outside * outside * outside
                along = side * height * outside * outside * counted[i]
                for q in range(3):
                    pull[3 * e + q] += along * unit[3 * e + q]
        energy[i] = total * counted[i]


@compiled
def collect(first, last, rows, middle, gradient, by_shift):
    """Add to the gradients of receivers those of their entries: a pair pulls at both of its ends.

    `middle` is the image that is no lattice vector.
    """
    start, end, _, image, _, partner, _, _, pull = rows
    zero = pull.dtype.type(0.0)
    for i in range(first, last):
        x, y, z = zero, zero, zero
        for e in range(start[i], end[i]):
            back = 3 * partner[e]
            x += pull[back] - pull[3 * e]
            y += pull[back + 1] - pull[3 * e + 1]
            z += pull[back + 2] - pull[3 * e + 2]
            if image[e] != middle:
                for q in range(3):
                    by_shift[3 * image[e] + q] += pull[3 * e + q]
        gradient[3 * i] += x
        gradient[3 * i + 1] += y
        gradient[3 * i + 2] += z
