"""How atoms and grains of the conserving network gather from their neighbours."""

from typing import List, Tuple

import torch
from torch import Tensor, nn


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Scalar product of vectors, channel by channel: [n, 3, c], [n, 3, c] -> [n, c]."""
    return (a * b).sum(1)


def radial_weight(num_basis: int, channels: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(num_basis, channels) * num_basis**-0.5)


def gather_scalars(radial: Tensor, features: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Sum over neighbours of a radial function times the neighbour's feature, [atoms, c].

    Parameters
    ----------
    radial : Tensor, [pairs, c]
    features : Tensor, [atoms, c]
    i, j : Tensor, [pairs]
        Each pair stands once and gives to both ends.
    """
    out = torch.zeros_like(features).index_add(0, i, radial * features.index_select(0, j))
    return out.index_add(0, j, radial * features.index_select(0, i))


def gather_vectors(radial: Tensor, features: Tensor, unit: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The same times the unit vector to the neighbour, [atoms, 3, c]; `unit` [pairs, 3] points from i to j."""
    to_i = radial * features.index_select(0, j)
    to_j = radial * features.index_select(0, i)
    out: List[Tensor] = []
    for x in range(3):  # a third of the memory at a time stays in the cache of a CPU
        u = unit[:, x : x + 1]
        out.append(torch.zeros_like(features).index_add(0, i, to_i * u).index_add(0, j, to_j * -u))
    return torch.stack(out, 1)


class GrainMessages(nn.Module):
    """One layer of messages between grains, 0e and 1o channels -> the same, cutoff in Å.

    Linear radial functions on the Bessel basis, the convolution of paper 001, eq. 10, in Cartesian form.
    """

    def __init__(self, scalars: int, vectors: int, num_basis: int, neighbors: float):
        super().__init__()
        self.split = [scalars, vectors, vectors, vectors]
        self.radial = nn.Linear(num_basis, scalars + 3 * vectors, bias=False)
        self.send = nn.Linear(scalars, scalars + vectors)
        self.send_vectors = nn.Linear(vectors, 2 * vectors, bias=False)
        self.update = mlp(2 * scalars + 3 * vectors, scalars, scalars + vectors)
        self.mix = nn.Linear(2 * vectors, vectors, bias=False)
        self.norm = neighbors**-0.5

    def forward(self, s: Tensor, v: Tensor, basis: Tensor, unit: Tensor, edge_index: Tensor) -> Tuple[Tensor, Tensor]:
        receiver, sender = edge_index[0], edge_index[1]
        r0, r1, r2, r3 = self.radial(basis).split(self.split, 1)
        sent, sent_along = self.send(s).index_select(0, sender).split([self.split[0], self.split[1]], 1)
        sent_v, sent_dot = self.send_vectors(v).index_select(0, sender).chunk(2, 2)
        message_s = torch.cat([r0 * sent, r1 * (sent_dot * unit.unsqueeze(2)).sum(1)], 1)
        message_v = (r2 * sent_along).unsqueeze(1) * unit.unsqueeze(2) + r3.unsqueeze(1) * sent_v
        got_s = torch.zeros(s.size(0), message_s.size(1), dtype=s.dtype, device=s.device)
        got_s = got_s.index_add(0, receiver, message_s) * self.norm
        got_v = torch.zeros_like(v).index_add(0, receiver, message_v) * self.norm
        new_s, gate = self.update(torch.cat([s, got_s, dots(got_v, got_v), dots(v, got_v)], 1)).split(
            [s.size(1), v.size(2)], 1
        )
        new_v = self.mix(torch.cat([v, got_v], 2)) * torch.sigmoid(gate).unsqueeze(1)
        return s + new_s, v + new_v
