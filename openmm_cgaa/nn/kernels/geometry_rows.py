"""Kernels that fill rows of neighbours: who, where, how far, and inside grains the radial basis (`jit`)."""

import functools
import math

import numpy as np

from .jit import compiled, exactly_compiled
from .polynomials import tell_row


@compiled
def both_directions(first, second, image, opposite, own, start, middle, sender, row_image, partner):
    """Rows of pairs that are listed once: fills start [n + 1], middle [n], and sender, row_image and partner [2 pairs].

    `image` is the index of the lattice vector from first to second, ``opposite[image]`` that of the way back, and
    `partner` the entry of the way back. Odd and even numbers tell which way lies before the middle of its row, or that
    only one is an ``own`` [n] receiver.
    """
    start[:], middle[:] = 0, 0
    for p in range(first.size):
        start[first[p] + 1] += 1
        start[second[p] + 1] += 1
        middle[second[p] if is_of_second(first[p], second[p], own) else first[p]] += 1
    for i in range(start.size - 1):
        start[i + 1] += start[i]
        middle[i] += start[i]
    place, after = start.copy(), middle.copy()
    for p in range(first.size):
        i, j = first[p], second[p]
        if is_of_second(i, j, own):
            e, back = after[i], place[j]
            after[i] += 1
            place[j] += 1
        else:
            e, back = place[i], after[j]
            place[i] += 1
            after[j] += 1
        sender[e], row_image[e], partner[e] = j, image[p], back
        sender[back], row_image[back], partner[back] = i, opposite[image[p]], e


@compiled
def is_of_second(i, j, own):
    """Whether the pair is j's: half of the pairs of each, wherever its partners stand."""
    if own[i] != own[j]:
        return own[j]
    return ((i + j) % 2 == 1) != (i < j)


@exactly_compiled
def rows_within(first, last, positions, shifts, cutoff, near, known, rows):
    """Neighbours of receivers `first` to `last` within the cutoff, out of candidates.

    `near` is (start, middle, sender, image, partner) of the candidates. A row begins where its candidates do. Until
    `settle` the partner of an entry is the candidate that it was; ``known`` of a candidate is its entry. Both ways of a
    pair round alike, so that both are within or neither is.
    """
    near_start, near_middle, near_sender, near_image, _ = near
    start, middle, end, sender, image, partner, unit, distance, _ = rows
    number = positions.dtype.type
    one, limit, longest = number(1.0), number(cutoff * cutoff), 0
    for i in range(first, last):
        longest = max(longest, near_start[i + 1] - near_start[i])
    dx, dy, dz = np.empty(longest, number), np.empty(longest, number), np.empty(longest, number)
    square, lengths, inverse = np.empty(longest, number), np.empty(longest, number), np.empty(longest, number)
    for i in range(first, last):
        begin, half, count = near_start[i], near_middle[i] - near_start[i], near_start[i + 1] - near_start[i]
        x, y, z = positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]
        for n in range(count):
            j, m = 3 * near_sender[begin + n], 3 * near_image[begin + n]
            dx[n] = positions[j] - x + shifts[m]
            dy[n] = positions[j + 1] - y + shifts[m + 1]
            dz[n] = positions[j + 2] - z + shifts[m + 2]
        for n in range(count):  # of those beyond the cutoff as well: several at a time
            square[n] = dx[n] * dx[n] + dy[n] * dy[n] + dz[n] * dz[n]
            lengths[n] = math.sqrt(square[n])
            inverse[n] = one / lengths[n]
        e = begin
        for n in range(half):
            known[begin + n], partner[e] = e, begin + n
            e += square[n] < limit
        start[i], middle[i] = begin, e
        for n in range(half, count):
            known[begin + n], partner[e] = e, begin + n
            e += square[n] < limit
        end[i] = e
        for e in range(begin, end[i]):
            n = partner[e] - begin
            sender[e], image[e], distance[e] = near_sender[begin + n], near_image[begin + n], lengths[n]
            unit[3 * e], unit[3 * e + 1], unit[3 * e + 2] = dx[n] * inverse[n], dy[n] * inverse[n], dz[n] * inverse[n]


@compiled
def settle(first, last, near_partner, known, rows, halves):
    """Name each entry's partner, when the rows of all receivers are there; of `halves` those after the middle."""
    start, middle, end, _, _, partner, _, _, _ = rows
    for i in range(first, last):
        for e in range(middle[i] if halves else start[i], end[i]):
            partner[e] = known[near_partner[partner[e]]]


@functools.lru_cache(None)
def inner_rows(num_basis: int):
    """The kernel that fills rows inside grains and across links, with `DistanceGaussians` from a table."""

    @compiled
    def fill(first, last, positions, shifts, rows, decay, intervals, table, once, basis, slope):
        """Both ways of a pair in a grain share the basis at the entry `once` of them.

        The table's variable is u = exp(-r / decay), in `intervals` parts of 0 to 1. Pairs across links are shifted by
        the lattice vector of `image`.
        """
        start, _, end, sender, image, partner, unit, distance, _ = rows
        for i in range(first, last):
            for e in range(start[i], end[i]):
                j, back = sender[e], partner[e]
                if once[e] != e:
                    continue
                m = image[e]
                x = float(positions[3 * j] + shifts[3 * m] - positions[3 * i])
                y = float(positions[3 * j + 1] + shifts[3 * m + 1] - positions[3 * i + 1])
                z = float(positions[3 * j + 2] + shifts[3 * m + 2] - positions[3 * i + 2])
                r = math.sqrt(x * x + y * y + z * z)
                inverse = 1.0 / r
                x, y, z = x * inverse, y * inverse, z * inverse
                distance[e] = r
                unit[3 * e], unit[3 * e + 1], unit[3 * e + 2] = x, y, z
                if once[back] == e:
                    distance[back] = r
                    unit[3 * back], unit[3 * back + 1], unit[3 * back + 2] = -x, -y, -z
                u = intervals * math.exp(-r / decay)
                interval = int(u) if u <= intervals else 0  # what is no number stays so in the rest of it
                tell_row(table, interval, u - interval, -u / decay, num_basis, e, basis, slope)

    return fill
