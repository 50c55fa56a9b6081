"""Parts of the conserving network: tensors of atoms, messages between grains."""

from typing import Tuple

import torch
from torch import Tensor, nn

from .network import irreps
from .operations import Operations, dots


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def radial_weight(num_basis: int, channels: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(num_basis, channels) * num_basis**-0.5)


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

    def forward(self, own: Tensor, others: Tensor) -> Tensor:
        """Both densities mixed into the factors of the products, [atoms, 6, one | other]."""
        return self.mix(torch.cat([own, others], 2))

    def extra_repr(self) -> str:
        num_basis, tensors = self.radial.shape
        vectors = self.mix_vectors.in_features // 2
        return f"{num_basis} radial functions, {irreps(0, 2 * vectors, 2 * tensors)} -> {irreps(4 * tensors, 0)}"


class GrainMessages(nn.Module):
    """One layer of messages between grains, 0e and 1o channels -> the same, cutoff in Å.

    Linear radial functions on the Bessel basis, the convolution of paper 001, eq. 10 (docs/papers.md), in Cartesian
    form.
    """

    def __init__(self, scalars: int, vectors: int, num_basis: int, neighbors: float):
        super().__init__()
        self.sizes = [scalars, vectors]
        self.radial = nn.Linear(num_basis, scalars + 3 * vectors, bias=False)
        self.send = nn.Linear(scalars, scalars + vectors)
        self.send_vectors = nn.Linear(vectors, 2 * vectors, bias=False)
        self.update = mlp(2 * scalars + 3 * vectors, scalars, scalars + vectors)
        self.mix = nn.Linear(2 * vectors, vectors, bias=False)
        self.norm = neighbors**-0.5

    def forward(self, s: Tensor, v: Tensor, ops: Operations) -> Tuple[Tensor, Tensor]:
        got_s, got_v = ops.exchange(self.radial.weight, self.norm, self.send(s), self.send_vectors(v))
        x = torch.cat([s, got_s, dots(got_v, got_v), dots(v, got_v)], 1)
        new_s, gate = self.update(x).split(self.sizes, 1)
        new_v = self.mix(torch.cat([v, got_v], 2)) * torch.sigmoid(gate).unsqueeze(1)
        return s + new_s, v + new_v

    def extra_repr(self) -> str:
        channels = irreps(*self.sizes)
        return f"{channels} -> {channels}, {self.radial.in_features} radial functions"
