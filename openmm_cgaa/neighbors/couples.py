"""Pairs of grains to look at for neighbours, in lists of fixed length: all of them or, in a large box, those of cells.

No shape and no branch depends on a value, as a captured CUDA graph demands. Nothing waits for a device; it scripts.
"""

from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from ..mapping.whole import inverse
from .build import lattice_steps


class Capacity(NamedTuple):
    """How much a `fixed_graph` can hold.

    Attributes
    ----------
    images : list of int
        Lattice vectors on either side of the nearest image along which two grains may be neighbours once more, [3].
    cells : list of int
        Cells along each box vector, [3]; 0: all pairs of grains are looked at.
    in_cell : int
        Grains in the fullest cell.
    couples : int
        Pairs of grains that may have atoms within the cutoff.
    pairs : int
        Pairs of atoms.
    edges : int
        Pairs of grains within the grain cutoff; each makes two edges.
    """

    images: List[int]
    cells: List[int]
    in_cell: int
    couples: int
    pairs: int
    edges: int


def no_room() -> Capacity:
    """To begin with. A graph in it tells how many images and cells there are, and looks for no neighbours."""
    return Capacity([0, 0, 0], [0, 0, 0], 0, 0, 0, 0)


def roomier(room: Capacity, wanted: List[float], margin: float) -> Capacity:
    """For `margin` times the neighbours that a `fixed_graph` wanted, in a box a bit smaller; nothing shrinks."""
    images = [max(room.images[axis], int(1.05 * wanted[axis])) for axis in range(3)]
    cells = [int(wanted[3 + axis] / 1.05) for axis in range(3)]
    if min(cells) < 3 or cells[0] * cells[1] * cells[2] < 70:  # all pairs are fewer than those in few cells
        cells = [0, 0, 0]
    more = [int(margin * wanted[6 + kind]) + 8 for kind in range(4)]
    couples, pairs, edges = max(room.couples, more[1]), max(room.pairs, more[2]), max(room.edges, more[3])
    return Capacity(images, cells, max(room.in_cell, more[0]), couples, pairs, edges)


def longest_list(room: Capacity, grains: int, slots: int) -> float:
    """Entries of the longest list that is looked through, for so many grains of at most so many slots."""
    looked = 14.0 * room.in_cell if room.cells[0] > 0 else 0.5 * (grains + 1)
    for most in room.images:
        looked *= 2.0 * most + 1.0
    return max(looked * grains, float(room.couples) * slots * slots)


class Couples(NamedTuple):
    """Pairs of grains that may be neighbours, each pair of grains once.

    Attributes
    ----------
    j, k : Tensor of int64, [couples]
    turns : Tensor, [couples, 3]
        Lattice vectors to take off, so that K's nearest image stays.
    steps : Tensor, [images, 3]
        Lattice vectors to add, which give the other images.
    distance2 : Tensor, [images, couples], Å^2
        Infinite where there is no such couple.
    """

    j: Tensor
    k: Tensor
    turns: Tensor
    steps: Tensor
    distance2: Tensor


def select(chosen: Tensor, room: int) -> Tuple[Tensor, Tensor]:
    """The first places of a flat mask that are chosen, [room], then its length; and how many are chosen, []."""
    counted = chosen.flatten().cumsum(0, dtype=torch.int32)
    order = torch.arange(1, room + 1, dtype=torch.int32, device=chosen.device)
    return torch.searchsorted(counted, order), counted[-1:].sum()


def in_cells(fractions: Tensor, cells: List[int], room: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Points in one cell or in cells side by side, each pair once: j, k [pairs] and the fullest cell, [].

    Parameters
    ----------
    fractions : Tensor, [points, 3]
        In units of the box vectors.
    cells : list of int
        Along each box vector, [3], 3 or more.
    room : int
        Points in a cell. Where there are fewer, k is -1.
    """
    count, device = fractions.size(0), fractions.device
    inside = fractions - torch.floor(fractions)
    place = [(inside[:, axis] * cells[axis]).long().clamp(0, cells[axis] - 1) for axis in range(3)]
    filled, order = torch.sort((place[0] * cells[1] + place[1]) * cells[2] + place[2], stable=True)
    each = torch.arange(cells[0] * cells[1] * cells[2], device=device)
    rank = torch.arange(count, device=device) - torch.searchsorted(filled, each)[filled]
    last = torch.full_like(rank, each.size(0) * room)  # takes what does not fit
    table = torch.full([each.size(0) * room + 1], -1, dtype=torch.int64, device=device)
    table = table.scatter(0, torch.where(rank < room, filled * room + rank, last), order)[:-1].view(-1, room)
    step = torch.arange(13, 27, device=device)  # a cell is the 13th of the 27 about it; those behind it see it
    x = torch.remainder(place[0].unsqueeze(1) + torch.div(step, 9, rounding_mode="floor") - 1, cells[0])
    y = torch.remainder(place[1].unsqueeze(1) + torch.div(step, 3, rounding_mode="floor") % 3 - 1, cells[1])
    z = torch.remainder(place[2].unsqueeze(1) + step % 3 - 1, cells[2])
    k = table[(x * cells[1] + y) * cells[2] + z]  # [points, 14, room]
    j = torch.arange(count, device=device).view(-1, 1, 1).expand_as(k)
    again = (step == 13).view(1, -1, 1) & (k <= j)
    return j.flatten(), torch.where(again, torch.full_like(k, -1), k).flatten(), rank.max() + 1


def couples_of(centers: Tensor, box: Optional[Tensor], reach: Tensor, room: Capacity) -> Tuple[Couples, Tensor]:
    """Pairs of grains to look at, and what they want of a room's images, cells and grains in a cell, [7].

    Parameters
    ----------
    centers : Tensor of float64, [grains, 3], Å
    box : Tensor of float64, [3, 3], Å, or None
    reach : Tensor, [], Å
        How far apart two grains can be neighbours.
    room : Capacity
    """
    device = centers.device
    cell, fractions, wanted = centers.new_zeros([3, 3]), centers, centers.new_zeros([6])
    if box is not None:
        to_cell = inverse(box)
        cell, fractions, high = box, centers @ to_cell, 1.0 / torch.linalg.norm(to_cell, dim=0)
        wanted = torch.cat([reach / high + 0.5, high / reach])
    fullest = torch.zeros([], dtype=torch.int64, device=device)
    if room.cells[0] > 0:
        j, k, fullest = in_cells(fractions, room.cells, room.in_cell)
    else:
        grains = centers.size(0) if room.couples > 0 else 0
        every = torch.triu_indices(grains, grains, device=device)
        j, k = every[0], every[1]
    steps = lattice_steps(room.images, device)
    most = 2 * max(room.images) + 1
    up = (steps[:, 0] * most + steps[:, 1]) * most + steps[:, 2] > 0  # of two images of one grain the one
    is_one = (k >= 0) & ((j != k) | up.unsqueeze(1))
    steps, k = steps.to(centers.dtype), k.clamp(min=0)
    apart, turns = centers[k] - centers[j], torch.round(fractions[k] - fractions[j])
    if box is None:
        turns = torch.zeros_like(turns)
    apart, shifts = apart - turns @ cell, steps @ cell
    distance2 = torch.zeros_like(apart[:, 0])
    for axis in range(3):
        distance2 = distance2 + (apart[:, axis].unsqueeze(0) + shifts[:, axis].unsqueeze(1)).square()
    distance2 = torch.where(is_one, distance2, torch.full_like(distance2, float("inf")))
    return Couples(j, k, turns, steps, distance2), torch.cat([wanted, fullest.to(wanted.dtype).view(1)])


def chosen_couples(
    couples: Couples, chosen: Tensor, room: int, cell: Tensor, origin: Tensor
) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Those of a mask [images, couples]: j, k, shift as of `grains_in_reach`, whether it is one; and their number."""
    place, found = select(chosen, room)
    is_one = place < chosen.numel()
    place = torch.where(is_one, place, torch.zeros_like(place))
    image, couple = torch.div(place, chosen.size(1), rounding_mode="floor"), place % chosen.size(1)
    j, k = couples.j[couple], couples.k[couple]
    shift = (couples.steps[image] - couples.turns[couple]) @ cell + origin[k] - origin[j]
    return j, k, shift, is_one, found
