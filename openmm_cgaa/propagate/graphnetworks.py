"""Networks on graphs: encoder, processor and decoder of A. Sanchez-Gonzalez et al., ICML (2020), as in paper 002.

docs/papers.md says which paper that is.
"""

import torch
from torch import Tensor, nn

HIDDEN_LAYERS = 2


def perceptron(inputs: int, hidden: int, outputs: int, normalized: bool = True) -> nn.Sequential:
    """Two hidden layers of rectified linear units; a LayerNorm behind all but decoders."""
    layers: list[nn.Module] = []
    for _ in range(HIDDEN_LAYERS):
        layers += [nn.Linear(inputs, hidden), nn.ReLU()]
        inputs = hidden
    layers.append(nn.Linear(hidden, outputs))
    if normalized:
        layers.append(nn.LayerNorm(outputs))
    return nn.Sequential(*layers)


def summed(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sums of rows by an index: [rows, width] -> [size, width]."""
    return values.new_zeros(size, *values.shape[1:]).index_add(0, index, values)


class GraphLayer(nn.Module):
    """One exchange of messages; edges and nodes are updated by residuals."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_edge = perceptron(3 * width, width, width)
        self.of_node = perceptron(2 * width, width, width)

    def forward(self, nodes: Tensor, edges: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes [n, width], edges [e, width] and their ends [2, e]: to the first from the second."""
        to, from_ = index
        message = self.of_edge(torch.cat([edges, nodes[to], nodes[from_]], 1))
        update = self.of_node(torch.cat([nodes, summed(message, to, len(nodes))], 1))
        return nodes + update, edges + message


class GraphNetwork(nn.Module):
    """Features of nodes and edges to latent nodes.

    Parameters
    ----------
    node_width, edge_width : int
        Of the features.
    width : int
        Of the latent nodes and edges.
    layers : int
    """

    def __init__(self, node_width: int, edge_width: int, width: int, layers: int) -> None:
        super().__init__()
        self.encode_nodes = perceptron(node_width, width, width)
        self.encode_edges = perceptron(edge_width, width, width)
        self.layers = nn.ModuleList([GraphLayer(width) for _ in range(layers)])

    def forward(self, nodes: Tensor, edges: Tensor, index: Tensor) -> Tensor:
        nodes, edges = self.encode_nodes(nodes), self.encode_edges(edges)
        for layer in self.layers:
            nodes, edges = layer(nodes, edges, index)
        return nodes
