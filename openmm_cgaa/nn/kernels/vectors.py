"""A loop's body in vector registers, for numba kernels.

LLVM keeps no row of an array in registers over the turns of a loop, since arrays might overlap. Here a body is written
on `Channels`s, whose numbers of channels are constants, and on `Sum`s, which are stored when the loop has ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

WORD = ir.IntType(64)
VECTOR_BYTES = 64
FAST = ("contract", "reassoc", "nsz")  # what is not a number stays so


class Channels:
    """Numbers of all channels of one kind, in vector registers."""

    def __init__(self, code: "Code", values: list):
        self.code, self.values = code, values

    def __add__(self, other: "Channels") -> "Channels":
        add = self.code.builder.fadd
        return Channels(self.code, [add(a, b, flags=FAST) for a, b in zip(self.values, other.values)])

    def __sub__(self, other: "Channels") -> "Channels":
        subtract = self.code.builder.fsub
        return Channels(self.code, [subtract(a, b, flags=FAST) for a, b in zip(self.values, other.values)])

    def __truediv__(self, other: "Channels") -> "Channels":
        divide = self.code.builder.fdiv
        return Channels(self.code, [divide(a, b, flags=FAST) for a, b in zip(self.values, other.values)])

    def __mul__(self, other: "Channels | Number") -> "Channels":
        """Channel by channel, or all by a number."""
        own, multiply = self.code.builder, self.code.builder.fmul
        factors = (
            other.values if isinstance(other, Channels) else [splat(own, other.value, a.type) for a in self.values]
        )
        return Channels(self.code, [multiply(a, b, flags=FAST) for a, b in zip(self.values, factors)])


class Number:
    """One number in a register."""

    def __init__(self, code: "Code", value: Any):
        self.code, self.value = code, value

    def _of(self, other: "Number | float") -> Any:
        return other.value if isinstance(other, Number) else ir.Constant(self.code.element, other)

    def __add__(self, other: "Number | float") -> "Number":
        return Number(self.code, self.code.builder.fadd(self.value, self._of(other), flags=FAST))

    def __sub__(self, other: "Number | float") -> "Number":
        return Number(self.code, self.code.builder.fsub(self.value, self._of(other), flags=FAST))

    def __mul__(self, other: "Number | float") -> "Number":
        return Number(self.code, self.code.builder.fmul(self.value, self._of(other), flags=FAST))

    def __truediv__(self, other: "Number | float") -> "Number":
        return Number(self.code, self.code.builder.fdiv(self.value, self._of(other), flags=FAST))


class Index:
    """A place in an array."""

    def __init__(self, code: "Code", value: Any):
        self.code, self.value = code, value

    def _of(self, other: "Index | int") -> Any:
        return other.value if isinstance(other, Index) else ir.Constant(WORD, other)

    def __add__(self, other: "Index | int") -> "Index":
        return Index(self.code, self.code.builder.add(self.value, self._of(other)))

    def __sub__(self, other: "Index | int") -> "Index":
        return Index(self.code, self.code.builder.sub(self.value, self._of(other)))

    def __mul__(self, other: "Index | int") -> "Index":
        return Index(self.code, self.code.builder.mul(self.value, self._of(other)))

    def __floordiv__(self, other: int) -> "Index":
        return Index(self.code, self.code.builder.sdiv(self.value, self._of(other)))

    def over(self, other: "Index") -> "Index":
        """How often another one fits, also partly: for what is not negative."""
        add, subtract = self.code.builder.add, self.code.builder.sub
        most = subtract(add(self.value, other.value), ir.Constant(WORD, 1))
        return Index(self.code, self.code.builder.sdiv(most, other.value))

    def at_most(self, other: "Index") -> "Index":
        less = self.code.builder.icmp_signed("<", self.value, other.value)
        return Index(self.code, self.code.builder.select(less, self.value, other.value))

    def at_least(self, other: "Index") -> "Index":
        less = self.code.builder.icmp_signed("<", self.value, other.value)
        return Index(self.code, self.code.builder.select(less, other.value, self.value))


class Sum:
    """A row that a loop adds to."""

    def __init__(self, code: "Code", size: int):
        self.code, self.size = code, size
        self.places = [cgutils.alloca_once(code.builder, vector) for _, vector in code.pieces(size)]
        self.set(code.zeros(size))

    def set(self, row: Channels) -> None:
        for place, value in zip(self.places, row.values):
            self.code.builder.store(value, place)

    def get(self) -> Channels:
        return Channels(self.code, [self.code.builder.load(place) for place in self.places])

    def add(self, row: Channels) -> None:
        self.set(self.get() + row)


class Array:
    """A flat array of numbers, or of indices, at some address."""

    def __init__(self, code: "Code", data: Any):
        self.code, self.data = code, data

    def _place(self, at: Index) -> Any:
        return self.code.builder.gep(self.data, [at.value], inbounds=True)

    def index(self, at: Index) -> Index:
        builder = self.code.builder
        indices = builder.bitcast(self.data, ir.IntType(32).as_pointer())
        return Index(self.code, builder.sext(builder.load(builder.gep(indices, [at.value], inbounds=True)), WORD))

    def number(self, at: Index) -> Number:
        return Number(self.code, self.code.builder.load(self._place(at)))

    def set_number(self, at: Index, number: Number) -> None:
        self.code.builder.store(number.value, self._place(at))

    def row(self, at: Index, size: int) -> Channels:
        builder = self.code.builder
        places = [
            builder.bitcast(self._place(at + first), vector.as_pointer()) for first, vector in self.code.pieces(size)
        ]
        return Channels(self.code, [builder.load(place, align=self.code.bytes) for place in places])

    def set_row(self, at: Index, row: Channels) -> None:
        builder, first = self.code.builder, 0
        for value in row.values:
            place = builder.bitcast(self._place(at + first), value.type.as_pointer())
            builder.store(value, place, align=self.code.bytes)
            first += value.type.count

    def add_row(self, at: Index, row: Channels) -> None:
        size = sum(value.type.count for value in row.values)
        self.set_row(at, self.row(at, size) + row)

    def add_number(self, at: Index, number: Number) -> None:
        self.set_number(at, self.number(at) + number)


class Code:
    """What an intrinsic is made of; `kind` is the numba type of its numbers."""

    def __init__(self, context: Any, builder: Any, kind: Any):
        self.context, self.builder, self.kind = context, builder, kind
        self.element, self.bytes = context.get_value_type(kind), kind.bitwidth // 8

    def array(self, kind: Any, value: Any) -> Array:
        """Of an argument that is an array of numba."""
        return Array(self, self.context.make_array(kind)(self.context, self.builder, value).data)

    def memory(self, address: Index) -> Array:
        """What lies there."""
        return Array(self, self.builder.inttoptr(address.value, self.element.as_pointer()))

    def pieces(self, size: int) -> list:
        """(first channel, vector type) of the registers that hold a row."""
        step = VECTOR_BYTES // self.bytes
        return [(first, ir.VectorType(self.element, min(step, size - first))) for first in range(0, size, step)]

    def index(self, kind: Any, value: Any) -> Index:
        """Of an integer argument."""
        return Index(self, self.context.cast(self.builder, value, kind, types.int64))

    def whole(self, number: int) -> Index:
        return Index(self, ir.Constant(WORD, number))

    def given(self, kind: Any, value: Any) -> Number:
        """Of an argument that is a number, in this precision."""
        return Number(self, self.context.cast(self.builder, value, kind, self.kind))

    def number(self, value: float) -> Number:
        return Number(self, ir.Constant(self.element, value))

    def zeros(self, size: int) -> Channels:
        return Channels(self, [ir.Constant(vector, [0.0] * vector.count) for _, vector in self.pieces(size)])

    def ones(self, like: Channels) -> Channels:
        return Channels(self, [ir.Constant(value.type, [1.0] * value.type.count) for value in like.values])

    def truncated(self, number: Number) -> Index:
        """The whole part of a number that is not negative; 0 for all others."""
        zero = ir.Constant(self.element, 0.0)
        above = self.builder.fcmp_ordered(">", number.value, zero)
        return Index(self, self.builder.fptosi(self.builder.select(above, number.value, zero), WORD))

    def as_number(self, index: Index) -> Number:
        return Number(self, self.builder.sitofp(index.value, self.element))

    @contextmanager
    def loop(self, first: Index, last: Index, by: int = 1) -> Iterator[Index]:
        """From one index to before another."""
        with cgutils.for_range_slice(self.builder, first.value, last.value, ir.Constant(WORD, by)) as (index, _):
            yield Index(self, index)

    def total(self, *rows: Channels) -> Number:
        """Sum over all channels of all rows."""
        left: dict[int, Any] = {}
        for value in (value for row in rows for value in row.values):
            self._merge(left, value)
        for width in sorted(left, reverse=True):
            smaller = [other for other in left if other < width]
            if smaller and width % 2 == 0 and width // 2 >= max(smaller):
                for half in self._halves(left.pop(width)):
                    self._merge(left, half)
        number = self.number(0.0)
        for value in left.values():
            number = number + Number(self, reduce_add(self.builder, value))
        return number

    def _merge(self, left: dict, value: Any) -> None:
        width = value.type.count
        left[width] = self.builder.fadd(left[width], value, flags=FAST) if width in left else value

    def _halves(self, value: Any) -> list:
        half = value.type.count // 2
        undefined = ir.Constant(value.type, ir.Undefined)
        masks = [
            ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(k * half, (k + 1) * half))) for k in (0, 1)
        ]
        return [self.builder.shuffle_vector(value, undefined, mask) for mask in masks]


def splat(builder, scalar, vector):
    """A vector of one number."""
    undefined = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, undefined, mask)


def constants(*values):
    """Whether all of these are known when the kernel is compiled; numba asks again if they are not yet."""
    return all(isinstance(value, types.IntegerLiteral) for value in values)


def reduce_add(builder, value):
    """Sum of a vector's elements."""
    name = f"llvm.vector.reduce.fadd.v{value.type.count}{'f32' if value.type.element == ir.FloatType() else 'f64'}"
    kind = ir.FunctionType(value.type.element, [value.type.element, value.type])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [ir.Constant(value.type.element, 0.0), value], fastmath=FAST)
