"""Grains made whole: frames of any grain map (numpy), and atoms on their way into a network (torch).

Both follow the bonds of each grain from its first atom and take the nearest image at every bond.
"""

from typing import TYPE_CHECKING, Optional, Tuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..structures import lattice
from .layout import Layout

if TYPE_CHECKING:
    from .grains import GrainMap

GRID = 64.0  # Å; single precision holds positions to 2e-6 Å in a cube of this size around the origin


def unwrap(grains: np.ndarray, tree: list, box: np.ndarray | None) -> np.ndarray:
    """Grains of one type, every child moved to the periodic image that is nearest to its parent.

    Parameters
    ----------
    grains : array [grains, slots, 3]
    tree : list of (parent slot, child slot)
        `GrainType.tree`.
    box : array [3, 3], rows are the vectors, or None
    """
    whole = grains.copy()
    if box is not None:
        box = lattice.reduced(box)
        inverse = np.linalg.inv(box)
        for parent, child in tree:
            bond = whole[:, child] - whole[:, parent]
            whole[:, child] -= np.round(bond @ inverse) @ box
    return whole


def whole_frame(
    grain_map: "GrainMap", positions: ArrayLike, box: np.ndarray | None = None, wrap: bool = False
) -> np.ndarray:
    """Positions with every molecule in one piece, [atoms, 3], in the topology's order and the unit given.

    Parameters
    ----------
    grain_map : GrainMap
    positions : array [atoms, 3]
        Grains may be broken across the boundary.
    box : array [3, 3], rows are the vectors, or None
        None: nothing is moved.
    wrap : bool
        Move each molecule so that its center lies in the box: a grain, with all that is linked to it.
    """
    whole = np.array(positions, dtype=float)
    if box is None:
        return whole
    grain_map, inverse = grain_map.molecules, np.linalg.inv(box)
    for t, kind in enumerate(grain_map.types):
        atoms = grain_map.members(t)
        grains = unwrap(whole[atoms], kind.tree, box)
        if wrap:
            grains -= np.floor(grains.mean(axis=1, keepdims=True) @ inverse) @ box
        whole[atoms] = grains
    return whole


def whole_frames(grain_map: "GrainMap", positions: np.ndarray, boxes: np.ndarray | None = None) -> np.ndarray:
    """`whole_frame` of each frame, [frames, atoms, 3]; boxes [frames, 3, 3], or None."""
    each = [None] * len(positions) if boxes is None else boxes.astype(float)
    return np.stack([whole_frame(grain_map, frame, box) for frame, box in zip(positions, each)])


def inverse(box: Tensor) -> Tensor:
    """The inverse of a box [3, 3] by cross products: a library of linear algebra could make a GPU wait."""
    a, b, c = box[0], box[1], box[2]
    across = torch.linalg.cross(b, c)
    columns = [across, torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    return torch.stack(columns, 1) / (a * across).sum()


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
    steps = -torch.round(bonds @ inverse(box))  # lattice steps of one bond
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
    cells = torch.floor((centers[:, :3] / centers[:, 3:]) @ inverse(box))
    return positions - (cells @ box)[atom_grain]


def network_positions(positions: Tensor, box: Optional[Tensor], layout: Layout) -> Tensor:
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
    whole = network_positions(positions, box, layout)
    centers = grain_means(whole, layout)
    steps = grid_steps(box, centers, grid)
    middle = 0.5 * steps.sum(0) if box is not None else centers.mean(0)
    origin = torch.round((centers - middle) @ inverse(steps)) @ steps
    if box is None:
        origin = origin + middle
    return whole - origin[layout.atom_grain], origin
