"""Steps of the messages between grains (`phases`).

A sender gives `sent` [scalars + vectors], `carried` [3, vectors] and `dotted` [3, vectors], as in `GrainMessages`. Its
radial functions are those of sent scalars, dotted vectors, what is sent along the edge, and carried vectors.
"""

from collections.abc import Sequence

from .gather_steps import dotted, pull_of
from .phases import each
from .radial_functions import Radial
from .vectors import Array, Channels, Code, Index, Number, Sum


class Edges:
    """What both steps are given of the edges and of the grains that send.

    Arrays are start, middle, end, sender, unit, distance and pull of rows, radial functions (`Radial`), weights, and
    what grains send.
    """

    def __init__(self, code: Code, arrays: Sequence[Array], scalars: int, vectors: int):
        self.code, self.scalars, self.vectors = code, scalars, vectors
        self.start, _, self.end, self.sender, self.unit, self.distance, self.pull = arrays[:7]
        self.radial, self.weights, self.sent, self.carried, self.dotted = arrays[7:8], *arrays[8:12]
        self.rest = arrays[12:]

    def entries(self, i: Index) -> tuple[Index, Index]:
        return self.start.index(i), self.end.index(i)

    def functions(self, e: Index) -> Radial:
        channels = self.scalars + 3 * self.vectors
        return Radial(self.code, self.radial, self.weights, channels, 0, self.distance, e)

    def parts(self) -> list:
        first, size = self.scalars, self.vectors
        return [(0, first), (first, size), (first + size, size), (first + 2 * size, size)]

    def direction(self, e: Index) -> list[Number]:
        return [self.unit.number(e * 3 + q) for q in range(3)]

    def two(self, array: Array, j: Index) -> tuple[Channels, Channels]:
        """Scalars of grain j, and those that make a vector or come from one."""
        at = j * (self.scalars + self.vectors)
        return array.row(at, self.scalars), array.row(at + self.scalars, self.vectors)

    def three(self, array: Array, j: Index) -> list[Channels]:
        return [array.row((j * 3 + q) * self.vectors, self.vectors) for q in range(3)]


@each
def exchange(code, i, arrays, scalars, vectors):
    """What grain i gets, into the last two arrays."""
    own = Edges(code, arrays, scalars, vectors)
    into_s, into_v = own.rest
    plain, inner = Sum(code, scalars), Sum(code, vectors)
    outer = [Sum(code, vectors) for _ in range(3)]
    with code.loop(*own.entries(i)) as e:
        j, unit, functions = own.sender.index(e), own.direction(e), own.functions(e)
        of_sent, of_dots, of_along, of_carried = (functions.values(part) for part in own.parts())
        scalar, vector = own.two(own.sent, j)
        plain.add(of_sent * scalar)
        inner.add(of_dots * dotted(own.three(own.dotted, j), unit))
        forward = of_along * vector
        for total, u, row in zip(outer, unit, own.three(own.carried, j)):
            total.add(forward * u + of_carried * row)
    at = i * (scalars + vectors)
    into_s.set_row(at, plain.get())
    into_s.set_row(at + scalars, inner.get())
    for q, total in enumerate(outer):
        into_v.set_row((i * 3 + q) * vectors, total.get())


@each
def exchange_back(code, i, arrays, scalars, vectors, adds):
    """The way back: from gradients by what grains got to what its entries pull, set or added, and by what i sends."""
    own = Edges(code, arrays, scalars, vectors)
    from_s, from_v, into_sent, into_carried, into_dotted = own.rest
    set_pull = own.pull.add_number if adds else own.pull.set_number
    plain, inner, outer = *own.two(from_s, i), own.three(from_v, i)
    sums = Sum(code, scalars), Sum(code, vectors)
    of_three = [[Sum(code, vectors) for _ in range(3)] for _ in range(2)]
    minus = code.number(-1.0)
    with code.loop(*own.entries(i)) as e:
        j, unit, functions = own.sender.index(e), own.direction(e), own.functions(e)
        values, slopes = zip(*(functions.with_slopes(part) for part in own.parts()))
        # what came from j
        scalar, vector = own.two(own.sent, j)
        given, carry = own.three(own.dotted, j), own.three(own.carried, j)
        wanted = [plain * scalar, inner * dotted(given, unit), dotted(outer, unit) * vector, by_parts(outer, carry)]
        size = code.total(*(a * b for a, b in zip(slopes, wanted)))
        turned, forward = values[1] * inner, values[2] * vector
        sideways = [code.total(turned * given[q], forward * outer[q]) for q in range(3)]
        for q, number in enumerate(pull_of(code, size, sideways, unit, own.distance.number(e))):
            set_pull(e * 3 + q, number)
        # what j got of i, in the other direction
        their, theirs, theirs_outer = *own.two(from_s, j), own.three(from_v, j)
        sums[0].add(values[0] * their)
        sums[1].add(values[2] * dotted(theirs_outer, unit) * minus)
        back = values[1] * theirs * minus
        for q in range(3):
            of_three[0][q].add(values[3] * theirs_outer[q])
            of_three[1][q].add(back * unit[q])
    at = i * (scalars + vectors)
    into_sent.set_row(at, sums[0].get())
    into_sent.set_row(at + scalars, sums[1].get())
    for target, totals in zip((into_carried, into_dotted), of_three):
        for q, total in enumerate(totals):
            target.set_row((i * 3 + q) * vectors, total.get())


def by_parts(left: Sequence[Channels], right: Sequence[Channels]) -> Channels:
    """The scalar product of two rows of vectors."""
    return left[0] * right[0] + left[1] * right[1] + left[2] * right[2]
