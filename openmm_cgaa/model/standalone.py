"""A model that needs no topology, as one TorchScript module: elements, positions, cell and near pairs in, energy out.

For engines that differentiate the energy by themselves, by the positions and by the cell.
"""

from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

from ..host.torchstate import building
from ..mapping.graintypes import GrainType
from ..mapping.perception import FoundGrains, GrainFinder, nothing_found
from ..mapping.whole import GRID, inverse
from ..neighbors.couples import Capacity, Couples, couples_of, no_room, roomier
from ..neighbors.fixed import is_outgrown
from ..nn import Graph, Network
from ..nn.graph import frame_sum


class Images(NamedTuple):
    """Which images of atoms and grains see each other; counted in lattice vectors.

    Attributes
    ----------
    turns : Tensor of int64, [atoms, 3]
        What makes each grain whole, with its center in the cell; in network order, as all that follows.
    pair_index, pair_steps : Tensor of int64, [2, pairs], [pairs, 3]
    edge_index, edge_steps : Tensor of int64, [2, edges], [edges, 3]
    origin : Tensor, [grains, 3], Å
        What is taken off the positions of each grain.
    """

    turns: Tensor
    pair_index: Tensor
    pair_steps: Tensor
    edge_index: Tensor
    edge_steps: Tensor
    origin: Tensor


class StandaloneModel(nn.Module):
    """Finds the grains of a network among atoms, and gives their energy.

    Atom pairs come from the engine, which lists neighbours anyhow; edges between grains are listed here, since no
    engine knows their centers. Which lattice vectors make grains whole is told by the pairs along bonds, so that cells
    may be skewed.

    Parameters
    ----------
    network : Network
        In evaluation mode, permutation invariant, one that `tells_grains`.
    types : list of GrainType
    numbers : dict of str to int
        Atomic number of each element.
    longest : dict of (str, str) to float, Å
        As of `GrainFinder`.
    """

    room: Capacity

    @building()
    def __init__(
        self, network: Network, types: List[GrainType], numbers: Dict[str, int], longest: Dict[Tuple[str, str], float]
    ):
        super().__init__()
        self.network = network.eval()
        self.finder = GrainFinder(types, numbers, longest)
        self.grain_cutoff, self.atom_cutoff = float(network.grain_cutoff), float(network.atom_cutoff)
        self.cutoff = max(self.atom_cutoff, self.finder.reach)
        dtypes = {p.dtype for p in network.parameters()}
        self.dtype: torch.dtype = torch.float64 if torch.float64 in dtypes else torch.float32
        self.largest, self.grid = self.finder.largest, GRID
        self.room = no_room()

    def forward(
        self, numbers: Tensor, positions: Tensor, cell: Optional[Tensor], pairs: Tensor, steps: Tensor
    ) -> Tuple[Tensor, str]:
        """Energy [], float64, eV, and why there is none, in words, or an empty string.

        Parameters
        ----------
        numbers : Tensor of int64, [atoms]
            Atomic numbers that the model knows.
        positions : Tensor of float64, [atoms, 3], Å
            Molecules may be broken across the boundary.
        cell : Tensor of float64, [3, 3], Å, or None
            Rows are the vectors; None: not periodic.
        pairs : Tensor of int64, [2, pairs]
            All pairs of atoms up to `cutoff` (Å), each once; others may be among them.
        steps : Tensor of int64, [pairs, 3]
            The vector between them is ``positions[second] + steps @ cell - positions[first]``.
        """
        energy = positions.new_zeros([])
        with torch.no_grad():
            settled = self.neighbors(numbers, positions, cell, pairs, steps)
        found, images, trouble = settled
        if trouble == "":
            graph = self.graph(found, images, positions, cell)
            energy = frame_sum(self.network.differentiable(graph).double(), graph)[0] + self.network.reference(graph)[0]
            if not bool(torch.isfinite(energy)):
                trouble = (
                    "the model's energy is not finite; atoms overlap or the run has left what the model knows: go back "
                    "to the last good frame, and relax it or use a shorter time step"
                )
        return energy, trouble

    def graph(self, found: FoundGrains, images: Images, positions: Tensor, cell: Optional[Tensor]) -> Graph:
        """The frame as the network sees it, as a function of positions and cell."""
        box = torch.zeros_like(positions[:1]).expand(3, 3) if cell is None else cell
        own, pairs, edges, origin = found.atom_grain, images.pair_index, images.edge_index, images.origin
        whole = positions[found.atom_index] + images.turns.to(box.dtype) @ box - origin[own]
        pair_shift = images.pair_steps.to(box.dtype) @ box + origin[own[pairs[1]]] - origin[own[pairs[0]]]
        edge_shift = images.edge_steps.to(box.dtype) @ box + origin[edges[1]] - origin[edges[0]]
        return Graph(
            positions=whole.to(self.dtype),
            counts=found.counts,
            atom_grain=own,
            grain_frame=torch.zeros_like(origin[:, 0], dtype=torch.int64),
            num_frames=1,
            pair_index=pairs,
            pair_shift=pair_shift.to(self.dtype),
            edge_index=edges,
            edge_shift=edge_shift.to(self.dtype),
            link_index=pairs[:, :0],
            link_shift=pair_shift[:0].to(self.dtype),
            link_kind=pairs[0, :0],
        )

    def neighbors(
        self, numbers: Tensor, positions: Tensor, cell: Optional[Tensor], pairs: Tensor, steps: Tensor
    ) -> Tuple[FoundGrains, Images, str]:
        """The molecules, which images of atoms and grains see each other, and what is wrong."""
        box = torch.zeros_like(positions[:1]).expand(3, 3) if cell is None else cell
        if not bool(torch.isfinite(positions).all() & torch.isfinite(box).all()):
            nothing = Images(steps, pairs, steps, pairs, steps, positions)
            return nothing_found(), nothing, "positions or cell are not finite; go back to the last good frame"
        between = positions[pairs[1]] + steps.to(box.dtype) @ box - positions[pairs[0]]
        distance2 = between.square().sum(1)
        found, along, trouble = self.finder(numbers, pairs[0], pairs[1], steps, distance2)
        turns = steps
        if trouble == "":
            turns, trouble = self.turns(found, along)
        if trouble != "":
            return found, Images(steps, pairs, steps, pairs, steps, positions), trouble
        grains = sum(found.counts)
        whole = positions[found.atom_index] + turns.to(box.dtype) @ box
        sizes = torch.bincount(found.atom_grain).unsqueeze(1)
        centers = torch.zeros_like(whole[:grains]).index_add(0, found.atom_grain, whole) / sizes
        if cell is not None:
            inside = torch.floor(centers @ inverse(cell))
            centers = centers - inside @ cell
            turns = turns - inside.long()[found.atom_grain]
        origin = torch.round(centers / self.grid) * self.grid  # single precision has digits for what is near zero
        pair_index, pair_steps = self.pairs_between(found, pairs, steps, distance2, turns)
        edge_index, edge_steps = self.edges(centers, cell)
        return found, Images(turns, pair_index, pair_steps, edge_index, edge_steps, origin), ""

    def turns(self, found: FoundGrains, along: Tensor) -> Tuple[Tensor, str]:
        """Lattice steps that make each grain whole, int64 [atoms, 3], and what is wrong; `along` are those of bonds."""
        if along.size(0) == 0:
            return torch.zeros([found.way.size(0), 3], dtype=torch.int64, device=along.device), ""
        turns, above = along[found.up] * found.way.unsqueeze(1), found.parent
        length = 1
        while length < self.largest:  # as `make_whole`
            turns, above = turns + turns[above], above[above]
            length *= 2
        count = found.place.size(0)
        one = turns[found.place[torch.div(found.bonds, count, rounding_mode="floor")]]
        closed = turns[found.place[found.bonds % count]] - one == along
        return turns, "" if bool(closed.all()) else self.finder.endless()

    def pairs_between(
        self, found: FoundGrains, pairs: Tensor, steps: Tensor, distance2: Tensor, turns: Tensor
    ) -> Tuple[Tensor, Tensor]:
        """Atom pairs of different grains, or of one and its image, [2, pairs], and their lattice steps, [pairs, 3]."""
        near = distance2 < self.atom_cutoff * self.atom_cutoff
        index = found.place[pairs[:, near]]
        shifts = steps[near] + turns[index[0]] - turns[index[1]]
        other = (found.atom_grain[index[0]] != found.atom_grain[index[1]]) | (shifts != 0).any(1)
        return index[:, other], shifts[other]

    def edges(self, centers: Tensor, cell: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
        """Edges between grains, [2, edges], both ways, and their lattice steps, [edges, 3]."""
        if self.grain_cutoff == 0.0:
            none = torch.zeros([2, 0], dtype=torch.int64, device=centers.device)
            return none, torch.zeros([0, 3], dtype=torch.int64, device=centers.device)
        couples = self.couples(centers, cell)
        image, couple = torch.where(couples.distance2 < self.grain_cutoff * self.grain_cutoff)
        index = torch.stack([couples.j[couple], couples.k[couple]])
        shifts = (couples.steps[image] - couples.turns[couple]).long()
        return torch.cat([index, index.flip(0)], 1), torch.cat([shifts, -shifts])

    def couples(self, centers: Tensor, cell: Optional[Tensor]) -> Couples:
        """Pairs of grains to look at, in a room that grows where there is too little."""
        reach = torch.full([], self.grain_cutoff, dtype=centers.dtype, device=centers.device)
        couples, wanted = couples_of(centers, cell, reach, self.room)
        wanted = torch.cat([wanted, torch.zeros_like(wanted[:3])])
        while self.room.couples == 0 or bool(is_outgrown(self.room, wanted)):  # at first nothing is looked at
            values: List[float] = wanted.tolist()
            self.room = roomier(self.room, values, 1.05)
            couples, own = couples_of(centers, cell, reach, self.room)
            wanted = torch.cat([own, torch.zeros_like(wanted[:3])])
        return couples
