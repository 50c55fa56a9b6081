"""Grains that one thread works on, and their atoms."""

from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """Grains `first_grain` to `last_grain` and atoms `first` to `last`, which are theirs."""

    first_grain: int
    last_grain: int
    first: int
    last: int

    @property
    def num_grains(self) -> int:
        return self.last_grain - self.first_grain

    @property
    def num_atoms(self) -> int:
        return self.last - self.first

    def grains(self, array: np.ndarray, width: int = 1) -> np.ndarray:
        """The rows of these grains, of a flat array with so many numbers a grain."""
        return array[self.first_grain * width : self.last_grain * width]

    def atoms(self, array: np.ndarray, width: int = 1) -> np.ndarray:
        """Likewise of the atoms."""
        return array[self.first * width : self.last * width]


def spans_of(start: np.ndarray, work: np.ndarray, count: int) -> list[Span]:
    """At most `count` spans with about as much work each.

    Parameters
    ----------
    start : int array, [grains + 1]
        First atom of each grain.
    work : array, [grains + 1]
        Of all grains before each one.
    count : int
    """
    ends = np.searchsorted(work, work[-1] * np.arange(1, count) / count)
    bounds = np.unique([0, *ends, len(start) - 1])
    return [Span(int(a), int(b), int(start[a]), int(start[b])) for a, b in zip(bounds[:-1], bounds[1:])]
