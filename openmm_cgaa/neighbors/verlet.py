"""Neighbours that hold for many steps: listed with a skin, and listed anew before an atom has crossed half of it."""

from typing import Callable, Optional

import numpy as np
import torch
from torch import Tensor

from ..errors import GeometryError
from ..mapping.layout import Layout
from ..mapping.whole import grain_means, near_origin
from ..nn.kernels.neighbor_rows import INDEX, Neighbors
from ..nn.kernels.pair_kernels import near_atoms
from .build import not_linked, shifts_of_links
from .cells import pairs_from_cells
from .forgetting import times_forgotten
from .memory import check_memory

SKIN = 1.0  # Å; hydrogens at 300 K wear it off in some 14 fs


class VerletList:
    """Whole grains and their neighbours, for one topology after the other step.

    What lies in the skin is beyond the cutoffs, where the network gives exactly nothing: the list changes no number.

    Parameters
    ----------
    layout : Layout
    grain_cutoff, atom_cutoff : float, Å
        0.0: no neighbours of that kind.
    dtype : torch.dtype
        Of the network.
    skin : float, Å
    check : callable of (positions, box), optional
        Called whenever neighbours are listed, to refuse what cannot be used.
    own : bool array, [grains], optional
        List pairs alone of which one is an own grain; by default all are.

    Attributes
    ----------
    builds : int
        How often neighbours were listed.
    """

    def __init__(
        self,
        layout: Layout,
        grain_cutoff: float,
        atom_cutoff: float,
        dtype: torch.dtype,
        skin: float = SKIN,
        check: Optional[Callable] = None,
        own: Optional[np.ndarray] = None,
    ) -> None:
        self.layout = layout
        self.own = own
        grain_reach, atom_reach = (cutoff + skin if cutoff > 0.0 else 0.0 for cutoff in (grain_cutoff, atom_cutoff))
        self.reaches = grain_reach, atom_reach
        self.dtype = dtype
        self.far = 0.5 * skin - 1e-3  # Å, less than half by more than what single precision loses
        self.check = check
        self.builds = 0
        sizes = (layout.grain_atoms >= 0).sum(1).numpy()
        self.start = np.append(0, np.cumsum(sizes)).astype(INDEX)
        self.owner = layout.atom_grain.numpy()
        self.room = 64 * int(self.start[-1])  # for pairs of atoms
        self.origin: Optional[Tensor] = None
        self.box: Optional[Tensor] = None

    def __call__(self, positions: Tensor, box: Optional[Tensor]) -> tuple:
        """(positions [atoms, 3] in network order with every grain whole, `Neighbors`).

        Parameters
        ----------
        positions : Tensor of float64, [atoms, 3], Å
            In the topology's order.
        box : Tensor of float64, [3, 3], Å, or None
        """
        ordered = positions.index_select(0, self.layout.atom_index)
        if not self.holds(ordered, box):
            if self.check is not None:
                self.check(positions, box)
            near, origin = near_origin(positions, box, self.layout)
            self.neighbors = self.listed(near, origin, box)
            self.origin, self.box, self.moved = ordered, box, near - ordered
            self.times_forgotten = times_forgotten()
            self.builds += 1
        return (ordered + self.moved).to(self.dtype), self.neighbors

    def holds(self, ordered: Tensor, box: Optional[Tensor]) -> bool:
        """Whether the box is the same and no atom has come far; false where a position is not a number."""
        if self.origin is None or self.times_forgotten != times_forgotten():
            return False
        if box is not None and (self.box is None or not torch.equal(box, self.box)):
            return False
        return bool((ordered - self.origin).square().sum(1).max() < self.far * self.far)

    def listed(self, near: Tensor, origin: Tensor, box: Optional[Tensor]) -> Neighbors:
        """The neighbours that `graph_near_origin` finds; kernels look at pairs of grains, and at their atoms."""
        if not bool(torch.isfinite(near).all()):
            raise ValueError(
                "positions or box are not finite, or the box has no volume; go back to the last good frame"
            )
        grain_reach, atom_reach = self.reaches
        means = grain_means(near, self.layout)
        centers, cell = (means + origin).numpy(), None if box is None else box.numpy()
        edges = self._grains(centers, origin, cell, np.full(len(centers), 0.5 * grain_reach), grain_reach)
        positions, local = near.to(self.dtype).numpy(), means.to(self.dtype).numpy()
        radius = np.sqrt(np.maximum.reduceat(np.square(positions - local[self.owner]).sum(1), self.start[:-1]))
        reach = radius.astype(float) + 0.5 * atom_reach
        j, k, shift = self._grains(centers, origin, cell, reach, atom_reach)
        pairs, owner = self._atoms((positions, local, radius, j, k, shift.numpy()), atom_reach)
        link_shift = shifts_of_links(near, origin, box, self.layout).to(self.dtype)
        if link_shift.size(0) > 0:
            index, own = torch.from_numpy(pairs.astype(np.int64)), shift[torch.from_numpy(owner.astype(np.int64))]
            apart = not_linked(index, own, self.layout.link_index, link_shift, len(near)).numpy()
            pairs, owner = pairs[:, apart], owner[apart]
        own_atoms = None if self.own is None else self.own[self.owner]
        edges_of = np.stack(edges[:2]), edges[2]
        return Neighbors.of(len(near), (pairs, owner, shift), edges_of, link_shift, len(origin), box, own_atoms)

    def _grains(
        self, centers: np.ndarray, origin: Tensor, box: Optional[np.ndarray], reach: np.ndarray, cutoff: float
    ) -> tuple[np.ndarray, np.ndarray, Tensor]:
        """Pairs of grains, each once, and the shift between them as they are near the origin; none without a cutoff."""
        if cutoff == 0.0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), torch.zeros(0, 3, dtype=self.dtype)
        j, k, shift = pairs_from_cells(centers, box, reach)
        if self.own is not None:
            seen = self.own[j] | self.own[k]
            j, k, shift = j[seen], k[seen], shift[seen]
        moved = origin.numpy()
        return j, k, torch.from_numpy(shift + moved[k] - moved[j]).to(self.dtype)

    def _atoms(self, given: tuple, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of atoms closer than the reach, [2, pairs], and which pair of grains each is of."""
        if reach == 0.0:
            return np.zeros((2, 0), INDEX), np.zeros(0, INDEX)
        while True:
            filled = [np.empty(self.room, INDEX) for _ in range(3)]
            found = near_atoms(self.start, *given, reach, *filled)
            check_memory(float(found), reach)
            if 2 * found >= 2**31:  # entries of both ways are counted by 32 bits
                raise GeometryError(
                    f"neighbours within {reach:.4g} Å: {found:.3g} pairs are more than a list can hold; give a "
                    "smaller system, or a model with a shorter cutoff"
                )
            if found <= self.room:
                return np.stack([each[:found] for each in filled[:2]]), filled[2][:found]
            self.room = found + found // 10
