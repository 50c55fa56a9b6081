"""Kernels of the scalars that an atom makes of its densities (`jit`)."""

import functools

import numpy as np

from .jit import FACTOR, FIRST, SECOND, compiled
from .simd import add_product, multiply


@functools.lru_cache(None)
def invariant_kernels(scalars: int, vectors: int, tensors: int) -> tuple:
    """Forward and backward of an atom's invariants, times its weights `receive`.

    They are s_in | s_out | left . right | one . other | left . one . right.
    Scalars s_in and s_out are [scalars]. Mixed vectors are [3, left | right | left of tensors | right of tensors].
    Mixed tensors are [6, one | other].
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
