"""Kernels of the sum over neighbours of radial functions times directions (`jit`)."""

import functools

import numpy as np

from .jit import FIRST, SECOND, compiled, push
from .simd import add_product, add_scaled, combine, dot, multiply


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
