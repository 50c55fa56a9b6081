"""Convolutions over the neighbours of a grain: the paper's pair convolution, NequIP's, PaiNN's, and their registry.

Neighbours stand in padded rows, [grains, rows], so that everything that belongs to a receiver is one batched matrix
product. A convolution takes ``(scalars [grains, S], vectors [grains, 3, V], neighbors [grains, rows], basis [grains,
rows, num_basis], direction [grains, rows, 3])``; ``basis`` is zero in the padding. It gives as many scalars and vectors
a grain as its `channels` say, its sums over neighbours divided by the root of ``average_neighbors``. Add another one to
`CONVOLUTIONS`, with the same signature.
"""

import math
from typing import List, Tuple

import torch
from torch import Tensor, nn

from .cartesian import Gate, RadialNetwork
from .network import irreps


def neighbor_rows(edge_index: Tensor, num_grains: int) -> Tuple[Tensor, Tensor]:
    """Edges in any order as padded rows, one row a receiver.

    Returns
    -------
    neighbors : Tensor of int64, [grains, rows]
        Senders; 0 in the padding.
    edges : Tensor of int64, [grains, rows]
        Which edge; the number of edges in the padding.
    """
    num_edges = edge_index.size(1)
    receiver, order = torch.sort(edge_index[0], stable=True)
    counts = torch.bincount(receiver, minlength=num_grains)
    rank = torch.arange(num_edges, device=receiver.device) - (counts.cumsum(0) - counts)[receiver]
    edges = torch.full([num_grains, int(counts.max())], num_edges, dtype=torch.int64, device=receiver.device)
    edges[receiver, rank] = order
    sender = torch.cat([edge_index[1], torch.zeros_like(edge_index[1][:1])])
    if num_edges == 0:
        return edges, edges
    return sender[edges], edges


def gather(values: Tensor, neighbors: Tensor) -> Tensor:
    """Rows of ``values`` [grains, ...] at the neighbours: [grains, rows, ...]."""
    picked = values.flatten(1).index_select(0, neighbors.flatten())
    return picked.view(list(neighbors.shape) + list(values.shape[1:]))


class PairProduct(nn.Module):
    """V_J x V_K mixed to new channels, for all neighbours K of each J.

    Paper 001 (docs/papers.md), eq. 9, without its gate: the same numbers as e3nn's `FullyConnectedTensorProduct` of
    ``S x 0e + V x 1o`` with itself. It is bilinear: the weights are contracted with V_J once a grain, and what is left
    is one matrix for each receiver.

    ([grains, S], [grains, 3, V], [grains, rows]) -> ([grains, rows, scalars_out], [grains, rows, 3, vectors_out])

    Parameters
    ----------
    factorised : bool
        False forms all products of channels for each edge first: the plain form, slow, for comparison.
    """

    def __init__(self, scalars: int, vectors: int, scalars_out: int, vectors_out: int, factorised: bool = True):
        super().__init__()
        self.scalars_out = scalars_out
        self.vectors_out = vectors_out
        self.factorised = factorised
        to_scalars = 1.0 / math.sqrt(scalars * scalars + vectors * vectors)
        to_vectors = 1.0 / math.sqrt(2 * scalars * vectors)
        self.weight_ss = nn.Parameter(torch.randn(scalars, scalars, scalars_out) * to_scalars)  # 0e x 0e -> 0e
        self.weight_vv = nn.Parameter(torch.randn(vectors, vectors, scalars_out) * to_scalars / math.sqrt(3.0))  # 1o.1o
        self.weight_sv = nn.Parameter(torch.randn(scalars, vectors, vectors_out) * to_vectors)  # 0e x 1o -> 1o
        self.weight_vs = nn.Parameter(torch.randn(vectors, scalars, vectors_out) * to_vectors)  # 1o x 0e -> 1o

    def extra_repr(self) -> str:
        channels = irreps(self.weight_sv.size(0), self.weight_sv.size(1))
        form = "contracted" if self.factorised else "plain"
        return f"{channels} x {channels} -> {irreps(self.scalars_out, self.vectors_out)}, {form}"

    def forward(self, scalars: Tensor, vectors: Tensor, neighbors: Tensor) -> Tuple[Tensor, Tensor]:
        s, v = gather(scalars, neighbors), gather(vectors, neighbors)
        return self.contracted(scalars, vectors, s, v) if self.factorised else self.plain(scalars, vectors, s, v)

    def contracted(self, scalars: Tensor, vectors: Tensor, s: Tensor, v: Tensor) -> Tuple[Tensor, Tensor]:
        """Scalars [g, S] and vectors [g, 3, V] of the receivers, s [g, k, S] and v [g, k, 3, V] of the senders."""
        (g, k, m), n, p = s.shape, vectors.size(2), self.vectors_out
        ss = (scalars @ self.weight_ss.flatten(1)).view(g, m, self.scalars_out)
        vv = (vectors @ self.weight_vv.flatten(1)).view(g, 3 * n, self.scalars_out)
        sv = (scalars @ self.weight_sv.flatten(1)).view(g, n, p)
        vs = (vectors @ self.weight_vs.flatten(1)).view(g, 3, m, p)
        out_scalars = torch.baddbmm(s @ ss, v.flatten(2), vv)
        out_vectors = (v.view(g, k * 3, n) @ sv).view(g, k, 3, p)
        return out_scalars, out_vectors + (s.unsqueeze(1) @ vs).transpose(1, 2)

    def plain(self, scalars: Tensor, vectors: Tensor, s: Tensor, v: Tensor) -> Tuple[Tensor, Tensor]:
        """The same as `contracted`, edge by edge."""
        ss = torch.einsum("ga,gkb->gkab", scalars, s).flatten(2)
        vv = torch.einsum("gxa,gkxb->gkab", vectors, v).flatten(2)
        sv = torch.einsum("ga,gkxb->gkxab", scalars, v).flatten(3)
        vs = torch.einsum("gxa,gkb->gkxab", vectors, s).flatten(3)
        return (
            ss @ self.weight_ss.flatten(0, 1) + vv @ self.weight_vv.flatten(0, 1),
            sv @ self.weight_sv.flatten(0, 1) + vs @ self.weight_vs.flatten(0, 1),
        )


class Filter(nn.Module):
    """Sum over neighbours of R(r) Y(direction) x message, l <= 1, channel by channel: paper 001, eq. 10.

    The four paths 0e x Y0 -> 0e, 1o x Y1 -> 0e, 0e x Y1 -> 1o, 1o x Y0 -> 1o with their own radial functions. The sum
    is divided by the root of `average_neighbors`.

    ([grains, rows, S], [grains, rows, 3, V]) -> ([grains, S + V], [grains, 3, S + V])
    """

    def __init__(self, scalars: int, vectors: int, num_basis: int, hidden: List[int], average_neighbors: float = 1.0):
        super().__init__()
        self.sizes = [scalars, vectors, scalars, vectors]
        self.norm = 1.0 / math.sqrt(average_neighbors)
        self.radial = RadialNetwork([num_basis] + hidden + [sum(self.sizes)])

    def extra_repr(self) -> str:
        scalars, vectors = self.sizes[:2]
        return f"{irreps(scalars, vectors)} -> {irreps(scalars + vectors, scalars + vectors)}"

    def forward(self, s: Tensor, v: Tensor, basis: Tensor, direction: Tensor) -> Tuple[Tensor, Tensor]:
        w_ss, w_vs, w_sv, w_vv = self.radial(basis).split(self.sizes, dim=-1)
        along = (v * direction.unsqueeze(-1)).sum(2)
        scalars = torch.cat([(w_ss * s).sum(1), (w_vs * along).sum(1)], 1)
        turned = math.sqrt(3.0) * direction.transpose(1, 2) @ (w_sv * s)
        vectors = torch.cat([turned, (w_vv.unsqueeze(2) * v).sum(1)], 2)
        return scalars * self.norm, vectors * self.norm


class PairConvolution(nn.Module):
    """The message is V_JK = gate(self(V_J x V_K)): paper 001, eqs. 9 and 10."""

    def __init__(
        self,
        scalars: int,
        vectors: int,
        num_basis: int,
        hidden: List[int],
        factorised: bool = True,
        average_neighbors: float = 1.0,
    ):
        super().__init__()
        self.channels = (scalars + vectors, scalars + vectors)
        self.product = PairProduct(scalars, vectors, scalars + vectors, vectors, factorised)
        self.gate = Gate(scalars, vectors)
        self.filter = Filter(scalars, vectors, num_basis, hidden, average_neighbors)

    def forward(
        self, scalars: Tensor, vectors: Tensor, neighbors: Tensor, basis: Tensor, direction: Tensor
    ) -> Tuple[Tensor, Tensor]:
        s, v = self.product(scalars, vectors, neighbors)
        s, v = self.gate(s, v)
        return self.filter(s, v, basis, direction)


class NequIPConvolution(nn.Module):
    """The message is V_K itself: Batzner et al., NequIP (2022)."""

    def __init__(
        self,
        scalars: int,
        vectors: int,
        num_basis: int,
        hidden: List[int],
        factorised: bool = True,
        average_neighbors: float = 1.0,
    ):
        super().__init__()
        self.channels = (scalars + vectors, scalars + vectors)
        self.filter = Filter(scalars, vectors, num_basis, hidden, average_neighbors)

    def forward(
        self, scalars: Tensor, vectors: Tensor, neighbors: Tensor, basis: Tensor, direction: Tensor
    ) -> Tuple[Tensor, Tensor]:
        return self.filter(gather(scalars, neighbors), gather(vectors, neighbors), basis, direction)


class PaiNNConvolution(nn.Module):
    """What PaiNN's message and update add to a grain: Schütt, Unke and Gastegger (2021), arXiv 2102.03150, fig. 2.

    Message: s gets phi_s(s_K) W_s(r), v gets phi_v(s_K) W_v(r) v_K + phi_d(s_K) W_d(r) direction, summed over K.
    Update, with the messages added: s gets a_ss + a_sv <U v, W v>, v gets a_vv U v, the gates a being functions of s
    and |W v|. There S = V; here <U v, W v> has channels of its own, [grains, S + V] in all, which the linear layer that
    follows adds up. The radial functions are linear in the basis, so that `hidden` is without meaning.
    """

    def __init__(
        self,
        scalars: int,
        vectors: int,
        num_basis: int,
        hidden: List[int],
        factorised: bool = True,
        average_neighbors: float = 1.0,
    ):
        super().__init__()
        self.channels = (scalars + vectors, vectors)
        self.sizes = [scalars, vectors, vectors]
        self.norm = 1.0 / math.sqrt(average_neighbors)
        self.soft = 1e-3  # |W v| of a grain without vectors, a single atom, has derivatives, too
        self.radial = RadialNetwork([num_basis, sum(self.sizes)])
        self.send = nn.Sequential(nn.Linear(scalars, scalars), nn.SiLU(), nn.Linear(scalars, sum(self.sizes)))
        self.update = nn.Sequential(
            nn.Linear(scalars + vectors, scalars), nn.SiLU(), nn.Linear(scalars, sum(self.sizes))
        )
        self.mix = nn.Linear(vectors, 2 * vectors, bias=False)  # U and W

    def extra_repr(self) -> str:
        return f"{irreps(self.sizes[0], self.sizes[1])} -> {irreps(*self.channels)}"

    def forward(
        self, scalars: Tensor, vectors: Tensor, neighbors: Tensor, basis: Tensor, direction: Tensor
    ) -> Tuple[Tensor, Tensor]:
        to_s, to_v, to_d = (self.radial(basis) * gather(self.send(scalars), neighbors)).split(self.sizes, dim=-1)
        got_s = to_s.sum(1) * self.norm
        got_v = (to_v.unsqueeze(2) * gather(vectors, neighbors)).sum(1) + direction.transpose(1, 2) @ to_d
        got_v = got_v * self.norm

        left, right = self.mix(vectors + got_v).chunk(2, dim=2)
        length = torch.sqrt(right.square().sum(1) + self.soft)
        a_ss, a_sv, a_vv = self.update(torch.cat([scalars + got_s, length], 1)).split(self.sizes, dim=-1)
        aligned = a_sv * (left * right).sum(1)
        return torch.cat([got_s + a_ss, aligned], 1), got_v + a_vv.unsqueeze(1) * left


CONVOLUTIONS = {"pair": PairConvolution, "nequip": NequIPConvolution, "painn": PaiNNConvolution}
