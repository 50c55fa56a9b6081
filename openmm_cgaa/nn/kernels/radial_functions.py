"""Radial functions of an entry, as the kernels over neighbours tell them."""

from collections.abc import Sequence

from .polynomials import POWERS, value_of, with_derivative
from .vectors import Array, Channels, Code, Index


class Radial:
    """Radial functions of entry e and their derivatives, part by part of all channels.

    `radial` is of a table one array, of the first distance and intervals per Å; functions are polynomials of the
    distance. Else it is places of weights, places of a basis, it and its slopes, and functions are sums over it.
    """

    def __init__(
        self, code: Code, radial: Sequence, weights: Array, channels: int, num_basis: int, distance: Array, e: Index
    ):
        self.code, self.weights, self.all, self.num_basis = code, weights, channels, num_basis
        if num_basis:
            place, own, self.basis, self.slope = radial
            self.first, self.own = place.index(e) * channels, own.index(e) * num_basis
        else:
            low, self.per_step = (radial[0].number(code.whole(k)) for k in range(2))
            x = (distance.number(e) - low) * self.per_step
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
