"""Sums over neighbours, one neighbour after the other: the loops of the fused conserving network, compiled by numba.

All arrays are flat. A row holds what one receiver sees: entries ``start[i]`` to ``start[i + 1]``, each with its sender,
the lattice vector between them (an index), the unit vector towards it, the distance, and the radial basis with its
slope. Everything after that stays in registers and in the innermost cache. Kernels write nothing but the receiver's
row, save gradients, which go to the sender too.
"""

import functools
import math

import numpy as np
from numba import njit

from .simd import FAST, add_product, add_scaled, combine, dot, multiply

# components of a symmetric tensor as in `outer`: f (a_first b_second + a_second b_first) contracts it with two vectors
FIRST, SECOND = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
FACTOR = (0.5, 0.5, 0.5, 0.5**0.5, 0.5**0.5, 0.5**0.5)


def compiled(function):
    """numba's `njit`; the machine code is kept on disk where there is a place for it."""
    options = dict(fastmath=set(FAST), error_model="numpy")
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # no folder can be written to
        return njit(function, **options)


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
def bessel_rows(
    positions,
    shifts,
    kind,
    frequencies,
    cutoff,
    scale,
    near,
    place,
    start,
    sender,
    image,
    group,
    unit,
    distance,
    basis,
    slope,
):
    """Neighbours within the cutoff out of candidates, with `scale` times `BesselBasis` and its derivative.

    `near` is (start, sender, image, partner) of the candidates, `place` memory for as many indices, `kind` the group of
    each sender. A pair is computed once, and copied to the way back. Sines are those of multiples of
    the first frequency, corrected for what the others are off by rounding.
    """
    near_start, near_sender, near_image, partner = near
    num_basis = frequencies.size
    amplitude = scale * math.sqrt(2.0 / cutoff)
    omega = float(frequencies[0])
    per_area = 1.0 / (cutoff * cutoff)
    off = np.empty(num_basis, np.float64)
    for k in range(num_basis):
        off[k] = frequencies[k] - (k + 1) * omega
    n = 0
    start[0] = 0
    for i in range(near_start.size - 1):
        for e in range(near_start[i], near_start[i + 1]):
            j, m, back = near_sender[e], near_image[e], partner[e]
            if back < e:
                known = place[back]
                if known >= 0:
                    sender[n], image[n], group[n], distance[n] = j, m, kind[j], distance[known]
                    for q in range(3):
                        unit[3 * n + q] = -unit[3 * known + q]
                    for k in range(num_basis):
                        basis[num_basis * n + k] = basis[num_basis * known + k]
                        slope[num_basis * n + k] = slope[num_basis * known + k]
                    n += 1
                continue
            x = float(positions[3 * j] + shifts[3 * m] - positions[3 * i])
            y = float(positions[3 * j + 1] + shifts[3 * m + 1] - positions[3 * i + 1])
            z = float(positions[3 * j + 2] + shifts[3 * m + 2] - positions[3 * i + 2])
            square = x * x + y * y + z * z
            if square >= cutoff * cutoff:
                place[e] = -1
                continue
            place[e] = n
            r = math.sqrt(square)
            inverse = 1.0 / r
            sender[n], image[n], group[n], distance[n] = j, m, kind[j], r
            unit[3 * n], unit[3 * n + 1], unit[3 * n + 2] = x * inverse, y * inverse, z * inverse
            inside = 1.0 - square * per_area
            height = amplitude * inside * inside * inside * inverse
            height_slope = -height * inverse - 6.0 * amplitude * inside * inside * per_area
            sine, cosine = sine_cosine(omega * r)
            twice = 2.0 * cosine
            last_sine, last_cosine = 0.0, 1.0
            for k in range(num_basis):
                small = off[k] * r
                near_one = 1.0 - 0.5 * small * small
                s = sine * near_one + small * cosine
                c = cosine * near_one - small * sine
                basis[num_basis * n + k] = height * s
                slope[num_basis * n + k] = height_slope * s + height * frequencies[k] * c
                sine, last_sine = twice * sine - last_sine, sine
                cosine, last_cosine = twice * cosine - last_cosine, cosine
            n += 1
        start[i + 1] = n


@compiled
def gaussian_rows(positions, start, sender, partner, centers, inverse_width, decay, unit, distance, basis, slope):
    """`DistanceGaussians` of the pairs inside grains and its derivative; `partner` is the entry of the way back."""
    num_basis = centers.size
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            j, back = sender[e], partner[e]
            if j < i:
                continue
            x = float(positions[3 * j] - positions[3 * i])
            y = float(positions[3 * j + 1] - positions[3 * i + 1])
            z = float(positions[3 * j + 2] - positions[3 * i + 2])
            r = math.sqrt(x * x + y * y + z * z)
            inverse = 1.0 / r
            distance[e] = distance[back] = r
            x, y, z = x * inverse, y * inverse, z * inverse
            unit[3 * e], unit[3 * e + 1], unit[3 * e + 2] = x, y, z
            unit[3 * back], unit[3 * back + 1], unit[3 * back + 2] = -x, -y, -z
            u = math.exp(-r / decay)
            for k in range(num_basis):
                off = (u - centers[k]) * inverse_width
                value = math.exp(-0.5 * off * off)
                change = value * off * inverse_width * u / decay
                basis[num_basis * e + k] = basis[num_basis * back + k] = value
                slope[num_basis * e + k] = slope[num_basis * back + k] = change


@compiled
def wall(start, sender, image, unit, distance, element, shortest, height, grad_positions, grad_shifts):
    """Energy of `height` (shortest - r)^3 over pairs too close, in float64; its gradient is added."""
    total = 0.0
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            j = sender[e]
            closer = shortest[element[i], element[j]] - distance[e]
            if closer > 0.0:
                total += 0.5 * height * closer * closer * closer  # each pair comes twice
                along = -1.5 * height * closer * closer
                for q in range(3):
                    pull = along * unit[3 * e + q]
                    grad_positions[3 * j + q] += pull
                    grad_positions[3 * i + q] -= pull
                    grad_shifts[3 * image[e] + q] += pull
    return total


@compiled
def intra_wall(start, sender, group, unit, distance, low, high, height, grad_positions):
    """Energy of `height` times the cube of how far each distance inside grains is outside its range; as `wall`."""
    total = 0.0
    for i in range(start.size - 1):
        for e in range(start[i], start[i + 1]):
            outside, side = low[group[e]] - distance[e], -1.5
            if outside <= 0.0:
                outside, side = distance[e] - high[group[e]], 1.5
            if outside > 0.0:
                total += 0.5 * height * outside * outside * outside  # each pair comes twice
                along = side * height * outside * outside
                for q in range(3):
                    pull = along * unit[3 * e + q]
                    grad_positions[3 * sender[e] + q] += pull
                    grad_positions[3 * i + q] -= pull
    return total


@compiled
def push(i, e, sender, image, unit, distance, along, px, py, pz, grad_positions, grad_shifts):
    """Add the gradient of one entry: `along` is dE/dr, (px, py, pz) the derivative by the unit vector."""
    x, y, z = unit[3 * e], unit[3 * e + 1], unit[3 * e + 2]
    inverse = distance.dtype.type(1.0) / distance[e]
    along -= (px * x + py * y + pz * z) * inverse
    x, y, z = along * x + px * inverse, along * y + py * inverse, along * z + pz * inverse
    j, m = 3 * sender[e], 3 * image[e]
    grad_positions[j] += x
    grad_positions[j + 1] += y
    grad_positions[j + 2] += z
    grad_positions[3 * i] -= x
    grad_positions[3 * i + 1] -= y
    grad_positions[3 * i + 2] -= z
    grad_shifts[m] += x
    grad_shifts[m + 1] += y
    grad_shifts[m + 2] += z


@compiled
def square_of(unit, e, out):
    """`outer` of one unit vector."""
    x, y, z = unit[3 * e], unit[3 * e + 1], unit[3 * e + 2]
    third, root = unit.dtype.type(1.0 / 3.0), unit.dtype.type(2.0**0.5)
    out[0], out[1], out[2] = x * x - third, y * y - third, z * z - third
    out[3], out[4], out[5] = root * x * y, root * x * z, root * y * z


@functools.lru_cache(None)
def gather_kernels(num_basis: int, scalars: int, vectors: int, tensors: int, featured: bool) -> tuple:
    """Forward and backward of the sum over neighbours of radial functions times 1, u and `outer` of u.

    Radial functions are ``basis @ weights[group]`` [num_basis, channels], where the channels are those of the scalars,
    the vectors and the tensors. If `featured`, there is one group, and the radial functions are multiplied with the
    sender's features [channels].
    """
    channels = scalars + vectors + tensors
    first_tensor = scalars + vectors
    directed = vectors + tensors
    second_row = 2 * directed
    table = num_basis * channels

    @compiled
    def forward(start, sender, group, unit, basis, weights, features, s, v, t):
        radial = np.empty(channels, basis.dtype)
        square = np.empty(6, basis.dtype)
        for i in range(start.size - 1):
            for e in range(start[i], start[i + 1]):
                if featured:
                    combine(radial, 0, basis, num_basis * e, weights, 0, num_basis, channels, channels)
                    multiply(radial, 0, radial, 0, features, channels * sender[e], channels)
                else:
                    combine(radial, 0, basis, num_basis * e, weights, table * group[e], num_basis, channels, channels)
                add_scaled(s, scalars * i, 1.0, radial, 0, scalars)
                for q in range(3):
                    add_scaled(v, vectors * (3 * i + q), unit[3 * e + q], radial, scalars, vectors)
                if tensors > 0:
                    square_of(unit, e, square)
                    for q in range(6):
                        add_scaled(t, tensors * (6 * i + q), square[q], radial, first_tensor, tensors)

    @compiled
    def backward(rows, weights, features, grad_s, grad_v, grad_t, grad_positions, grad_shifts, grad_features):
        start, sender, image, group, unit, distance, basis, slope = rows
        radial = np.empty(channels, basis.dtype)
        change = np.empty(channels, basis.dtype)
        wanted = np.empty(channels, basis.dtype)  # dE by the radial functions
        pull = np.empty(3 * directed, basis.dtype)  # dE by the direction, for radial functions of one (tensors: half)
        matrix = np.empty(9 * tensors, basis.dtype)  # grad_t as symmetric matrices
        trace = np.empty(tensors, basis.dtype)
        half_root = 0.5**0.5
        for i in range(start.size - 1):
            for c in range(scalars):
                wanted[c] = grad_s[scalars * i + c]
            for q in range(3):
                for c in range(vectors):
                    pull[directed * q + c] = grad_v[vectors * (3 * i + q) + c]
            for c in range(tensors):
                t = 6 * tensors * i + c
                trace[c] = grad_t[t] + grad_t[t + tensors] + grad_t[t + 2 * tensors]
                for q in range(6):
                    a, b, f = FIRST[q], SECOND[q], 1.0 if q < 3 else half_root
                    matrix[tensors * (3 * a + b) + c] = f * grad_t[t + q * tensors]
                    matrix[tensors * (3 * b + a) + c] = f * grad_t[t + q * tensors]
            for e in range(start[i], start[i + 1]):
                first = 0 if featured else table * group[e]
                if featured:
                    combine(radial, 0, basis, num_basis * e, weights, 0, num_basis, channels, channels)
                else:  # those of the scalars have no direction
                    own = first + scalars
                    combine(radial, scalars, basis, num_basis * e, weights, own, num_basis, directed, channels)
                combine(change, 0, slope, num_basis * e, weights, first, num_basis, channels, channels)
                for q in range(3):
                    here = directed * q + vectors
                    combine(pull, here, unit, 3 * e, matrix, 3 * tensors * q, 3, tensors, tensors)
                combine(wanted, scalars, unit, 3 * e, pull, 0, 3, directed, directed)
                add_scaled(wanted, first_tensor, -1.0 / 3.0, trace, 0, tensors)
                if featured:
                    own = channels * sender[e]
                    add_product(grad_features, own, 1.0, radial, 0, wanted, 0, channels)
                    multiply(radial, 0, radial, 0, features, own, channels)
                    multiply(change, 0, change, 0, features, own, channels)
                add_scaled(radial, first_tensor, 1.0, radial, first_tensor, tensors)
                along = dot(change, 0, wanted, 0, channels)
                x = dot(radial, scalars, pull, 0, directed)
                y = dot(radial, scalars, pull, directed, directed)
                z = dot(radial, scalars, pull, second_row, directed)
                push(i, e, sender, image, unit, distance, along, x, y, z, grad_positions, grad_shifts)

    return forward, backward


@functools.lru_cache(None)
def message_kernels(num_basis: int, scalars: int, vectors: int) -> tuple:
    """Forward and backward of the sums in `GrainMessages`.

    A sender gives `sent` [scalars + vectors], `carried` [3, vectors] and `dotted` [3, vectors].
    """
    channels = scalars + 3 * vectors
    sent_size = scalars + vectors
    third = scalars + vectors  # radial functions: sent | dotted | sent along the edge | carried
    fourth = scalars + 2 * vectors

    @compiled
    def forward(start, sender, unit, basis, weights, sent, carried, dotted, got_s, got_v):
        radial = np.empty(channels, basis.dtype)
        along = np.empty(vectors, basis.dtype)
        for i in range(start.size - 1):
            mine = sent_size * i
            for e in range(start[i], start[i + 1]):
                j = sender[e]
                own = sent_size * j
                combine(radial, 0, basis, num_basis * e, weights, 0, num_basis, channels, channels)
                add_product(got_s, mine, 1.0, radial, 0, sent, own, scalars)
                multiply(along, 0, radial, third, sent, own + scalars, vectors)
                for q in range(3):
                    u, from_j, to_i = unit[3 * e + q], vectors * (3 * j + q), vectors * (3 * i + q)
                    add_product(got_s, mine + scalars, u, radial, scalars, dotted, from_j, vectors)
                    add_scaled(got_v, to_i, u, along, 0, vectors)
                    add_product(got_v, to_i, 1.0, radial, fourth, carried, from_j, vectors)

    @compiled
    def backward(
        rows,
        weights,
        sent,
        carried,
        dotted,
        grad_s,
        grad_v,
        grad_positions,
        grad_shifts,
        grad_sent,
        grad_carried,
        grad_dotted,
    ):
        start, sender, image, group, unit, distance, basis, slope = rows
        radial = np.empty(channels, basis.dtype)
        change = np.empty(channels, basis.dtype)
        wanted = np.empty(channels, basis.dtype)
        inward = np.empty(vectors, basis.dtype)
        outward = np.empty(vectors, basis.dtype)
        along = np.empty(vectors, basis.dtype)
        p = np.empty(3, basis.dtype)
        for i in range(start.size - 1):
            mine = sent_size * i
            for e in range(start[i], start[i + 1]):
                j = sender[e]
                own = sent_size * j
                combine(radial, 0, basis, num_basis * e, weights, 0, num_basis, channels, channels)
                combine(change, 0, slope, num_basis * e, weights, 0, num_basis, channels, channels)
                # dE by the radial functions
                multiply(wanted, 0, grad_s, mine, sent, own, scalars)
                combine(inward, 0, unit, 3 * e, dotted, 3 * vectors * j, 3, vectors, vectors)
                multiply(wanted, scalars, grad_s, mine + scalars, inward, 0, vectors)
                combine(inward, 0, unit, 3 * e, grad_v, 3 * vectors * i, 3, vectors, vectors)
                multiply(wanted, third, inward, 0, sent, own + scalars, vectors)
                multiply(wanted, fourth, grad_v, 3 * vectors * i, carried, 3 * vectors * j, vectors)
                for q in range(1, 3):
                    from_j, to_i = vectors * (3 * j + q), vectors * (3 * i + q)
                    add_product(wanted, fourth, 1.0, grad_v, to_i, carried, from_j, vectors)
                # by the sender's features and the direction
                multiply(outward, 0, radial, scalars, grad_s, mine + scalars, vectors)
                multiply(along, 0, radial, third, sent, own + scalars, vectors)
                add_product(grad_sent, own, 1.0, radial, 0, grad_s, mine, scalars)
                add_product(grad_sent, own + scalars, 1.0, radial, third, inward, 0, vectors)
                for q in range(3):
                    from_j, to_i = vectors * (3 * j + q), vectors * (3 * i + q)
                    p[q] = dot(outward, 0, dotted, from_j, vectors) + dot(along, 0, grad_v, to_i, vectors)
                    add_scaled(grad_dotted, from_j, unit[3 * e + q], outward, 0, vectors)
                    add_product(grad_carried, from_j, 1.0, radial, fourth, grad_v, to_i, vectors)
                size = dot(change, 0, wanted, 0, channels)
                push(i, e, sender, image, unit, distance, size, p[0], p[1], p[2], grad_positions, grad_shifts)

    return forward, backward


@functools.lru_cache(None)
def invariant_kernels(scalars: int, vectors: int, tensors: int) -> tuple:
    """Forward and backward of an atom's invariants, times its weights `receive`.

    Out of scalars s_in and s_out [scalars], mixed vectors [3, left | right | left of tensors | right of tensors] and
    mixed tensors [6, one | other]: s_in | s_out | left . right | one . other | left . one . right.
    """
    width = 2 * scalars + vectors + 2 * tensors
    row = 2 * (vectors + tensors)
    first_left, first_right = 2 * vectors, 2 * vectors + tensors
    first_vector = 2 * scalars
    first_tensor = first_vector + vectors
    last = first_tensor + tensors
    after = width - first_vector

    @compiled
    def squares(i, v, out):
        """The tensors of left and right vectors, [6, tensors]."""
        for q in range(6):
            a, b = row * (3 * i + FIRST[q]), row * (3 * i + SECOND[q])
            multiply(out, tensors * q, v, a + first_left, v, b + first_right, tensors)
            add_product(out, tensors * q, 1.0, v, b + first_left, v, a + first_right, tensors)

    @compiled
    def forward(s_in, s_out, v, t, receive, out):
        found = np.empty(width, out.dtype)
        square = np.empty(6 * tensors, out.dtype)
        for i in range(out.size // width):
            here = width * i
            multiply(out, here, s_in, scalars * i, receive, here, scalars)
            multiply(out, here + scalars, s_out, scalars * i, receive, here + scalars, scalars)
            found[first_vector:] = 0.0
            for q in range(3):
                own = row * (3 * i + q)
                add_product(found, first_vector, 1.0, v, own, v, own + vectors, vectors)
            squares(i, v, square)
            for q in range(6):
                own = 2 * tensors * (6 * i + q)
                add_product(found, first_tensor, 1.0, t, own, t, own + tensors, tensors)
                add_product(found, last, FACTOR[q], t, own, square, tensors * q, tensors)
            rest = here + first_vector
            multiply(out, rest, found, first_vector, receive, rest, after)

    @compiled
    def backward(v, t, receive, grad, grad_s_in, grad_s_out, grad_v, grad_t):
        wanted = np.empty(width, grad.dtype)
        square = np.empty(6 * tensors, grad.dtype)
        product = np.empty(tensors, grad.dtype)
        for i in range(grad.size // width):
            multiply(wanted, 0, grad, width * i, receive, width * i, width)
            for c in range(scalars):
                grad_s_in[scalars * i + c] = wanted[c]
                grad_s_out[scalars * i + c] = wanted[scalars + c]
            for q in range(3):
                own = row * (3 * i + q)
                multiply(grad_v, own, wanted, first_vector, v, own + vectors, vectors)
                multiply(grad_v, own + vectors, wanted, first_vector, v, own, vectors)
                grad_v[own + first_left : own + row] = 0.0
            squares(i, v, square)
            for q in range(6):
                own = 2 * tensors * (6 * i + q)
                multiply(grad_t, own, wanted, first_tensor, t, own + tensors, tensors)
                add_product(grad_t, own, FACTOR[q], wanted, last, square, tensors * q, tensors)
                multiply(grad_t, own + tensors, wanted, first_tensor, t, own, tensors)
                multiply(product, 0, wanted, last, t, own, tensors)
                a, b, f = row * (3 * i + FIRST[q]), row * (3 * i + SECOND[q]), FACTOR[q]
                add_product(grad_v, a + first_left, f, product, 0, v, b + first_right, tensors)
                add_product(grad_v, b + first_left, f, product, 0, v, a + first_right, tensors)
                add_product(grad_v, a + first_right, f, product, 0, v, b + first_left, tensors)
                add_product(grad_v, b + first_right, f, product, 0, v, a + first_left, tensors)

    return forward, backward
