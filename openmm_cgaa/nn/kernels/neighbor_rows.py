"""Neighbours as the kernels take them: candidates that hold for many steps, and rows with geometry and radial basis."""

from typing import Any, NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor

from ...mapping.whole import grid_steps
from . import geometry_rows

INDEX = np.int32


class Candidates(NamedTuple):
    """Who may see whom, row after row: entries ``start[i]`` to ``start[i + 1]`` are the senders that i may see.

    `image` counts the lattice vectors to them; `partner` is the entry of the way back.
    """

    start: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    partner: np.ndarray

    @classmethod
    def of_pairs(cls, receivers: int, pairs: np.ndarray, image: np.ndarray, opposite: np.ndarray) -> "Candidates":
        """Both directions of pairs [2, pairs] that are listed once."""
        own = cls(np.empty(receivers + 1, INDEX), *(np.empty(2 * pairs.shape[1], INDEX) for _ in range(3)))
        geometry_rows.both_directions(pairs[0], pairs[1], image, opposite, *own)
        return own


class Neighbors(NamedTuple):
    """Candidates among atoms and among grains; further ones than the cutoffs do no harm.

    Attributes
    ----------
    atoms, grains : Candidates
    shifts : Tensor, [images, 3], Å
        The lattice vectors that `image` counts; none of the grid is in the middle.
    links : int array, [links]
        Image of each pair that a link holds together.
    """

    atoms: Candidates
    grains: Candidates
    shifts: Tensor
    links: np.ndarray

    @classmethod
    def of(
        cls,
        atoms: int,
        pairs: tuple[np.ndarray, np.ndarray, Tensor],
        edges: tuple[np.ndarray, Tensor],
        link_shift: Tensor,
        grains: int,
        box: Optional[Tensor],
    ) -> "Neighbors":
        """From shifts, which are steps of the grid of `near_origin`.

        Parameters
        ----------
        atoms, grains : int
        pairs : (int array [2, pairs], int array [pairs], Tensor [shifts, 3])
            Atoms, each pair once; which of the shifts is theirs; the shifts, Å.
        edges : (int array [2, edges], Tensor [edges, 3])
            Grains, both ways, and their shifts.
        link_shift : Tensor, [links, 3]
        box : Tensor, [3, 3], Å, or None
        """
        known = pairs[2], edges[1], link_shift, link_shift.new_zeros(1, 3)
        shift = torch.cat([each.double() for each in known])
        steps = torch.round(shift @ torch.linalg.inv(grid_steps(box, shift)))
        width = 2 * int(steps.abs().max()) + 1  # lattice vectors are digits of this base, zero in the middle
        numbers = steps @ steps.new_tensor([width**2, width, 1.0]) + width**3 // 2
        image = numbers.long().numpy()
        opposite = np.arange(width**3)[::-1].copy()
        shifts = np.zeros((width**3, 3))
        shifts[opposite[image]] = -shift.numpy()
        shifts[image] = shift.numpy()
        of_shifts, of_edges, of_links, _ = np.split(image, np.cumsum([len(each) for each in known[:3]]))
        of_pairs, index = of_shifts[pairs[1]], pairs[0]
        once = (edges[0][0] < edges[0][1]) | ((edges[0][0] == edges[0][1]) & (of_edges > width**3 // 2))
        return cls(
            Candidates.of_pairs(atoms, index, of_pairs, opposite),
            Candidates.of_pairs(grains, edges[0][:, once], of_edges[once], opposite),
            torch.from_numpy(shifts).to(link_shift.dtype),
            of_links,
        )


class Rows(NamedTuple):
    """Neighbours with their geometry, as the kernels take them; `partner` is the entry of the way back."""

    start: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    group: np.ndarray
    partner: np.ndarray
    unit: np.ndarray
    distance: np.ndarray


def flat(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().reshape(-1)


def empty_rows(receivers: int, entries: int, dtype: np.dtype) -> Rows:
    index = [np.empty(size, INDEX) for size in (receivers + 1, entries, entries, entries, entries)]
    return Rows(*index, np.empty(3 * entries, dtype), np.empty(entries, dtype))


class RowsWithin:
    """Rows of neighbours within a cutoff (Å), each sender's `kind` as group. The next call takes the same memory."""

    def __init__(self, cutoff: float, kind: np.ndarray):
        self.cutoff, self.kind, self.rows = cutoff, kind, None

    def __call__(self, positions: Tensor, shifts: Tensor, near: Candidates) -> Rows:
        x = flat(positions)
        if self.rows is None or len(near.start) != len(self.rows.start) or len(near.sender) > len(self.rows.sender):
            entries = len(near.sender) + len(near.sender) // 10
            self.rows = empty_rows(len(near.start) - 1, entries, x.dtype)
            self.known = np.empty(entries, INDEX)
        geometry_rows.rows_within(x, flat(shifts), self.kind, self.cutoff, tuple(near), self.known, *self.rows)
        return self.rows


class BesselRows(RowsWithin):
    """The same with a `BesselBasis` and its slope at each entry; all senders are of one kind."""

    def __init__(self, basis: Any, senders: int):
        super().__init__(float(basis.cutoff), np.zeros(senders, INDEX))
        self.frequencies = basis.frequencies.double().numpy()

    def __call__(self, positions: Tensor, shifts: Tensor, near: Candidates) -> tuple:
        known, rows = self.rows, super().__call__(positions, shifts, near)
        if rows is not known:
            self.basis, self.slope = (
                np.empty(len(rows.sender) * len(self.frequencies), x) for x in 2 * [rows.unit.dtype]
            )
        geometry_rows.bessel_rows(rows.distance, rows.start[-1], self.frequencies, self.cutoff, self.basis, self.slope)
        return rows, self.basis, self.slope
