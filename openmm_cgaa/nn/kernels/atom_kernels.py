"""Kernels of what atoms make of their own densities and give to their grains, and the ways back (`jit`).

Each works on atoms or grains `first` to `last`, and its body on one of them. All arrays are flat.
"""

import functools

from .dense_kernels import activated, per_atom, sigmoid
from .jit import FACTOR, FIRST, SECOND, compiled
from .vectors import Channels, Sum


@per_atom
def squares_row(code, i, arrays, scalars, vectors, tensors):
    """s | v . v | t . t."""
    s, v, t, out = arrays
    at = i * (scalars + vectors + tensors)
    out.set_row(at, s.row(i * scalars, scalars))
    for array, size, count, place in ((v, vectors, 3, scalars), (t, tensors, 6, scalars + vectors)):
        rows = [array.row((i * count + q) * size, size) for q in range(count)]
        out.set_row(at + place, total_of([row * row for row in rows]))


@per_atom
def squares_back_row(code, i, arrays, scalars, vectors, tensors):
    """Adds to the gradients of s, v and t."""
    v, t, gradient, grad_s, grad_v, grad_t = arrays
    at = i * (scalars + vectors + tensors)
    grad_s.add_row(i * scalars, gradient.row(at, scalars))
    two = code.number(2.0)
    for array, out, size, count, place in (
        (v, grad_v, vectors, 3, scalars),
        (t, grad_t, tensors, 6, scalars + vectors),
    ):
        outer = gradient.row(at + place, size) * two
        for q in range(count):
            here = (i * count + q) * size
            out.add_row(here, array.row(here, size) * outer)


@per_atom
def invariants_row(code, i, arrays, scalars, vectors, tensors):
    """s_in | s_out | left . right | one . other | left . one . right of the last vectors, times `receive`.

    Mixed vectors are [3, left | right | left of tensors | right of tensors], mixed tensors [6, one | other].
    """
    s_in, s_out, v, t, receive, out = arrays
    left, right, before, after = of_vectors(v, i, vectors, tensors)
    one, other = of_tensors(t, i, tensors)
    triple = total_of([row * square for row, square in zip(one, squares_of(code, before, after))])
    found = (
        (s_in.row(i * scalars, scalars), scalars),
        (s_out.row(i * scalars, scalars), scalars),
        (total_of([a * b for a, b in zip(left, right)]), vectors),
        (total_of([a * b for a, b in zip(one, other)]), tensors),
        (triple, tensors),
    )
    at = i * (2 * scalars + vectors + 2 * tensors)
    for row, size in found:
        out.set_row(at, row * receive.row(at, size))
        at = at + size


@per_atom
def invariants_back_row(code, i, arrays, scalars, vectors, tensors):
    v, t, receive, gradient, grad_s_in, grad_s_out, grad_v, grad_t = arrays
    left, right, before, after = of_vectors(v, i, vectors, tensors)
    one, other = of_tensors(t, i, tensors)
    wanted, at = [], i * (2 * scalars + vectors + 2 * tensors)
    for size in (scalars, scalars, vectors, tensors, tensors):
        wanted.append(gradient.row(at, size) * receive.row(at, size))
        at = at + size
    grad_s_in.set_row(i * scalars, wanted[0])
    grad_s_out.set_row(i * scalars, wanted[1])
    by_square = [row * wanted[4] for row in one]
    grad_before, grad_after = [code.zeros(tensors)] * 3, [code.zeros(tensors)] * 3
    for row, a, b, factor in zip(by_square, FIRST, SECOND, FACTOR):
        part = row * code.number(factor)
        for p, q in ((a, b), (b, a)):
            grad_before[p] = grad_before[p] + part * after[q]
            grad_after[p] = grad_after[p] + part * before[q]
    for q in range(3):
        place = (i * 3 + q) * (2 * (vectors + tensors))
        rows = ((wanted[2] * right[q], vectors), (wanted[2] * left[q], vectors))
        for row, size in (*rows, (grad_before[q], tensors), (grad_after[q], tensors)):
            grad_v.set_row(place, row)
            place = place + size
    for k, square in enumerate(squares_of(code, before, after)):
        place = (i * 6 + k) * (2 * tensors)
        grad_t.set_row(place, wanted[3] * other[k] + wanted[4] * square)
        grad_t.set_row(place + tensors, wanted[3] * one[k])


def of_vectors(v, i, vectors, tensors):
    """Three components of left, right, and those of tensors."""
    starts = ((0, vectors), (vectors, vectors), (2 * vectors, tensors), (2 * vectors + tensors, tensors))
    places = [(i * 3 + q) * (2 * (vectors + tensors)) for q in range(3)]
    return [[v.row(place + start, size) for place in places] for start, size in starts]


def of_tensors(t, i, tensors):
    """Six components of one and other."""
    return [[t.row((i * 6 + k) * (2 * tensors) + start, tensors) for k in range(6)] for start in (0, tensors)]


def squares_of(code, before, after):
    """The symmetric tensor of two vectors, as a tensor is contracted with it."""
    found = []
    for a, b, factor in zip(FIRST, SECOND, FACTOR):
        found.append((before[a] * after[b] + before[b] * after[a]) * code.number(factor))
    return found


@per_atom
def pooled_row(code, g, arrays, hidden, vectors, stride):
    """Of grain g: h times the pool's weights, and vectors with what h gives along the way from the center, [3, c]."""
    start, h, weights, v, dipole, relative, share, out, out_vectors = arrays
    sums, ways = Sum(code, hidden), [Sum(code, vectors) for _ in range(3)]
    with code.loop(start.index(g), start.index(g + 1)) as i:
        sums.add(h.row(i * hidden, hidden) * weights.row(i * hidden, hidden))
        along = dipole.row(i * vectors, vectors)
        for q, way in enumerate(ways):
            way.add(v.row((i * 3 + q) * stride, vectors) + along * relative.number(i * 3 + q))
    part = share.number(g)
    out.set_row(g * hidden, sums.get() * part)
    for q, way in enumerate(ways):
        out_vectors.set_row((g * 3 + q) * vectors, way.get() * part)


@per_atom
def pooled_back_row(code, g, arrays, hidden, vectors, stride):
    """To the atoms of grain g: gradients by h (added), by v and dipole (set), by the way from the center (added)."""
    start, weights, dipole, relative, share, grad, grad_vectors, grad_h, grad_v, grad_dipole, grad_relative = arrays
    part = share.number(g)
    outer = grad.row(g * hidden, hidden) * part
    ways = [grad_vectors.row((g * 3 + q) * vectors, vectors) * part for q in range(3)]
    with code.loop(start.index(g), start.index(g + 1)) as i:
        grad_h.add_row(i * hidden, outer * weights.row(i * hidden, hidden))
        along = dipole.row(i * vectors, vectors)
        for q, way in enumerate(ways):
            grad_v.set_row((i * 3 + q) * stride, way)
            grad_relative.add_number(i * 3 + q, code.total(way * along))
        grad_dipole.set_row(i * vectors, total_of([way * relative.number(i * 3 + q) for q, way in enumerate(ways)]))


@per_atom
def lowered_row(code, g, arrays, hidden, vectors, stride):
    """From grain g to its atoms: what it adds to their hidden features, and its vectors times theirs and the way."""
    start, down, vectors_g, v, relative, out, dots, ways = arrays
    of_grain = [vectors_g.row((g * 3 + q) * vectors, vectors) for q in range(3)]
    added = down.row(g * hidden, hidden)
    with code.loop(start.index(g), start.index(g + 1)) as i:
        out.add_row(i * hidden, added)
        own = [v.row((i * 3 + q) * stride, vectors) for q in range(3)]
        dots.set_row(i * vectors, total_of([a * b for a, b in zip(own, of_grain)]))
        along = [row * relative.number(i * 3 + q) for q, row in enumerate(of_grain)]
        ways.set_row(i * vectors, total_of(along))


@per_atom
def lowered_back_row(code, g, arrays, hidden, vectors, stride):
    """Gradients by what grain g gives (set), by its atoms' vectors (set) and by the way from the center (set)."""
    (start, vectors_g, v, relative, grad, grad_dots, grad_ways, grad_down, grad_vectors_g, grad_v, grad_relative) = (
        arrays
    )
    of_grain = [vectors_g.row((g * 3 + q) * vectors, vectors) for q in range(3)]
    added, sums = Sum(code, hidden), [Sum(code, vectors) for _ in range(3)]
    with code.loop(start.index(g), start.index(g + 1)) as i:
        added.add(grad.row(i * hidden, hidden))
        by_dots, by_ways = grad_dots.row(i * vectors, vectors), grad_ways.row(i * vectors, vectors)
        for q in range(3):
            here = (i * 3 + q) * stride
            sums[q].add(by_dots * v.row(here, vectors) + by_ways * relative.number(i * 3 + q))
            grad_v.set_row(here, by_dots * of_grain[q])
            grad_relative.set_number(i * 3 + q, code.total(by_ways * of_grain[q]))
    grad_down.set_row(g * hidden, added.get())
    for q in range(3):
        grad_vectors_g.set_row((g * 3 + q) * vectors, sums[q].get())


@per_atom
def products_row(code, i, arrays, vectors, stride, unused):
    """v . v and v . w of the second gathering's vectors v and of mixed ones w."""
    v, w, square, product = arrays
    own = [v.row((i * 3 + q) * vectors, vectors) for q in range(3)]
    other = [w.row((i * 3 + q) * stride, vectors) for q in range(3)]
    square.set_row(i * vectors, total_of([row * row for row in own]))
    product.set_row(i * vectors, total_of([a * b for a, b in zip(own, other)]))


@per_atom
def products_back_row(code, i, arrays, vectors, stride, unused):
    v, w, grad_square, grad_product, grad_v, grad_w = arrays
    double, by_product = (
        grad_square.row(i * vectors, vectors) * code.number(2.0),
        grad_product.row(i * vectors, vectors),
    )
    for q in range(3):
        here, there = (i * 3 + q) * vectors, (i * 3 + q) * stride
        row = v.row(here, vectors)
        grad_v.set_row(here, row * double + w.row(there, vectors) * by_product)
        grad_w.set_row(there, row * by_product)


@per_atom
def gated_row(code, i, arrays, vectors, b, c):
    """v and, times the sigmoid of the gate, what is added to it."""
    v, added, gate, out = arrays
    part = sigmoid(gate.row(i * vectors, vectors))
    for q in range(3):
        here = (i * 3 + q) * vectors
        out.set_row(here, v.row(here, vectors) + added.row(here, vectors) * part)


@per_atom
def gated_back_row(code, i, arrays, vectors, b, c):
    added, gate, gradient, grad_added, grad_gate = arrays
    part = sigmoid(gate.row(i * vectors, vectors))
    products = []
    for q in range(3):
        here = (i * 3 + q) * vectors
        outer = gradient.row(here, vectors)
        grad_added.set_row(here, outer * part)
        products.append(outer * added.row(here, vectors))
    grad_gate.set_row(i * vectors, total_of(products) * part * (code.ones(part) - part))


@per_atom
def energy_row(code, i, arrays, hidden, b, c):
    """The energy of an atom: activations times weights; the gradient by what is activated takes its place."""
    x, weights, bias, energy = arrays
    row, weight = x.row(i * hidden, hidden), weights.row(code.nowhere(), hidden)
    value, slope = activated(row)
    energy.set_number(i, code.total(value * weight) + bias.number(code.nowhere()))
    x.set_row(i * hidden, slope * weight)


def total_of(rows: list[Channels]) -> Channels:
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    return total


@functools.lru_cache(None)
def squares_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def squares(first, last, arrays):
        for i in range(first, last):
            squares_row(i, arrays, a, b, c)

    return squares


@functools.lru_cache(None)
def squares_back_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def squares_back(first, last, arrays):
        for i in range(first, last):
            squares_back_row(i, arrays, a, b, c)

    return squares_back


@functools.lru_cache(None)
def pooled_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def pooled(first, last, arrays):
        for i in range(first, last):
            pooled_row(i, arrays, a, b, c)

    return pooled


@functools.lru_cache(None)
def pooled_back_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def pooled_back(first, last, arrays):
        for i in range(first, last):
            pooled_back_row(i, arrays, a, b, c)

    return pooled_back


@functools.lru_cache(None)
def lowered_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def lowered(first, last, arrays):
        for i in range(first, last):
            lowered_row(i, arrays, a, b, c)

    return lowered


@functools.lru_cache(None)
def lowered_back_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def lowered_back(first, last, arrays):
        for i in range(first, last):
            lowered_back_row(i, arrays, a, b, c)

    return lowered_back


@functools.lru_cache(None)
def products_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def products(first, last, arrays):
        for i in range(first, last):
            products_row(i, arrays, a, b, c)

    return products


@functools.lru_cache(None)
def products_back_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def products_back(first, last, arrays):
        for i in range(first, last):
            products_back_row(i, arrays, a, b, c)

    return products_back


@functools.lru_cache(None)
def energy_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def energy(first, last, arrays):
        for i in range(first, last):
            energy_row(i, arrays, a, b, c)

    return energy


@functools.lru_cache(None)
def gated_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def gated(first, last, arrays):
        for i in range(first, last):
            gated_row(i, arrays, a, b, c)

    return gated


@functools.lru_cache(None)
def gated_back_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def gated_back(first, last, arrays):
        for i in range(first, last):
            gated_back_row(i, arrays, a, b, c)

    return gated_back


@functools.lru_cache(None)
def invariants_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def invariants(first, last, arrays):
        for i in range(first, last):
            invariants_row(i, arrays, a, b, c)

    return invariants


@functools.lru_cache(None)
def invariants_back_kernel(a: int, b: int = 0, c: int = 0):
    @compiled
    def invariants_back(first, last, arrays):
        for i in range(first, last):
            invariants_back_row(i, arrays, a, b, c)

    return invariants_back
