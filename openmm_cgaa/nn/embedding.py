"""Grain embedding and its inverse: between the atoms of a grain and irreps on its center.

Paper 001 (docs/papers.md), fig. 1b.
"""

import math
from typing import Final, List, Optional, Tuple

import torch
from torch import Tensor, nn

from .cartesian import Gate, Linear
from .network import irreps


class BondBasis(nn.Module):
    """The r' of each grain as vectors along its bonds, [atoms, 3] -> [atoms, 3]; the last of a grain is zero.

    A fixed linear map, and the r' add up to nothing: what a linear layer makes of r' it can make of these. But their
    products are bond lengths and angles, which vary far less than those of r', and are what forces are steep in.

    Parameters
    ----------
    slots : list of int
    bonds : list of list of (int, int), optional
        For each type a spanning tree of its bonds, ``slots - 1`` pairs of slots. If not given, the r' stay as they are.
    """

    def __init__(self, slots: List[int], bonds: Optional[List[List[Tuple[int, int]]]]):
        super().__init__()
        self.slots = list(slots)
        if bonds is None:
            matrices = torch.eye(max(slots)).repeat(len(slots), 1, 1)
        else:
            matrices = torch.zeros(len(slots), max(slots), max(slots))
            for matrix, tree in zip(matrices, bonds):
                for row, (parent, child) in enumerate(tree):
                    matrix[row, parent], matrix[row, child] = -1.0, 1.0
        self.register_buffer("matrices", matrices, persistent=False)

    def extra_repr(self) -> str:
        return f"types of {self.slots} atoms, a 1o an atom -> a 1o a bond"

    def forward(self, relative: Tensor, counts: List[int]) -> Tensor:
        blocks: List[Tensor] = []
        atom = 0
        for t, size in enumerate(self.slots):
            block = relative.narrow(0, atom, counts[t] * size).view(counts[t], size, 3)
            blocks.append((self.matrices[t, :size, :size] @ block).view(-1, 3))
            atom += counts[t] * size
        return torch.cat(blocks)


class GrainEmbedding(nn.Module):
    """Slots of all types side by side, r' as 1o and a mask as 0e in each, then linear and gate.

    Slots of other types hold zeros, so that each type only meets its own rows of the weights.

    Parameters
    ----------
    slots : list of int
        Atoms per grain of each type.
    scalars, vectors : int
        Channels of the result, [grains, scalars] and [grains, 3, vectors].
    """

    def __init__(self, slots: List[int], scalars: int, vectors: int):
        super().__init__()
        self.slots = list(slots)
        self.mask_weight = nn.Parameter(torch.randn(sum(slots), scalars + vectors) / math.sqrt(sum(slots)))
        self.relative_weight = nn.Parameter(torch.randn(sum(slots), vectors) / math.sqrt(sum(slots)))
        self.gate = Gate(scalars, vectors)

    def extra_repr(self) -> str:
        return f"types of {self.slots} atoms, 0e+1o an atom -> {irreps(*self.gate.sizes)} a grain"

    def forward(self, relative: Tensor, counts: List[int]) -> Tuple[Tensor, Tensor]:
        """``relative`` [atoms, 3] in Å, atoms of ``counts`` grains of each type in slot order."""
        scalars: List[Tensor] = []
        vectors: List[Tensor] = []
        atom, slot = 0, 0
        for t, size in enumerate(self.slots):
            block = relative.narrow(0, atom, counts[t] * size).view(counts[t], size, 3)
            weight = self.relative_weight.narrow(0, slot, size)
            mask = self.mask_weight.narrow(0, slot, size).sum(0)
            vectors.append(block.transpose(1, 2) @ weight)
            scalars.append(mask.expand(counts[t], mask.size(0)))
            atom += counts[t] * size
            slot += size
        return self.gate(torch.cat(scalars), torch.cat(vectors))


class OwnProducts(nn.Module):
    """All scalar products of a grain's bond vectors, whitened: [grains, slots, 3] Å -> [grains, products].

    What the first self-connection makes of the embedding is linear in these. Bond lengths vary a thousand times less
    than products that follow a dihedral, and forces hang on the stiff ones: of raw products gradient descent learns
    none of them in any time. So `calibrate` brings them to mean zero and unit covariance, which a linear layer cannot
    tell from the raw ones.
    """

    def __init__(self, slots: int):
        super().__init__()
        self.slots = slots
        first, second = torch.triu_indices(slots - 1, slots - 1)
        self.number = len(first)
        self.register_buffer("pick", first * slots + second, persistent=False)
        self.register_buffer("mean", torch.zeros(self.number))
        self.register_buffer("whiten", torch.eye(self.number))

    def extra_repr(self) -> str:
        return f"{irreps(0, self.slots)} -> {irreps(self.number, 0)}"

    def products(self, bonds: Tensor) -> Tensor:
        return (bonds @ bonds.transpose(1, 2)).flatten(1).index_select(1, self.pick)

    def forward(self, bonds: Tensor) -> Tensor:
        return (self.products(bonds) - self.mean) @ self.whiten

    def calibrate(self, bonds: Tensor):
        """Mean and covariance over these grains; directions of hardly any variance are not blown up."""
        if self.number and len(bonds) > self.number:
            products = self.products(bonds).detach().double()
            variance, axes = torch.linalg.eigh(torch.cov(products.T))
            self.mean.copy_(products.mean(0))
            self.whiten.copy_(axes / variance.clamp(min=1e-5 * float(variance.max())).sqrt())


class AttributeProduct(nn.Module):
    """V_J with the raw embedding of its own type as node attributes, a fully connected tensor product.

    ([grains, S], [grains, 3, V], [grains, slots, 3] in Å) -> ([grains, scalars_out], [grains, 3, vectors_out])

    All masks are 1 here, so one weight stands for their sum. With ``geometry`` false the r' are left out, and a linear
    map remains. In the first block, where V_J is the embedding, the dot products are those of `OwnProducts`.
    """

    geometry: Final[bool]
    first: Final[bool]

    def __init__(
        self, slots: int, scalars: int, vectors: int, scalars_out: int, vectors_out: int, geometry: bool, first: bool
    ):
        super().__init__()
        self.geometry = geometry
        self.first = first
        self.vectors_out = vectors_out
        self.mask = Linear(scalars, vectors, scalars_out, vectors_out)
        if geometry:
            self.own = OwnProducts(slots) if first else nn.Identity()
            inputs = slots * (slots - 1) // 2 if first else slots * vectors
            dot_weight = torch.randn(inputs, scalars_out) / math.sqrt(max(inputs, 1))
            if not first:
                dot_weight *= 0.1  # these products are not whitened
            scale_weight = torch.randn(scalars, slots * vectors_out) / math.sqrt(slots * scalars)
            self.dot_weight = nn.Parameter(dot_weight)  # 1o x 1o -> 0e
            self.scale_weight = nn.Parameter(scale_weight)  # 0e x 1o -> 1o

    def forward(self, scalars: Tensor, vectors: Tensor, relative: Tensor) -> Tuple[Tensor, Tensor]:
        s, v = self.mask(scalars, vectors)
        if self.geometry:
            dots = self.own(relative) if self.first else (relative @ vectors).flatten(1)
            scales = (scalars @ self.scale_weight).view(s.size(0), relative.size(1), self.vectors_out)
            s = s + dots @ self.dot_weight
            v = v + relative.transpose(1, 2) @ scales
        return s, v


class SelfConnection(nn.Module):
    """NequIP's self-connection, whose node attributes are the raw embedding: an `AttributeProduct` for each type."""

    def __init__(
        self,
        slots: List[int],
        scalars: int,
        vectors: int,
        scalars_out: int,
        vectors_out: int,
        geometry: bool = True,
        first: bool = False,
    ):
        super().__init__()
        self.slots = list(slots)
        self.products = nn.ModuleList(
            AttributeProduct(size, scalars, vectors, scalars_out, vectors_out, geometry, first) for size in slots
        )

    def forward(self, scalars: Tensor, vectors: Tensor, relative: Tensor, counts: List[int]) -> Tuple[Tensor, Tensor]:
        out_scalars: List[Tensor] = []
        out_vectors: List[Tensor] = []
        grain, atom = 0, 0
        for t, product in enumerate(self.products):
            count, size = counts[t], self.slots[t]
            block = relative.narrow(0, atom, count * size).view(count, size, 3)
            s, v = product(scalars.narrow(0, grain, count), vectors.narrow(0, grain, count), block)
            out_scalars.append(s)
            out_vectors.append(v)
            grain += count
            atom += count * size
        return torch.cat(out_scalars), torch.cat(out_vectors)


class SlotVectors(nn.Module):
    """One 1o per slot from a grain's vectors: [grains, 3, vectors] -> [atoms, 3]; other types' slots are not made."""

    def __init__(self, slots: List[int], vectors: int):
        super().__init__()
        self.slots = list(slots)
        self.weight = nn.Parameter(torch.randn(vectors, sum(slots)) / math.sqrt(vectors))

    def extra_repr(self) -> str:
        return f"types of {self.slots} atoms, {irreps(0, len(self.weight))} a grain -> a 1o an atom"

    def forward(self, vectors: Tensor, counts: List[int]) -> Tensor:
        atoms: List[Tensor] = []
        grain, slot = 0, 0
        for t, size in enumerate(self.slots):
            block = vectors.narrow(0, grain, counts[t]) @ self.weight.narrow(1, slot, size)
            atoms.append(block.transpose(1, 2).reshape(-1, 3))
            grain += counts[t]
            slot += size
        return torch.cat(atoms)
