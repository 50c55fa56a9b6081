"""Steps of the sum over neighbours of radial functions times directions (`phases`)."""

from collections.abc import Sequence
from typing import NamedTuple

from .phases import each
from .radial_functions import Radial
from .vectors import Array, Channels, Code, Index, Number, Sum

FIXED, ATOMS_OWN = 1, 2  # whose features a gathering multiplies with
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


class Entries:
    """What all steps have: rows, radial functions, weights, features and constants.

    Arrays are start, middle, end, sender, unit, distance and pull of rows, one or four of radial functions (`Radial`),
    weights, and if there are features which row of them an atom sends and they themselves.
    """

    def __init__(self, code: Code, arrays: Sequence[Array], sizes: Sequence[int]):
        self.code = code
        self.num_basis, scalars, vectors, tensors, self.featured = sizes[:5]
        self.start, self.middle, self.end, self.sender, self.unit, self.distance, self.pull = arrays[:7]
        first = 7 + (4 if self.num_basis else 1)
        self.radial, self.weights, rest = arrays[7:first], arrays[first], arrays[first + 1 :]
        if self.featured:
            self.kind, self.features, *rest = rest
        self.rest = rest
        self.widths = Widths(scalars, vectors, tensors)

    def functions(self, e: Index) -> Radial:
        return Radial(self.code, self.radial, self.weights, self.widths.all, self.num_basis, self.distance, e)

    def direction(self, e: Index) -> list[Number]:
        return [self.unit.number(e * 3 + q) for q in range(3)]

    def sent(self, j: Index) -> list[Channels]:
        """Features of atom j that radial functions are multiplied with, part by part."""
        at = (self.kind.index(j) if self.featured == FIXED else j) * self.widths.all
        return [self.features.row(at + first, size) for first, size in self.widths.parts()]

    def of_atom(self, densities: Sequence[Array], i: Index) -> "Wanted":
        """The gradient by the densities of an atom."""
        counts = zip(densities, self.widths, (1, 3, 6))
        return Wanted(self.code, *([one.row((i * n + q) * k, k) for q in range(n)] for one, k, n in counts))


class Wanted:
    """The gradient by the densities of an atom: of scalars, vectors and tensors."""

    def __init__(self, code: Code, scalars: list[Channels], vectors: list[Channels], tensors: list[Channels]):
        self.scalars, self.vectors, self.tensors = scalars[0], vectors, tensors
        self.trace = (tensors[0] + tensors[1] + tensors[2]) * code.number(-1.0 / 3.0)

    def turned(self, unit: Sequence[Number]) -> list[Channels]:
        """Half of the derivative of the contraction with `outer` of u by u: the tensor's matrix times u."""
        found = []
        for p in range(3):
            parts = ((self.tensors[PLACE[min(p, q), max(p, q)]], 1.0 if p == q else 1.0 / ROOT) for q in range(3))
            terms = [row * (u * factor) for (row, factor), u in zip(parts, unit)]
            found.append(terms[0] + terms[1] + terms[2])
        return found

    def along(self, unit: Sequence[Number], turned: Sequence[Channels]) -> list[Channels]:
        """By what comes from the direction u, part by part."""
        return [self.scalars, dotted(self.vectors, unit), dotted(turned, unit) + self.trace]


def square_of(unit: Sequence[Number]) -> list[Number]:
    """`outer` of a unit vector."""
    x, y, z = unit
    third = 1.0 / 3.0
    return [x * x - third, y * y - third, z * z - third, x * y * ROOT, x * z * ROOT, y * z * ROOT]


@each
def gather(code, i, arrays, *sizes):
    """Densities of receiver i, into the last three arrays.

    Radial functions have channels of scalars, vectors and tensors, in this order. If `featured`, they are multiplied
    with features [channels] that the sender has: `FIXED` ones by its kind, or those of `ATOMS_OWN`, which have
    gradients. With ``num_basis = 0`` they come from a table, see `Radial`.
    """
    given = Entries(code, arrays, sizes)
    widths = given.widths
    sums = [[Sum(code, size) for _ in range(count)] for size, count in zip(widths, (1, 3, 6))]
    with code.loop(given.start.index(i), given.end.index(i)) as e:
        unit, functions = given.direction(e), given.functions(e)
        sent = given.sent(given.sender.index(e)) if given.featured else None
        factors = [None], unit, square_of(unit)
        for k, part in enumerate(widths.parts()):
            row = functions.values(part)
            row = row if sent is None else row * sent[k]
            for total, factor in zip(sums[k], factors[k]):
                total.add(row if factor is None else row * factor)
    for size, totals, target in zip(widths, sums, given.rest):
        for q, total in enumerate(totals):
            target.set_row((i * len(totals) + q) * size, total.get())


@each
def gather_back(code, i, arrays, *sizes):
    """The way back of `gather` without features: of each entry the gradient by where its sender is, to its `pull`.

    The last three arrays are the gradients of densities.
    """
    given = Entries(code, arrays, sizes)
    own = given.of_atom(given.rest, i)
    with code.loop(given.start.index(i), given.end.index(i)) as e:
        unit, functions = given.direction(e), given.functions(e)
        values, slopes = zip(*(functions.with_slopes(part) for part in given.widths.parts()))
        turned = own.turned(unit)
        size = code.total(*(a * b for a, b in zip(slopes, own.along(unit, turned))))
        double = values[2] + values[2]
        sideways = [code.total(values[1] * own.vectors[q], double * turned[q]) for q in range(3)]
        for q, number in enumerate(pull_of(code, size, sideways, unit, given.distance.number(e))):
            given.pull.set_number(e * 3 + q, number)


@each
def pairs_back(code, i, arrays, *sizes):
    """The way back of `gather` with features, both ways of a pair at once.

    The entries of i up to `middle` stand for their pairs: what those pull is set, or added. `ATOMS_OWN` get the
    gradient by the features of i, of all its entries. The last four arrays are the gradients of densities, those of
    others among them, and of features.
    """
    given, adds = Entries(code, arrays, sizes), sizes[5]
    widths, (*densities, outgoing) = given.widths, given.rest
    set_pull = given.pull.add_number if adds else given.pull.set_number
    moving = given.featured == ATOMS_OWN
    own, sums, mine = given.of_atom(densities, i), [Sum(code, size) for size in widths], given.sent(i)
    minus = code.number(-1.0)
    start, middle, end = (each.index(i) for each in (given.start, given.middle, given.end))
    with code.loop(start, middle) as e:
        j, unit, functions = given.sender.index(e), given.direction(e), given.functions(e)
        back = [u * minus for u in unit]
        other, theirs = given.of_atom(densities, j), given.sent(j)
        values, slopes = zip(*(functions.with_slopes(part) for part in widths.parts()))
        turned, turned_back = own.turned(unit), other.turned(back)
        wanted, wanted_back = own.along(unit, turned), other.along(back, turned_back)
        size = code.total(*(a * (b * s + c * t) for a, b, s, c, t in zip(slopes, wanted, theirs, wanted_back, mine)))
        double = values[2] + values[2]
        sideways = []
        for q in range(3):
            vector = theirs[1] * own.vectors[q] - mine[1] * other.vectors[q]
            tensor = theirs[2] * turned[q] - mine[2] * turned_back[q]
            sideways.append(code.total(values[1] * vector, double * tensor))
        for q, number in enumerate(pull_of(code, size, sideways, unit, given.distance.number(e))):
            set_pull(e * 3 + q, number)
        for total, value, row in zip(sums, values, wanted_back):
            total.add(value * row)
    if not moving:
        return
    with code.loop(middle, end) as e:
        back = [u * minus for u in given.direction(e)]
        other, functions = given.of_atom(densities, given.sender.index(e)), given.functions(e)
        for total, part, row in zip(sums, widths.parts(), other.along(back, other.turned(back))):
            total.add(functions.values(part) * row)
    for (place, _), total in zip(widths.parts(), sums):
        outgoing.set_row(i * widths.all + place, total.get())


def pull_of(code: Code, along: Number, sideways: Sequence[Number], unit: Sequence[Number], r: Number) -> list[Number]:
    """The gradient by where a sender is, from those by its distance and by the unit vector."""
    x, y, z = unit
    inward = sideways[0] * x + sideways[1] * y + sideways[2] * z
    inverse = code.number(1.0) / r
    size = along - inward * inverse
    return [unit[q] * size + sideways[q] * inverse for q in range(3)]


def dotted(rows: Sequence[Channels], unit: Sequence[Number]) -> Channels:
    """Three components times those of a direction."""
    return rows[0] * unit[0] + rows[1] * unit[1] + rows[2] * unit[2]
