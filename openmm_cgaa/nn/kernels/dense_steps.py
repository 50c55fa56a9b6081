"""Steps of what each atom does by itself: linear maps and activations (`phases`).

Rows of several atoms go through a linear map together, so that a weight is read once for them.
"""

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from .phases import each, step
from .vectors import FAST, Array, Channels, Code, Index, Sum

REGISTERS = 24  # that hold results, of 32
LONGEST = 8  # rows
FRESH, ADDS, ONE_ROW, ROWS = range(4)  # what a linear map adds to: nothing, what is there, a bias, rows of biases


@step
def linear(
    code: Code, first: Index, last: Index, arrays: Sequence[Array], inputs: int, outputs: int, times: int, begins: int
) -> None:
    """out (+)= x @ weights [inputs, outputs], for `times` rows of each atom or grain.

    Arrays are x, weights, out and, for `ONE_ROW` and `ROWS`, what the sum begins with.
    """
    rows(code, arrays, first * times, last * times, 1, (code.whole(0), code.whole(0)), inputs, outputs, begins)


@step
def linear_by_slot(
    code: Code, first: Index, last: Index, arrays: Sequence[Array], inputs: int, outputs: int, classes: int, begins: int
) -> None:
    """The same with weights and biases of each slot, for the atoms of grains `first` to `last`.

    The last array, of indices, has for each class of grains its first slot, slots, first grain, grains and first atom.
    """
    *given, places = arrays
    with code.loop(code.whole(0), code.whole(classes)) as c:
        slot, size, grain, count, atom = (places.index(c * 5 + k) for k in range(5))
        begin, end = first.at_least(grain), last.at_most(grain + count)
        with code.loop(code.whole(0), size) as k:
            here, there = (atom + (each - grain) * size + k for each in (begin, end.at_least(begin)))
            weight = (slot + k) * (inputs * outputs), (slot + k) * outputs
            rows(code, given, here, there, size, weight, inputs, outputs, begins)


def rows(
    code: Code,
    arrays: Sequence[Array],
    first: Index,
    last: Index,
    by: "Index | int",
    weight: tuple[Index, Index],
    inputs: int,
    outputs: int,
    begins: int,
) -> None:
    """A linear map of the rows `first`, `first` + `by` ... before `last`; weights and bias begin at `weight`."""
    if outputs == 0:
        return
    by = by if isinstance(by, Index) else code.whole(by)
    together = max(1, min(LONGEST, REGISTERS // max(1, math.ceil(outputs * code.bytes / 64))))
    count = (last - first).over(by)
    blocks = count // together
    for amount, begin, end, size in ((together, code.whole(0), blocks, together), (1, blocks * together, count, 1)):
        with code.loop(begin, end) as n:
            some = [first + by * (n * size + k) for k in range(amount)]
            some_rows(code, arrays, some, weight, inputs, outputs, begins)


def some_rows(
    code: Code,
    arrays: Sequence[Array],
    some: Sequence[Index],
    weight: tuple[Index, Index],
    inputs: int,
    outputs: int,
    begins: int,
) -> None:
    x, weights, out, *beginning = arrays
    sums = [Sum(code, outputs) for _ in some]
    for r, total in zip(some, sums):
        if begins == ADDS:
            total.set(out.row(r * outputs, outputs))
        elif begins != FRESH:
            total.set(beginning[0].row(weight[1] if begins == ONE_ROW else r * outputs, outputs))
    with code.loop(code.whole(0), code.whole(inputs)) as k:
        row = weights.row(weight[0] + k * outputs, outputs)
        for r, total in zip(some, sums):
            total.add(row * x.number(r * inputs + k))
    for r, total in zip(some, sums):
        out.set_row(r * outputs, total.get())


def exponential(row: Channels) -> Channels:
    """e to the power of each number: 2 to the power of its whole part, times a series of the rest."""
    code, found = row.code, []
    builder, double = code.builder, code.bytes == 8
    highest, bits, bias, terms = (700.0, 52, 1023, 13) if double else (87.0, 23, 127, 7)
    for value in row.values:
        vector = value.type
        whole = ir.VectorType(ir.IntType(8 * code.bytes), vector.count)

        def every(number: float, kind: Any = vector) -> Any:
            return ir.Constant(kind, [number] * kind.count)

        inside = value
        for sign, limit in (("<", -highest), (">", highest)):  # what is no number stays so
            inside = builder.select(builder.fcmp_ordered(sign, inside, every(limit)), every(limit), inside)
        known = builder.select(builder.fcmp_ordered("ord", value, value), inside, every(0.0))
        half = builder.select(builder.fcmp_ordered("<", known, every(0.0)), every(-0.5), every(0.5))
        power = builder.fptosi(builder.fadd(builder.fmul(known, every(1.0 / math.log(2.0))), half), whole)
        rounded, rest = builder.sitofp(power, vector), inside
        for part in (0.693359375, math.log(2.0) - 0.693359375):  # the first has few digits: its multiples are exact
            rest = builder.fsub(rest, builder.fmul(rounded, every(part)))
        total = every(1.0 / math.factorial(terms))
        for n in range(terms - 1, -1, -1):
            product = builder.fmul(total, rest, flags=FAST)
            total = builder.fadd(product, every(1.0 / math.factorial(n)), flags=FAST)
        exponent = builder.shl(builder.add(power, every(bias, whole)), every(bits, whole))
        found.append(builder.fmul(total, builder.bitcast(exponent, vector)))
    return Channels(code, found)


def sigmoid(row: Channels) -> Channels:
    one = row.code.ones(row)
    return one / (one + exponential(row * row.code.number(-1.0)))


def activated(row: Channels) -> tuple[Channels, Channels]:
    """silu of each number, and its slope."""
    one, part = row.code.ones(row), sigmoid(row)
    return row * part, part * (one + row * (one - part))


@each
def silu(code, i, arrays, size):
    x, out = arrays
    out.set_row(i * size, activated(x.row(i * size, size))[0])


@each
def silu_back(code, i, arrays, size):
    """The gradient times the slope of the activation."""
    x, gradient = arrays
    gradient.set_row(i * size, gradient.row(i * size, size) * activated(x.row(i * size, size))[1])


@each
def clear(code, i, arrays, size):
    arrays[0].set_row(i * size, code.zeros(size))
