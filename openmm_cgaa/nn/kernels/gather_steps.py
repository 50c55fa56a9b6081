"""Steps of the sum over neighbours of radial functions times directions (`phases`)."""

from collections.abc import Callable, Sequence
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
    """What both steps have: rows, radial functions, weights, features and constants.

    Arrays are start, end, sender, unit, distance and pull of rows, two or four of radial functions (`Radial`), weights,
    the row of features of each entry, and features.
    """

    def __init__(self, code: Code, arrays: Sequence[Array], sizes: Sequence[int]):
        self.code = code
        self.num_basis, scalars, vectors, tensors, self.featured = sizes[:5]
        self.start, self.end, self.sender, self.unit, self.distance, self.pull = arrays[:6]
        count = 4 if self.num_basis else 1
        self.radial = arrays[6 : 6 + count]
        self.weights, self.source, self.features = arrays[6 + count : 9 + count]
        self.rest = arrays[9 + count :]
        self.widths = Widths(scalars, vectors, tensors)

    def functions(self, e: Index) -> Radial:
        return Radial(self.code, self.radial, self.weights, self.widths.all, self.num_basis, self.distance, e)

    def entries(self, i: Index) -> tuple[Index, Index]:
        return self.start.index(i), self.end.index(i)

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


@each
def gather(code, i, arrays, *sizes):
    """Densities of receiver i, into the last three arrays.

    Radial functions have channels of scalars, vectors and tensors, in this order. If `featured`, they are multiplied
    with a row of features [channels], which each entry names: `FIXED` ones, or those of atoms, which have gradients.
    With ``num_basis = 0`` they come from a table, see `Radial`.
    """
    given = Entries(code, arrays, sizes)
    widths = given.widths
    sums = [[Sum(code, size) for _ in range(count)] for size, count in zip(widths, (1, 3, 6))]
    with code.loop(*given.entries(i)) as e:
        unit, functions, sent = given.direction(e), given.functions(e), given.sent(e)
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
    """The way back of `gather`, whose arrays are followed by the gradients of densities and of the atoms' features.

    Of each entry the gradient by where its sender is, set or added to its `pull`. Of features of atoms also the
    gradient by those of i, which as a sender meets the same entries from the other side.
    """
    given, adds = Entries(code, arrays, sizes), sizes[5]
    widths, (*grads, outgoing) = given.widths, given.rest
    set_pull = given.pull.add_number if adds else given.pull.set_number

    def of_atom(atom: Index) -> list[list[Channels]]:
        """dE by the densities of an atom."""
        counts = zip(grads, widths, (1, 3, 6))
        return [[one.row((atom * n + q) * size, size) for q in range(n)] for one, size, n in counts]

    (gs,), gv, gt = of_atom(i)
    trace = (gt[0] + gt[1] + gt[2]) * code.number(-1.0 / 3.0)
    own = [Sum(code, size) for size in widths]
    with code.loop(*given.entries(i)) as e:
        unit, functions, sent = given.direction(e), given.functions(e), given.sent(e)
        slopes, values = [], []
        back = reversed_wanted(given, of_atom, e, unit) if given.featured == ATOMS_OWN else None
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
        for q, number in enumerate(pull_of(code, size, sideways, unit, given.distance.number(e))):
            set_pull(e * 3 + q, number)
    if given.featured == ATOMS_OWN:
        for (place, _), total in zip(widths.parts(), own):
            outgoing.set_row(i * widths.all + place, total.get())


def pull_of(code: Code, along: Number, sideways: Sequence[Number], unit: Sequence[Number], r: Number) -> list[Number]:
    """The gradient by where a sender is, from those by its distance and by the unit vector."""
    x, y, z = unit
    inward = sideways[0] * x + sideways[1] * y + sideways[2] * z
    inverse = code.number(1.0) / r
    size = along - inward * inverse
    return [unit[q] * size + sideways[q] * inverse for q in range(3)]


def reversed_wanted(given: Entries, of_atom: Callable, e: Index, unit: Sequence[Number]) -> list[Channels]:
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
