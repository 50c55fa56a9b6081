"""Steps of what atoms make of their own densities and give to their grains, and the ways back (`phases`)."""

from .dense_steps import activated, sigmoid
from .phases import each
from .vectors import Channels, Sum

# components of a symmetric tensor as in `outer`: f (a_first b_second + a_second b_first) contracts it with two vectors
FIRST, SECOND = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
FACTOR = (0.5, 0.5, 0.5, 0.5**0.5, 0.5**0.5, 0.5**0.5)


@each
def squares(code, i, arrays, scalars, vectors, tensors, pseudoscalars):
    """s | v . v | t . t | triple products of three parts of v."""
    s, v, t, out = arrays
    at = i * (scalars + vectors + tensors + pseudoscalars)
    out.set_row(at, s.row(i * scalars, scalars))
    for array, size, count, place in ((v, vectors, 3, scalars), (t, tensors, 6, scalars + vectors)):
        rows = [array.row((i * count + q) * size, size) for q in range(count)]
        out.set_row(at + place, total_of([row * row for row in rows]))
    a, b, c = thirds_of(v, i, vectors, pseudoscalars)
    out.set_row(at + scalars + vectors + tensors, total_of([x * y for x, y in zip(a, cross(b, c))]))


@each
def squares_back(code, i, arrays, scalars, vectors, tensors, pseudoscalars):
    """Adds to the gradients of s, v and t."""
    v, t, gradient, grad_s, grad_v, grad_t = arrays
    at = i * (scalars + vectors + tensors + pseudoscalars)
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
    outer = gradient.row(at + scalars + vectors + tensors, pseudoscalars)
    a, b, c = thirds_of(v, i, vectors, pseudoscalars)
    for part, across in enumerate((cross(b, c), cross(c, a), cross(a, b))):
        for q, row in enumerate(across):
            grad_v.add_row((i * 3 + q) * vectors + part * pseudoscalars, row * outer)


@each
def invariants(code, i, arrays, scalars, vectors, tensors):
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


@each
def invariants_back(code, i, arrays, scalars, vectors, tensors):
    """Adds to the gradient of s_in, and sets those of the others."""
    v, t, receive, gradient, grad_s_in, grad_s_out, grad_v, grad_t = arrays
    left, right, before, after = of_vectors(v, i, vectors, tensors)
    one, other = of_tensors(t, i, tensors)
    wanted, at = [], i * (2 * scalars + vectors + 2 * tensors)
    for size in (scalars, scalars, vectors, tensors, tensors):
        wanted.append(gradient.row(at, size) * receive.row(at, size))
        at = at + size
    grad_s_in.add_row(i * scalars, wanted[0])
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


def thirds_of(v, i, vectors, size):
    """Three components of each of the three parts of an atom's vectors that triple products take."""
    return [[v.row((i * 3 + q) * vectors + part * size, size) for q in range(3)] for part in range(3)]


def cross(a, b):
    """The cross product, component by component."""
    return [a[q - 2] * b[q - 1] - a[q - 1] * b[q - 2] for q in range(3)]


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


@each
def centered(code, g, arrays):
    """The center of grain g, and the way from there to each of its atoms."""
    start, share, x, centers, relative = arrays
    total, (first, last) = Sum(code, 3), (start.index(g), start.index(g + 1))
    with code.loop(first, last) as i:
        total.add(x.row(i * 3, 3))
    center = total.get() * (share.number(g) * share.number(g))
    centers.set_row(g * 3, center)
    with code.loop(first, last) as i:
        relative.set_row(i * 3, x.row(i * 3, 3) - center)


@each
def centered_back(code, g, arrays):
    """The gradient by where atoms are, from that by the way from the center."""
    start, share, grad_relative, gradient = arrays
    total, (first, last) = Sum(code, 3), (start.index(g), start.index(g + 1))
    with code.loop(first, last) as i:
        total.add(grad_relative.row(i * 3, 3))
    mean = total.get() * (share.number(g) * share.number(g))
    with code.loop(first, last) as i:
        gradient.set_row(i * 3, grad_relative.row(i * 3, 3) - mean)


@each
def into_grains(code, g, arrays, hidden, vectors, stride):
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


@each
def into_grains_back(code, g, arrays, hidden, vectors, stride):
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


@each
def into_atoms(code, g, arrays, hidden, vectors, stride):
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


@each
def into_atoms_back(code, g, arrays, hidden, vectors, stride):
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


@each
def products(code, i, arrays, vectors, stride):
    """v . v and v . w of the second gathering's vectors v and of mixed ones w."""
    v, w, square, product = arrays
    own = [v.row((i * 3 + q) * vectors, vectors) for q in range(3)]
    other = [w.row((i * 3 + q) * stride, vectors) for q in range(3)]
    square.set_row(i * vectors, total_of([row * row for row in own]))
    product.set_row(i * vectors, total_of([a * b for a, b in zip(own, other)]))


@each
def products_back(code, i, arrays, vectors, stride):
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


@each
def gated(code, i, arrays, vectors):
    """v and, times the sigmoid of the gate, what is added to it."""
    v, added, gate, out = arrays
    part = sigmoid(gate.row(i * vectors, vectors))
    for q in range(3):
        here = (i * 3 + q) * vectors
        out.set_row(here, v.row(here, vectors) + added.row(here, vectors) * part)


@each
def gated_back(code, i, arrays, vectors):
    added, gate, gradient, grad_added, grad_gate = arrays
    part = sigmoid(gate.row(i * vectors, vectors))
    products = []
    for q in range(3):
        here = (i * 3 + q) * vectors
        outer = gradient.row(here, vectors)
        grad_added.set_row(here, outer * part)
        products.append(outer * added.row(here, vectors))
    grad_gate.set_row(i * vectors, total_of(products) * part * (code.ones(part) - part))


@each
def energy(code, i, arrays, hidden):
    """The energy of an atom: activations times weights; the gradient by what is activated takes its place."""
    x, weights, bias, counted, energy = arrays
    row, weight, part = x.row(i * hidden, hidden), weights.row(code.whole(0), hidden), counted.number(i)
    value, slope = activated(row)
    energy.set_number(i, (code.total(value * weight) + bias.number(code.whole(0))) * part)
    x.set_row(i * hidden, slope * weight * part)


def total_of(rows: list[Channels]) -> Channels:
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    return total


@each
def added(code, i, arrays, size):
    """A row, to another one."""
    x, out = arrays
    out.add_row(i * size, x.row(i * size, size))
