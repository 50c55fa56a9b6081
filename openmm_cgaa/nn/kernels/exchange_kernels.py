"""Kernels of the messages between grains (`jit`)."""

import functools

import numpy as np

from .jit import compiled, push
from .simd import add_product, add_scaled, combine, dot, multiply


@functools.lru_cache(None)
def exchange_kernels(num_basis: int, scalars: int, vectors: int) -> tuple:
    """Forward and backward of the sums in `GrainMessages`.

    A sender gives `sent` [scalars + vectors], `carried` [3, vectors] and `dotted` [3, vectors].
    """
    channels = scalars + 3 * vectors
    sent_size = scalars + vectors
    third = scalars + vectors  # radial functions: sent | dotted | sent along the edge | carried
    fourth = scalars + 2 * vectors

    @compiled
    def forward(rows, basis, slope, weights, sent, carried, dotted, got_s, got_v):
        start, sender, image, group, partner, unit, distance = rows
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
        basis,
        slope,
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
        start, sender, image, group, partner, unit, distance = rows
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
