"""Kernels that fill rows of neighbours: who, where, how far, and inside grains the radial basis (`jit`)."""

import functools
import math

import numpy as np

from .jit import compiled, exactly_compiled
from .polynomials import tell_row


@compiled
def both_directions(first, second, image, opposite, start, sender, row_image, partner):
    """Rows of pairs that are listed once: fills start [n + 1] and sender, row_image and partner [2 pairs].

    `image` is the index of the lattice vector from first to second, ``opposite[image]`` that of the way back, and
    `partner` the entry of the way back.
    """
    start[:] = 0
    for p in range(first.size):
        start[first[p] + 1] += 1
        start[second[p] + 1] += 1
    for i in range(start.size - 1):
        start[i + 1] += start[i]
    place = start.copy()
    for p in range(first.size):
        e = place[first[p]]
        place[first[p]] += 1
        back = place[second[p]]
        place[second[p]] += 1
        sender[e], row_image[e], partner[e] = second[p], image[p], back
        sender[back], row_image[back], partner[back] = first[p], opposite[image[p]], e


@exactly_compiled
def rows_within(first, last, positions, shifts, kind, cutoff, near, known, rows):
    """Neighbours of receivers `first` to `last` within the cutoff, out of candidates.

    `near` is (start, sender, image, partner) of the candidates, `kind` the group of each sender. A row begins where its
    candidates do. Until `settle` the partner of an entry is the candidate that it was; ``known`` of a candidate is its
    entry. Both ways of a pair round alike, so that both are within or neither is.
    """
    near_start, near_sender, near_image, _ = near
    start, end, sender, image, group, partner, unit, distance, _ = rows
    number = positions.dtype.type
    longest = 0
    for i in range(first, last):
        longest = max(longest, near_start[i + 1] - near_start[i])
    away, square, limit = np.empty((3, longest), number), np.empty(longest, number), number(cutoff * cutoff)
    for i in range(first, last):
        begin, count = near_start[i], near_start[i + 1] - near_start[i]
        x, y, z = positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]
        for n in range(count):
            j, m = 3 * near_sender[begin + n], 3 * near_image[begin + n]
            away[0, n] = positions[j] - x + shifts[m]
            away[1, n] = positions[j + 1] - y + shifts[m + 1]
            away[2, n] = positions[j + 2] - z + shifts[m + 2]
            square[n] = away[0, n] * away[0, n] + away[1, n] * away[1, n] + away[2, n] * away[2, n]
        e = begin
        for n in range(count):
            known[begin + n], partner[e] = e, begin + n
            e += square[n] < limit
        start[i], end[i] = begin, e
        for e in range(begin, end[i]):
            n = partner[e] - begin
            r = math.sqrt(square[n])
            inverse = number(1.0) / r
            sender[e], image[e], distance[e] = near_sender[begin + n], near_image[begin + n], r
            group[e] = kind[sender[e]]
            for q in range(3):
                unit[3 * e + q] = away[q, n] * inverse


@compiled
def settle(first, last, near_partner, known, rows):
    """Name each entry's partner, when the rows of all receivers are there."""
    start, end, _, _, _, partner, _, _, _ = rows
    for i in range(first, last):
        for e in range(start[i], end[i]):
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
        start, end, sender, image, group, partner, unit, distance, _ = rows
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
