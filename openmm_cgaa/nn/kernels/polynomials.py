"""Polynomials of a table with several channels, which kernels tell with their derivatives (`radial_tables`)."""

from numba import types
from numba.extending import intrinsic

from .vectors import Array, Channels, Code, Index, Number, constants

POWERS = 6  # coefficients of each polynomial


def value_of(table: Array, first: Index, t: Number, size: int, stride: int) -> Channels:
    """Of `size` channels at t, where coefficients of the same power are `stride` numbers apart."""
    found = table.row(first + (POWERS - 1) * stride, size)
    for k in range(POWERS - 2, -1, -1):
        found = found * t + table.row(first + k * stride, size)
    return found


def with_derivative(table: Array, first: Index, t: Number, size: int, stride: int) -> tuple[Channels, Channels]:
    """The same and its derivative by t."""
    found, change = table.row(first + (POWERS - 1) * stride, size), table.code.zeros(size)
    for k in range(POWERS - 2, -1, -1):
        change = change * t + found
        found = found * t + table.row(first + k * stride, size)
    return found, change


@intrinsic
def tell_row(typing, table, interval, t, factor, size, entry, out, out_change):
    """Values and derivatives times `factor` of all channels of a table [intervals, 6, size], into rows of arrays."""
    if not constants(size):
        return None

    def generate(context, builder, signature, args):
        code = Code(context, builder, table.dtype)
        width = signature.args[4].literal_value
        given, values, changes = (code.array(signature.args[k], args[k]) for k in (0, 6, 7))
        first = code.index(signature.args[1], args[1]) * (POWERS * width)
        place = code.index(signature.args[5], args[5]) * width
        value, change = with_derivative(given, first, code.given(signature.args[2], args[2]), width, width)
        values.set_row(place, value)
        changes.set_row(place, change * code.given(signature.args[3], args[3]))
        return context.get_dummy_value()

    return types.void(table, interval, t, factor, size, entry, out, out_change), generate
