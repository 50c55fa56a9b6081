"""Neighbours as the kernels take them: candidates that hold for many steps, and rows with geometry and radial basis."""

from typing import NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor

from ...mapping.whole import grid_steps
from ..graph import Graph
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
    def from_graph(cls, graph: Graph, box: Optional[Tensor]) -> "Neighbors":
        """The neighbours of a `Graph` of one frame, their shifts as steps of the grid of `near_origin`."""
        known = graph.pair_shift, graph.edge_shift, graph.link_shift, torch.zeros_like(graph.positions[:1])
        shift = torch.cat(known).double()
        steps = torch.round(shift @ torch.linalg.inv(grid_steps(box, shift)))
        width = (
            2 * int(steps.abs().max()) + 1
        )  # lattice vectors are numbered as digits of this base, zero in the middle
        numbers = steps @ steps.new_tensor([width**2, width, 1.0]) + width**3 // 2
        image = numbers.long().numpy()
        opposite = np.arange(width**3)[::-1].copy()
        shifts = np.zeros((width**3, 3))
        shifts[opposite[image]] = -shift.numpy()
        shifts[image] = shift.numpy()
        pairs, edges = graph.pair_index.numpy(), graph.edge_index.numpy()
        of_pairs, of_edges, of_links, _ = np.split(image, np.cumsum([len(each) for each in known[:3]]))
        once = (edges[0] < edges[1]) | ((edges[0] == edges[1]) & (of_edges > width**3 // 2))
        return cls(
            Candidates.of_pairs(graph.positions.size(0), pairs, of_pairs, opposite),
            Candidates.of_pairs(graph.grain_frame.size(0), edges[:, once], of_edges[once], opposite),
            torch.from_numpy(shifts).to(graph.positions.dtype),
            of_links,
        )


class Rows(NamedTuple):
    """Neighbours with their geometry and radial basis, as the kernels take them."""

    start: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    group: np.ndarray
    unit: np.ndarray
    distance: np.ndarray
    basis: np.ndarray
    slope: np.ndarray


def flat(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().reshape(-1)


def empty_rows(receivers: int, entries: int, num_basis: int, dtype: np.dtype) -> Rows:
    index = [np.empty(size, INDEX) for size in (receivers + 1, entries, entries, entries)]
    return Rows(*index, *(np.empty(size * entries, dtype) for size in (3, 1, num_basis, num_basis)))


class BesselRows:
    """Rows of neighbours, with each sender's `kind` as group. The next call takes the same memory."""

    def __init__(self, basis, scale: float, kind: np.ndarray):
        self.kind = kind
        self.frequencies, self.cutoff, self.scale = basis.frequencies.double().numpy(), float(basis.cutoff), scale
        self.rows = None

    def __call__(self, positions: Tensor, shifts: Tensor, near: Candidates) -> Rows:
        x = flat(positions)
        if self.rows is None or len(near.start) != len(self.rows.start) or len(near.sender) > len(self.rows.sender):
            entries = len(near.sender) + len(near.sender) // 10
            self.rows = empty_rows(len(near.start) - 1, entries, len(self.frequencies), x.dtype)
            self.place = np.empty(entries, INDEX)
        settings = self.kind, self.frequencies, self.cutoff, self.scale
        geometry_rows.bessel_rows(x, flat(shifts), *settings, tuple(near), self.place, *self.rows)
        return self.rows
