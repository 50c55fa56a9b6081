"""A fixed list of launches over arrays that stay where they are: what a step on a device is."""

from typing import Any

import torch
from torch import Tensor

from ...errors import EngineError
from .runner import Kernels

OUTPUTS = 4  # of a linear map, that one thread makes, of as many rows as leave so many threads
TILES, BUSY = (4, 2), 2**16
MOST = 2**31 - 128  # threads of a launch


class Dense:
    """A linear map as the kernels take it, and its way back: weights [inputs, outputs] filled up to fours of outputs.

    Parameters
    ----------
    weight : Tensor, [outputs, inputs]
    bias : Tensor, [outputs] or [kinds, outputs], optional
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        weight = weight.detach()
        self.outputs, self.inputs = weight.shape
        self.weights = filled_up(weight.t()), filled_up(weight)
        self.bias = None if bias is None else torch.atleast_2d(bias.detach()).contiguous()


class Program:
    """Launches, one after the other.

    Parameters
    ----------
    kernels : Kernels
    """

    def __init__(self, kernels: Kernels):
        self.kernels, self.launches, self.names = kernels, [], []
        self.held: list[Any] = []  # arrays, whose addresses the launches have

    def __len__(self) -> int:
        return len(self.launches)

    def __call__(self) -> None:
        for launch in self.launches:
            launch()

    def add(self, kernel: str, threads: int, *given: Any) -> None:
        """A launch; none where there is nothing to do. Of a matrix that the source has with a stride give `rows`."""
        if threads == 0:
            return
        if threads > MOST:
            raise EngineError(
                f"kernel {kernel}: {threads:.3g} threads are more than 32 bits count; give a smaller system"
            )
        given = tuple(part for each in given for part in (each if isinstance(each, Strided) else (each,)))
        self.launches.append(self.kernels.launch(kernel, threads, *given))
        self.names.append(kernel)
        self.held.append(given)

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """An array that is no number anywhere, or zero if it counts: what is not written cannot pass for a result."""
        dtype = dtype or self.kernels.dtype
        value = float("nan") if dtype.is_floating_point else 0
        return torch.full(shape, value, dtype=dtype, device=self.kernels.device)

    def linear(
        self,
        layer: Dense,
        x: Tensor,
        out: Tensor | None,
        active: Tensor | None = None,
        bias: Tensor | None = None,
        bias_of: Tensor | None = None,
    ) -> None:
        """out = layer(x), and silu of it; another bias, or one for each row, in place of the layer's."""
        bias = layer.bias if bias is None else bias
        self._linear(layer.weights[0], layer.inputs, layer.outputs, x, out, active, bias, bias_of, None, None)

    def linear_back(
        self,
        layer: Dense,
        grad: Tensor,
        out: Tensor,
        added: Tensor | None = None,
        before: Tensor | None = None,
        more: Tensor | None = None,
        every: Tensor | None = None,
    ) -> None:
        """Gradients by the layer's input, with what is `added`, times the slope of the activation at `before`.

        `more` is added, too; `every` then counts the rows.
        """
        self._linear(layer.weights[1], layer.outputs, layer.inputs, grad, out, None, more, every, added, before)

    def _linear(
        self,
        weights: Tensor,
        inputs: int,
        outputs: int,
        x: Tensor,
        out: Tensor | None,
        active: Tensor | None,
        bias: Tensor | None,
        bias_of: Tensor | None,
        added: Tensor | None,
        before: Tensor | None,
    ) -> None:
        widths = [each.size(1) for each in (out, active, bias, added, before) if each is not None]
        assert x.size(1) == inputs and all(width == outputs for width in widths), (x.shape, inputs, widths, outputs)
        quads = -(-outputs // OUTPUTS)
        tile = next((each for each in TILES if x.size(0) * quads >= each * BUSY), 1)
        threads = -(-x.size(0) // tile) * quads
        given = rows(bias), bias_of, rows(added), rows(before), rows(out), rows(active)
        self.add("linear", threads, tile, x.size(0), inputs, outputs, rows(x), weights, *given)


class Strided(tuple):
    """A matrix and the distance of its rows, two arguments in one."""


def rows(matrix: Tensor | None) -> Strided:
    """A matrix, which may be columns of another one, and how far its rows are apart."""
    return Strided((None, 0) if matrix is None else (matrix, matrix.stride(0)))


def filled_up(matrix: Tensor) -> Tensor:
    """With columns of zeros up to a multiple of four, contiguous."""
    return torch.nn.functional.pad(matrix.detach(), (0, -matrix.size(-1) % OUTPUTS)).contiguous()


def functions(weight: Tensor) -> Tensor:
    """Radial weights [..., num_basis, channels] as rows of `Functions`: [..., channels, num_basis filled up]."""
    return filled_up(weight.detach().transpose(-1, -2))
