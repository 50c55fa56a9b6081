"""Equivariant layers on scalars (0e) and vectors (1o), written in Cartesian components.

Scalars are [..., channels], vectors [..., 3, channels]. Weights are drawn with the variance that e3nn's "component" and
"element" normalisation amounts to. e3nn draws them with unit variance, and divides in the forward pass. The layers are
the same. Steps of Adam would be smaller there by the root of the number of inputs.
"""

import math
from typing import List, Tuple

import torch
from torch import Tensor, nn

from .network import irreps

SILU_GAIN = 1.6765324703310907  # 1 / sqrt(E[silu(z)^2]), z standard normal
SIGMOID_GAIN = 1.8462285453396116


class Linear(nn.Module):
    """e3nn's `o3.Linear`: scalars mix with scalars, vectors with vectors, without bias.

    ([..., scalars_in], [..., 3, vectors_in]) -> ([..., scalars_out], [..., 3, vectors_out])
    """

    def __init__(self, scalars_in: int, vectors_in: int, scalars_out: int, vectors_out: int):
        super().__init__()
        self.scalar_weight = nn.Parameter(torch.randn(scalars_in, scalars_out) / math.sqrt(scalars_in))
        self.vector_weight = nn.Parameter(torch.randn(vectors_in, vectors_out) / math.sqrt(vectors_in))

    def extra_repr(self) -> str:
        (scalars_in, scalars_out), (vectors_in, vectors_out) = self.scalar_weight.shape, self.vector_weight.shape
        return f"{irreps(scalars_in, vectors_in)} -> {irreps(scalars_out, vectors_out)}"

    def forward(self, scalars: Tensor, vectors: Tensor) -> Tuple[Tensor, Tensor]:
        return scalars @ self.scalar_weight, vectors @ self.vector_weight


class Gate(nn.Module):
    """e3nn's `Gate`: silu on scalars, and on each vector a factor, the sigmoid of one of the last ``vectors`` scalars.

    A silu there, as NequIP has it, is not bounded: with the pair product it multiplies up from block to block.

    ([..., scalars + vectors], [..., 3, vectors]) -> ([..., scalars], [..., 3, vectors])
    """

    def __init__(self, scalars: int, vectors: int):
        super().__init__()
        self.sizes = [scalars, vectors]
        self.silu_gain = SILU_GAIN
        self.sigmoid_gain = SIGMOID_GAIN

    def extra_repr(self) -> str:
        scalars, vectors = self.sizes
        return f"{irreps(scalars + vectors, vectors)} -> {irreps(scalars, vectors)}"

    def forward(self, scalars: Tensor, vectors: Tensor) -> Tuple[Tensor, Tensor]:
        passed, gates = scalars.split(self.sizes, dim=-1)
        factors = torch.sigmoid(gates) * self.sigmoid_gain
        return nn.functional.silu(passed) * self.silu_gain, vectors * factors.unsqueeze(-2)


class RadialNetwork(nn.Module):
    """Bias-free perceptron with silu: what is zero at the cutoff stays exactly zero. Sizes of all layers."""

    def __init__(self, sizes: List[int]):
        super().__init__()
        self.gain = SILU_GAIN
        self.weights = nn.ParameterList(torch.randn(a, b) / math.sqrt(a) for a, b in zip(sizes, sizes[1:]))

    def extra_repr(self) -> str:
        return " -> ".join(str(size) for size in [len(self.weights[0]), *(weight.size(1) for weight in self.weights)])

    def forward(self, x: Tensor) -> Tensor:
        for i, weight in enumerate(self.weights):
            if i > 0:
                x = nn.functional.silu(x) * self.gain
            x = x @ weight
        return x
