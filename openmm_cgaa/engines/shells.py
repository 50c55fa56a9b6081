"""Which grains a process must know beside its own ones: all that these see, and no others."""

from typing import NamedTuple

import numpy as np
import torch

from ..mapping.layout import Layout
from ..mapping.whole import grain_means, near_origin
from ..neighbors.cells import pairs_from_cells
from ..nn.kernels.pair_kernels import near_atoms


class Frame(NamedTuple):
    """Whole grains of one frame, in network order, Å: positions less `origin` [grains, 3]; centers are where they are.

    `start` [grains + 1] counts the atoms, `radius` [grains] is that of the atom furthest from the center.
    """

    positions: torch.Tensor
    origin: torch.Tensor
    centers: torch.Tensor
    radius: torch.Tensor
    start: np.ndarray
    box: torch.Tensor

    @classmethod
    def of(cls, positions: torch.Tensor, box: torch.Tensor, layout: Layout) -> "Frame":
        near, origin = near_origin(positions, box, layout)
        local = grain_means(near, layout)
        away = torch.linalg.norm(near - local[layout.atom_grain], dim=1)
        radius = torch.zeros_like(local[:, 0]).scatter_reduce(0, layout.atom_grain, away, "amax")
        start = np.append(0, np.cumsum((layout.grain_atoms >= 0).sum(1).numpy()))
        return cls(near, origin, local + origin, radius, start, box)


def seen_by(own: np.ndarray, frame: Frame, grain_reach: float, atom_reach: float) -> np.ndarray:
    """Grains that own ones see, bool [grains]: by their centers within one reach, or by any two atoms within the other.

    Parameters
    ----------
    own : bool array, [grains]
        In network order, as is the result; own grains are not marked.
    frame : Frame
    grain_reach, atom_reach : float, Å
    """
    reach = max(grain_reach, atom_reach + 2.0 * float(frame.radius.max()))
    around = np.flatnonzero(near_block(own, frame, reach))
    found = np.zeros(len(own), dtype=bool)
    centers, origin, radius = frame.centers.numpy(), frame.origin.numpy(), frame.radius.numpy()
    j, k, shift = pairs_from_cells(centers[around], frame.box.numpy(), np.full(len(around), 0.5 * reach))
    j, k = around[j], around[k]
    border, back = own[j] != own[k], own[k]  # from an own grain to another one
    j, k, shift = (
        np.where(back, k, j)[border],
        np.where(back, j, k)[border],
        np.where(back[:, None], -shift, shift)[border],
    )
    distance = np.linalg.norm(centers[k] + shift - centers[j], axis=1)
    by_center = distance < grain_reach
    found[k[by_center]] = True
    left = ~by_center & (distance < radius[j] + radius[k] + atom_reach)
    j, k, shift = j[left], k[left], shift[left] + origin[k[left]] - origin[j[left]]
    given = frame.start, frame.positions.numpy(), centers - origin, radius, j, k, shift
    room, number = 0, 16 * len(j)
    while number > room:
        room = number
        filled = [np.empty(room, np.int64) for _ in range(3)]
        number = near_atoms(*given, atom_reach, *filled)
    found[k[filled[2][:number]] if room else []] = True
    return found & ~own


def near_block(own: np.ndarray, frame: Frame, reach: float) -> np.ndarray:
    """Grains in the block of the box that holds the own ones, widened by a reach on all sides, bool [grains]."""
    inverse = torch.linalg.inv(frame.box)
    place = (frame.centers @ inverse).remainder(1.0).numpy()
    margin = reach * torch.linalg.norm(inverse, dim=0).numpy()
    inside = np.ones(len(own), dtype=bool)
    for axis in range(3):
        known = np.sort(place[own, axis])
        gaps = np.diff(known, append=known[0] + 1.0)  # on a circle; the widest one is what the block leaves out
        widest = int(gaps.argmax())
        begin, length = known[(widest + 1) % len(known)] - margin[axis], 1.0 - gaps[widest] + 2.0 * margin[axis]
        inside &= (place[:, axis] - begin) % 1.0 <= length
    return inside | own
