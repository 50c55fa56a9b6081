"""Neighbours as the kernels take them: candidates that hold for many steps, and rows with geometry."""

from typing import NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor

from ...mapping.whole import grid_steps
from . import geometry_rows

INDEX = np.int32


class Candidates(NamedTuple):
    """Who may see whom, row after row: entries ``start[i]`` to ``start[i + 1]`` are the senders that i may see.

    Of both ways of a pair one lies before ``middle[i]`` of its row, the other one after it; each row has half of its
    own, more or less. `image` counts the lattice vectors to senders; `partner` is the entry of the way back.
    """

    start: np.ndarray
    middle: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    partner: np.ndarray

    @classmethod
    def of_pairs(
        cls, receivers: int, pairs: np.ndarray, image: np.ndarray, opposite: np.ndarray, own: np.ndarray | None = None
    ) -> "Candidates":
        """Both directions of pairs [2, pairs] that are listed once.

        `own` [receivers] says who may have a pair before the middle of its row; by default all.
        """
        sizes = receivers + 1, receivers, *(3 * [2 * pairs.shape[1]])
        found = cls(*(np.empty(size, INDEX) for size in sizes))
        may = np.ones(receivers, bool) if own is None else own
        geometry_rows.both_directions(pairs[0], pairs[1], image, opposite, may, *found)
        return found


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
        own: np.ndarray | None = None,
    ) -> "Neighbors":
        """From shifts, which are steps of the grid of `near_origin`.

        Parameters
        ----------
        atoms, grains : int
        pairs : (int array [2, pairs], int array [pairs], Tensor [shifts, 3])
            Atoms, each pair once; which of the shifts is theirs; the shifts, Å.
        edges : (int array [2, edges], Tensor [edges, 3])
            Grains, each pair once, and their shifts.
        link_shift : Tensor, [links, 3]
        box : Tensor, [3, 3], Å, or None
        own : bool array, [atoms], optional
            As of `Candidates.of_pairs`.
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
        return cls(
            Candidates.of_pairs(atoms, index, of_pairs, opposite, own),
            Candidates.of_pairs(grains, edges[0], of_edges, opposite),
            torch.from_numpy(shifts).to(link_shift.dtype),
            of_links,
        )


class Rows(NamedTuple):
    """Neighbours with their geometry, as the kernels take them.

    Entries of receiver i are those from ``start[i]`` to ``end[i]``; those before ``middle[i]`` are as of `Candidates`.
    `partner` is the entry of the way back, and `pull` what an entry adds to the gradient by its sender's position.
    """

    start: np.ndarray
    middle: np.ndarray
    end: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    partner: np.ndarray
    unit: np.ndarray
    distance: np.ndarray
    pull: np.ndarray

    @classmethod
    def empty(cls, receivers: int, entries: int, dtype: np.dtype) -> "Rows":
        index = [np.empty(size, INDEX) for size in (receivers, receivers, receivers, entries, entries, entries)]
        return cls(*index, *(np.empty(size * entries, dtype) for size in (3, 1, 3)))


def flat(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().reshape(-1)


class RowsWithin:
    """Rows of neighbours within a cutoff (Å). The next call takes the same memory."""

    def __init__(self, cutoff: float):
        self.cutoff, self.rows = cutoff, None

    def room(self, near: Candidates, dtype: np.dtype) -> None:
        """Make room for the rows of these candidates; what was in them is lost."""
        if self.rows is None or len(near.start) != len(self.rows.start) + 1 or len(near.sender) > len(self.rows.sender):
            entries = len(near.sender) + len(near.sender) // 10
            self.rows = Rows.empty(len(near.start) - 1, entries, dtype)
            self.known = np.empty(entries, INDEX)

    def fill(self, first: int, last: int, positions: np.ndarray, shifts: np.ndarray, near: Candidates) -> None:
        """The rows of some receivers; their partners are not named yet."""
        given = positions, shifts, self.cutoff, tuple(near), self.known
        geometry_rows.rows_within(first, last, *given, tuple(self.rows))

    def settle(self, first: int, last: int, near: Candidates, halves: bool) -> None:
        """Name partners, when the rows of all receivers are filled: `halves` of those that do not pull themselves."""
        geometry_rows.settle(first, last, near.partner, self.known, tuple(self.rows), halves)
