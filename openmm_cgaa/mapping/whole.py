"""From a topology's atoms to whole grains in network order."""

from typing import Optional, Tuple

import torch
from torch import Tensor

from .layout import Layout

GRID = 64.0  # Å; single precision holds positions to 2e-6 Å in a cube of this size around the origin


def make_whole(positions: Tensor, box: Tensor, parent: Tensor, max_size: int) -> Tensor:
    """Move the atoms of each grain by lattice vectors until every bond is as short as possible.

    Parameters
    ----------
    positions : Tensor, [atoms, 3]
    box : Tensor, [3, 3]
        Rows are the box vectors; bonds must be shorter than half the smallest height of the box.
    parent : Tensor of int64, [atoms]
    max_size : int
        Atoms of the largest grain, an upper bound to the length of a path along bonds.
    """
    bonds = positions - positions[parent]
    steps = -torch.round(bonds @ torch.linalg.inv_ex(box)[0])  # lattice steps of one bond
    # sum the steps over the path to the first atom, doubling the length of the path each time
    above = parent
    length = 1
    while length < max_size:
        steps, above = steps + steps[above], above[above]
        length *= 2
    return positions + steps @ box


def wrap_grains(positions: Tensor, box: Tensor, atom_grain: Tensor, num_grains: int) -> Tensor:
    """Move whole grains by lattice vectors so that their centers lie in the cell, [atoms, 3]."""
    centers = torch.zeros(num_grains, 4, dtype=positions.dtype, device=positions.device).index_add(
        0, atom_grain, torch.cat([positions, torch.ones_like(positions[:, :1])], 1)
    )
    cells = torch.floor((centers[:, :3] / centers[:, 3:]) @ torch.linalg.inv_ex(box)[0])
    return positions - (cells @ box)[atom_grain]


def whole_grains(positions: Tensor, box: Optional[Tensor], layout: Layout) -> Tensor:
    """Positions in network order, every grain whole and its center inside the cell.

    Parameters
    ----------
    positions : Tensor, [atoms, 3]
        In the topology's order; grains may be broken across the boundary and may lie anywhere.
    box : Tensor, [3, 3], or None
        Rows are the box vectors, in the unit of the positions; None: not periodic, nothing is moved.
    layout : Layout
    """
    positions = positions[layout.atom_index]
    if box is None:
        return positions
    positions = make_whole(positions, box, layout.parent, layout.grain_atoms.size(1))
    return wrap_grains(positions, box, layout.atom_grain, layout.grain_atoms.size(0))


def grain_means(values: Tensor, layout: Layout) -> Tensor:
    """Mean over the atoms of each grain, [atoms, 3] -> [grains, 3]."""
    sizes = (layout.grain_atoms >= 0).sum(1, keepdim=True)
    sums = torch.zeros(sizes.size(0), values.size(1), dtype=values.dtype, device=values.device)
    return sums.index_add(0, layout.atom_grain, values) / sizes


def grid_steps(box: Optional[Tensor], like: Tensor, grid: float = GRID) -> Tensor:
    """Steps of the grid of `near_origin`, [3, 3] rows, of the type of a tensor: none is longer than `grid`.

    They divide the box vectors by whole numbers, so that lattice vectors are whole steps. Without a box they lie along
    the axes.
    """
    if box is None:
        return grid * torch.eye(3, dtype=like.dtype, device=like.device)
    return (box / torch.ceil(torch.linalg.norm(box, dim=1, keepdim=True) / grid)).to(like.dtype)


def near_origin(positions: Tensor, box: Optional[Tensor], layout: Layout, grid: float = GRID) -> Tuple[Tensor, Tensor]:
    """Whole grains, in network order, where single precision has the digits for them; and where that is.

    A molecule may be anywhere in a large box, and without one far from all others too: each grain is moved to the
    origin by steps of a grid. A box shorter than a step stays as it is, the centers inside the cell. Without a box the
    grid has a point in the middle of all grains, and a cluster below the size of a step stays together.

    Parameters
    ----------
    positions : Tensor, [atoms, 3]
    box : Tensor, [3, 3], or None
    layout : Layout
    grid : float, Å

    Returns
    -------
    positions : Tensor, [atoms, 3]
    origin : Tensor, [grains, 3]
        What was taken off.
    """
    whole = whole_grains(positions, box, layout)
    centers = grain_means(whole, layout)
    steps = grid_steps(box, centers, grid)
    middle = 0.5 * steps.sum(0) if box is not None else centers.mean(0)
    origin = torch.round((centers - middle) @ torch.linalg.inv_ex(steps)[0]) @ steps
    if box is None:
        origin = origin + middle
    return whole - origin[layout.atom_grain], origin
