"""Kernels that fill rows of neighbours: who, where, how far, and where it is no table the radial basis (`jit`)."""

import functools
import math

from .jit import compiled
from .polynomials import tell_row

# of the Taylor series of sine (x^3 ...) and cosine (x^2 ...), to the last digit up to pi / 2
SINE = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(11, 0, -1))
COSINE = tuple((-1.0) ** n / math.factorial(2 * n) for n in range(11, 0, -1))


@compiled
def sine_cosine(angle):
    """Of an angle from 0 to pi; the library's functions, good for all angles, take four times as long."""
    x = angle - 0.5 * math.pi
    square = x * x
    sine = cosine = 0.0
    for a in SINE:
        sine = (sine + a) * square
    for a in COSINE:
        cosine = (cosine + a) * square
    return 1.0 + cosine, -x * (1.0 + sine)


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


@compiled
def bessel_rows(distance, count, frequencies, cutoff, basis, slope):
    """`BesselBasis` of the first `count` entries and its derivative.

    Sines are those of multiples of the first frequency, corrected for what the others are off by rounding.
    """
    num_basis, omega = frequencies.size, frequencies[0]
    per_area = 1.0 / (cutoff * cutoff)
    amplitude = math.sqrt(2.0 / cutoff)
    for n in range(count):
        r = float(distance[n])
        inverse = 1.0 / r
        inside = max(1.0 - r * r * per_area, 0.0)
        height = amplitude * inside * inside * inside * inverse
        height_slope = -height * inverse - 6.0 * amplitude * inside * inside * per_area
        sine, cosine = sine_cosine(omega * r)
        twice = 2.0 * cosine
        last_sine, last_cosine = 0.0, 1.0
        for k in range(num_basis):
            small = (frequencies[k] - (k + 1) * omega) * r
            near_one = 1.0 - 0.5 * small * small
            s = sine * near_one + small * cosine
            c = cosine * near_one - small * sine
            basis[num_basis * n + k] = height * s
            slope[num_basis * n + k] = height_slope * s + height * frequencies[k] * c
            sine, last_sine = twice * sine - last_sine, sine
            cosine, last_cosine = twice * cosine - last_cosine, cosine


@compiled
def rows_within(positions, shifts, kind, cutoff, near, known, start, sender, image, group, partner, unit, distance):
    """Neighbours within the cutoff out of candidates.

    `near` is (start, sender, image, partner) of the candidates, `known` memory for as many indices, `kind` the group of
    each sender. A pair is computed once, and copied to the way back.
    """
    near_start, near_sender, near_image, near_partner = near
    n = 0
    start[0] = 0
    for i in range(near_start.size - 1):
        for e in range(near_start[i], near_start[i + 1]):
            j, m, back = near_sender[e], near_image[e], near_partner[e]
            if back < e:
                twin = known[back]
                if twin >= 0:
                    sender[n], image[n], group[n], distance[n] = j, m, kind[j], distance[twin]
                    partner[n], partner[twin] = twin, n
                    for q in range(3):
                        unit[3 * n + q] = -unit[3 * twin + q]
                    n += 1
                continue
            x = float(positions[3 * j] + shifts[3 * m] - positions[3 * i])
            y = float(positions[3 * j + 1] + shifts[3 * m + 1] - positions[3 * i + 1])
            z = float(positions[3 * j + 2] + shifts[3 * m + 2] - positions[3 * i + 2])
            square = x * x + y * y + z * z
            if square >= cutoff * cutoff:
                known[e] = -1
                continue
            known[e] = n
            r = math.sqrt(square)
            inverse = 1.0 / r
            sender[n], image[n], group[n], distance[n] = j, m, kind[j], r
            unit[3 * n], unit[3 * n + 1], unit[3 * n + 2] = x * inverse, y * inverse, z * inverse
            n += 1
        start[i + 1] = n


@functools.lru_cache(None)
def inner_rows(num_basis: int):
    """The kernel that fills rows inside grains and across links, with `DistanceGaussians` from a table."""

    @compiled
    def fill(positions, shifts, rows, decay, intervals, table, first, basis, slope):
        """Both ways of a pair share the basis at the entry `first` of them.

        The table's variable is u = exp(-r / decay), in `intervals` parts of 0 to 1. Pairs across links are shifted by
        the lattice vector of `image`.
        """
        start, sender, image, group, partner, unit, distance = rows
        for i in range(start.size - 1):
            for e in range(start[i], start[i + 1]):
                j, back = sender[e], partner[e]
                if first[e] != e:
                    continue
                m = image[e]
                x = float(positions[3 * j] + shifts[3 * m] - positions[3 * i])
                y = float(positions[3 * j + 1] + shifts[3 * m + 1] - positions[3 * i + 1])
                z = float(positions[3 * j + 2] + shifts[3 * m + 2] - positions[3 * i + 2])
                r = math.sqrt(x * x + y * y + z * z)
                inverse = 1.0 / r
                distance[e] = distance[back] = r
                x, y, z = x * inverse, y * inverse, z * inverse
                unit[3 * e], unit[3 * e + 1], unit[3 * e + 2] = x, y, z
                unit[3 * back], unit[3 * back + 1], unit[3 * back + 2] = -x, -y, -z
                u = intervals * math.exp(-r / decay)
                interval = int(u) if u <= intervals else 0  # what is no number stays so in the rest of it
                tell_row(table, interval, u - interval, -u / decay, num_basis, e, basis, slope)

    return fill
