"""What dynamics and score are made of: from scalars and vectors of nodes to latent scalars and vectors, in two forms.

``plain`` takes components of vectors as numbers, as paper 002 does. ``equivariant`` gives vectors that turn with its
input: messages are scalars, and vectors along edges and along those of the other node, scaled by scalars, in the way of
K. T. Schütt et al., ICML (2021). docs/papers.md says which paper 002 is.
"""

import torch
from torch import Tensor, nn

from .graphnetworks import GraphNetwork, perceptron, summed

EDGE_KINDS, EDGE_WIDTH = 2, 8  # bonded or near; numbers that stand for it
SHORT = 1e-9
PLAIN, EQUIVARIANT = "plain", "equivariant"


class PlainCore(nn.Module):
    """From features of nodes and edges to latents and vectors, whose components are numbers like others.

    Parameters
    ----------
    scalars, vectors : int
        Of a node that come in.
    outputs : int
        Vectors of a node that go out.
    width, layers : int
    """

    def __init__(self, scalars: int, vectors: int, outputs: int, width: int, layers: int) -> None:
        super().__init__()
        self.kinds = nn.Embedding(EDGE_KINDS, EDGE_WIDTH)
        self.network = GraphNetwork(scalars + 3 * vectors, 4 + EDGE_WIDTH, width, layers)
        self.decode = perceptron(width, width, 3 * outputs, normalized=False)

    def forward(
        self, scalars: Tensor, vectors: Tensor, index: Tensor, ways: Tensor, bonded: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scalars [n, a], vectors [n, b, 3] and edges to latents [n, width] and vectors [n, outputs, 3]."""
        edges = torch.cat([ways, ways.norm(dim=1, keepdim=True), self.kinds(bonded.long())], 1)
        latents = self.network(torch.cat([scalars, vectors.flatten(1)], 1), edges, index)
        return latents, self.decode(latents).unflatten(1, (-1, 3))


def shortened(vectors: Tensor) -> Tensor:
    """Vectors [n, channels, 3] of a node by one number, so that their mean square stays below 1."""
    return vectors * torch.rsqrt(1.0 + vectors.square().sum(-1).mean(1))[:, None, None]


class ScalarVectorLayer(nn.Module):
    """One exchange of messages by scalars and vectors of nodes; both are normalised behind it.

    Parameters
    ----------
    width, channels, edge_width : int
        Scalars of a node, its vectors, and scalars of an edge.
    """

    def __init__(self, width: int, channels: int, edge_width: int) -> None:
        super().__init__()
        self.channels = channels
        self.of_edge = perceptron(2 * width + edge_width + 3 * channels, width, width + 3 * channels, normalized=False)
        self.of_node = perceptron(2 * width + 2 * channels, width, width + channels, normalized=False)
        self.mix_own, self.mix_sum = (nn.Linear(channels, channels, bias=False) for _ in range(2))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, scalars: Tensor, vectors: Tensor, edges: Tensor, index: Tensor, unit: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scalars [n, width], vectors [n, channels, 3], edges [e, edge width], their ends and unit vectors [e, 3]."""
        to, from_ = index
        here, there = vectors[to], vectors[from_]
        products = [(here * unit[:, None]).sum(-1), (there * unit[:, None]).sum(-1), (here * there).sum(-1)]
        said = self.of_edge(torch.cat([scalars[to], scalars[from_], edges, *products], 1))
        message, along, from_other, from_own = said.split([said.shape[1] - 3 * self.channels, *[self.channels] * 3], 1)
        carried = along[..., None] * unit[:, None] + from_other[..., None] * there + from_own[..., None] * here
        heard, brought = summed(message, to, len(scalars)), summed(carried, to, len(scalars))
        mixed = self.mix_own(vectors.mT).mT + self.mix_sum(brought.mT).mT
        lengths = [mixed.square().sum(-1), (mixed * vectors).sum(-1)]
        update, gate = self.of_node(torch.cat([scalars, heard, *lengths], 1)).split(
            [scalars.shape[1], self.channels], 1
        )
        return self.norm(scalars + update), shortened(vectors + torch.tanh(gate)[..., None] * mixed)


class EquivariantCore(nn.Module):
    """The same of vectors that turn with its input, mirrors included; parameters as of `PlainCore`."""

    def __init__(self, scalars: int, vectors: int, outputs: int, width: int, layers: int) -> None:
        super().__init__()
        channels = width // 4
        self.kinds = nn.Embedding(EDGE_KINDS, EDGE_WIDTH)
        self.encode = perceptron(scalars + vectors, width, width)
        self.lift = nn.Linear(vectors, channels, bias=False)
        self.layers = nn.ModuleList([ScalarVectorLayer(width, channels, 1 + EDGE_WIDTH) for _ in range(layers)])
        self.gate = perceptron(width, width, channels, normalized=False)
        self.decode = nn.Linear(channels, outputs, bias=False)

    def forward(
        self, scalars: Tensor, vectors: Tensor, index: Tensor, ways: Tensor, bonded: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As of `PlainCore`."""
        lengths = ways.norm(dim=1, keepdim=True)
        edges, unit = torch.cat([lengths, self.kinds(bonded.long())], 1), ways / lengths.clamp(min=SHORT)
        own = shortened(self.lift(vectors.mT).mT)
        latents = self.encode(torch.cat([scalars, vectors.square().sum(-1)], 1))
        for layer in self.layers:
            latents, own = layer(latents, own, edges, index, unit)
        return latents, self.decode((self.gate(latents)[..., None] * own).mT).mT


CORES: dict[str, type[PlainCore] | type[EquivariantCore]] = {PLAIN: PlainCore, EQUIVARIANT: EquivariantCore}
