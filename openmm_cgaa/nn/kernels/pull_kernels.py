"""Kernels of the walls between grains and inside them, and of what all entries pull at their senders (`jit`).

A wall is `height` (distance beyond)^3; half of it belongs to either atom. They add to what the entries pull at their
senders. `counted` [atoms] weighs the energies of atoms.
"""

from .jit import compiled


@compiled
def wall(first, last, rows, height, shortest, element, counted, energy):
    """Energy of each atom by other grains' atoms that are closer than `shortest` of the two elements.

    Entries before the middle of a row pull for their pairs.
    """
    start, middle, end, sender, _, _, unit, distance, pull = rows
    for i in range(first, last):
        total = 0.0
        for e in range(start[i], end[i]):
            j = sender[e]
            closer = shortest[element[i], element[j]] - distance[e]
            if closer > 0.0:
                total += 0.5 * height * closer * closer * closer
                if e < middle[i]:
                    along = -1.5 * height * closer * closer * (counted[i] + counted[j])
                    for q in range(3):
                        pull[3 * e + q] += along * unit[3 * e + q]
        energy[i] = total * counted[i]


@compiled
def inside(first, last, rows, group, height, low, high, counted, energy):
    """Energy of each atom by distances in its grain, or across links, outside of `low` to `high` of their class."""
    start, _, end, _, _, _, unit, distance, pull = rows
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
def collect(first, last, rows, halves, none, gradient, by_shift):
    """Add to the gradients of receivers those of their entries: a pair pulls at both of its ends.

    All entries pull, or with `halves` those before the middle of a row, for their pairs. `none` is the image that is no
    lattice vector.
    """
    start, middle, end, _, image, partner, _, _, pull = rows
    zero = pull.dtype.type(0.0)
    for i in range(first, last):
        x, y, z = zero, zero, zero
        for e in range(start[i], middle[i] if halves else end[i]):
            x -= pull[3 * e]
            y -= pull[3 * e + 1]
            z -= pull[3 * e + 2]
            if image[e] != none:
                for q in range(3):
                    by_shift[3 * image[e] + q] += pull[3 * e + q]
        for e in range(middle[i] if halves else start[i], end[i]):
            back = 3 * partner[e]
            x += pull[back]
            y += pull[back + 1]
            z += pull[back + 2]
        gradient[3 * i] += x
        gradient[3 * i + 1] += y
        gradient[3 * i + 2] += z


@compiled
def add_virial(first, last, positions, gradient, virial):
    """Take off what atoms add to the virial, [3, 3] in double precision: where they are times the gradient there."""
    for i in range(first, last):
        for a in range(3):
            for b in range(3):
                virial[a, b] -= float(positions[3 * i + a]) * float(gradient[3 * i + b])
