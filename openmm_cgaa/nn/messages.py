"""How atoms and grains of the conserving network gather from their neighbours."""

from typing import List, Tuple

import torch
from torch import Tensor, nn

from .network import irreps


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


def outer(unit: Tensor) -> Tensor:
    """u u^T less a third of its trace, [n, 3] -> [n, 6]: xx, yy, zz, sqrt(2) xy, sqrt(2) xz, sqrt(2) yz.

    In these six components the scalar product is the full contraction of two symmetric tensors.
    """
    x, y, z = unit.unbind(1)
    third, root = 1.0 / 3.0, 2.0**0.5
    return torch.stack([x * x - third, y * y - third, z * z - third, root * x * y, root * x * z, root * y * z], 1)


def times_vector(tensors: Tensor, vectors: Tensor) -> Tensor:
    """Symmetric tensors times vectors, channel by channel: [n, 6, c], [n, 3, c] -> [n, 3, c]."""
    xx, yy, zz, xy, xz, yz = tensors.unbind(1)
    x, y, z = vectors.unbind(1)
    half = 0.5**0.5
    return torch.stack(
        [
            xx * x + half * (xy * y + xz * z),
            yy * y + half * (xy * x + yz * z),
            zz * z + half * (xz * x + yz * y),
        ],
        1,
    )


def gather_tensors(radial: Tensor, features: Tensor, tensor: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The same times `outer` of the direction, which both ends share: `tensor` [pairs, 6] -> [atoms, 6, c]."""
    to_i = radial * features.index_select(0, j)
    to_j = radial * features.index_select(0, i)
    out: List[Tensor] = []
    for x in range(6):
        u = tensor[:, x : x + 1]
        out.append(torch.zeros_like(features).index_add(0, i, to_i * u).index_add(0, j, to_j * u))
    return torch.stack(out, 1)


class TensorDensity(nn.Module):
    """What an atom learns from l = 2: invariants of the tensor densities of its own grain and of other grains' atoms.

    4 `tensors` scalars an atom: products of two tensors, and of a tensor with two vectors.
    """

    def __init__(self, num_classes: int, num_basis: int, vectors: int, tensors: int):
        super().__init__()
        self.radial = radial_weight(num_basis, tensors)
        self.send = nn.Parameter(torch.randn(num_classes, tensors))
        self.mix = nn.Linear(2 * tensors, 4 * tensors, bias=False)
        self.mix_vectors = nn.Linear(2 * vectors, 4 * tensors, bias=False)

    def extra_repr(self) -> str:
        num_basis, tensors = self.radial.shape
        vectors = self.mix_vectors.in_features // 2
        return f"{num_basis} radial functions, {irreps(0, 2 * vectors, 2 * tensors)} -> {irreps(4 * tensors, 0)}"

    def forward(
        self, kind: Tensor, basis: Tensor, unit: Tensor, i: Tensor, j: Tensor, own: Tensor, vectors: Tensor
    ) -> Tensor:
        sent = self.send.index_select(0, kind)
        others = gather_tensors(basis @ self.radial, sent, outer(unit), i, j)
        one, other = self.mix(torch.cat([own, others], 2)).chunk(2, 2)
        left, right = self.mix_vectors(vectors).chunk(2, 2)
        return torch.cat([dots(one, other), dots(times_vector(one, left), right)], 1)


class GrainMessages(nn.Module):
    """One layer of messages between grains, 0e and 1o channels -> the same, cutoff in Å.

    Linear radial functions on the Bessel basis, the convolution of paper 001, eq. 10 (docs/papers.md), in Cartesian
    form.
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

    def extra_repr(self) -> str:
        channels = irreps(self.split[0], self.split[1])
        return f"{channels} -> {channels}, {self.radial.in_features} radial functions"

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
