"""Walls: energy that stands where training never was, and is zero on every frame that it saw.

No label says what happens there, and without walls molecules fuse or tear sooner or later.
"""

from contextlib import contextmanager
from typing import List, Sequence

import torch
from torch import Tensor, nn

from .graph import Graph, of_slots


class Walls(nn.Module):
    """The walls between grains and inside them; all have the form height (distance beyond)^3.

    Parameters
    ----------
    elements : list of sequence of str
        Element of each slot of each type.
    pair_classes : list of list of list of int
        Symmetry class of each ordered pair of slots of each type (`pair_classes_of`).
    height : float, eV/Å^3
        Of the wall between atoms of different grains that are closer than their elements ever were.
    inside_height : float, eV/Å^3
        Of the walls on either side of the range of each distance inside grains, and across links.
    link_kinds : int
        Kinds of pairs across links.
    """

    def __init__(
        self,
        elements: List[Sequence[str]],
        pair_classes: List[List[List[int]]],
        height: float,
        inside_height: float,
        link_kinds: int = 0,
    ):
        super().__init__()
        self.slots = [len(own) for own in elements]
        self.height = height
        self.inside_height = inside_height
        kinds = sorted({symbol for own in elements for symbol in own})
        numbers = [kinds.index(symbol) for own in elements for symbol in own]
        self.register_buffer("slot_element", torch.tensor(numbers), persistent=False)
        self.register_buffer("shortest", torch.zeros(len(kinds), len(kinds)))
        self.inside = nn.ModuleList(PairRanges(pairs) for pairs in pair_classes)
        self.across = LinkRanges(link_kinds) if link_kinds > 0 else None

    def set_contacts(self, graph: Graph, reach: float, keep: bool) -> None:
        """Begin at the shortest distance of each pair of elements in a graph that lists pairs up to `reach` (Å).

        `keep` what is shorter already. Elements that never met have no wall: nothing is known of them.
        """
        i, j = graph.pair_index[0], graph.pair_index[1]
        r = torch.linalg.norm(graph.positions[j] + graph.pair_shift - graph.positions[i], dim=1)
        met = torch.full_like(self.shortest, reach)
        element = of_slots(self.slot_element, self.slots, graph.counts)
        met.view(-1).scatter_reduce_(0, element[i] * len(met) + element[j], r.to(met.dtype), "amin")
        met = torch.minimum(met, met.T)
        if keep:
            met = torch.where(self.shortest > 0.0, torch.minimum(met, self.shortest), met)
        self.shortest.copy_(torch.where(met == reach, 0.0, met))

    def set_ranges(self, graphs: List[Graph], margin: float) -> None:
        """Widen the ranges inside grains to what these frames show, and `margin` (Å) besides.

        A long run finds what no frame shows. A class of pairs that was never met stays without walls.
        """
        for t, ranges in enumerate(self.inside):
            unknown = torch.isinf(ranges.high)
            ranges.low[unknown], ranges.high[unknown] = torch.inf, -torch.inf
            for graph in graphs:
                first, size = sum(n * s for n, s in zip(graph.counts[:t], self.slots)), self.slots[t]
                own = graph.positions[first : first + graph.counts[t] * size]
                if len(own):
                    ranges.widen(own.view(-1, size, 3), margin)
            unknown = torch.isinf(ranges.high)
            ranges.low[unknown], ranges.high[unknown] = 0.0, torch.inf
        if self.across is not None:
            self.across.widen(graphs, margin)

    @contextmanager
    def none_inside(self):
        """Within the `with` block grains have no walls inside: what the network by itself says of them."""
        height, self.inside_height = self.inside_height, 0.0
        try:
            yield
        finally:
            self.inside_height = height

    def extra_repr(self) -> str:
        return f"{self.height} eV/Å^3 between grains, {self.inside_height} eV/Å^3 inside them"


class PairRanges(nn.Module):
    """The range `low` to `high` (Å) of distances inside grains of one type, of each class of pair."""

    def __init__(self, pair_classes: List[List[int]]):
        super().__init__()
        pairs = torch.tensor(pair_classes)
        self.register_buffer("pairs", pairs, persistent=False)
        self.register_buffer("others", 1.0 - torch.eye(len(pairs)), persistent=False)
        self.register_buffer("low", torch.zeros(int(pairs.max()) + 1))
        self.register_buffer("high", torch.full((int(pairs.max()) + 1,), torch.inf))

    def forward(self, r: Tensor) -> Tensor:
        """How far outside each distance is, to the third power, half of it on either atom.

        [grains, slots, slots] Å -> [grains, slots] Å^3
        """
        outside = torch.relu(self.low[self.pairs] - r) + torch.relu(r - self.high[self.pairs])
        return 0.5 * (outside * outside * outside * self.others).sum(2)

    def widen(self, positions: Tensor, margin: float) -> None:
        """Let the ranges hold these grains, [grains, slots, 3] Å, and `margin` (Å) besides."""
        r = torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist")
        classes = self.pairs[self.others > 0.0]
        for ends, most, way in ((self.low, r.amin(0) - margin, "amin"), (self.high, r.amax(0) + margin, "amax")):
            ends.scatter_reduce_(0, classes, most[self.others > 0.0].to(ends.dtype), way)

    def extra_repr(self) -> str:
        return f"{len(self.pairs)} slots, {len(self.low)} classes of pair"


class LinkRanges(nn.Module):
    """The same across links: the range `low` to `high` (Å) of each kind of pair, which stands once each way."""

    def __init__(self, kinds: int):
        super().__init__()
        self.register_buffer("low", torch.zeros(kinds))
        self.register_buffer("high", torch.full((kinds,), torch.inf))

    def forward(self, r: Tensor, kind: Tensor) -> Tensor:
        """How far outside each distance is, to the third power, half of it for either way: [links] Å -> [links] Å^3."""
        outside = torch.relu(self.low[kind] - r) + torch.relu(r - self.high[kind])
        return 0.5 * outside * outside * outside

    def widen(self, graphs: List[Graph], margin: float) -> None:
        """Let the ranges hold the links of these graphs, and `margin` (Å) besides."""
        low = torch.where(torch.isinf(self.high), torch.inf, self.low)
        high = torch.where(torch.isinf(self.high), -torch.inf, self.high)
        for graph in graphs:
            i, j = graph.link_index[0].long(), graph.link_index[1].long()
            r = torch.linalg.norm(graph.positions[j] + graph.link_shift - graph.positions[i], dim=1).to(low.dtype)
            low.scatter_reduce_(0, graph.link_kind.long(), r - margin, "amin")
            high.scatter_reduce_(0, graph.link_kind.long(), r + margin, "amax")
        met = torch.isfinite(high)
        self.low.copy_(torch.where(met, low, 0.0))
        self.high.copy_(torch.where(met, high, torch.inf))

    def extra_repr(self) -> str:
        return f"{len(self.low)} kinds of pair across links"


def from_older_state(network: nn.Module, state: dict, prefix: str, *_) -> None:
    """Where a state has its walls by the names of version 0.1.0, or none inside grains: a hook for `load_state_dict`.

    Grains without walls keep the ranges that stand in the network.
    """
    walls = prefix + "walls."
    if prefix + "shortest" in state:
        state[walls + "shortest"] = state.pop(prefix + "shortest")
    for t, ranges in enumerate(network.walls.inside):
        for end, stands in ranges.state_dict().items():
            old = state.pop(f"{prefix}intra.{t}.{end}", stands)
            state.setdefault(f"{walls}inside.{t}.{end}", old)
