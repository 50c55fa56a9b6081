"""Kernels of what each atom does by itself: linear maps, activations, products of vectors (`jit`).

All arrays are flat. Rows of several atoms go through a linear map together, so that a weight is read once for them.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import compiled
from .simd import FAST, constants
from .vectors import Array, Channels, Code, Sum

REGISTERS = 24  # that hold results, of 32
LONGEST = 8  # rows


@intrinsic
def linear_rows(typing, x, x_at, x_stride, weights, w_at, out, out_at, out_stride, count, inputs, outputs, adds):
    """`count` rows of `out` (+)= those of `x` @ weights [inputs, outputs]."""
    if not constants(count, inputs, outputs, adds):
        return None

    def generate(context, builder, signature, args):
        code = Code(context, builder, out.dtype)
        rows, width, size, adding = (kind.literal_value for kind in signature.args[8:])
        source, matrix, target = (Array(code, signature.args[k], args[k]) for k in (0, 3, 5))
        at, stride, first, begin, step = (code.index(signature.args[k], args[k]) for k in (1, 2, 4, 6, 7))
        sums = [Sum(code, size) for _ in range(rows)]
        if adding:
            for n, total in enumerate(sums):
                total.set(target.row(begin + step * n, size))
        zero = code.index(types.intp, ir.Constant(ir.IntType(64), 0))
        with code.loop(zero, zero + width) as k:
            row = matrix.row(first + k * size, size)
            for n, total in enumerate(sums):
                total.add(row * source.number(at + stride * n + k))
        for n, total in enumerate(sums):
            target.set_row(begin + step * n, total.get())
        return context.get_dummy_value()

    given = x, x_at, x_stride, weights, w_at, out, out_at, out_stride, count, inputs, outputs, adds
    return types.void(*given), generate


@functools.lru_cache(None)
def linear_kernel(inputs: int, outputs: int, bytes_a_number: int, adds: int):
    """out[r] (+)= x[r] @ weights for rows `first` to `last`, each `x_stride` and `out_stride` after the one before."""
    block = max(1, min(LONGEST, REGISTERS // max(1, math.ceil(outputs * bytes_a_number / 64))))

    @compiled
    def linear(first, last, x, x_at, x_stride, weights, w_at, out, out_at, out_stride):
        if outputs == 0:
            return
        r = first
        while r + block <= last:
            here, there = x_at + x_stride * r, out_at + out_stride * r
            linear_rows(x, here, x_stride, weights, w_at, out, there, out_stride, block, inputs, outputs, adds)
            r += block
        while r < last:
            here, there = x_at + x_stride * r, out_at + out_stride * r
            linear_rows(x, here, x_stride, weights, w_at, out, there, out_stride, 1, inputs, outputs, adds)
            r += 1

    return linear


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


def per_atom(body: Callable) -> Callable:
    """An intrinsic (i, arrays, sizes) of a body (code, i, arrays, sizes) on what belongs to row i of some arrays."""

    def typed(typing, i, arrays, a, b, c):
        if not constants(a, b, c):
            return None

        def generate(context, builder, signature, args):
            code = Code(context, builder, next(kind.dtype for kind in arrays if isinstance(kind.dtype, types.Float)))
            given = [code.member(signature.args[1], args[1], k) for k in range(len(arrays))]
            sizes = [kind.literal_value for kind in signature.args[2:]]
            body(code, code.index(signature.args[0], args[0]), given, *sizes)
            return context.get_dummy_value()

        return types.void(i, arrays, a, b, c), generate

    typed.__name__ = body.__name__
    return intrinsic(typed)


@per_atom
def silu_row(code, i, arrays, size, b, c):
    x, out = arrays
    out.set_row(i * size, activated(x.row(i * size, size))[0])


@per_atom
def silu_back_row(code, i, arrays, size, b, c):
    """The gradient times the slope of the activation."""
    x, gradient = arrays
    gradient.set_row(i * size, gradient.row(i * size, size) * activated(x.row(i * size, size))[1])


@functools.lru_cache(None)
def silu_kernels(size: int):
    @compiled
    def forward(first, last, x, out):
        for i in range(first, last):
            silu_row(i, (x, out), size, 0, 0)

    @compiled
    def backward(first, last, x, gradient):
        for i in range(first, last):
            silu_back_row(i, (x, gradient), size, 0, 0)

    return forward, backward
