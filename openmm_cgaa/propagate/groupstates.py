"""States: positions of groups with their history, as networks of dynamics take them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..errors import GeometryError


class GroupState(NamedTuple):
    """Groups of one or more systems at one time.

    Attributes
    ----------
    velocities : Tensor, [groups, k, 3]
        Displacements by step, the latest first; in units of the scale.
    masses : Tensor, [groups]
        By the mean of the training.
    ends : Tensor, [2, edges]
        Groups of each edge: to the first, from the second.
    ways : Tensor, [edges, 3]
        From the second to the first, by the radius.
    bonded : Tensor, [edges]
        1 where a bond joins the two, else 0.
    """

    velocities: Tensor
    masses: Tensor
    ends: Tensor
    ways: Tensor
    bonded: Tensor


def edges_of(
    positions: np.ndarray, bonds: np.ndarray, radius: float, box: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends of all edges and their ways, both ways: bonds, and pairs within a radius.

    Parameters
    ----------
    positions : array [groups, 3], Å
    bonds : array [pairs, 2]
    radius : float, Å
    box : array [3], Å, or None
        Edges of a box of right angles.

    Returns
    -------
    ends : array [2, edges]
    ways : array [edges, 3], Å
        From the second to the first; the shortest.
    bonded : array [edges]

    Raises
    ------
    GeometryError
        The box is narrower than twice the radius.
    """
    check_reach(radius, box)
    wrapped = positions if box is None else np.mod(positions, box)
    if box is not None:
        wrapped = np.where(wrapped < box, wrapped, 0.0)  # what lies below zero by less than a digit
    near = cKDTree(wrapped, boxsize=box).query_pairs(radius, output_type="ndarray")
    pairs = np.concatenate([np.asarray(bonds, dtype=int).reshape(-1, 2), near])
    _, first = np.unique(np.sort(pairs, axis=1) @ [len(positions), 1], return_index=True)
    pairs, bonded = pairs[first], (first < len(bonds)).astype(np.float32)
    ways = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    if box is not None:
        ways -= box * np.round(ways / box)
    ends = np.concatenate([pairs, pairs[:, ::-1]]).T
    return ends, np.concatenate([ways, -ways]), np.concatenate([bonded, bonded])


def check_reach(radius: float, box: np.ndarray | None) -> None:
    """Refuse a box in which groups would see each other twice.

    Raises
    ------
    GeometryError
    """
    if box is not None and radius > 0.5 * box.min():
        raise GeometryError(
            f"the propagator looks {radius:g} Å far, but the box is {box.min():.2f} Å wide; take a box of "
            f"{2 * radius:g} Å or more, or a propagator of a shorter radius"
        )


def joined_states(states: Sequence[GroupState]) -> GroupState:
    """Several systems as one, without edges between them."""
    offset, indices = 0, []
    for state in states:
        indices.append(state.ends + offset)
        offset += len(state.masses)
    others = [name for name in GroupState._fields if name != "ends"]
    parts = {name: torch.cat([getattr(state, name) for state in states]) for name in others}
    return GroupState(ends=torch.cat(indices, 1), **parts)
