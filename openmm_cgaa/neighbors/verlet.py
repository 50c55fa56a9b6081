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
from .build import grains_in_reach, graph_near_origin, not_linked
from .memory import check_memory

SKIN = 1.0  # Å; hydrogens at 300 K wear it off in some 14 fs

_times_forgotten = 0


def forget_neighbors() -> None:
    """Let every `VerletList` of this process list its neighbours anew at its next call.

    The order in which forces are summed follows from the positions at which neighbours were listed. A run that forgets
    when it writes a checkpoint goes on as the one that starts from the checkpoint: equal to the bit. The lists inside a
    PythonForce cannot be reached one by one.
    """
    global _times_forgotten
    _times_forgotten += 1


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
        self.own = None if own is None else torch.from_numpy(own)
        grain_reach, atom_reach = (cutoff + skin if cutoff > 0.0 else 0.0 for cutoff in (grain_cutoff, atom_cutoff))
        self.reaches = grain_reach, atom_reach
        self.dtype = dtype
        self.far = 0.5 * skin - 1e-3  # Å, less than half by more than what single precision loses
        self.check = check
        self.builds = 0
        sizes = (layout.grain_atoms >= 0).sum(1).numpy()
        self.start = np.append(0, np.cumsum(sizes)).astype(INDEX)
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
            self.times_forgotten = _times_forgotten
            self.builds += 1
        return (ordered + self.moved).to(self.dtype), self.neighbors

    def holds(self, ordered: Tensor, box: Optional[Tensor]) -> bool:
        """Whether the box is the same and no atom has come far; false where a position is not a number."""
        if self.origin is None or self.times_forgotten != _times_forgotten:
            return False
        if box is not None and (self.box is None or not torch.equal(box, self.box)):
            return False
        return bool((ordered - self.origin).square().sum(1).max() < self.far * self.far)

    def listed(self, near: Tensor, origin: Tensor, box: Optional[Tensor]) -> Neighbors:
        """The neighbours that `graph_near_origin` finds; it looks at pairs of grains, and a kernel at their atoms."""
        grain_reach, atom_reach = self.reaches
        graph = graph_near_origin(near, origin, box, self.layout, grain_reach, 0.0, self.dtype)
        pairs, owner, shift = graph.pair_index.numpy(), np.zeros(0, INDEX), graph.pair_shift
        if atom_reach > 0.0:
            centers = grain_means(near, self.layout) + origin
            j, k, shift, local, radius = grains_in_reach(graph.positions, centers, origin, box, self.layout, atom_reach)
            if self.own is not None:
                seen = self.own[j] | self.own[k]
                j, k, shift = j[seen], k[seen], shift[seen]
            given = tuple(each.numpy() for each in (graph.positions, local, radius, j, k, shift))
            filled = [np.empty(self.room, INDEX) for _ in range(3)]
            found = near_atoms(self.start, *given, atom_reach, *filled)
            check_memory(float(found), atom_reach)
            if 2 * found >= 2**31:  # entries of both ways are counted by 32 bits
                raise GeometryError(
                    f"neighbours within {atom_reach:.4g} Å: {found:.3g} pairs are more than a list can hold; give a "
                    "smaller system, or a model with a shorter cutoff"
                )
            if found > self.room:
                self.room = found + found // 10
                filled = [np.empty(self.room, INDEX) for _ in range(3)]
                near_atoms(self.start, *given, atom_reach, *filled)
            pairs, owner = np.stack([each[:found] for each in filled[:2]]), filled[2][:found]
        if graph.link_shift.size(0) > 0:
            index, own = torch.from_numpy(pairs.astype(np.int64)), shift[torch.from_numpy(owner.astype(np.int64))]
            apart = not_linked(index, own, graph.link_index, graph.link_shift, len(near)).numpy()
            pairs, owner = pairs[:, apart], owner[apart]
        edges = graph.edge_index, graph.edge_shift
        if self.own is not None:
            seen = self.own[edges[0]].any(0)
            edges = edges[0][:, seen], edges[1][seen]
        return Neighbors.of(
            len(near), (pairs, owner, shift), (edges[0].numpy(), edges[1]), graph.link_shift, len(origin), box
        )
