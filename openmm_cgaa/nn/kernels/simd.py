"""Short loops over channels as vector instructions, for numba kernels.

LLVM leaves loops of 8 or 16 turns over arrays that might overlap as scalar code. These intrinsics write the vectors
out: the number of channels is a constant of the kernel, and everything is read before anything is written.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

VECTOR_BYTES = 64
FAST = ("contract", "reassoc", "nsz")  # what is not a number stays so


class Vectors:
    """Rows of an array argument of an intrinsic, read and written in vectors."""

    def __init__(self, context, builder, kind, array, offset):
        self.builder = builder
        self.element = context.get_value_type(kind.dtype)
        self.bytes = kind.dtype.bitwidth // 8
        self.data = builder.gep(context.make_array(kind)(context, builder, array).data, [offset], inbounds=True)

    def pieces(self, size):
        """(first element, vector type) of the vectors that make up `size` elements."""
        step = VECTOR_BYTES // self.bytes
        return [(first, ir.VectorType(self.element, min(step, size - first))) for first in range(0, size, step)]

    def place(self, first, vector):
        offset = ir.Constant(ir.IntType(64), first)
        return self.builder.bitcast(self.builder.gep(self.data, [offset], inbounds=True), vector.as_pointer())

    def load(self, first, vector):
        return self.builder.load(self.place(first, vector), align=self.bytes)

    def store(self, value, first, vector):
        self.builder.store(value, self.place(first, vector), align=self.bytes)


def splat(builder, scalar, vector):
    """A vector of one number."""
    undefined = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, undefined, mask)


def constants(*values):
    """Whether all of these are known when the kernel is compiled; numba asks again if they are not yet."""
    return all(isinstance(value, types.IntegerLiteral) for value in values)


@intrinsic
def add_scaled(typing, out, at, factor, x, start, size):
    """out[at : at + size] += factor * x[start : start + size]; flat arrays, `size` a constant."""
    if not constants(size):
        return None

    def generate(context, builder, signature, args):
        target = Vectors(context, builder, signature.args[0], args[0], args[1])
        source = Vectors(context, builder, signature.args[3], args[3], args[4])
        for first, vector in target.pieces(size.literal_value):
            product = builder.fmul(splat(builder, args[2], vector), source.load(first, vector), flags=FAST)
            target.store(builder.fadd(target.load(first, vector), product, flags=FAST), first, vector)
        return context.get_dummy_value()

    return types.void(out, types.int64, out.dtype, x, types.int64, size), generate


@intrinsic
def multiply(typing, out, at, x, x_start, y, y_start, size):
    """out[at : at + size] = x[x_start : ...] * y[y_start : ...]."""
    if not constants(size):
        return None

    def generate(context, builder, signature, args):
        target, left, right = (Vectors(context, builder, signature.args[k], args[k], args[k + 1]) for k in (0, 2, 4))
        pieces = target.pieces(size.literal_value)
        values = [builder.fmul(left.load(*piece), right.load(*piece), flags=FAST) for piece in pieces]
        for value, piece in zip(values, pieces):
            target.store(value, *piece)
        return context.get_dummy_value()

    return types.void(out, types.int64, x, types.int64, y, types.int64, size), generate


@intrinsic
def add_product(typing, out, at, factor, x, x_start, y, y_start, size):
    """out[at : at + size] += factor * x[x_start : ...] * y[y_start : ...]."""
    if not constants(size):
        return None

    def generate(context, builder, signature, args):
        target = Vectors(context, builder, signature.args[0], args[0], args[1])
        left, right = (Vectors(context, builder, signature.args[k], args[k], args[k + 1]) for k in (3, 5))
        for piece in target.pieces(size.literal_value):
            product = builder.fmul(left.load(*piece), right.load(*piece), flags=FAST)
            product = builder.fmul(splat(builder, args[2], piece[1]), product, flags=FAST)
            target.store(builder.fadd(target.load(*piece), product, flags=FAST), *piece)
        return context.get_dummy_value()

    return types.void(out, types.int64, out.dtype, x, types.int64, y, types.int64, size), generate


@intrinsic
def dot(typing, x, x_start, y, y_start, size):
    """Scalar product of x[x_start : x_start + size] and y[y_start : y_start + size]."""
    if not constants(size):
        return None

    def generate(context, builder, signature, args):
        left, right = (Vectors(context, builder, signature.args[k], args[k], args[k + 1]) for k in (0, 2))
        sums = {}  # by width: only the last piece may be narrower
        for piece in left.pieces(size.literal_value):
            product = builder.fmul(left.load(*piece), right.load(*piece), flags=FAST)
            width = piece[1].count
            sums[width] = builder.fadd(sums[width], product, flags=FAST) if width in sums else product
        total = ir.Constant(left.element, 0.0)
        for value in sums.values():
            total = builder.fadd(total, reduce_add(builder, value), flags=FAST)
        return total

    return x.dtype(x, types.int64, y, types.int64, size), generate


def reduce_add(builder, value):
    """Sum of a vector's elements."""
    name = f"llvm.vector.reduce.fadd.v{value.type.count}{'f32' if value.type.element == ir.FloatType() else 'f64'}"
    kind = ir.FunctionType(value.type.element, [value.type.element, value.type])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [ir.Constant(value.type.element, 0.0), value], fastmath=FAST)


@intrinsic
def combine(typing, out, at, factors, factor_start, matrix, matrix_start, rows, size, stride):
    """out[at : at + size] = factors[factor_start : factor_start + rows] @ matrix.

    The matrix begins at matrix_start; from row to row it is `stride` numbers.
    """
    if not constants(rows, size, stride):
        return None

    def generate(context, builder, signature, args):
        target, source, table = (Vectors(context, builder, signature.args[k], args[k], args[k + 1]) for k in (0, 2, 4))
        pieces = target.pieces(size.literal_value)
        sums = [ir.Constant(vector, [0.0] * vector.count) for _, vector in pieces]
        for k in range(rows.literal_value):
            address = builder.gep(source.data, [ir.Constant(ir.IntType(64), k)], inbounds=True)
            factor = builder.load(address)
            for n, (first, vector) in enumerate(pieces):
                row = table.load(k * stride.literal_value + first, vector)
                sums[n] = builder.fadd(
                    sums[n], builder.fmul(splat(builder, factor, vector), row, flags=FAST), flags=FAST
                )
        for value, piece in zip(sums, pieces):
            target.store(value, *piece)
        return context.get_dummy_value()

    return types.void(out, types.int64, factors, types.int64, matrix, types.int64, rows, size, stride), generate
