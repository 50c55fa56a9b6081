"""Linear maps and activations on flat arrays, forward and back (`dense_kernels`)."""

import numpy as np
import torch
from torch import Tensor

from . import atom_kernels
from .dense_kernels import linear_kernel, silu_kernels
from .neighbor_rows import flat


class Linear:
    """A linear map of rows, and of gradients on the way back. Its results are set, or added to what is there.

    Parameters
    ----------
    weight : Tensor, [outputs, inputs]
    """

    def __init__(self, weight: Tensor):
        self.outputs, self.inputs = weight.shape
        self.weights = held(weight.t()), held(weight)

    def __call__(self, x: np.ndarray, out: np.ndarray, adds: bool = False) -> np.ndarray:
        return self._apply(0, self.inputs, self.outputs, x, out, adds)

    def back(self, gradient: np.ndarray, out: np.ndarray, adds: bool = False) -> np.ndarray:
        return self._apply(1, self.outputs, self.inputs, gradient, out, adds)

    def _apply(self, way: int, inputs: int, outputs: int, x: np.ndarray, out: np.ndarray, adds: bool) -> np.ndarray:
        rows = len(out) // outputs if outputs else 0
        kernel = linear_kernel(inputs, outputs, out.itemsize, int(adds))
        kernel(0, rows, x, 0, inputs, self.weights[way], 0, out, 0, outputs)
        return out


class LastLayer:
    """Energies of atoms from hidden features: activations times weights.

    Parameters
    ----------
    layer : torch.nn.Linear
        To one number.
    """

    def __init__(self, layer: torch.nn.Linear):
        self.weights, self.bias = held(layer.weight), held(layer.bias)

    def __call__(self, hidden: np.ndarray, counted: np.ndarray | None = None) -> float:
        """Their sum, eV; the gradients by the hidden features take the place of these. `counted` [rows] weighs them."""
        width = len(self.weights)
        energy = np.empty(len(hidden) // width, hidden.dtype)
        atom_kernels.energy_kernel(width)(0, len(energy), (hidden, self.weights, self.bias, energy))
        if counted is not None:
            energy *= counted
            hidden.reshape(len(energy), width)[:] *= counted[:, None]
        return float(energy.sum(dtype=np.float64))


def held(weight: Tensor) -> np.ndarray:
    """A flat copy, which stays as it is where the network changes."""
    return flat(weight.detach().contiguous()).copy()


def silu(x: np.ndarray, width: int) -> np.ndarray:
    """Of rows of so many numbers."""
    out = np.empty_like(x)
    silu_kernels(width)[0](0, len(x) // width, x, out)
    return out


def silu_back(x: np.ndarray, gradient: np.ndarray, width: int) -> np.ndarray:
    """The gradient by x, in place."""
    silu_kernels(width)[1](0, len(x) // width, x, gradient)
    return gradient


def copies_of(row: np.ndarray, count: int) -> np.ndarray:
    """So many copies of a row, flat."""
    return np.tile(row, count)
