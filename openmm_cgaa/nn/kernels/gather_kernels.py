"""Kernels of the sum over neighbours of radial functions times directions (`jit`)."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from .jit import compiled
from .polynomials import POWERS, value_of, with_derivative
from .simd import constants
from .vectors import Array, Channels, Code, Index, Number, Sum

FIXED, ATOMS = 1, 2  # whose features a gathering multiplies with
ROOT = 2.0**0.5
# components of a symmetric tensor as in `outer`, and what they are as entries of its matrix
PLACE = {(0, 0): 0, (1, 1): 1, (2, 2): 2, (0, 1): 3, (0, 2): 4, (1, 2): 5}


class Widths(NamedTuple):
    """Channels of scalars, vectors and tensors, which lie in this order in weights and features."""

    scalars: int
    vectors: int
    tensors: int

    @property
    def all(self) -> int:
        return sum(self)

    def parts(self) -> list:
        """(first channel, channels) of each kind."""
        return [(0, self.scalars), (self.scalars, self.vectors), (self.scalars + self.vectors, self.tensors)]


class Radial:
    """Radial functions of one entry and their derivatives, part by part.

    `given` is what the intrinsic got: of a table the first distance and intervals per Å, and functions are polynomials
    of the distance. Else places of weights, places of a basis, it and its slopes, and functions are sums over it.
    """

    def __init__(self, code: Code, given: "Arguments", e: Index):
        self.code, self.weights, self.all, self.num_basis = code, given.weights, given.widths.all, given.num_basis
        if self.num_basis:
            place, own, self.basis, self.slope = given.radial
            self.first, self.own = place.index(e) * self.all, own.index(e) * self.num_basis
        else:
            low, self.per_step = given.radial
            x = (given.distance.number(e) - low) * self.per_step
            interval = code.truncated(x)
            self.t, self.first = x - code.as_number(interval), interval * (POWERS * self.all)

    def values(self, part: tuple[int, int]) -> Channels:
        first, size = part
        if self.num_basis:
            return self._combined(self.basis, part)
        return value_of(self.weights, self.first + first, self.t, size, self.all)

    def with_slopes(self, part: tuple[int, int]) -> tuple[Channels, Channels]:
        first, size = part
        if self.num_basis:
            return self._combined(self.basis, part), self._combined(self.slope, part)
        value, change = with_derivative(self.weights, self.first + first, self.t, size, self.all)
        return value, change * self.per_step

    def _combined(self, factors: Array, part: tuple[int, int]) -> Channels:
        first, size = part
        found = self.code.zeros(size)
        for k in range(self.num_basis):
            found = found + self.weights.row(self.first + first + k * self.all, size) * factors.number(self.own + k)
        return found


class Arguments:
    """The arguments that both intrinsics have: rows, radial functions, weights, features and constants."""

    def __init__(self, code: Code, kinds: Sequence[Any], values: Sequence[Any]):
        rows, radial, weights, source, features = values[:5]
        self.sender, self.unit, self.distance = (code.member(kinds[0], rows, k) for k in (1, 5, 6))
        self.radial = [code.member(kinds[1], radial, k) for k in range(len(kinds[1]))]
        self.weights, self.source, self.features = (Array(code, kinds[k], values[k]) for k in (2, 3, 4))
        self.num_basis, scalars, vectors, tensors, self.featured = (kind.literal_value for kind in kinds[5:10])
        self.widths = Widths(scalars, vectors, tensors)

    def direction(self, e: Index) -> list[Number]:
        return [self.unit.number(e * 3 + q) for q in range(3)]

    def sent(self, e: Index) -> list[Channels] | None:
        """Features that the entry is multiplied with, part by part."""
        if not self.featured:
            return None
        at = self.source.index(e) * self.widths.all
        return [self.features.row(at + first, size) for first, size in self.widths.parts()]


def square_of(unit: Sequence[Number]) -> list[Number]:
    """`outer` of a unit vector."""
    x, y, z = unit
    third = 1.0 / 3.0
    return [x * x - third, y * y - third, z * z - third, x * y * ROOT, x * z * ROOT, y * z * ROOT]


def along(tensor: Sequence[Channels], unit: Sequence[Number]) -> list[Channels]:
    """Half of the derivative of the contraction with `outer` of u by u: the tensor's matrix times u."""
    found = []
    for p in range(3):
        terms = [tensor[PLACE[min(p, q), max(p, q)]] * (unit[q] * (1.0 if p == q else 1.0 / ROOT)) for q in range(3)]
        found.append(terms[0] + terms[1] + terms[2])
    return found


@intrinsic
def gather_row(
    typing, i, first, last, rows, radial, weights, source, features, num_basis, scalars, vectors, tensors, featured, out
):
    """Densities of receiver i, from the entries `first` to `last`, into the arrays `out`."""
    if not constants(num_basis, scalars, vectors, tensors, featured):
        return None

    def generate(context, builder, signature, args):
        code = Code(context, builder, weights.dtype)
        given = Arguments(code, signature.args[3:13], args[3:13])
        widths = given.widths
        sums = [[Sum(code, size) for _ in range(count)] for size, count in zip(widths, (1, 3, 6))]
        here, first, last = (code.index(signature.args[k], args[k]) for k in range(3))
        with code.loop(first, last) as e:
            unit, functions, sent = given.direction(e), Radial(code, given, e), given.sent(e)
            factors = [None], unit, square_of(unit)
            for k, part in enumerate(widths.parts()):
                row = functions.values(part)
                row = row if sent is None else row * sent[k]
                for total, factor in zip(sums[k], factors[k]):
                    total.add(row if factor is None else row * factor)
        for k, (size, totals) in enumerate(zip(widths, sums)):
            target = code.member(signature.args[13], args[13], k)
            for q, total in enumerate(totals):
                target.set_row((here * len(totals) + q) * size, total.get())
        return context.get_dummy_value()

    given = rows, radial, weights, source, features, num_basis, scalars, vectors, tensors, featured
    return types.void(i, first, last, *given, out), generate


@intrinsic
def spread_row(
    typing,
    i,
    first,
    last,
    rows,
    radial,
    weights,
    source,
    features,
    num_basis,
    scalars,
    vectors,
    tensors,
    featured,
    grad,
    pull,
    grad_features,
):
    """The way back: of each entry the gradient by where its sender is, into `pull` [entries, 3].

    Of `ATOMS` also the gradient by the features of i, which as a sender meets the same entries from the other side.
    """
    if not constants(num_basis, scalars, vectors, tensors, featured):
        return None

    def generate(context, builder, signature, args):
        code = Code(context, builder, weights.dtype)
        given = Arguments(code, signature.args[3:13], args[3:13])
        widths = given.widths
        here, first, last = (code.index(signature.args[k], args[k]) for k in range(3))
        grads = [code.member(signature.args[13], args[13], k) for k in range(3)]
        pulls, outgoing = Array(code, signature.args[14], args[14]), Array(code, signature.args[15], args[15])

        def of_atom(atom: Index) -> list[list[Channels]]:
            """dE by the densities of an atom."""
            counts = zip(grads, widths, (1, 3, 6))
            return [[one.row((atom * n + q) * size, size) for q in range(n)] for one, size, n in counts]

        (gs,), gv, gt = of_atom(here)
        trace = (gt[0] + gt[1] + gt[2]) * code.number(-1.0 / 3.0)
        own = [Sum(code, size) for size in widths]
        with code.loop(first, last) as e:
            unit, functions, sent = given.direction(e), Radial(code, given, e), given.sent(e)
            slopes, values = [], []
            back = reversed_wanted(given, of_atom, e, unit) if given.featured == ATOMS else None
            for k, part in enumerate(widths.parts()):
                value, slope = functions.with_slopes(part)
                if back is not None:
                    own[k].add(value * back[k])
                slopes.append(slope if sent is None else slope * sent[k])
                values.append(value if sent is None else value * sent[k])
            turned = along(gt, unit)
            wanted = [gs, dotted(gv, unit), dotted(turned, unit) + trace]
            size = code.total(*(a * b for a, b in zip(slopes, wanted)))
            double = values[2] + values[2]
            sideways = [code.total(values[1] * gv[q], double * turned[q]) for q in range(3)]
            x, y, z = unit
            inward = sideways[0] * x + sideways[1] * y + sideways[2] * z
            inverse = code.number(1.0) / given.distance.number(e)
            size = size - inward * inverse
            for q in range(3):
                pulls.set_number(e * 3 + q, unit[q] * size + sideways[q] * inverse)
        if given.featured == ATOMS:
            for (place, _), total in zip(widths.parts(), own):
                outgoing.set_row(here * widths.all + place, total.get())
        return context.get_dummy_value()

    given = rows, radial, weights, source, features, num_basis, scalars, vectors, tensors, featured
    return types.void(i, first, last, *given, grad, pull, grad_features), generate


def reversed_wanted(given: Arguments, of_atom: Callable, e: Index, unit: Sequence[Number]) -> list[Channels]:
    """dE by what the sender of an entry gets from i: the direction is the other way."""
    (gs,), gv, gt = of_atom(given.sender.index(e))
    third = gs.code.number(-1.0 / 3.0)
    return [
        gs,
        dotted(gv, unit) * gs.code.number(-1.0),
        dotted(along(gt, unit), unit) + (gt[0] + gt[1] + gt[2]) * third,
    ]


def dotted(rows: Sequence[Channels], unit: Sequence[Number]) -> Channels:
    """Three components times those of a direction."""
    return rows[0] * unit[0] + rows[1] * unit[1] + rows[2] * unit[2]


@functools.lru_cache(None)
def gather_kernels(num_basis: int, scalars: int, vectors: int, tensors: int, featured: int) -> tuple:
    """Forward and backward of the sum over neighbours of radial functions times 1, u and `outer` of u.

    Radial functions have channels of scalars, vectors and tensors, in this order. If `featured`, they are multiplied
    with a row of features [channels], which each entry names (`source`): `FIXED` ones, or those of `ATOMS`, which have
    gradients. With ``num_basis = 0`` they come from a table, see `Radial`.
    """

    @compiled
    def forward(rows, radial, weights, source, features, out):
        start = rows[0]
        for i in range(start.size - 1):
            gather_row(
                i,
                start[i],
                start[i + 1],
                rows,
                radial,
                weights,
                source,
                features,
                num_basis,
                scalars,
                vectors,
                tensors,
                featured,
                out,
            )

    @compiled
    def backward(rows, radial, weights, source, features, grad, pull, grad_features):
        start = rows[0]
        for i in range(start.size - 1):
            spread_row(
                i,
                start[i],
                start[i + 1],
                rows,
                radial,
                weights,
                source,
                features,
                num_basis,
                scalars,
                vectors,
                tensors,
                featured,
                grad,
                pull,
                grad_features,
            )

    return forward, backward


@compiled
def collect(start, partner, image, pull, grad_positions, grad_shifts):
    """Add to the positions' gradients those of the entries: a pair pulls at both of its ends."""
    middle = grad_shifts.size // 6  # no lattice vector
    zero = pull.dtype.type(0.0)
    for i in range(start.size - 1):
        x, y, z = zero, zero, zero
        for e in range(start[i], start[i + 1]):
            back = 3 * partner[e]
            x += pull[back] - pull[3 * e]
            y += pull[back + 1] - pull[3 * e + 1]
            z += pull[back + 2] - pull[3 * e + 2]
            if image[e] != middle:
                for q in range(3):
                    grad_shifts[3 * image[e] + q] += pull[3 * e + q]
        grad_positions[3 * i] += x
        grad_positions[3 * i + 1] += y
        grad_positions[3 * i + 2] += z
