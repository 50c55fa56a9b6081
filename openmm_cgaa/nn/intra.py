"""What an atom sees of its own grain, and across the links of it."""

from typing import List, Sequence, Tuple

import torch
from torch import Tensor, nn

from .graph import seen, sum_by
from .network import irreps
from .operations import outer
from .radial import DistanceGaussians


def pair_classes_of(classes: List[int], bonds: List[Tuple[int, int]]) -> List[List[int]]:
    """Class of each ordered pair of slots: classes of both atoms and bonds between them, [slots, slots], 0 if i = j.

    No automorphism of the bond graph changes it, so a sum over pairs with one function per class is invariant under
    exchange of equivalent atoms.
    """
    size = len(classes)
    apart = bonds_between(size, bonds)
    seen: dict = {}
    return [
        [seen.setdefault((classes[i], classes[j], apart[i][j]), len(seen)) if i != j else 0 for j in range(size)]
        for i in range(size)
    ]


def bonds_between(size: int, bonds: Sequence[Tuple[int, int]]) -> List[List[int]]:
    """How many bonds lie between two slots, [slots, slots]."""
    apart = [[0 if i == j else size for j in range(size)] for i in range(size)]
    for i, j in bonds:
        apart[i][j] = apart[j][i] = 1
    for k in range(size):
        for i in range(size):
            for j in range(size):
                apart[i][j] = min(apart[i][j], apart[i][k] + apart[k][j])
    return apart


class IntraDensity(nn.Module):
    """Scalar, vector and tensor densities of the other atoms of a grain, with one radial function per class of pair.

    positions [grains, slots, 3] Å -> [grains, slots, scalars], [grains, slots, 3, vectors], [grains, slots, 6, tensors]
    (components as in `outer`), and the distances [grains, slots, slots] Å, with 1 on the diagonal.
    """

    def __init__(self, pair_classes: List[List[int]], num_basis: int, scalars: int, vectors: int, tensors: int = 0):
        super().__init__()
        size = len(pair_classes)
        pairs = torch.tensor(pair_classes)
        self.register_buffer("pairs", pairs, persistent=False)
        self.register_buffer("others", 1.0 - torch.eye(size), persistent=False)
        self.basis = DistanceGaussians(num_basis)
        num_classes = int(pairs.max()) + 1
        scale = (2.0 / max(size - 1, 1)) ** 0.5
        self.scalar_weight = nn.Parameter(torch.randn(num_classes, num_basis, scalars) * scale)
        self.vector_weight = nn.Parameter(torch.randn(num_classes, num_basis, vectors) * scale)
        self.tensors = tensors
        weight = nn.Parameter(torch.randn(num_classes, num_basis, tensors) * scale) if tensors > 0 else None
        self.register_parameter("tensor_weight", weight)

    def forward(self, positions: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        delta = positions.unsqueeze(1) - positions.unsqueeze(2)  # [grain, i, j, xyz], from i to j
        r = torch.sqrt(delta.square().sum(3) + (1.0 - self.others))
        basis = self.basis(r) * self.others.unsqueeze(2)  # [grain, i, j, k]
        s = torch.einsum("gijk,ijkc->gic", basis, self.scalar_weight[self.pairs])
        radial = torch.einsum("gijk,ijkc->gijc", basis, self.vector_weight[self.pairs])
        unit = delta / r.unsqueeze(3)
        v = torch.einsum("gijx,gijc->gixc", unit, radial)
        t = torch.zeros(s.size(0), s.size(1), 6, self.tensors, dtype=s.dtype, device=s.device)
        if self.tensor_weight is not None:
            radial = torch.einsum("gijk,ijkc->gijc", basis, self.tensor_weight[self.pairs])
            square = outer(unit.view(-1, 3)).view(unit.size(0), unit.size(1), unit.size(2), 6)
            t = torch.einsum("gijx,gijc->gixc", square, radial)
        return s, v, t, r

    def extra_repr(self) -> str:
        channels = irreps(self.scalar_weight.size(2), self.vector_weight.size(2), self.tensors)
        return f"{len(self.pairs)} slots, {len(self.scalar_weight)} classes of pair -> {channels} an atom"


class LinkDensity(nn.Module):
    """The same densities of atoms across links, which are few bonds away, with a radial function for each kind of pair.

    An atom's intra energy is read from both together: as if linked grains were one, where they touch.
    """

    def __init__(self, kinds: int, num_basis: int, scalars: int, vectors: int, tensors: int = 0):
        super().__init__()
        self.basis = DistanceGaussians(num_basis)
        self.sizes = [scalars, vectors, tensors]
        self.weight = nn.Parameter(torch.randn(kinds, num_basis, sum(self.sizes)) * 0.5)

    def forward(
        self, positions: Tensor, index: Tensor, shift: Tensor, kind: Tensor
    ) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """positions [atoms, 3], links of a `Graph` -> densities [atoms, c], [atoms, 3, c], [atoms, 6, c], distances."""
        unit, r = seen(positions, index, shift)
        radial = torch.bmm(self.basis(r).unsqueeze(1), self.weight.index_select(0, kind)).squeeze(1)
        s, v, t = radial.split(self.sizes, 1)
        count = positions.size(0)
        v = sum_by(unit.unsqueeze(2) * v.unsqueeze(1), index[0], count)
        t = sum_by(outer(unit).unsqueeze(2) * t.unsqueeze(1), index[0], count)
        return sum_by(s, index[0], count), v, t, r

    def extra_repr(self) -> str:
        return f"{len(self.weight)} kinds of pair across links -> {irreps(*self.sizes)} an atom"
