"""What a group is made of, as numbers: a network on the bond graph, without coordinates (paper 002, section 3).

docs/papers.md says which paper that is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import GrainError
from ..structures.bondgraph import ORDERS
from .beadgroups import GroupedGraph
from .graphnetworks import GraphNetwork, summed


class GroupEmbedding(nn.Module):
    """Embeddings of groups: means of those of their beads (paper 002, eq. 1).

    Parameters
    ----------
    kinds : sequence of str
        Elements and species that are known.
    mass : float, Da
        Of a bead, in the mean.
    width, layers : int
        No layers: the mean of what stands for the beads' kinds.
    orders : sequence of int, optional
        Types of bonds that are known, by their places in `ORDERS`; all, without it.
    """

    def __init__(
        self, kinds: Sequence[str], mass: float, width: int, layers: int, orders: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.known, self.mass, self.orders = list(kinds), mass, orders
        self.of_bead, self.of_bond = nn.Embedding(len(kinds), width), nn.Embedding(len(ORDERS), width)
        self.network = GraphNetwork(width + 1, width, width, layers) if layers else None

    def forward(self, graph: GroupedGraph) -> Tensor:
        """[groups, width]

        Raises
        ------
        GrainError
            A kind of bead or a type of bond that is not known.
        """
        unknown = sorted(set(graph.kinds) - set(self.known))
        if unknown:
            raise GrainError(
                f"beads of kind {', '.join(unknown)}, but the propagator was trained on {', '.join(self.known)}; take "
                "one that was trained on all kinds of beads"
            )
        strange = sorted(set(graph.orders.tolist()) - set(self.orders)) if self.network and self.orders else []
        if strange:
            told, known = (", ".join(ORDERS[one] or "not told" for one in own) for own in (strange, self.orders or ()))
            raise GrainError(
                f"bonds of type {told}, but the propagator was trained on bonds of type {known}; give a topology that "
                "tells the types of bonds as that of the training did"
            )
        like = self.of_bead.weight
        places = {kind: place for place, kind in enumerate(self.known)}
        nodes = self.of_bead(torch.tensor([places[kind] for kind in graph.kinds], device=like.device))
        if self.network is not None:
            masses = torch.as_tensor(graph.masses / self.mass, dtype=like.dtype, device=like.device)
            first, second = torch.as_tensor(graph.bonds.T, dtype=torch.long, device=like.device)
            index = torch.stack([torch.cat([first, second]), torch.cat([second, first])])
            orders = torch.as_tensor(graph.orders, dtype=torch.long, device=like.device).repeat(2)
            edges = nodes[index[0]] + nodes[index[1]] + self.of_bond(orders)
            nodes = self.network(torch.cat([nodes, masses[:, None]], 1), edges, index)
        group = torch.as_tensor(graph.group, dtype=torch.long, device=like.device)
        counts = torch.bincount(group, minlength=graph.num_groups)
        return summed(nodes, group, graph.num_groups) / counts[:, None]
